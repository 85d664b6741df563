//! How often a sidecar asks for keys.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::policy::format::KeySource;

/// A sidecar asks for a source at most once in 10 s; half of that leaves room for clocks and queues.
const AT_LEAST: Duration = Duration::from_secs(5);
/// Questions about sources that the newest policy does not have, in one [`WINDOW`]: a sidecar that
/// still runs an older policy asks once for each of its sources.
const STRAYS: u32 = 128;
const WINDOW: Duration = Duration::from_secs(10);

/// The questions of one stream. Holds no more sources than its policies had.
#[derive(Debug, Default)]
pub(super) struct Wants {
    asked: BTreeMap<KeySource, Instant>,
    strays: u32,
    strays_since: Option<Instant>,
}

impl Wants {
    /// Notes a question about a source (none: one that the policy does not have). False: it comes too
    /// soon, or is one too many.
    pub(super) fn note(&mut self, source: Option<&KeySource>, now: Instant) -> bool {
        let Some(source) = source else {
            if self.strays_since.is_none_or(|since| now - since >= WINDOW) {
                self.strays_since = Some(now);
                self.strays = 0;
            }
            self.strays += 1;
            return self.strays <= STRAYS;
        };
        self.asked.retain(|_, asked| now - *asked < AT_LEAST);
        self.asked.insert(source.clone(), now).is_none()
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
        assert!(wants.note(Some(&source("a")), start));
        assert!(wants.note(Some(&source("b")), start));
        assert!(!wants.note(Some(&source("a")), after(4)));
        assert!(wants.note(Some(&source("a")), after(10)));
        assert_eq!(wants.asked.len(), 1, "what is long ago is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn strays_are_bounded() {
        let mut wants = Wants::default();
        let start = Instant::now();
        for _ in 0..STRAYS {
            assert!(wants.note(None, start));
        }
        assert!(!wants.note(None, start));
        assert!(wants.note(None, start + WINDOW));
    }
}
