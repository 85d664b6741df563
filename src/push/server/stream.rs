//! One authenticated sidecar's stream, in lockstep: keys, snapshot, answer; then whatever is newest.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body::Body;
use tokio::time::{Instant, sleep, sleep_until};

use self::wants::{Want, Wants};
use super::Server;
use super::hub::{EncodedKeys, Event, Subscription, View};
use crate::policy::format::KeySource;
use crate::push::backoff;
use crate::push::body::{ReadError, Reader, WriteError, Writer};
use crate::push::wire::{self, Hello, ToOperator, ToSidecar, WireError};

#[cfg(test)]
mod tests;
mod wants;

/// How long a snapshot may wait for its keys.
const KEYS_WAIT: Duration = Duration::from_secs(5);
/// How long a sidecar may take to answer a snapshot.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Streams end after this long, or up to a tenth earlier: sidecars spread over the replicas again,
/// and show a fresh token.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);
/// While nobody could be authenticated again, an old stream goes on for so long, or twice as long, before
/// it is looked at again.
const RESPITE: Duration = Duration::from_secs(30);
/// When the operator stops, its streams end spread over so long at most,
pub(super) const LEAVING: Duration = Duration::from_secs(3);
/// and a few of them sooner: their sidecars all dial the other replicas.
const LEAVING_PER_STREAM: Duration = Duration::from_millis(1);

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the operator stops")]
    Shutdown,
    #[error("it is old enough, or its token expired")]
    Lifetime,
    #[error("the pod is gone or has a newer stream")]
    Ended,
    #[error("the sidecar closed it")]
    Closed,
    #[error("the sidecar does not answer a snapshot")]
    NoAnswer,
    #[error("the sidecar answered what it was not asked")]
    Unasked,
    #[error("the sidecar asks for keys too often")]
    Flood,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Encode(#[from] WireError),
}

struct Stream {
    subscription: Subscription,
    writer: Writer,
    hello: Hello,
    greeted: bool,
    /// Hash of the policy that the sidecar runs.
    runs: Option<String>,
    /// Hash of the snapshot that it cannot run.
    cannot_run: Option<String>,
    /// Hash of the snapshot that it has not answered yet, and by when it must.
    asked: Option<(String, Instant)>,
    sent_keys: BTreeMap<KeySource, Arc<EncodedKeys>>,
    sent_trust: Option<Bytes>,
    /// What the sidecar was told to withhold its first readiness for.
    withheld: Option<Arc<str>>,
    wants: Wants,
}

/// How long a stream may live: until the token expires, at most [`MAX_AGE`].
pub(in crate::push) fn lifetime(expires: SystemTime, now: SystemTime) -> Duration {
    let age = MAX_AGE.mul_f64(1.0 - backoff::fraction() / 10.0);
    expires.duration_since(now).unwrap_or_default().min(age)
}

/// When a stream ends though nothing is wrong with it: for its age, but never while its sidecar could not
/// come back; or with the operator, which spreads the ends.
pub(super) async fn end(server: Arc<Server>, lifetime: Duration) -> End {
    let old = async {
        sleep(lifetime).await;
        while !server.authenticator.is_able().await {
            sleep(RESPITE.mul_f64(1.0 + backoff::fraction())).await;
        }
    };
    let mut shutdown = server.shutdown.clone();
    let leaving = async {
        shutdown.wait().await;
        let streams = u32::try_from(server.hub.streams()).unwrap_or(u32::MAX);
        let spread = LEAVING_PER_STREAM.saturating_mul(streams).min(LEAVING);
        sleep(spread.mul_f64(backoff::fraction())).await;
    };
    tokio::select! {
        () = old => End::Lifetime,
        () = leaving => End::Shutdown,
    }
}

/// Streams until one side ends it, or `end`, and logs why.
pub(super) async fn run<B>(
    subscription: Subscription,
    reader: Reader<B>,
    writer: Writer,
    hello: Hello,
    end: impl Future<Output = End>,
) where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    let (pod, service) = (subscription.pod.clone(), subscription.service.clone());
    let runs = hello.hash.clone();
    let stream = Stream {
        subscription,
        writer,
        hello,
        greeted: false,
        runs,
        cannot_run: None,
        asked: None,
        sent_keys: BTreeMap::new(),
        sent_trust: None,
        withheld: None,
        wants: Wants::default(),
    };
    let Err(end) = stream.run(reader, end).await;
    match end {
        End::Shutdown | End::Lifetime | End::Ended | End::Closed => {
            tracing::info!(%pod, %service, reason = %end, "a sidecar's stream ended");
        }
        // Processes end without goodbye.
        End::Read(ReadError::Body(_)) | End::Write(WriteError::Closed) => {
            tracing::info!(%pod, %service, reason = %end, "a sidecar's stream broke");
        }
        _ => tracing::warn!(%pod, %service, reason = %end, "ended a sidecar's stream"),
    }
}

impl Stream {
    async fn run<B>(
        mut self,
        mut reader: Reader<B>,
        end: impl Future<Output = End>,
    ) -> Result<Infallible, End>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
    {
        let mut end = pin!(end);
        loop {
            let mut held_until = None;
            if self.asked.is_none() {
                let view = self.subscription.view.borrow_and_update().clone();
                held_until = view.awaiting_keys.map(|since| since + KEYS_WAIT);
                let held = held_until.is_some_and(|until| Instant::now() < until);
                if !held {
                    held_until = None;
                }
                self.bring_news(&view).await?;
                self.bring(&view, held).await?;
            }
            let answer_by = self.asked.as_ref().map(|(_, by)| *by);
            tokio::select! {
                message = reader.next() => match message? {
                    Some(message) => self.answered(message)?,
                    None => return Err(End::Closed),
                },
                // The hub outlives its subscriptions.
                _ = self.subscription.view.changed(), if answer_by.is_none() => {}
                _ = self.subscription.trust.changed(), if answer_by.is_none() => {}
                () = sleep_until(held_until.unwrap_or_else(Instant::now)), if held_until.is_some() => {}
                () = sleep_until(answer_by.unwrap_or_else(Instant::now)), if answer_by.is_some() => {
                    return Err(End::NoAnswer);
                }
                end = end.as_mut() => return Err(end),
                own = self.subscription.own.changed() => own.map_err(|_| End::Ended)?,
            }
        }
    }

    /// Sends what stands outside the policy, to a sidecar that knows the messages.
    async fn bring_news(&mut self, view: &View) -> Result<(), End> {
        if self.hello.protocol < 2 {
            return Ok(());
        }
        let trust = self.subscription.trust.borrow_and_update().clone();
        if let Some(trust) = trust.filter(|trust| self.sent_trust.as_ref() != Some(trust)) {
            self.writer.write(trust.clone()).await?;
            self.sent_trust = Some(trust);
        }
        let own = self.subscription.own.borrow_and_update().withheld.clone();
        let withheld = own.or_else(|| view.withheld.clone());
        if withheld != self.withheld {
            let reason = withheld.as_deref().map(str::to_owned);
            let frame = wire::encode(&ToSidecar::Withhold { reason })?;
            self.writer.write(frame).await?;
            self.withheld = withheld;
        }
        Ok(())
    }

    /// Sends what the sidecar lacks of `view`, and can read: a message that it does not know would end
    /// its stream. No snapshot while it is `held`.
    async fn bring(&mut self, view: &View, held: bool) -> Result<(), End> {
        let format = self.hello.format;
        let readable = |keys: &&Arc<EncodedKeys>| keys.source.needed_format() <= format;
        for keys in view.keys.iter().filter(readable) {
            let sent = self.sent_keys.get(&keys.source);
            if !sent.is_some_and(|sent| Arc::ptr_eq(sent, keys)) {
                self.writer.write(keys.frame.clone()).await?;
                self.sent_keys.insert(keys.source.clone(), keys.clone());
            }
        }
        // Keys that are not needed any more would otherwise be kept alive.
        self.sent_keys
            .retain(|source, _| view.keys.iter().any(|keys| keys.source == *source));
        let Some(snapshot) = view.snapshot.as_ref().filter(|_| !held) else {
            return Ok(());
        };
        let hash = snapshot.hash();
        if self.runs.as_deref() == Some(hash) {
            if !self.greeted {
                self.writer
                    .write(wire::encode(&ToSidecar::Unchanged { hash: hash.into() })?)
                    .await?;
            } else if self.cannot_run.take().is_some() {
                // It was published again after one that the sidecar rejected.
                self.subscription.tell(Event::Applied { hash: hash.into() });
            }
        } else if self.cannot_run.as_deref() == Some(hash) {
            // It was told.
        } else if snapshot.format() > self.hello.format {
            self.cannot_run = Some(hash.into());
            let reason = format!(
                "SidecarTooOld: the policy needs format {}, sidecar {} reads up to {}: restart the pod",
                snapshot.format(),
                self.hello.version,
                self.hello.format,
            );
            self.subscription.tell(Event::Rejected {
                hash: hash.into(),
                reason,
            });
        } else {
            self.writer.write(snapshot.frame()).await?;
            self.asked = Some((hash.into(), Instant::now() + ANSWER_TIMEOUT));
        }
        self.greeted = true;
        Ok(())
    }

    fn answered(&mut self, message: ToOperator) -> Result<(), End> {
        if let ToOperator::KeysWanted { source } = &message {
            return self.keys_wanted(source);
        }
        let Some((asked, _)) = self.asked.take() else {
            return Err(End::Unasked);
        };
        match message {
            ToOperator::Applied { hash } if hash == asked => {
                self.runs = Some(hash.clone());
                self.cannot_run = None;
                self.subscription.tell(Event::Applied { hash });
            }
            ToOperator::Rejected { hash, reason } if hash == asked => {
                self.cannot_run = Some(hash.clone());
                let reason = wire::reason(&reason);
                self.subscription.tell(Event::Rejected { hash, reason });
            }
            _ => return Err(End::Unasked),
        }
        Ok(())
    }

    /// Passes on that keys are wanted, of a source of the newest policy. The sidecar may run an older
    /// one, whose sources are of no interest any more.
    fn keys_wanted(&mut self, id: &str) -> Result<(), End> {
        let source = {
            let view = self.subscription.view.borrow();
            let snapshot = view.snapshot.as_ref();
            snapshot.and_then(|snapshot| snapshot.source(id).cloned())
        };
        match (self.wants.note(source.as_ref(), Instant::now()), source) {
            (Want::Flood, _) => return Err(End::Flood),
            (Want::Pass, Some(source)) => self.subscription.tell(Event::KeysWanted { source }),
            (Want::Pass | Want::Ignore, _) => {}
        }
        Ok(())
    }
}
