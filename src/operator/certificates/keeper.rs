//! Keeps this process in step with the Secret, and the Secret in step with time.
//!
//! Every replica watches the Secret and does as it says: signs by its CA, has its bundle trusted. Only
//! the leader writes it, always over exactly the version that it saw: of two that think they lead, one
//! is refused and looks again.

mod events;

use std::time::{Duration, SystemTime};

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, future};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use super::authority::AuthorityError;
use super::rotation::{self, Sighting, Step, View};
use super::stored::Authorities;
use super::{Certificates, secret};
use crate::operator::list_watch::list_watch;
use crate::operator::metrics::Metrics;

#[cfg(test)]
mod tests;

/// How often the clock is looked at, at least.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// Between two tries to write.
const RETRY: Duration = Duration::from_secs(2);

/// What keeps the CA.
pub struct Keeper {
    /// The API server.
    pub client: Client,
    /// The Secret's namespace.
    pub namespace: String,
    /// The Secret's name.
    pub name: String,
    /// How long a new CA is trusted before it signs.
    pub overlap: Duration,
    /// Whether this process leads.
    pub leadership: watch::Receiver<bool>,
    /// What this process presents.
    pub certificates: Certificates,
    /// Counts failed watches.
    pub metrics: Metrics,
}

/// What the watch says about the Secret.
#[derive(Debug)]
enum Seen {
    Absent,
    Present(Box<Secret>),
}

/// What is known of the Secret.
struct State {
    /// What it held when it was last good: what this process goes by.
    held: Authorities,
    /// What it held before, while it knows nothing of that CA any more.
    estranged: Option<Authorities>,
    /// As it is now; none: it is not there, or the first listing is not over.
    secret: Option<Secret>,
    listed: bool,
    /// It holds something else than CAs of ours.
    broken: bool,
    next: Sighting<Instant>,
}

/// What to write.
enum Write {
    Create,
    Restore,
    Step(Step),
}

impl Keeper {
    /// Keeps everything in step for as long as it is polled, starting from what the Secret held.
    pub async fn run(mut self, held: Authorities) {
        let api = Api::<Secret>::namespaced(self.client.clone(), &self.namespace);
        let reporter = Reporter {
            controller: "endpoints-operator".to_owned(),
            instance: None,
        };
        let recorder = Recorder::new(self.client.clone(), reporter);
        let mut state = State::new(held);
        let mut seen = watch(api.clone(), &self.name, self.metrics.clone());
        let pause = CHECK_INTERVAL.min(self.overlap / 4).max(RETRY / 8);
        let mut tick = tokio::time::interval(pause);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut write_after = Instant::now();
        loop {
            tokio::select! {
                Some(seen) = seen.next() => state.see(seen, SystemTime::now()),
                _ = tick.tick() => {}
                () = changed(&mut self.leadership) => {}
                () = tokio::time::sleep_until(write_after), if write_after > Instant::now() => {}
            }
            let now = SystemTime::now();
            self.certificates.follow(&state.held, now);
            let leads = *self.leadership.borrow_and_update();
            if !leads || write_after > Instant::now() {
                continue;
            }
            let Some(write) = state.due(now, Instant::now(), self.overlap) else {
                continue;
            };
            match self.write(&api, &state, &write, now).await {
                // Read back through the watch.
                Ok(()) => self.tell(&recorder, state.secret.as_ref(), &write).await,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, secret = %self.name, "cannot write the CA's Secret");
                }
            }
            write_after = Instant::now() + RETRY;
        }
    }

    async fn write(
        &self,
        api: &Api<Secret>,
        state: &State,
        write: &Write,
        now: SystemTime,
    ) -> Result<(), WriteError> {
        match (write, &state.secret) {
            (Write::Step(step), Some(secret)) => {
                let after = rotation::take(*step, state.view(now, Instant::now()))?;
                let answered = matches!(step, Step::Publish | Step::Replace);
                secret::replace(api, secret, &after, answered).await?;
            }
            (Write::Restore, Some(secret)) => {
                secret::replace(api, secret, &state.held, false).await?;
            }
            _ => secret::create(api, &self.name, &state.held).await?,
        }
        Ok(())
    }
}

/// Why the Secret was not written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Make(#[from] AuthorityError),
    #[error(transparent)]
    Api(#[from] kube::Error),
}

impl State {
    fn new(held: Authorities) -> Self {
        let mut next = Sighting::new();
        next.note(&held, Instant::now());
        Self {
            held,
            estranged: None,
            secret: None,
            listed: false,
            broken: false,
            next,
        }
    }

    fn see(&mut self, seen: Seen, now: SystemTime) {
        self.listed = true;
        let secret = match seen {
            Seen::Absent => {
                self.secret = None;
                return;
            }
            Seen::Present(secret) => secret,
        };
        let empty = Default::default();
        let read = Authorities::read(secret.data.as_ref().unwrap_or(&empty), now);
        self.secret = Some(*secret);
        self.broken = !matches!(read, Ok((_, false)));
        match read {
            Ok((stored, false)) => self.follow(stored),
            Ok((_, true)) => tracing::error!("the CA's Secret is spoilt; the CA goes on as it was"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "the CA's Secret is spoilt; the CA goes on as it was");
            }
        }
    }

    fn follow(&mut self, stored: Authorities) {
        let ours = self.estranged.take().unwrap_or_else(|| self.held.clone());
        self.estranged = (!stored.knows(ours.current.certificate())).then_some(ours);
        self.next.note(&stored, Instant::now());
        self.held = stored;
    }

    fn view(&self, now: SystemTime, instant: Instant) -> View<'_> {
        let since = self.next.since();
        View {
            stored: &self.held,
            estranged: self.estranged.as_ref(),
            next_seen: since.map_or(Duration::ZERO, |since| instant.duration_since(since)),
            requested: self.secret.as_ref().is_some_and(secret::rotation_requested),
            now,
        }
    }

    fn due(&self, now: SystemTime, instant: Instant, overlap: Duration) -> Option<Write> {
        if !self.listed {
            return None;
        }
        if self.secret.is_none() {
            return Some(Write::Create);
        }
        if self.broken {
            return Some(Write::Restore);
        }
        rotation::due(self.view(now, instant), overlap).map(Write::Step)
    }
}

/// The Secret, whenever it changes; by name, which is all that the operator may do.
fn watch(api: Api<Secret>, name: &str, metrics: Metrics) -> BoxStream<'static, Seen> {
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut listed = false;
    list_watch(api, config)
        .filter_map(move |event| {
            use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
            future::ready(match event {
                Ok(Init) => {
                    listed = false;
                    None
                }
                Ok(Apply(secret) | InitApply(secret)) => {
                    listed = true;
                    Some(Seen::Present(Box::new(secret)))
                }
                Ok(Delete(_)) => Some(Seen::Absent),
                Ok(InitDone) => (!listed).then_some(Seen::Absent),
                Err(error) => {
                    metrics.watch_errors.inc();
                    tracing::warn!(%error, "the watch of the CA's Secret failed; it is started again");
                    None
                }
            })
        })
        .boxed()
}

/// Waits for a change; for ever once nobody can make one.
async fn changed(leadership: &mut watch::Receiver<bool>) {
    if leadership.changed().await.is_err() {
        future::pending().await
    }
}
