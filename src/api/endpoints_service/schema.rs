//! The schema of the spec as the CRD has it, for telling people where a manifest departs from it.

use std::sync::LazyLock;

use kube::CustomResourceExt as _;
use serde_json::Value;

use super::EndpointsService;

static SPEC: LazyLock<Value> = LazyLock::new(|| {
    let definition = serde_json::to_value(EndpointsService::crd()).unwrap_or_default();
    let schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec");
    schema.expect("the CRD has a schema of its spec").clone()
});

/// The structural schema of `spec`, as the API server is given it (apiextensions.k8s.io/v1,
/// `JSONSchemaProps`).
pub fn spec_schema() -> &'static Value {
    &SPEC
}
