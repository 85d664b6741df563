//! How long to wait before the next attempt: full jitter, so that a thousand sidecars that lost one
//! operator do not come back in step.

use std::time::Duration;

use aws_lc_rs::rand;

#[cfg(test)]
mod tests;

const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(30);

/// Counts attempts.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempt: u32,
}

impl Backoff {
    /// The wait before the next attempt: anything up to a bound that doubles from 100 ms to 30 s.
    pub(super) fn next(&mut self) -> Duration {
        let bound = bound(self.attempt);
        self.attempt = self.attempt.saturating_add(1);
        bound.mul_f64(fraction())
    }

    /// Something worked: starts over.
    pub(super) fn reset(&mut self) {
        self.attempt = 0;
    }
}

/// A random number, 0 ≤ n < 1.
pub(super) fn fraction() -> f64 {
    let mut bytes = [0; 4];
    if rand::fill(&mut bytes).is_err() {
        // Jitter is a courtesy: without randomness the wait is the middle one.
        return 0.5;
    }
    f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

fn bound(attempt: u32) -> Duration {
    FIRST
        .saturating_mul(2_u32.saturating_pow(attempt))
        .min(LAST)
}
