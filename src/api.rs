//! The `EndpointsService` resource as Kubernetes stores it, and the annotations users write on pods.
//!
//! Everything here is *raw input*: what a user wrote, as the API server accepted it. Checked forms
//! live behind [`annotations`] (pods) and [`crate::policy::compile`] (the resource).

pub mod annotations;
pub mod conditions;
pub mod endpoints_service;
pub mod probes;
pub mod quantity;

pub use endpoints_service::{EndpointsService, EndpointsServiceSpec, EndpointsServiceStatus};
