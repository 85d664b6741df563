//! What follows from events.

use std::collections::{BTreeMap, BTreeSet};

use super::{ConfigMapChanges, SliceChanges};
use crate::api::annotations::{CaptureMode, TakenPort};
use crate::jwks::Pace;
use crate::operator::admission::SidecarSettings;
use crate::policy::format::KeySource;
use crate::push::server::Snapshot;
use crate::push::wire::{PodRef, ServiceKey};

/// What follows from events, in the order in which it is to be done.
#[derive(Debug, Default)]
pub struct Changes {
    /// Policies to give to sidecars.
    pub publish: Vec<(ServiceKey, Snapshot)>,
    /// Services that are gone.
    pub remove: Vec<ServiceKey>,
    /// What services say about their sidecars, for the pods to come.
    pub settings: Vec<(ServiceKey, SidecarSettings)>,
    /// Uids of pods that are gone: their streams end.
    pub disconnect: Vec<String>,
    /// Why which pod's sidecar is to withhold its first readiness from now on; None: no more.
    pub withhold: Vec<(ServiceKey, String, Option<String>)>,
    /// Pods that came or changed, as namespace and name: their sidecars may be let in as they are now, once
    /// they were told to withhold what they are to withhold.
    pub admit: Vec<(String, String)>,
    /// Services whose EndpointSlices are to be known from now on, and those that are not.
    pub slices: SliceChanges,
    /// Sources that became used, and those that are used no more.
    pub sources: SourceChanges,
    /// ConfigMaps that became named, and those that are named no more.
    pub config_maps: ConfigMapChanges,
    /// Revisions to read, by name: their services have no policy.
    pub restore: Vec<(ServiceKey, String)>,
    /// Services whose revisions may have to be written or deleted.
    pub revisions: BTreeSet<ServiceKey>,
    /// Services whose status may have changed.
    pub dirty: BTreeSet<ServiceKey>,
    /// What to tell by Events.
    pub notices: Vec<Notice>,
}

/// Changes of the key sources in use.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SourceChanges {
    /// Fetch these from now on.
    pub added: Vec<KeySource>,
    /// Nobody needs these any more.
    pub removed: Vec<KeySource>,
    /// Fetch these this often from now on.
    pub paces: BTreeMap<KeySource, Pace>,
}

/// What a pod was given when it was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// The EndpointsService whose sidecar it is.
    pub service: String,
    /// The version that injected it.
    pub version: String,
    /// How requests come to the sidecar.
    pub capture: CaptureMode,
    /// The ports that it stands in front of.
    pub ports: Vec<TakenPort>,
}

/// Something to tell by an Event on a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The pod is annotated with an EndpointsService that does not exist.
    ServiceNotFound {
        /// The pod.
        pod: PodRef,
        /// The name that it is annotated with.
        service: String,
        /// The service was deleted, and its last good policy stays while pods use it.
        outlived: bool,
    },
    /// The pod was created, with a sidecar.
    Injected {
        /// The pod.
        pod: PodRef,
        /// What was injected.
        injected: Injected,
    },
    /// The pod's sidecar withholds its first readiness.
    ReadinessWithheld {
        /// The pod.
        pod: PodRef,
        /// Which Services go around it, and the fixes.
        reason: String,
    },
}
