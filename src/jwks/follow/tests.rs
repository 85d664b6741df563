use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;

use super::*;
use crate::jwks::slot::{Keys, Pace};
use crate::policy::key_set::KeySet;
use crate::policy::key_set::tokens::{Signer, key_set};

const START: u64 = 1_800_000_000;
const MINUTE: Duration = Duration::from_secs(60);

/// A sidecar's keys in virtual time: an operator that is there or not, and an issuer.
struct World {
    store: KeyStore,
    link: watch::Sender<bool>,
    wanted: mpsc::Receiver<KeySource>,
    issuer: Arc<Issuer>,
    start: Instant,
    clock: Arc<AtomicU64>,
}

#[derive(Default)]
struct Issuer {
    set: Mutex<Option<String>>,
    asked: Mutex<BTreeMap<KeySource, u32>>,
}

impl Issuer {
    fn asked(&self) -> u32 {
        self.asked.lock().unwrap().values().sum()
    }
}

impl FetchKeys for Issuer {
    fn fetch<'a>(&'a self, source: &'a KeySource) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        *self
            .asked
            .lock()
            .unwrap()
            .entry(source.clone())
            .or_default() += 1;
        let set = self.set.lock().unwrap().clone();
        let answer = set.ok_or(FetchError::Unreachable);
        async move { answer.map(String::into_bytes) }.boxed()
    }
}

impl World {
    fn new(connected: bool) -> Self {
        let store = KeyStore::default();
        let link = watch::Sender::new(connected);
        let (ask, wanted) = mpsc::channel(8);
        let issuer = Arc::new(Issuer::default());
        let start = Instant::now();
        let clock = Arc::new(AtomicU64::new(START));
        let ahead = clock.clone();
        let now = move || ahead.load(Ordering::Relaxed) + start.elapsed().as_secs();
        let follower =
            Follower::with_clock(store.clone(), link.subscribe(), ask, issuer.clone(), now);
        tokio::spawn(follower.run());
        Self {
            store,
            link,
            wanted,
            issuer,
            start,
            clock,
        }
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed) + self.start.elapsed().as_secs()
    }

    /// What the operator pushes.
    fn push(&self, slot: &KeySlot, kid: &str) {
        slot.replace(Keys {
            set: Arc::new(KeySet::parse(set_of(kid).as_bytes()).unwrap()),
            fetched_at: self.now(),
        });
    }
}

fn set_of(kid: &str) -> String {
    key_set(&[&Signer::new("ES256", kid)])
}

fn source(name: &str) -> KeySource {
    KeySource::Url(format!("https://{name}.example/keys"))
}

/// Whether the slot holds the keys of this name.
fn holds(slot: &KeySlot, kid: &str) -> bool {
    let keys = slot.current.load();
    keys.as_ref().is_some_and(|keys| {
        keys.set
            .keys
            .iter()
            .any(|key| key.kid.as_deref() == Some(kid))
    })
}

async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_many_requests_lack_is_asked_for_once_and_they_go_on_when_it_comes() {
    let mut world = World::new(true);
    let slot = world.store.slot(&source("a"));
    world.push(&slot, "one");
    settle().await;
    let asking = Instant::now();
    let requests = join_all((0..100).map(|_| slot.refresh_on_demand()));
    let operator = async {
        assert_eq!(world.wanted.recv().await, Some(source("a")));
        sleep(Duration::from_millis(300)).await;
        world.push(&slot, "two");
    };
    let (answers, ()) = tokio::join!(requests, operator);
    assert!(answers.into_iter().all(|changed| changed));
    assert!(asking.elapsed() < Duration::from_millis(400));
    assert!(holds(&slot, "two"));
    assert!(world.wanted.try_recv().is_err());
    // Made-up keys, for a while.
    for _ in 0..95 {
        assert!(!slot.refresh_on_demand().await);
        sleep(Duration::from_millis(100)).await;
    }
    assert!(world.wanted.try_recv().is_err(), "ten seconds apart");
    assert_eq!(world.issuer.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_does_not_answer_costs_a_request_a_second() {
    let mut world = World::new(true);
    let slot = world.store.slot(&source("a"));
    world.push(&slot, "one");
    settle().await;
    let asking = Instant::now();
    assert!(!slot.refresh_on_demand().await);
    assert_eq!(asking.elapsed().as_secs(), 1);
    assert_eq!(world.wanted.recv().await, Some(source("a")));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_lets_those_who_wait_go() {
    let mut world = World::new(true);
    let slot = world.store.slot(&source("a"));
    settle().await;
    let breaks = async {
        world.wanted.recv().await;
        sleep(Duration::from_millis(100)).await;
        world.link.send_replace(false);
    };
    let asking = Instant::now();
    let (found, ()) = tokio::join!(slot.refresh_on_demand(), breaks);
    assert!(!found);
    assert!(asking.elapsed() < Duration::from_millis(200));
    // Without a link, and with nothing overdue, nobody waits.
    assert!(!slot.refresh_on_demand().await);
    assert!(asking.elapsed() < Duration::from_millis(200));
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_overdue_are_fetched_while_the_operator_is_away_and_not_before() {
    let world = World::new(true);
    let slot = world.store.slot(&source("a"));
    world.push(&slot, "one");
    *world.issuer.set.lock().unwrap() = Some(set_of("two"));
    // Connected: however old they get.
    sleep(30 * MINUTE).await;
    assert_eq!(world.issuer.asked(), 0);
    world.push(&slot, "one");
    world.link.send_replace(false);
    sleep(10 * MINUTE - Duration::from_secs(5)).await;
    assert_eq!(
        world.issuer.asked(),
        0,
        "twice the five minutes are not over"
    );
    sleep(3 * MINUTE).await;
    assert_eq!(world.issuer.asked(), 1);
    assert!(holds(&slot, "two"));
    sleep(6 * MINUTE).await;
    assert_eq!(world.issuer.asked(), 1, "they are young again");
    // Back: never again.
    world.link.send_replace(true);
    sleep(60 * MINUTE).await;
    assert_eq!(world.issuer.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_comes_back_within_seconds_was_never_away() {
    let world = World::new(true);
    let _slot = world.store.slot(&source("a"));
    for _ in 0..20 {
        world.link.send_replace(false);
        sleep(Duration::from_secs(5)).await;
        world.link.send_replace(true);
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(world.issuer.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_away_as_well_is_asked_less_and_less() {
    let world = World::new(false);
    let slot = world.store.slot(&source("a"));
    sleep(60 * MINUTE).await;
    let asked = world.issuer.asked();
    assert!((20..=75).contains(&asked), "{asked}");
    assert_eq!(slot.failures(), u64::from(asked));
    *world.issuer.set.lock().unwrap() = Some(set_of("one"));
    sleep(3 * MINUTE).await;
    assert!(holds(&slot, "one"));
}

#[tokio::test(start_paused = true)]
async fn keys_of_the_cluster_are_nobodys_to_fetch_but_the_operators() {
    let world = World::new(false);
    let _cluster = world.store.slot(&KeySource::Kubernetes {
        issuer: "https://kubernetes.default.svc".into(),
    });
    let _inline = world.store.slot(&KeySource::Inline(set_of("one")));
    sleep(60 * MINUTE).await;
    assert_eq!(world.issuer.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_policys_own_pace_says_when_keys_are_overdue() {
    let world = World::new(true);
    let slot = world.store.slot(&source("a"));
    slot.set_pace(Pace {
        every: MINUTE,
        retries: 0,
    });
    world.push(&slot, "one");
    world.link.send_replace(false);
    sleep(5 * MINUTE).await;
    assert!(world.issuer.asked() >= 1);
}
