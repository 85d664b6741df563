//! How one CA follows another. Pure: times are arguments.
//!
//! ```text
//! near its end, or asked for      seen for the overlap           long after
//!   ─────► publish ──────────────────► promote ─────────────────► forget
//!   bundles: current, next             bundles: current, previous   bundles: current
//!   signs:   current                   signs:   the new one, with a certificate of it by the old one
//! ```
//!
//! The certificate by the old one (a cross certificate) is what makes a rotation safe for everybody
//! who was away: who trusts the old CA only, because a pod got it at injection and lost everything
//! since, trusts what the new one signs.
//!
//! The overlap is counted by the process that promotes, by its monotonic clock, from when it saw the
//! next CA itself: no jump of a wall clock shortens it, and a new leader has watched as long as the
//! old one. The long times (the end of a CA, when to forget) are the certificates' own.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;

use super::authority::{Authority, AuthorityError, CLOCK_SKEW};
use super::stored::Authorities;

#[cfg(test)]
mod tests;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its end a CA gets a successor.
const RENEWAL: Duration = DAY.saturating_mul(365);
/// How long after the making of its successor a CA stays trusted: what it signed last lives for 30
/// days, in a process that may not see the Secret for as long.
const RETENTION: Duration = DAY.saturating_mul(45);
/// How many earlier CAs stay trusted at most, however often somebody asks for a new one.
const MAX_PREVIOUS: usize = 3;
/// How many cross certificates are presented at most; clients follow six (webpki).
const MAX_CROSSES: usize = 4;

/// What to change in the Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a CA and have it trusted.
    Publish,
    /// Sign by the next one from now on.
    Promote,
    /// The CA is of no use at this time: have another one sign at once.
    Replace,
    /// The Secret's CA took the place of ours without us: have ours stay trusted, and vouch for it.
    Adopt,
    /// Stop trusting earlier ones.
    Forget,
}

/// What a process knows.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What the Secret holds.
    pub stored: &'a Authorities,
    /// What the Secret held before, when it knows nothing of that CA any more.
    pub estranged: Option<&'a Authorities>,
    /// For how long this process has seen the same next CA.
    pub next_seen: Duration,
    /// Somebody asks for a new CA.
    pub requested: bool,
    /// The wall clock.
    pub now: SystemTime,
}

/// What is to be done next.
pub fn due(view: View<'_>, overlap: Duration) -> Option<Step> {
    let View { stored, now, .. } = view;
    let current = stored.current.validity();
    let next = stored.next.as_deref().map(Authority::validity);
    if view.estranged.is_some() {
        return Some(Step::Adopt);
    }
    if !current.holds(now) {
        return Some(match next {
            Some(next) if next.holds(now) => Step::Promote,
            _ => Step::Replace,
        });
    }
    match next {
        // Made while a clock was wrong.
        Some(next) if !next.holds(now) => return Some(Step::Publish),
        Some(_) if view.next_seen >= overlap => return Some(Step::Promote),
        Some(_) => {}
        None if view.requested || now + RENEWAL >= current.not_after => {
            return Some(Step::Publish);
        }
        None => {}
    }
    let forgotten = now >= current.not_before + CLOCK_SKEW + RETENTION;
    (forgotten && !stored.previous.is_empty()).then_some(Step::Forget)
}

/// What the Secret shall hold after a step.
///
/// # Errors
/// The crypto provider fails.
pub fn take(step: Step, view: View<'_>) -> Result<Authorities, AuthorityError> {
    let View { stored, now, .. } = view;
    let mut after = stored.clone();
    match step {
        Step::Publish => after.next = Some(Arc::new(Authority::generate(now)?)),
        Step::Promote => {
            if let Some(next) = after.next.take() {
                succeed(&mut after, &stored.current, next)?;
            }
        }
        Step::Replace => {
            after.next = None;
            let new = Arc::new(Authority::generate(now)?);
            succeed(&mut after, &stored.current, new)?;
        }
        Step::Adopt => {
            if let Some(ours) = view.estranged {
                after.crosses.clone_from(&ours.crosses);
                after.previous.clone_from(&ours.previous);
                succeed(&mut after, &ours.current, stored.current.clone())?;
            }
        }
        Step::Forget => after.previous.clear(),
    }
    Ok(after)
}

/// Has `new` sign in the place of `old`.
fn succeed(
    after: &mut Authorities,
    old: &Authority,
    new: Arc<Authority>,
) -> Result<(), AuthorityError> {
    after.crosses.insert(0, old.cross_sign(&new)?);
    after.crosses.truncate(MAX_CROSSES);
    after.previous.insert(0, old.certificate().clone());
    after.previous.truncate(MAX_PREVIOUS);
    after.current = new;
    Ok(())
}

/// Since when the next CA has been seen, by the clock of whoever asks.
#[derive(Debug)]
pub(super) struct Sighting<T> {
    next: Option<(CertificateDer<'static>, T)>,
}

impl<T: Copy> Sighting<T> {
    pub(super) fn new() -> Self {
        Self { next: None }
    }

    /// Notes what is next at this time.
    pub(super) fn note(&mut self, stored: &Authorities, now: T) {
        let next = stored.next.as_deref().map(Authority::certificate);
        match (next, &self.next) {
            (None, _) => self.next = None,
            (Some(next), Some((seen, _))) if next == seen => {}
            (Some(next), _) => self.next = Some((next.clone(), now)),
        }
    }

    /// Since when what is next has been seen.
    pub(super) fn since(&self) -> Option<T> {
        self.next.as_ref().map(|(_, since)| *since)
    }
}
