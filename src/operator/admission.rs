//! The admission webhook: puts the sidecar into the pods that ask for it.
//!
//! ```text
//! AdmissionReview ──server──► Pod ──inject──► Pod ──patch──► JSON patch ──server──► AdmissionReview
//!                                 (pure)          (pure)
//! ```
//!
//! A user's mistake is a [`Denial`] that says what to write instead; our own failure is HTTP 500, so
//! that the webhook's `failurePolicy` decides. Nothing here has side effects: a dry run is like any
//! other request, and the controller tells by Events what happened to a pod.

mod denial;
mod evictable;
pub mod inject;
mod patch;
mod platform;
mod ports;
mod probes;
mod resources;
pub mod server;
mod settings;
mod sidecar;
mod workload;

pub use denial::Denial;
pub use inject::{InjectorConfig, inject, warnings};
pub use patch::{PatchError, between};
pub use settings::{MountedSecrets, SettingsCache, SidecarSettings};
pub use sidecar::mounted_secrets;
pub use workload::{Fate, Report, inject_object};
