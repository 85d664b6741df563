//! One way around the sidecars, in words: where it is, and a command that closes it.
//!
//! Commands are pasted into shells, so nothing goes into one but what the API server has checked to be
//! a name, or a check here.

use std::collections::BTreeSet;

use super::service::{ServiceFacts, ServicePort, Target};
use super::slice::{SliceFacts, SlicePort};
use crate::api::annotations::{CAPTURE, INJECTED, TakenPort};
use crate::api::conditions::reason::{
    HEADLESS_SERVICE, HOST_PORT, MANUAL_ENDPOINTS, MIXED_PODS, NUMERIC_TARGET_PORT,
};
use crate::operator::pod::InjectedPod;

/// The most bytes of a list; what does not fit is counted. A condition's message has room for it, and
/// so has an Event's note (1 KiB).
const MAX_LIST: usize = 900;

/// A way around sidecars. They sort by what they cost to leave open, then by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bypass {
    rank: u8,
    /// The Service, or whose pods they are, as kubectl takes it: `service/NAME`.
    pub object: String,
    /// Its port; 0 for all of them.
    pub port: u16,
    /// The reason of `Captured=False`.
    pub reason: &'static str,
    /// Where it is.
    pub what: String,
    /// The fix, with a command where there is one.
    pub remedy: String,
}

impl Bypass {
    /// Where it is, and the fix.
    pub fn message(&self) -> String {
        format!("{}; {}", self.what, self.remedy)
    }

    /// A port of a Service that leads to the app's own.
    pub(super) fn numeric(
        namespace: &str,
        service: &ServiceFacts,
        port: &ServicePort,
        taken: &TakenPort,
    ) -> Self {
        let ServicePort { port: number, .. } = port;
        let is = match &port.target {
            Target::Omitted => format!("has no targetPort, so {number} is the app's own port"),
            Target::Number(target) => format!("has targetPort {target}, the app's own port"),
            Target::Name(name) => format!("has targetPort {name}, which is the app's own port"),
        };
        let (target, quoted) = target(taken);
        let patch = match port.ambiguous {
            None => format!(
                "-p '{{\"spec\":{{\"ports\":[{{\"port\":{number},\"targetPort\":{quoted}}}]}}}}'"
            ),
            Some(index) => format!(
                "--type=json -p '[{{\"op\":\"add\",\"path\":\"/spec/ports/{index}/targetPort\",\
                 \"value\":{quoted}}}]'"
            ),
        };
        let name = &service.name;
        let fix = format!("kubectl patch service {name} -n {namespace} {patch}");
        Self {
            rank: 0,
            object: format!("service/{name}"),
            port: *number,
            reason: NUMERIC_TARGET_PORT,
            what: format!(
                "Service {name} port {number} {is}: requests go around the sidecar{}",
                unready(service)
            ),
            remedy: format!("set its targetPort to {target}: {fix}"),
        }
    }

    /// A Service whose clients see the pods' own addresses.
    pub(super) fn headless(namespace: &str, service: &ServiceFacts, pod: &InjectedPod) -> Self {
        let name = &service.name;
        let remedy = match redirect(namespace, pod) {
            Some(fix) => format!("have the port redirected: {fix}"),
            None => format!("annotate the pods {CAPTURE}: redirect, or give it a cluster IP"),
        };
        Self {
            rank: 1,
            object: format!("service/{name}"),
            port: 0,
            reason: HEADLESS_SERVICE,
            what: format!(
                "Service {name} is headless (clusterIP: None): its clients dial the app's own port, \
                 around the sidecar{}",
                unready(service)
            ),
            remedy,
        }
    }

    /// An EndpointSlice, written by hand, that leads to the app's own port.
    pub(super) fn written(
        namespace: &str,
        service: &ServiceFacts,
        slice: &SliceFacts,
        port: &SlicePort,
        taken: &TakenPort,
    ) -> Self {
        let ServiceFacts { name, .. } = service;
        let (what, fix) = match slice.mirrored {
            true => (
                "its Endpoints lead".to_owned(),
                format!("kubectl edit endpoints {name} -n {namespace}"),
            ),
            false => (
                format!("its EndpointSlice {} leads", slice.name),
                format!(
                    "kubectl patch endpointslice {} -n {namespace} --type=json -p \
                     '[{{\"op\":\"replace\",\"path\":\"/ports/{}/port\",\"value\":{}}}]'",
                    slice.name, port.index, taken.listen
                ),
            ),
        };
        Self {
            rank: 2,
            object: format!("service/{name}"),
            port: port.number,
            reason: MANUAL_ENDPOINTS,
            what: format!(
                "Service {name} was given its endpoints by hand, and {what} to the app's own port {}: \
                 requests go around the sidecar",
                port.number
            ),
            remedy: format!("make it {}: {fix}", taken.listen),
        }
    }

    /// A port of the node that leads to the app's own.
    pub(super) fn forwarded(
        namespace: &str,
        pod: &InjectedPod,
        taken: &TakenPort,
        host_port: u16,
    ) -> Self {
        let (object, who) = match &pod.workload {
            Some(workload) => {
                let (kind, name) = (workload.kind.resource(), &workload.name);
                (
                    format!("{kind}/{name}"),
                    format!("The pods of {kind} {name} have"),
                )
            }
            None => (format!("pod/{}", pod.name), format!("Pod {} has", pod.name)),
        };
        let remedy = match redirect(namespace, pod) {
            Some(fix) => format!("remove the hostPort, or have the port redirected: {fix}"),
            None => format!("remove the hostPort, or annotate the pods {CAPTURE}: redirect"),
        };
        Self {
            rank: 3,
            object,
            port: host_port,
            reason: HOST_PORT,
            what: format!(
                "{who} hostPort {host_port} for {}, the app's own port: requests to that port of the node go \
                 around the sidecar",
                taken.app
            ),
            remedy,
        }
    }

    /// Pods without a sidecar behind the same Service.
    pub(super) fn mixed(
        namespace: &str,
        service: &ServiceFacts,
        beside: &BTreeSet<String>,
    ) -> Self {
        let name = &service.name;
        let who = match beside.first() {
            Some(first) if beside.len() == 1 => format!("{first}, which has no sidecar"),
            first => format!(
                "{} pods without a sidecar (the first is {})",
                beside.len(),
                first.map(String::as_str).unwrap_or_default()
            ),
        };
        let fix = (!service.selector.is_empty()).then(|| {
            format!(
                "kubectl patch service {name} -n {namespace} -p \
                 '{{\"spec\":{{\"selector\":{{\"{INJECTED}\":\"true\"}}}}}}'"
            )
        });
        let remedy = match fix {
            Some(fix) => format!("annotate and restart them, or have them left out: {fix}"),
            None => "annotate and restart them, or take them out of its EndpointSlices".to_owned(),
        };
        Self {
            rank: 4,
            object: format!("service/{name}"),
            port: 0,
            reason: MIXED_PODS,
            what: format!("Service {name} leads to sidecars and to {who}"),
            remedy,
        }
    }
}

/// The command that has a pod's ports redirected, where it belongs to something that can be patched.
fn redirect(namespace: &str, pod: &InjectedPod) -> Option<String> {
    let workload = pod.workload.as_ref()?;
    Some(format!(
        "kubectl patch {} {} -n {namespace} -p '{{\"spec\":{{\"template\":{{\"metadata\":\
         {{\"annotations\":{{\"{CAPTURE}\":\"redirect\"}}}}}}}}}}'",
        workload.kind.resource(),
        workload.name,
    ))
}

/// Several in one message, as far as they fit; the first always does.
pub(super) fn list(bypasses: &[Bypass]) -> String {
    let mut text = String::new();
    for (index, bypass) in bypasses.iter().enumerate() {
        let message = bypass.message();
        if index > 0 && text.len() + message.len() > MAX_LIST {
            text.push_str(&format!(". And {} more", bypasses.len() - index));
            break;
        }
        if index > 0 {
            text.push_str(". ");
        }
        text.push_str(&message);
    }
    text
}

/// The `targetPort` that leads to the sidecar, for people and as JSON. The name comes from an
/// annotation that anybody may have written.
fn target(taken: &TakenPort) -> (String, String) {
    match taken.name.as_deref().filter(|name| is_port_name(name)) {
        Some(name) => (name.to_owned(), format!("\"{name}\"")),
        None => (taken.listen.to_string(), taken.listen.to_string()),
    }
}

fn is_port_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=15).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-')
}

fn unready(service: &ServiceFacts) -> &'static str {
    match service.reaches_unready {
        true => ", also while pods are not ready (publishNotReadyAddresses)",
        false => "",
    }
}
