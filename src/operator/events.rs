//! Events: what people read in `kubectl describe pod`. The controller tells, never the webhook: a
//! pod made by a ReplicaSet has no name yet when it is admitted, and a webhook has no side effects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::bounded::bounded;
use super::index::{Injected, Notice};
use super::status::cut_to;
use crate::push::wire::PodRef;

#[cfg(test)]
mod tests;

/// The most notices that wait; more are dropped, and said so in the log.
const QUEUE: usize = 1024;

/// The most of them that are of one namespace: whoever makes and deletes an EndpointsService in a loop
/// must not crowd out what others are to be told.
const QUEUE_OF_NAMESPACE: usize = 128;

/// The most bytes of a note: the API server refuses an Event with a longer one.
const MAX_NOTE: usize = 1024;

/// Where notices go. Cheap to call: a task of its own talks to the API server.
#[derive(Debug)]
pub(super) struct Events {
    queue: mpsc::Sender<Notice>,
    waiting: Waiting,
}

/// How many notices of each namespace wait.
type Waiting = Arc<Mutex<HashMap<String, usize>>>;

impl Events {
    /// Starts the task; it ends when this is dropped.
    pub(super) fn start(client: Client) -> Self {
        let (events, mut notices) = Self::queue();
        let waiting = events.waiting.clone();
        let reporter = Reporter {
            controller: "endpoints-operator".to_owned(),
            instance: None,
        };
        let recorder = Recorder::new(client, reporter);
        tokio::spawn(async move {
            while let Some(notice) = notices.recv().await {
                let (event, about) = event(&notice);
                leave(&waiting, notice.namespace());
                if let Err(error) = bounded(recorder.publish(&event, &about)).await {
                    tracing::warn!(%error, reason = event.reason, "cannot publish an Event");
                }
            }
        });
        events
    }

    fn queue() -> (Self, mpsc::Receiver<Notice>) {
        let (queue, notices) = mpsc::channel(QUEUE);
        let waiting = Waiting::default();
        (Self { queue, waiting }, notices)
    }

    /// Publishes a notice as an Event, in a moment.
    pub(super) fn tell(&self, notice: Notice) {
        // Good news gives way: a rollout tells of each of its pods.
        let most = match notice {
            Notice::Injected { .. } => QUEUE_OF_NAMESPACE / 2,
            _ => QUEUE_OF_NAMESPACE,
        };
        if !self.enter(notice.namespace(), most) {
            tracing::debug!(
                ?notice,
                "too many Events of its namespace wait; this one is dropped"
            );
            return;
        }
        if let Err(TrySendError::Full(notice)) = self.queue.try_send(notice) {
            leave(&self.waiting, notice.namespace());
            tracing::warn!(?notice, "too many Events wait; this one is dropped");
        }
    }

    fn enter(&self, namespace: &str, most: usize) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(namespace.to_owned()).or_default();
        let room = *count < most;
        *count += usize::from(room);
        room
    }
}

fn leave(waiting: &Waiting, namespace: &str) {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(count) = waiting.get_mut(namespace) {
        *count -= 1;
        if *count == 0 {
            waiting.remove(namespace);
        }
    }
}

impl Notice {
    fn namespace(&self) -> &str {
        match self {
            Self::ServiceNotFound { pod, .. }
            | Self::Injected { pod, .. }
            | Self::ReadinessWithheld { pod, .. } => &pod.namespace,
        }
    }
}

fn event(notice: &Notice) -> (Event, ObjectReference) {
    match notice {
        Notice::ServiceNotFound {
            pod,
            service,
            outlived,
        } => (
            warning(
                match outlived {
                    true => "EndpointsServiceDeleted",
                    false => "EndpointsServiceNotFound",
                },
                missing(&pod.namespace, service, *outlived),
            ),
            reference(pod),
        ),
        Notice::Injected { pod, injected } => (
            Event {
                type_: EventType::Normal,
                reason: "Injected".to_owned(),
                note: Some(cut_to(&described(injected), MAX_NOTE)),
                action: "Inject".to_owned(),
                secondary: None,
            },
            reference(pod),
        ),
        Notice::ReadinessWithheld { pod, reason } => (
            warning(
                "ReadinessWithheld",
                format!("the pod is not ready until no Service goes around its sidecar. {reason}"),
            ),
            reference(pod),
        ),
    }
}

fn missing(namespace: &str, service: &str, outlived: bool) -> String {
    match outlived {
        true => format!(
            "EndpointsService {service} was deleted from namespace {namespace}: the pod's sidecar enforces \
             its last good policy for as long as pods use it; create it again, or remove the annotation"
        ),
        false => format!(
            "the pod is annotated with EndpointsService {service}, which does not exist in \
             namespace {namespace}: its sidecar has no policy and is not ready until it does"
        ),
    }
}

/// `sidecar 0.1.0 for EndpointsService shop, capture named: http (8080) by 14080`.
fn described(injected: &Injected) -> String {
    let ports = injected.ports.iter().map(|port| match &port.name {
        Some(name) => format!("{name} ({}) by {}", port.app, port.listen),
        None => format!("{} by {}", port.app, port.listen),
    });
    let ports: Vec<_> = ports.collect();
    format!(
        "sidecar {} for EndpointsService {}, capture {}: {}",
        injected.version,
        injected.service,
        injected.capture.name(),
        ports.join(", ")
    )
}

fn warning(reason: &str, note: String) -> Event {
    Event {
        type_: EventType::Warning,
        reason: reason.to_owned(),
        note: Some(cut_to(&note, MAX_NOTE)),
        action: "Inject".to_owned(),
        secondary: None,
    }
}

fn reference(pod: &PodRef) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some(pod.namespace.clone()),
        name: Some(pod.name.clone()),
        uid: Some(pod.uid.clone()),
        ..ObjectReference::default()
    }
}
