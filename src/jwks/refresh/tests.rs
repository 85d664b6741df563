use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::{BoxFuture, join_all};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::*;
use crate::jwks::slot::Pace;
use crate::policy::key_set::tokens::{Signer, key_set};

const START: u64 = 1_800_000_000;
const MINUTE: Duration = Duration::from_secs(60);
/// The default of `jwt.maxKeyAge`, in seconds.
const DAY: u64 = 24 * 3600;

/// Issuers in virtual time: what each answers, after how long, and how often it was asked.
#[derive(Default)]
struct Issuers {
    answers: Mutex<BTreeMap<KeySource, Answer>>,
    asked: Mutex<BTreeMap<KeySource, Vec<Instant>>>,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
}

/// After how long, and with what.
type Answer = (Duration, Result<String, FetchError>);

impl Issuers {
    fn answer(&self, source: &KeySource, delay: Duration, answer: Result<String, FetchError>) {
        self.answers
            .lock()
            .unwrap()
            .insert(source.clone(), (delay, answer));
    }

    fn publish(&self, source: &KeySource, kids: &[&str]) {
        self.answer(source, Duration::ZERO, Ok(set_of(kids)));
    }

    fn die(&self, source: &KeySource) {
        self.answer(source, Duration::ZERO, Err(FetchError::Unreachable));
    }

    fn asked(&self, source: &KeySource) -> usize {
        self.asked.lock().unwrap().get(source).map_or(0, Vec::len)
    }
}

impl FetchKeys for Issuers {
    fn fetch<'a>(&'a self, source: &'a KeySource) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        Box::pin(async move {
            self.asked
                .lock()
                .unwrap()
                .entry(source.clone())
                .or_default()
                .push(Instant::now());
            let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_in_flight.fetch_max(now, Ordering::SeqCst);
            let (delay, answer) = self.answers.lock().unwrap()[source].clone();
            sleep(delay).await;
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            answer.map(String::into_bytes)
        })
    }
}

/// A running refresher in virtual time.
struct World {
    store: KeyStore,
    issuers: Arc<Issuers>,
    events: Arc<Mutex<Vec<KeyEvent>>>,
    begun: Instant,
    running: JoinHandle<()>,
}

impl World {
    fn new() -> Self {
        let (store, issuers) = (KeyStore::default(), Arc::new(Issuers::default()));
        let events = Arc::new(Mutex::new(Vec::new()));
        let begun = Instant::now();
        let record = Arc::clone(&events);
        let refresher = Refresher::with_clock(
            store.clone(),
            Arc::clone(&issuers) as Arc<dyn FetchKeys>,
            move |event| record.lock().unwrap().push(event),
            move || START + begun.elapsed().as_secs(),
        );
        let running = tokio::spawn(refresher.run());
        Self {
            store,
            issuers,
            events,
            begun,
            running,
        }
    }

    fn now(&self) -> u64 {
        START + self.begun.elapsed().as_secs()
    }

    fn last_event(&self) -> KeyEvent {
        self.events.lock().unwrap().last().unwrap().clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn source(name: &str) -> KeySource {
    KeySource::Url(format!("https://{name}.example/jwks"))
}

fn set_of(kids: &[&str]) -> String {
    let signers: Vec<_> = kids.iter().map(|kid| Signer::new("ES256", kid)).collect();
    key_set(&signers.iter().collect::<Vec<_>>())
}

fn kids(set: &KeySet) -> Vec<&str> {
    set.keys
        .iter()
        .filter_map(|key| key.kid.as_deref())
        .collect()
}

/// Lets everything that is due now happen.
async fn settle() {
    sleep(Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_at_once_and_every_five_minutes() {
    let world = World::new();
    let a = source("a");
    world.issuers.publish(&a, &["one"]);
    let slot = world.store.slot(&a);
    settle().await;
    assert_eq!(kids(&slot.usable(world.now(), DAY).unwrap()), ["one"]);
    let event = world.last_event();
    assert_eq!(event.source, a);
    let fetched = event.result.unwrap();
    assert!(fetched.changed);
    let essential = key_set::essential(set_of(&["one"]).as_bytes()).unwrap();
    assert_eq!(fetched.text, essential);
    assert_eq!(fetched.fetched_at, START);

    world.issuers.publish(&a, &["two"]);
    sleep(4 * MINUTE).await;
    assert_eq!(kids(&slot.usable(world.now(), DAY).unwrap()), ["one"]);
    sleep(MINUTE).await;
    assert_eq!(kids(&slot.usable(world.now(), DAY).unwrap()), ["two"]);
    sleep(5 * MINUTE).await;
    assert!(!world.last_event().result.unwrap().changed);
    assert_eq!(world.issuers.asked(&a), 3);
}

#[tokio::test(start_paused = true)]
async fn slots_made_before_the_refresher_are_fetched_too() {
    let issuers = Arc::new(Issuers::default());
    let (store, a) = (KeyStore::default(), source("a"));
    issuers.publish(&a, &["one"]);
    let slot = store.slot(&a);
    let clock = || START;
    let refresher = Refresher::with_clock(
        store,
        Arc::clone(&issuers) as Arc<dyn FetchKeys>,
        |_| {},
        clock,
    );
    let running = tokio::spawn(refresher.run());
    settle().await;
    assert!(slot.usable(START, DAY).is_some());
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_dead_issuers_keys_last_a_day_and_no_longer() {
    let world = World::new();
    let a = source("a");
    world.issuers.publish(&a, &["one"]);
    let slot = world.store.slot(&a);
    settle().await;
    world.issuers.die(&a);
    sleep(6 * MINUTE).await;
    assert_eq!(world.last_event().result, Err(FetchError::Unreachable));
    assert!(slot.usable(world.now(), DAY).is_some(), "minute 6");
    sleep(23 * 60 * MINUTE).await;
    assert!(slot.usable(world.now(), DAY).is_some(), "hour 23");
    sleep(60 * MINUTE).await;
    assert!(slot.usable(world.now(), DAY).is_none(), "after a day");
    world.issuers.publish(&a, &["two"]);
    sleep(MINUTE).await;
    assert_eq!(kids(&slot.usable(world.now(), DAY).unwrap()), ["two"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_key_set_replaces_nothing() {
    let world = World::new();
    let a = source("a");
    world.issuers.publish(&a, &["one"]);
    let slot = world.store.slot(&a);
    settle().await;
    for (text, class) in [("{\"keys\":[]}", "NotAKeySet"), ("<html>", "NotAKeySet")] {
        world
            .issuers
            .answer(&a, Duration::ZERO, Ok(text.to_owned()));
        sleep(6 * MINUTE).await;
        assert_eq!(world.last_event().result.unwrap_err().class(), class);
        assert_eq!(kids(&slot.usable(world.now(), DAY).unwrap()), ["one"]);
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_after_one_second_doubling_to_a_minute() {
    let world = World::new();
    let a = source("a");
    world.issuers.die(&a);
    let _slot = world.store.slot(&a);
    sleep(5 * MINUTE).await;
    let asked = world.issuers.asked.lock().unwrap()[&a].clone();
    let gaps: Vec<_> = asked
        .windows(2)
        .map(|w| (w[1] - w[0]).as_secs_f64().round())
        .collect();
    assert_eq!(gaps, [1., 2., 4., 8., 16., 32., 60., 60., 60.]);
}

#[tokio::test(start_paused = true)]
async fn a_source_has_its_pace_and_repeats_a_fetch_before_it_counts_as_failed() {
    let world = World::new();
    let a = source("a");
    world.issuers.die(&a);
    let slot = world.store.slot(&a);
    slot.set_pace(Pace {
        every: Duration::from_secs(20),
        retries: 2,
    });
    // At once, 200 ms later, 400 ms later; then it has failed, and the pause of failures begins.
    sleep(Duration::from_millis(500)).await;
    assert_eq!(world.issuers.asked(&a), 2);
    assert!(world.events.lock().unwrap().is_empty());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.issuers.asked(&a), 3);
    assert_eq!(world.events.lock().unwrap().len(), 1);
    world.issuers.publish(&a, &["one"]);
    sleep(Duration::from_secs(18)).await;
    assert_eq!(world.issuers.asked(&a), 4);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(world.issuers.asked(&a), 5);
}

#[tokio::test(start_paused = true)]
async fn one_slow_issuer_delays_no_other() {
    let world = World::new();
    let (slow, quick) = (source("slow"), source("quick"));
    world
        .issuers
        .answer(&slow, 60 * MINUTE, Ok(set_of(&["one"])));
    world.issuers.publish(&quick, &["one"]);
    let _slow = world.store.slot(&slow);
    settle().await;
    let quick = world.store.slot(&quick);
    settle().await;
    assert!(quick.usable(world.now(), DAY).is_some());
    sleep(FETCH_TIMEOUT).await;
    let event = world.last_event();
    assert_eq!(
        (event.source, event.result),
        (slow, Err(FetchError::Timeout))
    );
}

#[tokio::test(start_paused = true)]
async fn fetches_at_once_are_bounded() {
    let world = World::new();
    let sources: Vec<_> = (0..40).map(|number| source(&number.to_string())).collect();
    for source in &sources {
        world
            .issuers
            .answer(source, Duration::from_secs(1), Ok(set_of(&["one"])));
    }
    let slots: Vec<_> = sources
        .iter()
        .map(|source| world.store.slot(source))
        .collect();
    sleep(Duration::from_secs(4)).await;
    assert!(
        slots
            .iter()
            .all(|slot| slot.usable(world.now(), DAY).is_some())
    );
    assert_eq!(
        world.issuers.most_in_flight.load(Ordering::SeqCst),
        CONCURRENT_FETCHES as u64
    );
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_dead_issuers_delay_neither_working_ones_nor_new_ones() {
    let world = World::new();
    let (old, new) = (source("old"), source("new"));
    for source in [&old, &new] {
        world.issuers.publish(source, &["one"]);
    }
    let _old = world.store.slot(&old);
    let dead = |number: usize| {
        let source = source(&format!("dead{number}"));
        world
            .issuers
            .answer(&source, 60 * MINUTE, Ok(set_of(&["one"])));
        world.store.slot(&source)
    };
    // A fetch of each takes 5 s: with 16 turns, a round of them takes more than three minutes.
    let _dead: Vec<_> = (0..640).map(dead).collect();
    sleep(4 * MINUTE).await;
    let new = world.store.slot(&new);
    settle().await;
    assert!(new.usable(world.now(), DAY).is_some(), "new");
    let before = world.issuers.asked(&old);
    sleep(5 * MINUTE).await;
    let times = world.issuers.asked.lock().unwrap()[&old].clone();
    assert_eq!(times.len(), before + 1, "old");
    let gap = times[before] - times[before - 1];
    assert!(gap <= 5 * MINUTE, "old after {gap:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_on_holds_the_keys_and_nothing_beside_them() {
    let world = World::new();
    let a = source("a");
    let signer = Signer::new("RS256", "one");
    let mut set: serde_json::Value = serde_json::from_str(&key_set(&[&signer])).unwrap();
    set["padding"] = "x".repeat(500_000).into();
    set["keys"][0]["x5c"] = "y".repeat(400_000).into();
    set["keys"].as_array_mut().unwrap().push("broken".into());
    world
        .issuers
        .answer(&a, Duration::ZERO, Ok(set.to_string()));
    let slot = world.store.slot(&a);
    settle().await;
    let fetched = world.last_event().result.unwrap();
    assert!(fetched.text.len() < 1024, "{} bytes", fetched.text.len());
    // Whoever parses what is handed on has the same keys, under the same version.
    let passed_on = KeySet::parse(&fetched.text).unwrap();
    assert_eq!(passed_on.version, fetched.version);
    let original = KeySet::parse(set.to_string().as_bytes()).unwrap();
    assert_eq!(passed_on.keys[0].id, original.keys[0].id);
    assert_eq!(
        slot.usable(world.now(), DAY).unwrap().version,
        fetched.version
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_that_nobody_uses_is_not_fetched() {
    let world = World::new();
    let a = source("a");
    world.issuers.publish(&a, &["one"]);
    let slot = world.store.slot(&a);
    settle().await;
    drop(slot);
    sleep(60 * MINUTE).await;
    assert_eq!(world.issuers.asked(&a), 1);
    let slot = world.store.slot(&a);
    settle().await;
    assert!(slot.usable(world.now(), DAY).is_some());
    assert_eq!(world.issuers.asked(&a), 2);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_fetched_on_demand_once_for_all_who_ask() {
    let world = World::new();
    let a = source("a");
    world.issuers.publish(&a, &["one"]);
    let slot = world.store.slot(&a);
    sleep(Duration::from_secs(11)).await;
    world
        .issuers
        .answer(&a, Duration::from_millis(300), Ok(set_of(&["two"])));
    let asking = Instant::now();
    let answers = join_all((0..100).map(|_| slot.refresh_on_demand())).await;
    assert!(answers.into_iter().all(|changed| changed));
    assert!(asking.elapsed() < Duration::from_millis(400));
    assert_eq!(kids(&slot.usable(world.now(), DAY).unwrap()), ["two"]);
    settle().await;
    assert_eq!(world.issuers.asked(&a), 2);
}

#[tokio::test(start_paused = true)]
async fn fetches_on_demand_keep_ten_seconds_apart() {
    let world = World::new();
    let a = source("a");
    world.issuers.publish(&a, &["one"]);
    let slot = world.store.slot(&a);
    settle().await;
    let asking = Instant::now();
    assert!(!slot.refresh_on_demand().await, "just fetched");
    assert!(asking.elapsed() < Duration::from_millis(1));
    // Requests with made-up `kid`s, ten a second for a minute.
    for _ in 0..600 {
        assert!(!slot.refresh_on_demand().await);
        sleep(Duration::from_millis(100)).await;
    }
    let asked = world.issuers.asked(&a);
    assert!((6..=7).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_wants_who_does_not_wait_is_fetched_as_soon_as_the_bounds_allow() {
    let world = World::new();
    let a = source("a");
    world.issuers.publish(&a, &["one"]);
    let slot = world.store.slot(&a);
    sleep(Duration::from_secs(3)).await;
    world.issuers.publish(&a, &["two"]);
    for _ in 0..100 {
        slot.want();
    }
    sleep(Duration::from_secs(6)).await;
    assert_eq!(world.issuers.asked(&a), 1, "ten seconds apart");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(kids(&slot.usable(world.now(), DAY).unwrap()), ["two"]);
    // One fetch answered them all.
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.issuers.asked(&a), 2);
    slot.want();
    settle().await;
    assert_eq!(world.issuers.asked(&a), 3, "at once");
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_at_most_a_second_for_newer_keys() {
    let world = World::new();
    let a = source("a");
    world.issuers.publish(&a, &["one"]);
    let slot = world.store.slot(&a);
    sleep(Duration::from_secs(11)).await;
    world
        .issuers
        .answer(&a, Duration::from_secs(3), Ok(set_of(&["two"])));
    let asking = Instant::now();
    assert!(!slot.refresh_on_demand().await);
    assert_eq!(asking.elapsed().as_secs(), 1);
    // What it asked for still comes, and who asks again joins.
    sleep(Duration::from_millis(1500)).await;
    assert!(slot.refresh_on_demand().await);
    assert_eq!(world.issuers.asked(&a), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refresher_that_ends_keeps_nobody_waiting() {
    let world = World::new();
    let a = source("a");
    world.issuers.publish(&a, &["one"]);
    let slot = world.store.slot(&a);
    sleep(Duration::from_secs(11)).await;
    world.running.abort();
    settle().await;
    let asking = Instant::now();
    assert!(!slot.refresh_on_demand().await);
    assert!(asking.elapsed() < Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_attempt() {
    let world = World::new();
    let a = source("a");
    // The stand-in panics for a source that it has no answer for.
    let slot = world.store.slot(&a);
    settle().await;
    assert_eq!(world.last_event().result.unwrap_err().class(), "Source");
    world.issuers.answers.clear_poison();
    world.issuers.publish(&a, &["one"]);
    sleep(Duration::from_secs(2)).await;
    assert!(slot.usable(world.now(), DAY).is_some());
}

#[test]
fn logs_name_the_place_without_what_a_url_may_hide() {
    let url = "https://user:password@issuer.example:8443/jwks?key=secret#x";
    assert_eq!(
        place(&KeySource::Url(url.to_owned())),
        "https://issuer.example:8443/jwks"
    );
    assert_eq!(place(&KeySource::Url("password".to_owned())), "not a URL");
}

#[tokio::test(start_paused = true)]
async fn the_very_first_fetch_is_waited_for_a_second_and_an_outage_is_not() {
    let world = World::new();
    let (quick, slow, dead) = (source("quick"), source("slow"), source("dead"));
    let after = Duration::from_millis;
    world
        .issuers
        .answer(&quick, after(300), Ok(set_of(&["one"])));
    world
        .issuers
        .answer(&slow, after(4_000), Ok(set_of(&["one"])));
    world
        .issuers
        .answer(&dead, after(4_000), Err(FetchError::Unreachable));
    let slots = [&quick, &slow, &dead].map(|source| world.store.slot(source));
    let [quick, slow, dead] = &slots;
    settle().await;
    let timed = async |slot: &KeySlot| {
        let begun = Instant::now();
        (slot.first_keys().await, begun.elapsed().as_millis())
    };
    let (came, waited) = timed(quick).await;
    assert!(came && waited <= 300, "{waited}");
    assert!(matches!(timed(slow).await, (false, 1000..=1010)));
    assert!(matches!(timed(dead).await, (false, 1000..=1010)));
    // The next fetch of what is dead is under way: whoever asks is told at once.
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.issuers.asked(&source("dead")), 2);
    assert!(matches!(timed(dead).await, (false, 0)));
    assert!(slow.usable(world.now(), DAY).is_some());
}
