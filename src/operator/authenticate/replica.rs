//! Who a replica of the operator is: the same service account in the same namespace, and a pod of it that
//! lives.
//!
//! Whoever has that account's token is the operator as far as the API server goes; what is added here is
//! that the token is one for this port, and shown by the pod that it was given to.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};

use super::claims::Claims;
use super::{PodFacts, TokenReviewAuthenticator, bound, forbidden, unauthorized};
use crate::push::replica::{AuthenticateReplica, ReplicaHello};
use crate::push::server::Refused;

#[cfg(test)]
mod tests;

/// Finds pods of the operator's namespace.
pub trait FindPod: Send + Sync + 'static {
    /// The pod of this name; why nobody could tell.
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<PodFacts>, String>>;
}

/// Asks the API server: replicas are few, and dial rarely.
pub struct KubePods(Api<Pod>);

/// Authenticates replicas by TokenReview.
pub struct ReplicaAuthenticator {
    tokens: Arc<TokenReviewAuthenticator>,
    pods: Arc<dyn FindPod>,
    namespace: String,
    service_account: String,
}

impl KubePods {
    /// Needs the right to list pods of this namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self(Api::namespaced(client, namespace))
    }
}

impl FindPod for KubePods {
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<PodFacts>, String>> {
        async move {
            let only = ListParams::default().fields(&format!("metadata.name={name}"));
            let list = self
                .0
                .list(&only)
                .await
                .map_err(|error| error.to_string())?;
            let pod = list.items.into_iter().next();
            Ok(pod.map(|pod| facts(&pod)))
        }
        .boxed()
    }
}

impl ReplicaAuthenticator {
    /// Replicas are the pods of `service_account` in `namespace`; their tokens are reviewed, and their
    /// addresses looked at, as those of sidecars are.
    pub fn new(
        tokens: Arc<TokenReviewAuthenticator>,
        pods: Arc<dyn FindPod>,
        namespace: String,
        service_account: String,
    ) -> Self {
        Self {
            tokens,
            pods,
            namespace,
            service_account,
        }
    }

    async fn check(
        &self,
        token: &str,
        peer: IpAddr,
        hello: &ReplicaHello,
        now: SystemTime,
    ) -> Result<SystemTime, Refused> {
        let replica = &hello.replica;
        if replica.namespace != self.namespace {
            return Err(forbidden("no operator runs in that namespace"));
        }
        let claims = Claims::read(token, now).map_err(unauthorized)?;
        claims.name_pod(replica).map_err(forbidden)?;
        let reviewed = self.tokens.reviewed(token, claims.expires).await?;
        let unavailable = |error| {
            let reason = format!("cannot look the pod up: {error}");
            Refused::new(StatusCode::SERVICE_UNAVAILABLE, reason)
        };
        let pod = self.pods.find(&replica.name).await.map_err(unavailable)?;
        let pod = pod.ok_or_else(|| forbidden("there is no such pod"))?;
        if pod.uid != replica.uid {
            return Err(forbidden(
                "the pod of that name is another one (its uid differs)",
            ));
        }
        if pod.service_account != self.service_account {
            return Err(forbidden("the pod is not an operator's"));
        }
        if self.tokens.options.check_peer_address && !pod.ips.contains(&peer) {
            return Err(forbidden(
                "the connection does not come from an address of the pod",
            ));
        }
        bound(&reviewed, replica, &pod)?;
        Ok(claims.expires)
    }
}

impl AuthenticateReplica for ReplicaAuthenticator {
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
        peer: IpAddr,
        hello: &'a ReplicaHello,
    ) -> BoxFuture<'a, Result<SystemTime, Refused>> {
        self.check(token, peer, hello, SystemTime::now()).boxed()
    }
}

fn facts(pod: &Pod) -> PodFacts {
    let status = pod.status.as_ref();
    let ips = status.and_then(|status| status.pod_ips.as_deref());
    PodFacts {
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        service_account: pod
            .spec
            .as_ref()
            .and_then(|spec| spec.service_account_name.clone())
            .unwrap_or_default(),
        service: None,
        // A replica that is being deleted still has sidecars to report.
        deleting: pod.metadata.deletion_timestamp.is_some(),
        ips: ips
            .unwrap_or_default()
            .iter()
            .filter_map(|address| address.ip.parse().ok())
            .collect(),
    }
}
