//! The injection outside of a cluster: into pods, and into the pod templates of what makes pods. The
//! same function as the webhook's, applied to the object as it is written, so that nothing that our
//! types do not know is lost.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::inject::service_of;
use super::{Denial, InjectorConfig, SidecarSettings, between, inject, warnings};
use crate::api::annotations::{InjectionStatus, PREFIX};
use crate::push::wire::ServiceKey;

/// Lists may hold lists, but not for ever.
const MAX_DEPTH: usize = 4;

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `Deployment shop/bookstore`.
    pub object: String,
    /// What was done.
    pub fate: Fate,
}

/// What was done with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its pods have the sidecar.
    Injected {
        /// What was done, as the pod's annotation says it.
        status: InjectionStatus,
        /// The service whose sidecar it is.
        service: ServiceKey,
        /// What its author should know.
        warnings: Vec<String>,
    },
    /// Its pods do not ask for it.
    NotAsked,
    /// The annotation is on the object, where nothing reads it, and not on the pod template.
    Misplaced,
    /// Its pods would be refused.
    Denied(Denial),
    /// Its pod (template) has not the form of one: where, and what is wrong.
    Unreadable(String),
    /// Where an object of its kind has its pods, if it makes any, is not known here.
    UnknownKind {
        /// `Rollout of argoproj.io/v1alpha1`.
        kind: String,
        /// Something in it has an annotation of ours.
        asks: bool,
    },
}

/// Injects into an object if it is a pod or makes pods, or into each of a list; others stay as they are,
/// and are told, too, but for our own kinds.
/// `namespace`: of objects that name none; `settings`: what is known of a service.
pub fn inject_object(
    object: &mut Value,
    config: &InjectorConfig,
    namespace: &str,
    settings: &dyn Fn(&ServiceKey) -> SidecarSettings,
) -> Vec<Report> {
    let injector = Injector {
        config,
        namespace,
        settings,
    };
    let mut reports = Vec::new();
    injector.visit(object, MAX_DEPTH, &mut reports);
    reports
}

struct Injector<'a> {
    config: &'a InjectorConfig,
    namespace: &'a str,
    settings: &'a dyn Fn(&ServiceKey) -> SidecarSettings,
}

impl Injector<'_> {
    fn visit(&self, object: &mut Value, depth: usize, reports: &mut Vec<Report>) {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        if kind.ends_with("List") && object["items"].is_array() {
            let Some(depth) = depth.checked_sub(1) else {
                reports.push(Report {
                    object: kind,
                    fate: Fate::Unreadable(format!("lists in lists, more than {MAX_DEPTH} deep")),
                });
                return;
            };
            for item in object["items"].as_array_mut().into_iter().flatten() {
                self.visit(item, depth, reports);
            }
            return;
        }
        let version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
        // Nothing at all, or nothing that is an object: no document of anybody's.
        if !object.is_object() || version.starts_with(PREFIX) {
            return;
        }
        let name = ["name", "generateName"]
            .into_iter()
            .find_map(|field| object["metadata"][field].as_str())
            .unwrap_or("(no name)");
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .unwrap_or(self.namespace)
            .to_owned();
        let title = format!("{kind} {namespace}/{name}");
        let Some(template) = template_of(&version, &kind) else {
            let asks = asks(object);
            let kind = format!("{kind} of {version}");
            reports.push(Report {
                object: title,
                fate: Fate::UnknownKind { kind, asks },
            });
            return;
        };
        // A CronJob has two places beside its pods: its own, and that of the Jobs it makes.
        let others = ["/metadata", "/spec/jobTemplate/metadata"].into_iter();
        let misplaced = !template.is_empty()
            && others
                .filter_map(|place| object.pointer(place))
                .any(has_annotation);
        let place = template.trim_start_matches('/').replace('/', ".");
        let fate = match object.pointer_mut(template) {
            Some(pod) => self.inject(pod, &namespace, &place),
            None => Fate::Unreadable(format!("it has no {place}")),
        };
        let fate = match fate {
            Fate::NotAsked if misplaced => Fate::Misplaced,
            fate => fate,
        };
        reports.push(Report {
            object: title,
            fate,
        });
    }

    /// Into a pod or a template, which has the same two parts. `place`: where it is in its object.
    fn inject(&self, raw: &mut Value, namespace: &str, place: &str) -> Fate {
        let pod = match read(raw, place) {
            Ok(pod) => pod,
            Err(reason) => return Fate::Unreadable(reason),
        };
        let service = service_of(&pod).map(|name| ServiceKey {
            namespace: namespace.to_owned(),
            name,
        });
        let settings = service.as_ref().map(self.settings).unwrap_or_default();
        let injected = match inject(pod.clone(), self.config, &settings) {
            Ok(injected) => injected,
            Err(denial) => return Fate::Denied(denial),
        };
        let Some(service) = service else {
            return Fate::NotAsked;
        };
        let annotations = injected.metadata.annotations.as_ref();
        let Some(status) = annotations.and_then(InjectionStatus::read) else {
            return Fate::NotAsked;
        };
        let patched = between(&pod, &injected)
            .map_err(|error| error.to_string())
            .and_then(|patch| json_patch::patch(raw, &patch).map_err(|error| error.to_string()));
        match patched {
            Ok(()) => Fate::Injected {
                status,
                service,
                warnings: warnings(&injected, self.config),
            },
            Err(error) => Fate::Unreadable(error),
        }
    }
}

/// Reads what matters of a pod.
fn read(raw: &Value, place: &str) -> Result<Pod, String> {
    let mut pod = json!({ "metadata": raw["metadata"], "spec": raw["spec"] });
    fill_nulls(&mut pod);
    serde_path_to_error::deserialize(pod).map_err(|error| {
        let dot = if place.is_empty() { "" } else { "." };
        format!("{place}{dot}{}: {}", error.path(), error.inner())
    })
}

/// A null among texts is the empty text, and among quantities zero, as to the API server: templates of
/// charts often leave one.
fn fill_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "annotations" | "labels" | "matchLabels" | "nodeSelector" => fill(value, ""),
                    "args" | "command" => fill(value, ""),
                    "limits" | "requests" => fill(value, "0"),
                    _ => fill_nulls(value),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(fill_nulls),
        _ => {}
    }
}

fn fill(value: &mut Value, filling: &str) {
    let is_null = |value: &&mut Value| value.is_null();
    match value {
        Value::Object(fields) => {
            let nulls = fields.values_mut().filter(is_null);
            nulls.for_each(|null| *null = json!(filling));
        }
        Value::Array(elements) => {
            let nulls = elements.iter_mut().filter(is_null);
            nulls.for_each(|null| *null = json!(filling));
        }
        _ => {}
    }
}

/// Where an object of this kind has its pod template: empty for a pod itself.
fn template_of(api_version: &str, kind: &str) -> Option<&'static str> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match (group, kind) {
        ("", "Pod") => Some(""),
        ("", "PodTemplate") => Some("/template"),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
        | ("", "ReplicationController")
        | ("batch", "Job") => Some("/spec/template"),
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

fn has_annotation(metadata: &Value) -> bool {
    let annotations = metadata["annotations"].as_object();
    annotations.is_some_and(|annotations| annotations.keys().any(|key| key.starts_with(PREFIX)))
}

/// Whether something in it has an annotation of ours.
fn asks(value: &Value) -> bool {
    match value {
        Value::Object(fields) => has_annotation(value) || fields.values().any(asks),
        Value::Array(elements) => elements.iter().any(asks),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
