//! NetworkPolicies: those that keep sidecars from their work, and those that are missing.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;

use super::{Found, groups};
use crate::api::annotations::CaptureMode;
use crate::cli::check::cluster::codes;
use crate::cli::check::cluster::facts::{Namespace, PodDetails, Seen};
use crate::cli::check::cluster::network::{Reach, egress, ingress, selecting, suggest};
use crate::cli::check::cluster::read::service_of;
use crate::openapi::Diagnostic;
use crate::openapi::diagnostic::Place;
use crate::operator::pod::InjectedPod;

/// Where names are resolved.
const DNS: u16 = 53;

/// Pods of one workload that are judged by one of them.
struct Group<'a> {
    namespace: &'a str,
    service: &'a str,
    object: String,
    pods: Vec<&'a InjectedPod>,
    first: &'a InjectedPod,
    details: PodDetails,
}

pub(super) fn judge(namespace: &str, facts: &Namespace, seen: Seen, found: &mut Found) {
    if !seen.pods || !seen.policies {
        return;
    }
    for ((service, object), pods) in groups(facts.pods.values()) {
        let first = pods[0];
        let details = facts.details.get(&first.name).cloned().unwrap_or_default();
        let group = Group {
            namespace,
            service,
            object,
            pods,
            first,
            details,
        };
        group.out(&selecting(&facts.policies, first, "Egress"), found);
        // The kernel redirects behind the policies: they see the app's port, and it is closed.
        if first.capture != CaptureMode::Redirect {
            group.blocked(&selecting(&facts.policies, first, "Ingress"), found);
        }
        if first.capture == CaptureMode::Named {
            group.open(&selecting(&facts.policies, first, "Ingress"), found);
        }
    }
}

impl Group<'_> {
    fn push(&self, finding: Diagnostic, found: &mut Found) {
        found.push(self.namespace, &self.object, finding);
    }

    /// Requests do not get in.
    fn blocked(&self, policies: &[&NetworkPolicy], found: &mut Found) {
        for taken in &self.first.taken {
            if ingress(policies, self.first, taken.listen).0 > Reach::Nobody {
                continue;
            }
            let (reach, by) = ingress(policies, self.first, taken.app);
            let message = match by.filter(|_| reach > Reach::Nobody) {
                Some(policy) => format!(
                    "NetworkPolicy {} lets requests in to port {}, the app's own, and none to {}, where \
                     the sidecar listens",
                    policy.name_any(),
                    taken.app,
                    taken.listen
                ),
                None => format!(
                    "{} let no request in to port {}, where the sidecar listens",
                    names(policies),
                    taken.listen
                ),
            };
            let finding = Diagnostic::error(
                codes::NETWORK_POLICY_BLOCKS_SIDECAR,
                Place::resource(""),
                message,
            )
            .help(match by {
                Some(policy) => format!(
                    "write {} in its place: kubectl edit networkpolicy {} -n {}",
                    taken.listen,
                    policy.name_any(),
                    self.namespace
                ),
                None => "the NetworkPolicy that is suggested lets them in".to_owned(),
            });
            self.push(finding, found);
            if by.is_none() {
                self.suggest(found);
            }
        }
    }

    /// Requests get in beside the sidecar.
    fn open(&self, policies: &[&NetworkPolicy], found: &mut Found) {
        for taken in &self.first.taken {
            let (reach, by) = ingress(policies, self.first, taken.app);
            if reach < Reach::Everyone {
                continue;
            }
            let sure = match self.details.probed.contains(&taken.app) {
                true => "it listens on more than 127.0.0.1, for kubelet probes it there",
                false => "unless it listens on 127.0.0.1 only",
            };
            let finding = Diagnostic::warning(
                codes::REACHABLE_AROUND_SIDECAR,
                Place::resource(""),
                format!(
                    "other pods reach the app's own port {} by the pod's address, around the sidecar: {sure}",
                    taken.app
                ),
            )
            .help(match by {
                Some(policy) => format!(
                    "NetworkPolicy {name} lets them in: have it say {}, not {}: kubectl edit \
                     networkpolicy {name} -n {}",
                    taken.listen,
                    taken.app,
                    self.namespace,
                    name = policy.name_any(),
                ),
                None => "apply the NetworkPolicy that is suggested, or have the app listen on 127.0.0.1"
                    .to_owned(),
            });
            self.push(finding, found);
            if by.is_none() {
                self.suggest(found);
            }
        }
    }

    fn suggest(&self, found: &mut Found) {
        let taken = &self.first.taken;
        let mut ports: Vec<_> = taken.iter().map(|taken| taken.listen).collect();
        ports.extend(&self.details.own_ports);
        let is_taken = |port: &u16| taken.iter().any(|taken| taken.app == *port);
        ports.extend(self.details.app_ports.iter().filter(|port| !is_taken(port)));
        let labels = suggest::common_labels(self.pods.iter().map(|pod| &pod.labels));
        let suggestion = suggest::through_sidecar(self.namespace, self.service, &labels, &ports);
        found.suggest(suggestion);
    }

    /// The sidecar does not get out to the operator.
    fn out(&self, policies: &[&NetworkPolicy], found: &mut Found) {
        let address = self.details.operator_address.as_deref();
        let Some((address, (_, operator))) =
            address.and_then(|address| Some((address, service_of(address)?)))
        else {
            return;
        };
        let port = address
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        let Some(port) = port else {
            return;
        };
        let mut closed = Vec::new();
        if !egress(policies, "TCP", port, Some(&operator)) {
            closed.push(format!(
                "TCP {port} of namespace {operator}, where the operator is"
            ));
        }
        if !egress(policies, "UDP", DNS, None) {
            closed.push(format!("UDP {DNS}, where names are resolved"));
        }
        if closed.is_empty() {
            return;
        }
        let finding = Diagnostic::error(
            codes::NETWORK_POLICY_BLOCKS_OPERATOR,
            Place::resource(""),
            format!(
                "{} let nothing out to {}",
                names(policies),
                closed.join(", nor to ")
            ),
        )
        .help(
            "apply the NetworkPolicy that is suggested: without a policy from the operator the \
               sidecar answers 503",
        );
        self.push(finding, found);
        found.suggest(suggest::to_operator(self.namespace, &operator, port));
    }
}

/// `NetworkPolicies a, b`, bounded.
fn names(policies: &[&NetworkPolicy]) -> String {
    const MOST: usize = 5;
    let mut names: Vec<_> = policies.iter().map(|policy| policy.name_any()).collect();
    names.sort();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    match more {
        0 => format!("NetworkPolicies {}", names.join(", ")),
        _ => format!("NetworkPolicies {} and {more} more", names.join(", ")),
    }
}
