//! The app's own probes where the kernel hands its port to the sidecar (`capture: redirect`): kubelet
//! comes by the same way as everybody, so it asks the sidecar's admin port, and the sidecar asks the
//! app over loopback.
//!
//! The injector writes the list into the sidecar's environment ([`ENVIRONMENT`]); it says all that is
//! needed to ask the app, and to put the pod back as it was.

use k8s_openapi::api::core::v1::{GRPCAction, HTTPGetAction, TCPSocketAction};
use serde::{Deserialize, Serialize};

/// The sidecar's variable that holds the list, as JSON.
pub const ENVIRONMENT: &str = "ENDPOINTS_APP_PROBES";
/// The path on the admin port under which the app's probes are.
pub const PATH: &str = "/app/";
/// The most probes that one pod's sidecar asks for kubelet.
pub const MAX_PROBES: usize = 64;

/// Where in its container a probe stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Handler {
    /// `livenessProbe`
    LivenessProbe,
    /// `readinessProbe`
    ReadinessProbe,
    /// `startupProbe`
    StartupProbe,
    /// `lifecycle.postStart`
    PostStart,
    /// `lifecycle.preStop`
    PreStop,
}

/// One probe or lifecycle handler that asked a protected port of the app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppProbe {
    /// The container's name.
    pub container: String,
    /// Where it stands.
    pub handler: Handler,
    /// The app's port, a number whatever the handler says.
    pub port: u16,
    /// How long kubelet waits, in seconds.
    pub timeout_seconds: u16,
    /// What kubelet would have done.
    #[serde(flatten)]
    pub action: Action,
}

/// What a probe does, as the pod had it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// A GET whose status tells.
    HttpGet(HTTPGetAction),
    /// A connection that is opened.
    TcpSocket(TCPSocketAction),
    /// The gRPC health protocol.
    Grpc(GRPCAction),
}

impl Handler {
    /// The last part of the probe's path on the admin port.
    fn place(self) -> &'static str {
        match self {
            Self::LivenessProbe => "livez",
            Self::ReadinessProbe => "readyz",
            Self::StartupProbe => "startupz",
            Self::PostStart => "poststart",
            Self::PreStop => "prestop",
        }
    }
}

impl AppProbe {
    /// The probe's path on the sidecar's admin port: `/app/CONTAINER/readyz`.
    pub fn path(&self) -> String {
        format!("{PATH}{}/{}", self.container, self.handler.place())
    }
}

/// Reads the list out of the sidecar's variable; `None` when it is not ours, or too long.
pub fn read(json: &str) -> Option<Vec<AppProbe>> {
    let probes: Vec<AppProbe> = serde_json::from_str(json).ok()?;
    (probes.len() <= MAX_PROBES).then_some(probes)
}
