//! Who a sidecar is: its projected token, reviewed by the API server and bound to a live pod.
//!
//! The token proves a pod, its uid and its service account; the operator's own cache says whether
//! this pod lives, which EndpointsService it is annotated with and from which addresses it speaks.
//! Whatever is missing on either side is a refusal (Envoy Gateway's interceptor passes a review
//! without extras: the hole to avoid). A bearer token can be shown again by whoever steals it, hence
//! the check of the peer's address.

mod claims;
mod replica;
mod review;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;

use self::claims::Claims;
pub use self::replica::{FindPod, KubePods, ReplicaAuthenticator};
use self::review::Reviews;
pub use self::review::{KubeReviewer, Review, ReviewError, Reviewed};
use crate::api::annotations::PUSH_AUDIENCE;
use crate::push::server::{Authenticate, PodIdentity, Refused};
use crate::push::wire::{Hello, PodRef};

#[cfg(test)]
mod tests;

/// A live pod, as the operator's watch knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    /// `metadata.uid`.
    pub uid: String,
    /// `spec.serviceAccountName`.
    pub service_account: String,
    /// The annotation [`crate::api::annotations::SERVICE`].
    pub service: Option<String>,
    /// Whether it has a `metadata.deletionTimestamp`.
    pub deleting: bool,
    /// `status.podIPs`.
    pub ips: Vec<IpAddr>,
}

/// The operator's cache of pods.
pub trait Pods: Send + Sync + 'static {
    /// The pod of that name that lives now.
    fn pod(&self, namespace: &str, name: &str) -> Option<PodFacts>;
}

/// What an installation chooses.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether a sidecar must speak from one of its pod's addresses. Off only where a network
    /// translates addresses between pods.
    pub check_peer_address: bool,
}

/// Authenticates sidecars by TokenReview.
pub struct TokenReviewAuthenticator {
    reviews: Reviews,
    pods: Arc<dyn Pods>,
    options: Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            check_peer_address: true,
        }
    }
}

impl TokenReviewAuthenticator {
    /// Reviews tokens with the API server of `client`.
    pub fn new(client: kube::Client, pods: Arc<dyn Pods>, options: Options) -> Self {
        Self::with_reviewer(Arc::new(KubeReviewer::new(client)), pods, options)
    }

    /// Reviews tokens with `reviewer`.
    pub fn with_reviewer(reviewer: Arc<dyn Review>, pods: Arc<dyn Pods>, options: Options) -> Self {
        Self {
            reviews: Reviews::new(reviewer),
            pods,
            options,
        }
    }

    async fn check(
        &self,
        token: &str,
        peer: IpAddr,
        hello: &Hello,
        now: SystemTime,
    ) -> Result<PodIdentity, Refused> {
        // Cheap looks first: nobody makes the API server work with a token that cannot be right,
        // or for a pod that is not there.
        let claims = Claims::read(token, now).map_err(unauthorized)?;
        claims.name_pod(&hello.pod).map_err(forbidden)?;
        self.live_pod(peer, hello)?;
        let reviewed = self.reviewed(token, claims.expires).await?;
        // Only what was reviewed counts from here on, and only the pod that lives now: it may have
        // gone while the review was under way, or lived when a cached review was made.
        let pod = self.live_pod(peer, hello)?;
        bound(&reviewed, &hello.pod, &pod)?;
        Ok(PodIdentity {
            pod: hello.pod.clone(),
            expires: claims.expires,
        })
    }

    async fn reviewed(&self, token: &str, expires: SystemTime) -> Result<Reviewed, Refused> {
        let reviewed = self.reviews.review(token, expires).await;
        reviewed.map_err(|error| match error {
            ReviewError::Denied => unauthorized("the API server does not accept the token"),
            ReviewError::Unavailable(reason) => Refused::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("no token review: {reason}"),
            ),
        })
    }

    /// The pod that `hello` names, if it lives and may have what it asks for.
    fn live_pod(&self, peer: IpAddr, hello: &Hello) -> Result<PodFacts, Refused> {
        let pod = self
            .pods
            .pod(&hello.pod.namespace, &hello.pod.name)
            .ok_or_else(|| forbidden("the operator knows no such injected pod"))?;
        if pod.uid != hello.pod.uid {
            return Err(forbidden(
                "the pod of that name is another one (its uid differs)",
            ));
        }
        if pod.deleting {
            return Err(forbidden("the pod is being deleted"));
        }
        if pod.service.as_deref() != Some(hello.service.as_str()) {
            return Err(forbidden(
                "the pod is not annotated with the service it asks for",
            ));
        }
        if self.options.check_peer_address && !pod.ips.contains(&peer) {
            return Err(forbidden(
                "the connection does not come from an address of the pod",
            ));
        }
        Ok(pod)
    }
}

impl Authenticate for TokenReviewAuthenticator {
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
        peer: IpAddr,
        hello: &'a Hello,
    ) -> BoxFuture<'a, Result<PodIdentity, Refused>> {
        self.check(token, peer, hello, SystemTime::now()).boxed()
    }

    fn is_able(&self) -> BoxFuture<'_, bool> {
        self.reviews.are_possible().boxed()
    }
}

/// Whether a review speaks of this pod and nobody else.
fn bound(reviewed: &Reviewed, claimed: &PodRef, pod: &PodFacts) -> Result<(), Refused> {
    if !reviewed
        .audiences
        .iter()
        .any(|audience| audience == PUSH_AUDIENCE)
    {
        return Err(unauthorized("the token is not for this audience"));
    }
    let user = format!(
        "system:serviceaccount:{}:{}",
        claimed.namespace, pod.service_account
    );
    if reviewed.username != user {
        return Err(forbidden(
            "the token is of another service account than the pod's",
        ));
    }
    if reviewed.pod_name.as_deref() != Some(claimed.name.as_str())
        || reviewed.pod_uid.as_deref() != Some(pod.uid.as_str())
    {
        return Err(forbidden("the token is not bound to this pod"));
    }
    Ok(())
}

fn unauthorized(reason: &str) -> Refused {
    Refused::new(StatusCode::UNAUTHORIZED, reason)
}

fn forbidden(reason: &str) -> Refused {
    Refused::new(StatusCode::FORBIDDEN, reason)
}
