//! How everything is watched: a listing, then a watch from where it was; after any error, both anew.
//!
//! kube's own watcher goes on from the version that it has come to. Where the store was restored meanwhile
//! (etcd, from a backup), that version is yet to come: a watch from it is silent until then, no error tells
//! so, and what happened before is never told. A restore takes the API server away, so that the next
//! watch fails; and a server that starts anew would answer most versions with 410 Gone anyway.

use std::fmt::Debug;

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

#[cfg(test)]
mod tests;

/// Lists and watches for as long as it is polled. An error is told, and followed by a new listing, with
/// backoff (from under a second to half a minute).
pub(super) fn list_watch<K>(
    api: Api<K>,
    config: watcher::Config,
) -> BoxStream<'static, watcher::Result<Event<K>>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    anew_after_errors(move || watcher(api.clone(), config.clone()).boxed())
        .default_backoff()
        .boxed()
}

/// What `start` gives, and after each error what it gives then.
fn anew_after_errors<S, T, E>(start: impl Fn() -> S) -> impl Stream<Item = Result<T, E>>
where
    S: Stream<Item = Result<T, E>> + Unpin,
{
    let first = start();
    stream::unfold((start, first), |(start, mut events)| async move {
        let event = events.next().await?;
        if event.is_err() {
            events = start();
        }
        Some((event, (start, events)))
    })
}
