//! How often a sidecar asks for keys.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::policy::format::KeySource;

/// A sidecar asks for a source at most once in 10 s; half of that leaves room for clocks and queues.
const AT_LEAST: Duration = Duration::from_secs(5);
/// Questions in one [`WINDOW`] that come too soon, or are about sources that the newest policy does not
/// have: a sidecar that still runs an older policy asks once for each of its sources.
const STRAYS: u32 = 128;
const WINDOW: Duration = Duration::from_secs(10);

/// The questions of one stream. Holds no more sources than its policies had.
#[derive(Debug, Default)]
pub(super) struct Wants {
    asked: BTreeMap<KeySource, Instant>,
    strays: u32,
    strays_since: Option<Instant>,
}

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// It is passed on.
    Pass,
    /// It is not: the keys were asked for a moment ago, or are of no interest.
    Ignore,
    /// One too many.
    Flood,
}

impl Wants {
    /// Notes a question about a source; none: one that the policy does not have.
    pub(super) fn note(&mut self, source: Option<&KeySource>, now: Instant) -> Want {
        self.asked.retain(|_, asked| now - *asked < AT_LEAST);
        if let Some(source) = source
            && !self.asked.contains_key(source)
        {
            self.asked.insert(source.clone(), now);
            return Want::Pass;
        }
        if self.strays_since.is_none_or(|since| now - since >= WINDOW) {
            self.strays_since = Some(now);
            self.strays = 0;
        }
        self.strays += 1;
        match self.strays <= STRAYS {
            true => Want::Ignore,
            false => Want::Flood,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str) -> KeySource {
        KeySource::Url(format!("https://{name}.example/keys"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_may_be_asked_for_again_after_5_s_and_others_meanwhile() {
        let mut wants = Wants::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(wants.note(Some(&source("a")), start), Want::Pass);
        assert_eq!(wants.note(Some(&source("b")), start), Want::Pass);
        assert_eq!(wants.note(Some(&source("a")), after(4)), Want::Ignore);
        assert_eq!(wants.note(Some(&source("a")), after(10)), Want::Pass);
        assert_eq!(wants.asked.len(), 1, "what is long ago is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_passed_on_is_bounded() {
        for source in [None, Some(source("a"))] {
            let mut wants = Wants::default();
            let start = Instant::now();
            wants.note(source.as_ref(), start);
            for _ in 1..STRAYS {
                assert_eq!(wants.note(source.as_ref(), start), Want::Ignore);
            }
            wants.note(source.as_ref(), start);
            assert_eq!(wants.note(source.as_ref(), start), Want::Flood);
            assert_ne!(wants.note(None, start + WINDOW), Want::Flood);
        }
    }
}
