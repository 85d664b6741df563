//! Random numbers of one worker: for samples and for the names of spans, not for secrets.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

use crate::policy::format::PerMillion;

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), begun at
/// a place that the system chose.
#[derive(Debug)]
pub(super) struct Random(Cell<u64>);

impl Random {
    pub(super) fn new() -> Self {
        Self(Cell::new(RandomState::new().hash_one(0)))
    }

    /// The next number.
    pub(super) fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// True for this share of the times.
    pub(super) fn chance(&self, share: PerMillion) -> bool {
        // The high half of the product is an even number below a million.
        let product = u128::from(self.next()) * u128::from(PerMillion::ALL);
        (product >> 64) < u128::from(share.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_kept_and_none_and_all_are_exact() {
        let random = Random::new();
        let hits = |millionths| {
            let times = 0..100_000;
            times
                .filter(|_| random.chance(PerMillion(millionths)))
                .count()
        };
        assert_eq!((hits(0), hits(PerMillion::ALL)), (0, 100_000));
        let tenth = hits(100_000);
        assert!((9_000..11_000).contains(&tenth), "{tenth}");
    }

    #[test]
    fn no_two_workers_count_alike() {
        assert_ne!(Random::new().next(), Random::new().next());
    }
}
