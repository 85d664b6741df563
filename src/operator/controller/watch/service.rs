//! EndpointsServices as they are stored, whichever version of the definition wrote them.

use std::borrow::Cow;

use kube::Resource;
use kube::core::{DeserializeGuard, NamespaceResourceScope, ObjectMeta};
use serde::Deserialize;
use serde_json::Value;

use super::Object;
use crate::api::{EndpointsService, EndpointsServiceSpec};
use crate::operator::index::ServiceObject;
use crate::policy::spec_form;

/// The most fields that are named.
const MAX_NAMED: usize = 5;

/// An EndpointsService whose spec was not looked at yet.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct StoredService {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
}

impl Resource for StoredService {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        EndpointsService::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        EndpointsService::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        EndpointsService::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        EndpointsService::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What the index keeps of it. A status that does not parse is written anew.
pub(super) fn entry(object: DeserializeGuard<StoredService>) -> Object {
    let meta = object.meta();
    let uid = meta.uid.clone().unwrap_or_default();
    let generation = meta.generation.unwrap_or_default();
    let version = meta.resource_version.clone().unwrap_or_default();
    let (spec, status) = match object.0 {
        Ok(service) => (
            read(&service.spec),
            serde_json::from_value(service.status).unwrap_or_default(),
        ),
        Err(invalid) => (Err(invalid.error), Default::default()),
    };
    Object::Entry(Box::new(ServiceObject {
        uid,
        generation,
        version,
        spec,
        status,
    }))
}

/// Reads a spec. One with a field that is not known here was written by another version, and means
/// something that would not be enforced.
fn read(spec: &Value) -> Result<EndpointsServiceSpec, String> {
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(spec, &mut track);
    let mut unknown = Vec::new();
    let result = serde_ignored::deserialize(deserializer, |path| {
        if unknown.len() < MAX_NAMED {
            // Options are no steps of the path for people.
            unknown.push(format!("spec.{path}").replace(".?", ""));
        }
    });
    match result {
        Ok(spec) if unknown.is_empty() => Ok(spec),
        Ok(_) => Err(format!(
            "{} is not known to this version of the operator: upgrade it, or remove the field",
            unknown.join(", ")
        )),
        Err(error) => {
            let findings = spec_form::findings_of(spec).into_iter().take(MAX_NAMED);
            let findings: Vec<_> = findings.map(|finding| finding.to_string()).collect();
            match (&findings[..], track.path().to_string()) {
                ([_, ..], _) => Err(findings.join("; ")),
                ([], root) if root == "." => Err(format!("spec: {error}")),
                ([], path) => Err(format!("spec.{path}: {error}")),
            }
        }
    }
}
