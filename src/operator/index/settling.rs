//! The first moments of a leader: its sidecars, and the other replicas' reports of theirs, come one after
//! the other, and until then it knows less than its predecessor had stored.
//!
//! What the stored status says of this very generation and policy (all sidecars run it) holds for so long
//! for the pods that it was said of: those that are older than the statement and were not heard of yet.
//! Nothing else is presumed, and nothing after an edit.

use std::time::Duration;

use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// How long sidecars have to come back: their longest pause between two attempts, and what a report takes.
pub(super) const SETTLE: Duration = Duration::from_secs(35);

/// Whether a leader is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Settling {
    /// It is not, or does not lead.
    #[default]
    Over,
    /// It leads, and has not listed everything: nobody can dial it yet.
    Waiting,
    /// It is until then.
    Until(Instant),
}

impl Settling {
    /// Of a replica that leads from now on, or does not.
    pub(super) fn of(leads: bool) -> Self {
        if leads { Self::Waiting } else { Self::Over }
    }

    /// Whether what was stored stands for what was not heard of.
    pub(super) fn presumes(self) -> bool {
        self != Self::Over
    }

    /// Time has passed. True: from now on nothing is presumed.
    pub(super) fn tick(&mut self, synced: bool, now: Instant) -> bool {
        match *self {
            Self::Waiting if synced => *self = Self::Until(now + SETTLE),
            Self::Until(end) if now >= end => {
                *self = Self::Over;
                return true;
            }
            _ => {}
        }
        false
    }
}
