//! Where the operator's key sets come from: URLs under the strict address rules, and this cluster's
//! own API server, read with the operator's own token, which is sent nowhere else.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use kube::Client;
use serde::Deserialize;

use crate::jwks::{FetchError, FetchKeys, HttpFetcher};
use crate::policy::format::KeySource;
use crate::policy::key_set::MAX_KEY_SET_BYTES;

/// Where API servers serve their issuer's metadata and keys (KEP-1393).
const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/openid/v1/jwks";

/// Fetches every kind of source.
#[derive(Clone)]
pub struct ClusterFetcher {
    http: HttpFetcher,
    client: Client,
}

/// The part of OpenID Connect Discovery that is looked at.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

impl ClusterFetcher {
    /// `client`: the API server whose keys `kubernetes: true` means.
    pub fn new(http: HttpFetcher, client: Client) -> Self {
        Self { http, client }
    }

    /// The cluster's keys, if `issuer` is the cluster's.
    async fn cluster_keys(&self, issuer: &str) -> Result<Vec<u8>, FetchError> {
        let discovery = self.get(DISCOVERY).await?;
        let Discovery { issuer: actual } = serde_json::from_slice(&discovery).map_err(|_| {
            FetchError::Source(format!("the API server's {DISCOVERY} names no issuer"))
        })?;
        if actual != issuer {
            return Err(FetchError::NotThisCluster(actual));
        }
        self.get(KEYS).await
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        let request = Request::get(path).body(kube::client::Body::empty());
        let request = request.expect("the path is a constant");
        let response = self
            .client
            .send(request)
            .await
            .map_err(|_| FetchError::Source("the API server cannot be reached".to_owned()))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(FetchError::Source(format!(
                    "the operator may not read the API server's {path}: bind the ClusterRole \
                     system:service-account-issuer-discovery to it"
                )));
            }
            other => return Err(FetchError::Status(other.as_u16())),
        }
        let body = Limited::new(response.into_body(), MAX_KEY_SET_BYTES);
        let body = body.collect().await.map_err(|error| match error
            .is::<http_body_util::LengthLimitError>()
        {
            true => FetchError::TooLarge,
            false => FetchError::Unreachable,
        })?;
        Ok(body.to_bytes().to_vec())
    }
}

impl FetchKeys for ClusterFetcher {
    fn fetch<'a>(&'a self, source: &'a KeySource) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        match source {
            KeySource::Url(_)
            | KeySource::Discovery { .. }
            | KeySource::Trusting { .. }
            | KeySource::Inline(_) => self.http.fetch(source),
            KeySource::Kubernetes { issuer } => self.cluster_keys(issuer).boxed(),
        }
    }
}
