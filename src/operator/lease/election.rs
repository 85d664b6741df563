//! Who may lead, decided from what the Lease says and how long it has said so. No client and no clock.
//!
//! The algorithm of client-go's `leaderelection`: nobody compares the times that others wrote. A holder
//! counts as gone when its record did not change for the lease's duration *as seen from here*, on a
//! clock that never jumps; who finds that takes the record over on condition that it is still that
//! version. A holder that could not renew stops before others can find that.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// How long a record must stay unchanged until its holder counts as gone.
pub(super) const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long a holder leads on without having renewed.
pub(super) const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// The longest duration that somebody else's record is believed.
const LONGEST_DURATION: Duration = Duration::from_secs(60);
/// What a record says that was given up: the next holder is not kept waiting by its duration.
const RELEASED_DURATION: Duration = Duration::from_secs(1);

/// What a Lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Who holds it; none: it was given up.
    pub(super) holder: Option<String>,
    /// Where the holder serves the other replicas.
    pub(super) address: Option<String>,
    pub(super) duration: Duration,
    pub(super) acquired: Option<Timestamp>,
    /// For people, and to see that it changed.
    pub(super) renewed: Option<Timestamp>,
    /// How often the holder changed.
    pub(super) transitions: i32,
}

/// A record, and the version of the Lease that had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) record: Record,
    /// `metadata.resourceVersion`.
    pub(super) version: String,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Read the Lease.
    Read,
    /// Create it.
    Create(Record),
    /// Replace this version of it, and no other.
    Replace(Record, String),
    /// Nothing, until the next round.
    Wait,
}

/// What came of a [`Step::Create`] or [`Step::Replace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The Lease is like this now.
    Done(Seen),
    /// Somebody else was faster, or it is gone: nothing was written.
    Conflict,
    /// Nobody knows whether it was written.
    Unknown,
}

/// One candidate.
#[derive(Debug)]
pub(super) struct Election {
    identity: String,
    address: Option<String>,
    seen: Option<Seen>,
    /// Since when `seen`'s record is known, unchanged.
    unchanged_since: Instant,
    /// When the last renewal began that succeeded: we hold the Lease.
    renewed: Option<Instant>,
    /// `seen` may not be what is stored.
    doubtful: bool,
}

impl Election {
    /// `identity` is this process's and nobody else's, ever.
    pub(super) fn new(identity: String, address: Option<String>, now: Instant) -> Self {
        Self {
            identity,
            address,
            seen: None,
            unchanged_since: now,
            renewed: None,
            doubtful: true,
        }
    }

    /// Whether this candidate leads.
    pub(super) fn leads(&self, now: Instant) -> bool {
        self.leads_until().is_some_and(|until| now < until)
    }

    /// Until when it leads if nothing else succeeds.
    pub(super) fn leads_until(&self) -> Option<Instant> {
        self.renewed.map(|renewed| renewed + RENEW_DEADLINE)
    }

    /// Who holds the Lease, as far as known, and where it serves the others.
    pub(super) fn holder(&self) -> Option<(&str, Option<&str>)> {
        let record = &self.seen.as_ref()?.record;
        Some((record.holder.as_deref()?, record.address.as_deref()))
    }

    /// How often the holder changed, as far as known.
    pub(super) fn transitions(&self) -> i32 {
        self.seen.as_ref().map_or(0, |seen| seen.record.transitions)
    }

    /// The first step of a round: a holder renews, everybody else looks.
    pub(super) fn next(&mut self, now: Instant, clock: Timestamp) -> Step {
        if !self.leads(now) {
            self.renewed = None;
            return Step::Read;
        }
        match &self.seen {
            Some(seen) if !self.doubtful => {
                let renewed = Record {
                    renewed: Some(clock),
                    ..seen.record.clone()
                };
                Step::Replace(renewed, seen.version.clone())
            }
            _ => Step::Read,
        }
    }

    /// The Lease was read (none: there is no such).
    pub(super) fn read(&mut self, found: Option<Seen>, now: Instant, clock: Timestamp) -> Step {
        let Some(found) = found else {
            // Deleted under its holder, who will make it anew; if not, its time runs on.
            if self.holds_else(now) {
                return Step::Wait;
            }
            return Step::Create(self.mine(0, clock, None));
        };
        if self.seen.as_ref().map(|seen| &seen.record) != Some(&found.record) {
            self.unchanged_since = now;
        }
        let seen = self.seen.insert(found);
        self.doubtful = false;
        let version = seen.version.clone();
        let transitions = seen.record.transitions;
        if seen.record.holder.as_ref() == Some(&self.identity) {
            // A write of ours whose answer was lost.
            let acquired = seen.record.acquired;
            return Step::Replace(self.mine(transitions, clock, acquired), version);
        }
        self.renewed = None;
        if self.holds_else(now) {
            return Step::Wait;
        }
        Step::Replace(
            self.mine(transitions.saturating_add(1), clock, None),
            version,
        )
    }

    /// A write ended that was `started` then.
    pub(super) fn written(&mut self, outcome: Written, started: Instant, now: Instant) {
        match outcome {
            Written::Done(seen) => {
                // Not from its end: others may have seen it long before we knew.
                self.renewed = Some(started);
                self.unchanged_since = now;
                self.seen = Some(seen);
                self.doubtful = false;
            }
            Written::Conflict | Written::Unknown => self.doubtful = true,
        }
    }

    /// Stops leading. What to write so that nobody has to wait, if there is something to give up.
    pub(super) fn release(&mut self, clock: Timestamp) -> Option<Step> {
        self.renewed.take()?;
        let seen = self.seen.as_ref()?;
        let released = Record {
            holder: None,
            address: None,
            duration: RELEASED_DURATION,
            renewed: Some(clock),
            ..seen.record.clone()
        };
        Some(Step::Replace(released, seen.version.clone()))
    }

    /// Whether somebody else holds the record last seen, and may still be there.
    fn holds_else(&self, now: Instant) -> bool {
        let Some(Seen { record, .. }) = &self.seen else {
            return false;
        };
        let other = record
            .holder
            .as_ref()
            .is_some_and(|holder| *holder != self.identity);
        other && now < self.unchanged_since + record.duration.min(LONGEST_DURATION)
    }

    fn mine(&self, transitions: i32, clock: Timestamp, acquired: Option<Timestamp>) -> Record {
        Record {
            holder: Some(self.identity.clone()),
            address: self.address.clone(),
            duration: LEASE_DURATION,
            acquired: acquired.or(Some(clock)),
            renewed: Some(clock),
            transitions,
        }
    }
}
