//! How a replica of the operator tells the one that leads how its sidecars are.
//!
//! Sidecars dial any replica; one of them writes statuses. The others tell it, over the port that sidecars
//! use, by a long POST of their own ([`PATH`]) with the same frames: first all that they know, then what
//! changes, and something at least every 10 s. The leader says nothing; it ends the stream when it leads
//! no more.

mod client;
mod outbox;
pub(super) mod server;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

pub use self::client::{Config, ReportError, report};
pub use self::outbox::Outbox;
use super::server::Refused;
use super::wire::{PodRef, ServiceKey};

#[cfg(test)]
mod tests;

/// The path of the one request that a replica makes.
pub const PATH: &str = "/v1/replica-reports";
/// A replica says something at least this often.
pub const ALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// The most bytes of a frame.
pub(super) const MAX_REPORT_FRAME: usize = 256 * 1024;
/// The most sidecars of one message.
pub(super) const MAX_SIDECARS: usize = 64;

/// From a replica to the one that leads.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum ToLeader {
    /// The first message, and only that.
    Hello(ReplicaHello),
    /// How some sidecars are.
    Sidecars {
        /// At most [`MAX_SIDECARS`].
        sidecars: Vec<SidecarReport>,
    },
    /// Everything was told; what follows are changes.
    Complete {},
    /// Nothing changed.
    Alive {},
}

/// Who a replica is. A claim, until the leader has checked it by the token.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaHello {
    /// The pod it runs in.
    pub replica: PodRef,
}

/// How a sidecar is, by the replica that it is, or was last, connected to.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SidecarReport {
    /// Its pod, authenticated by the replica.
    pub pod: PodRef,
    /// The EndpointsService it asked for, in the pod's namespace.
    pub service: String,
    /// Version of the sidecar's build.
    pub version: String,
    /// How long ago its newest stream began, in milliseconds: of two replicas that report one sidecar the
    /// newer stream counts, and their clocks need not agree.
    pub began: u64,
    /// Whether that stream is still there.
    pub connected: bool,
    /// Hash of the policy that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<String>,
    /// The policy that it refused, if it did since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
}

/// A policy that a sidecar cannot run.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Its hash.
    pub hash: String,
    /// Why, for people.
    pub reason: String,
}

/// What came from a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Uid of its pod.
    pub replica: String,
    /// Its stream; a later one has a higher number, and takes the place of those before.
    pub session: u64,
    /// What it said.
    pub said: Said,
}

/// What a replica said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It begins to tell everything.
    Hello,
    /// How some sidecars are.
    Sidecars(Vec<SidecarReport>),
    /// That was everything.
    Complete,
    /// Nothing changed.
    Alive,
}

/// Decides who a replica is. Anything it cannot establish is a refusal.
pub trait AuthenticateReplica: Send + Sync + 'static {
    /// Checks that whoever shows `token` from `peer` is an operator's pod, the one that `hello` names;
    /// until when the token is good.
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
        peer: IpAddr,
        hello: &'a ReplicaHello,
    ) -> BoxFuture<'a, Result<SystemTime, Refused>>;
}

/// What the port needs to serve other replicas.
#[derive(Clone)]
pub struct ReplicaPort {
    /// Who they are.
    pub authenticator: Arc<dyn AuthenticateReplica>,
    /// Whether this replica leads: nobody else hears reports.
    pub leads: watch::Receiver<bool>,
    /// Where what they say goes. When it is full, they wait.
    pub heard: mpsc::Sender<Heard>,
}

impl SidecarReport {
    /// The EndpointsService that the sidecar is of.
    pub fn key(&self) -> ServiceKey {
        ServiceKey {
            namespace: self.pod.namespace.clone(),
            name: self.service.clone(),
        }
    }
}
