//! Probes and lifecycle handlers where the kernel hands the app's port to the sidecar: kubelet comes
//! from outside, as clients do, so it would ask the sidecar, which wants a token. They are pointed at
//! the sidecar's admin port, which asks the app exactly what they say (`proxy::app_probes`).

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, GRPCAction, HTTPGetAction, LifecycleHandler, PodSpec, Probe,
    TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::denial::Denial;
use super::sidecar::{ADMIN_PORT, is_own_container};
use crate::api::annotations::TakenPort;
use crate::api::probes::{Action, AppProbe, Handler, MAX_PROBES};

/// kubelet's own default.
const TIMEOUT_SECONDS: u16 = 1;
/// The longest that the sidecar waits for the app. Lifecycle handlers have no timeout of their own:
/// kubelet waits until the pod's grace period is over, and the sidecar as long as it.
const MAX_TIMEOUT_SECONDS: u16 = 3600;

const HANDLERS: [Handler; 5] = [
    Handler::LivenessProbe,
    Handler::ReadinessProbe,
    Handler::StartupProbe,
    Handler::PostStart,
    Handler::PreStop,
];

/// Points whatever asks a protected port at the sidecar; what it asked before.
///
/// # Errors
/// A probe that the sidecar cannot ask for kubelet, or too many of them.
pub(super) fn ask_sidecar(
    spec: &mut PodSpec,
    taken: &[TakenPort],
) -> Result<Vec<AppProbe>, Denial> {
    let is_protected = |port: u16| taken.iter().any(|taken| taken.app == port);
    let mut probes = Vec::new();
    for container in containers(spec) {
        let name = container.name.clone();
        let ports = container.ports.clone().unwrap_or_default();
        for handler in HANDLERS {
            let Some(mut slot) = Slot::of(container, handler) else {
                continue;
            };
            let Some((port, action)) = slot.action(&ports) else {
                continue;
            };
            if !is_protected(port) {
                continue;
            }
            if slot.is_https() {
                return Err(Denial::HttpsProbe {
                    container: name,
                    port,
                });
            }
            if probes.len() == MAX_PROBES {
                return Err(Denial::TooManyProbes { most: MAX_PROBES });
            }
            let probe = AppProbe {
                container: name.clone(),
                handler,
                port,
                timeout_seconds: slot.timeout_seconds,
                action,
            };
            slot.point_at(&probe);
            probes.push(probe);
        }
    }
    Ok(probes)
}

/// Puts back what [`ask_sidecar`] found.
pub(super) fn put_back(spec: &mut PodSpec, probes: &[AppProbe]) {
    for container in containers(spec) {
        let name = container.name.clone();
        for probe in probes.iter().filter(|probe| probe.container == name) {
            if let Some(mut slot) = Slot::of(container, probe.handler)
                && slot.is_pointed_at(probe)
            {
                slot.put_back(&probe.action);
            }
        }
    }
}

fn containers(spec: &mut PodSpec) -> impl Iterator<Item = &mut Container> {
    let inits = spec.init_containers.iter_mut().flatten();
    let all = spec.containers.iter_mut().chain(inits);
    all.filter(|container| !is_own_container(&container.name))
}

/// The place of a probe or lifecycle handler, whichever it is.
struct Slot<'a> {
    http: &'a mut Option<HTTPGetAction>,
    tcp: &'a mut Option<TCPSocketAction>,
    /// Lifecycle handlers know no gRPC.
    grpc: Option<&'a mut Option<GRPCAction>>,
    timeout_seconds: u16,
}

impl<'a> Slot<'a> {
    fn of(container: &'a mut Container, handler: Handler) -> Option<Self> {
        match handler {
            Handler::LivenessProbe => container.liveness_probe.as_mut().map(Self::probe),
            Handler::ReadinessProbe => container.readiness_probe.as_mut().map(Self::probe),
            Handler::StartupProbe => container.startup_probe.as_mut().map(Self::probe),
            Handler::PostStart => {
                let hook = container.lifecycle.as_mut()?.post_start.as_mut();
                hook.map(Self::hook)
            }
            Handler::PreStop => {
                let hook = container.lifecycle.as_mut()?.pre_stop.as_mut();
                hook.map(Self::hook)
            }
        }
    }

    fn probe(probe: &'a mut Probe) -> Self {
        let seconds = match probe.timeout_seconds {
            None | Some(..=0) => TIMEOUT_SECONDS,
            Some(seconds) => u16::try_from(seconds).unwrap_or(u16::MAX),
        };
        Self {
            http: &mut probe.http_get,
            tcp: &mut probe.tcp_socket,
            grpc: Some(&mut probe.grpc),
            timeout_seconds: seconds.min(MAX_TIMEOUT_SECONDS),
        }
    }

    fn hook(hook: &'a mut LifecycleHandler) -> Self {
        Self {
            http: &mut hook.http_get,
            tcp: &mut hook.tcp_socket,
            grpc: None,
            timeout_seconds: MAX_TIMEOUT_SECONDS,
        }
    }

    /// What is asked, if it is asked of the pod, and at which port.
    fn action(&self, ports: &[ContainerPort]) -> Option<(u16, Action)> {
        let is_pod = |host: &Option<String>| host.as_deref().is_none_or(str::is_empty);
        if let Some(http) = self.http.as_ref().filter(|http| is_pod(&http.host)) {
            return Some((resolve(&http.port, ports)?, Action::HttpGet(http.clone())));
        }
        if let Some(tcp) = self.tcp.as_ref().filter(|tcp| is_pod(&tcp.host)) {
            return Some((resolve(&tcp.port, ports)?, Action::TcpSocket(tcp.clone())));
        }
        let grpc = self.grpc.as_ref()?.as_ref()?;
        Some((u16::try_from(grpc.port).ok()?, Action::Grpc(grpc.clone())))
    }

    fn is_https(&self) -> bool {
        let scheme = self.http.as_ref().and_then(|http| http.scheme.as_deref());
        scheme == Some("HTTPS")
    }

    fn point_at(&mut self, probe: &AppProbe) {
        // Headers are kubelet's to send: the sidecar passes on what it is sent.
        let asked = self.http.take().unwrap_or_default();
        *self.tcp = None;
        if let Some(grpc) = &mut self.grpc {
            **grpc = None;
        }
        *self.http = Some(HTTPGetAction {
            path: Some(probe.path()),
            port: IntOrString::Int(ADMIN_PORT.into()),
            ..asked
        });
    }

    fn is_pointed_at(&self, probe: &AppProbe) -> bool {
        self.http.as_ref().is_some_and(|http| {
            http.port == IntOrString::Int(ADMIN_PORT.into())
                && http.path.as_deref() == Some(&probe.path())
        })
    }

    fn put_back(&mut self, action: &Action) {
        *self.http = None;
        match (action, &mut self.grpc) {
            (Action::HttpGet(http), _) => *self.http = Some(http.clone()),
            (Action::TcpSocket(tcp), _) => *self.tcp = Some(tcp.clone()),
            (Action::Grpc(action), Some(grpc)) => **grpc = Some(action.clone()),
            (Action::Grpc(_), None) => {}
        }
    }
}

/// As kubelet does: the container's own port of this name, else a number written as text.
fn resolve(port: &IntOrString, ports: &[ContainerPort]) -> Option<u16> {
    match port {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => {
            let named = ports.iter().find(|port| port.name.as_ref() == Some(name));
            match named {
                Some(port) => u16::try_from(port.container_port).ok(),
                None => name.parse().ok(),
            }
        }
    }
}
