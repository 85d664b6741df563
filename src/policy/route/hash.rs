//! A hash for the texts of templates. They are the document's and stay as they are, so nobody who
//! sends paths can make them collide: what std's hash costs more would protect nothing.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds [`Words`].
pub(super) type ByWords = BuildHasherDefault<Words>;

/// A multiplication for each eight bytes; the high half is folded into the low one, since a product
/// carries only upwards and hashbrown looks at both.
#[derive(Debug, Default)]
pub(super) struct Words(u64);

impl Words {
    fn add(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(last) ^ bytes.len() as u64);
    }

    /// What ends a text: its length is in already.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
