//! Cloud Endpoints for every Kubernetes cluster.
//!
//! ```text
//! OpenAPI text ──openapi──► description ──policy::compile──► Policy ──push──► sidecar ──► decision per request
//! EndpointsService ──api──┘      (pure, no I/O)        (pure, no I/O)   (network)   (proxy: I/O around a pure decision)
//! ```
//!
//! Arrows only run down: `docs/architecture.md` has the table of places and who may use whom, and
//! `tests/architecture` enforces it.
#![forbid(unsafe_code)]

pub mod api;
pub mod cli;
pub mod connection_limit;
pub mod jwks;
pub mod openapi;
pub mod operator;
pub mod policy;
pub mod priority;
pub mod proxy;
pub mod push;
pub mod readiness;
pub mod redirect;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
