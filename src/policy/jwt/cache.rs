//! A worker's memory of verified tokens.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;

use super::claims::Claims;
use super::forwarding::Told;
use crate::policy::limits::{TOKEN_CACHE_SIZE, TOKEN_CACHE_TOKEN_BYTES, TOKEN_CACHE_TTL};

/// A worker's memory of verified tokens. An entry proves only (token digest, provider
/// configuration, key) → claims: issuer, time, required claims and audience are checked on every
/// hit; a changed provider or a withdrawn key is a miss. Tokens themselves are not kept.
///
/// Two generations approximate least-recently-used at the cost of one or two map look-ups: new and
/// used entries live in the young one; when it is full it becomes the old one, and what was not
/// used since is forgotten.
#[derive(Debug)]
pub struct TokenCache {
    young: Generation,
    old: Generation,
    /// Entries in each generation.
    capacity: usize,
    /// Seconds.
    ttl: u64,
    counts: TokenCounts,
    /// What digests are made with, drawn when the first is asked for: drawing wakes up a generator of
    /// random numbers, for which no start shall wait. Without it nothing is remembered.
    key: OnceCell<Option<LessSafeKey>>,
}

/// How often a memory helped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Tokens that were verified before, by a key that is still there.
    pub hits: u64,
    /// Tokens whose signature had to be verified.
    pub misses: u64,
}

type Generation = HashMap<Digest, Arc<Remembered>, BuildHasherDefault<OfDigest>>;

/// A digest is as good as random: eight of its bytes are its hash. Nobody gains by two that share
/// them, since only tokens that were verified get in.
#[derive(Debug, Default)]
struct OfDigest(u64);

impl Hasher for OfDigest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    // The length of an array, which comes before its bytes.
    fn write_usize(&mut self, _: usize) {}
}

/// The tag that AES-GCM gives a token as additional data (GMAC), under a key that this memory drew and
/// one nonce: never the token itself.
///
/// Without the key nobody finds two tokens with one digest: whatever they are, they have one with a
/// probability of less than 2^-119 (NIST SP 800-38D; the longest token has 2^8 blocks). That one nonce
/// serves for all would give the key away to those who see tags; nobody does. It costs a third of
/// SHA-256 where the processor has instructions for that, and a fifteenth where it has not.
pub(super) type Digest = [u8; 16];

/// What is remembered of a token.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    pub(super) claims: Claims,
    pub(super) told: Arc<Told>,
    /// [`super::Forwarding::id`] of what that was made by.
    forwarding: [u8; 32],
    /// By what it was verified: usually one.
    proofs: Vec<Proof>,
    /// Seconds since 1970.
    until: u64,
}

/// A key verified the token for a provider configured like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) provider: [u8; 32],
    pub(super) key: [u8; 32],
}

/// More providers than this with one issuer take turns.
const MAX_PROOFS: usize = 4;

impl TokenCache {
    /// A memory of at most `entries` tokens; 0 remembers nothing.
    pub fn with_capacity(entries: usize) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            capacity: entries.div_ceil(2),
            ttl: TOKEN_CACHE_TTL.as_secs(),
            counts: TokenCounts::default(),
            key: OnceCell::new(),
        }
    }

    /// Takes the bounds of another policy over: at most `entries` tokens, each for `ttl` seconds. Where
    /// they differ from those before, everything is forgotten.
    pub fn configure(&mut self, entries: usize, ttl: u64) {
        if (self.capacity, self.ttl) != (entries.div_ceil(2), ttl) {
            *self = Self {
                ttl,
                counts: self.counts,
                ..Self::with_capacity(entries)
            };
        }
    }

    /// How often it helped, since it is there.
    pub fn counts(&self) -> TokenCounts {
        self.counts
    }

    /// How many tokens are remembered; one may count twice until it is asked for again.
    pub fn entries(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Notes whether a token was remembered as verified.
    pub(super) fn note(&mut self, hit: bool) {
        match hit {
            true => self.counts.hits += 1,
            false => self.counts.misses += 1,
        }
    }

    /// Whether nothing is ever remembered.
    pub(super) fn is_off(&self) -> bool {
        self.capacity == 0
    }

    /// The digest under which a token is remembered; none for one that is too long to be.
    pub(super) fn digest(&self, text: &str) -> Option<Digest> {
        if text.len() > TOKEN_CACHE_TOKEN_BYTES {
            return None;
        }
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = self
            .key
            .get_or_init(draw_key)
            .as_ref()?
            .seal_in_place_separate_tag(nonce, Aad::from(text), &mut []);
        tag.ok()?.as_ref().try_into().ok()
    }

    /// What is remembered, if it is still to be believed, and if backends are still told the same.
    pub(super) fn recall(
        &mut self,
        digest: &Digest,
        forwarding: &[u8; 32],
        now: u64,
    ) -> Option<Arc<Remembered>> {
        let remembered = match self.young.get(digest) {
            Some(found) => Arc::clone(found),
            None => {
                let found = self.old.remove(digest)?;
                self.keep(*digest, Arc::clone(&found));
                found
            }
        };
        if remembered.until <= now || remembered.forwarding != *forwarding {
            self.young.remove(digest);
            return None;
        }
        Some(remembered)
    }

    /// Remembers that a token was verified. A proof is added to what is known already; its time does
    /// not start again, so that no proof outlives its five minutes.
    pub(super) fn remember(
        &mut self,
        digest: Digest,
        (claims, told): (&Claims, &Arc<Told>),
        forwarding: &[u8; 32],
        proof: Proof,
        now: u64,
    ) {
        let longest = now.saturating_add(self.ttl);
        let until = claims
            .expires
            .map_or(longest, |expires| expires.min(longest));
        if until <= now || self.capacity == 0 {
            return;
        }
        let entry = match self.recall(&digest, forwarding, now) {
            Some(known) => {
                let mut known = Arc::unwrap_or_clone(known);
                known.proofs.retain(|own| own.provider != proof.provider);
                known.proofs.truncate(MAX_PROOFS - 1);
                known.proofs.insert(0, proof);
                known
            }
            None => Remembered {
                claims: claims.clone(),
                told: Arc::clone(told),
                forwarding: *forwarding,
                proofs: vec![proof],
                until,
            },
        };
        self.keep(digest, Arc::new(entry));
    }

    fn keep(&mut self, digest: Digest, entry: Arc<Remembered>) {
        if self.young.len() >= self.capacity && !self.young.contains_key(&digest) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, entry);
    }
}

fn draw_key() -> Option<LessSafeKey> {
    let mut key = [0; 16];
    rand::fill(&mut key).ok()?;
    UnboundKey::new(&AES_128_GCM, &key)
        .ok()
        .map(LessSafeKey::new)
}

impl Default for TokenCache {
    fn default() -> Self {
        Self::with_capacity(TOKEN_CACHE_SIZE)
    }
}

impl Remembered {
    /// The key that verified the token for a provider configured like this.
    pub(super) fn key(&self, provider: &[u8; 32]) -> Option<&[u8; 32]> {
        self.proofs
            .iter()
            .find(|proof| proof.provider == *provider)
            .map(|proof| &proof.key)
    }
}
