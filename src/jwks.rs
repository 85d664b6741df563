//! Key sets over the network: fetched under address rules, cached, refreshed; used by operator and
//! `dev`. What a key set *is* lives in [`crate::policy::key_set`].

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::policy::format::KeySource;
use crate::policy::key_set::KeySet;

/// Keys as last fetched or pushed.
#[derive(Debug)]
pub struct Keys {
    /// The keys.
    pub set: Arc<KeySet>,
    /// When they were fetched, seconds since 1970.
    pub fetched_at: u64,
}

/// The place of one source's keys: workers read it without a lock, a refresher or the push client
/// writes it.
#[derive(Debug)]
pub struct KeySlot {
    /// The source.
    pub source: KeySource,
    /// The last good keys, if any.
    pub current: ArcSwapOption<Keys>,
}

/// Slots by source. Cheap to clone; slots live while someone holds them.
#[derive(Clone, Debug, Default)]
pub struct KeyStore {
    slots: Arc<std::sync::Mutex<BTreeMap<KeySource, Arc<KeySlot>>>>,
}
