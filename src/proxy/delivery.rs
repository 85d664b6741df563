//! How the policy in force came, as far as it is counted. Whoever brings policies says it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Where a policy came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicySource {
    /// From the operator, now.
    Stream,
    /// From the volume where the last one is kept, at the start.
    Volume,
}

/// What a sidecar counts of its policies' way; nothing is told of it where nobody says anything.
#[derive(Debug, Default)]
pub struct Delivery {
    told: AtomicBool,
    connected: AtomicBool,
    from_volume: AtomicBool,
    restored: AtomicU64,
    volume_failures: AtomicU64,
}

/// The numbers of a [`Delivery`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// Whether there is a stream.
    pub(super) connected: bool,
    /// Where the policy in force came from.
    pub(super) source: PolicySource,
    /// Policies that were restored.
    pub(super) restored: u64,
    /// Failures of the volume.
    pub(super) volume_failures: u64,
}

impl Delivery {
    /// Whether there is a stream to the operator.
    pub fn connected(&self, connected: bool) {
        self.told.store(true, Ordering::Relaxed);
        self.connected.store(connected, Ordering::Relaxed);
    }

    /// A policy came into force, or what was in force was confirmed.
    pub fn policy(&self, source: PolicySource) {
        self.told.store(true, Ordering::Relaxed);
        let from_volume = source == PolicySource::Volume;
        self.from_volume.store(from_volume, Ordering::Relaxed);
        if from_volume {
            self.restored.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Something could not be kept in the volume, or what was there is of no use.
    pub fn volume_failure(&self) {
        self.told.store(true, Ordering::Relaxed);
        self.volume_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// What was said so far; none: nothing.
    pub(super) fn counts(&self) -> Option<Counts> {
        self.told.load(Ordering::Relaxed).then(|| Counts {
            connected: self.connected.load(Ordering::Relaxed),
            source: match self.from_volume.load(Ordering::Relaxed) {
                true => PolicySource::Volume,
                false => PolicySource::Stream,
            },
            restored: self.restored.load(Ordering::Relaxed),
            volume_failures: self.volume_failures.load(Ordering::Relaxed),
        })
    }
}

impl PolicySource {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Volume => "volume",
        }
    }
}
