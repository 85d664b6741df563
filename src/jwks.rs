//! Key sets over the network: fetched under address rules, cached, refreshed; used by operator and
//! `dev`. What a key set *is* lives in [`crate::policy::key_set`].
//!
//! ```text
//! KeyStore::slot(source) ──new slot──► Refresher ──FetchKeys──► KeySlot::replace ──► workers (lock-free)
//!                                          ▲ └──────KeyEvent──► push, status
//!                                          └── KeySlot::refresh_on_demand (unknown kid)
//! ```
//!
//! In a sidecar a [`Follower`] stands where the refresher does: the operator fetches and pushes.

pub mod address;
mod demand;
mod discovery;
pub mod fetch;
pub mod follow;
pub mod refresh;
pub mod slot;

pub use self::address::AddressRule;
pub use self::fetch::{FetchError, FetchKeys, HttpFetcher, ProxyError, ProxySettings};
pub use self::follow::Follower;
pub use self::refresh::{Fetched, KeyEvent, Refresher};
pub use self::slot::{KeySlot, KeyStore, Keys, Pace};
