//! The control plane: a pure index of what the cluster holds, a thin controller around it, the
//! admission webhook, certificates, and the policy stream's server side.

pub mod admin;
pub mod admission;
pub mod authenticate;
mod bounded;
pub mod capture;
pub mod certificates;
pub mod codes;
pub mod compiler;
mod config_maps;
pub mod controller;
mod convergence;
mod events;
pub mod index;
pub mod key_sources;
pub mod lease;
mod list_watch;
pub mod metrics;
pub mod pod;
pub mod replicas;
pub mod revisions;
pub mod status;
