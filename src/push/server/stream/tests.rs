//! Streams over in-memory bodies, in virtual time.

use std::net::IpAddr;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::policy::format::{FORMAT, Policy};
use crate::push::body::{self, ChannelBody};
use crate::push::server::{Authenticate, Hub, PodIdentity, Refused, Report, Snapshot};
use crate::push::tests::{KEYS_URL, keys, pod, policy, policy_with_keys, service};
use crate::push::wire::{Keys, MAX_FRAME, MAX_OPERATOR_FRAME};
use crate::shutdown::{self, Shutdown, Trigger};

/// A stream and both of its peers' ends.
struct Rig {
    hub: Hub,
    reports: UnboundedReceiver<Report>,
    sidecar: Sidecar,
    shutdown: Trigger,
}

/// The API server, as far as it is there.
struct Api(watch::Receiver<bool>);

impl Authenticate for Api {
    fn authenticate<'a>(
        &'a self,
        _: &'a str,
        _: IpAddr,
        _: &'a Hello,
    ) -> BoxFuture<'a, Result<PodIdentity, Refused>> {
        unreachable!("these streams are authenticated")
    }

    fn is_able(&self) -> BoxFuture<'_, bool> {
        std::future::ready(*self.0.borrow()).boxed()
    }
}

struct Sidecar {
    writer: Writer,
    reader: Reader<ChannelBody>,
    stream: JoinHandle<()>,
}

impl Rig {
    fn new(hash: Option<&str>) -> Self {
        Self::with(FORMAT, hash)
    }

    fn with(format: u32, hash: Option<&str>) -> Self {
        let (hub, reports) = Hub::new();
        let (trigger, shutdown) = shutdown::channel();
        let sidecar = connect(&hub, format, hash, shutdown);
        Self {
            hub,
            reports,
            sidecar,
            shutdown: trigger,
        }
    }

    fn publish(&self, policy: &Policy) -> String {
        publish(&self.hub, policy)
    }

    async fn event(&mut self) -> Event {
        self.reports.recv().await.expect("the hub is there").event
    }
}

impl Sidecar {
    async fn read(&mut self) -> Option<ToSidecar> {
        self.reader.next().await.unwrap()
    }

    /// The hash of the next message, a snapshot.
    async fn snapshot(&mut self) -> String {
        match self.read().await {
            Some(ToSidecar::Snapshot(snapshot)) => snapshot.hash,
            other => panic!("not a snapshot: {other:?}"),
        }
    }

    async fn keys(&mut self) -> Keys {
        match self.read().await {
            Some(ToSidecar::Keys(keys)) => keys,
            other => panic!("not keys: {other:?}"),
        }
    }

    async fn say(&self, message: ToOperator) {
        self.writer
            .write(wire::encode(&message).unwrap())
            .await
            .unwrap();
    }

    /// Nothing comes for a second.
    async fn silence(&mut self) {
        let silence = tokio::time::timeout(Duration::from_secs(1), self.read()).await;
        assert!(silence.is_err(), "{silence:?}");
    }
}

fn connect(hub: &Hub, format: u32, hash: Option<&str>, shutdown: Shutdown) -> Sidecar {
    let hello = Hello {
        pod: pod("u1"),
        service: service().name,
        version: "0.1.0".into(),
        format,
        protocol: wire::PROTOCOL,
        hash: hash.map(str::to_owned),
    };
    connect_as(hub, hello, shutdown)
}

fn connect_as(hub: &Hub, hello: Hello, shutdown: Shutdown) -> Sidecar {
    connect_while(watch::channel(true).1, hub, hello, shutdown)
}

/// `able`: whether the API server can be asked who somebody is.
fn connect_while(
    able: watch::Receiver<bool>,
    hub: &Hub,
    hello: Hello,
    shutdown: Shutdown,
) -> Sidecar {
    let subscription = hub.connect(hello.pod.clone(), service(), &hello);
    let (writer, upstream) = body::channel();
    let (down, downstream) = body::channel();
    let reader = Reader::new(upstream, MAX_OPERATOR_FRAME);
    let server = Server {
        hub: hub.clone(),
        authenticator: Arc::new(Api(able)),
        replicas: None,
        shutdown,
    };
    let end = end(Arc::new(server), Duration::from_secs(3600));
    let stream = tokio::spawn(run(subscription, reader, down, hello, end));
    Sidecar {
        writer,
        reader: Reader::new(downstream, MAX_FRAME),
        stream,
    }
}

fn publish(hub: &Hub, policy: &Policy) -> String {
    let snapshot = Snapshot::new("uid".into(), 1, &policy.canonical_bytes()).unwrap();
    let hash = snapshot.hash().to_owned();
    hub.publish(&service(), snapshot);
    hash
}

fn applied(hash: &str) -> Event {
    Event::Applied { hash: hash.into() }
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_gets_what_was_published_and_what_comes_later() {
    let mut rig = Rig::new(None);
    assert_eq!(rig.event().await, Event::Connected { hash: None });
    rig.sidecar.silence().await;
    for name in ["one", "two"] {
        let hash = rig.publish(&policy(name));
        assert_eq!(rig.sidecar.snapshot().await, hash);
        rig.sidecar
            .say(ToOperator::Applied { hash: hash.clone() })
            .await;
        assert_eq!(rig.event().await, applied(&hash));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_has_the_newest_policy_is_told_so() {
    let (hub, _reports) = Hub::new();
    let hash = publish(&hub, &policy("one"));
    let (_trigger, shutdown) = shutdown::channel();
    let mut sidecar = connect(&hub, FORMAT, Some(&hash), shutdown);
    assert_eq!(sidecar.read().await, Some(ToSidecar::Unchanged { hash }));
    // The same policy again, of a newer generation: there is nothing to say.
    publish(&hub, &policy("one"));
    sidecar.silence().await;
}

#[tokio::test(start_paused = true)]
async fn while_an_answer_is_due_only_the_newest_policy_waits() {
    let mut rig = Rig::new(None);
    let first = rig.publish(&policy("0"));
    assert_eq!(rig.sidecar.snapshot().await, first);
    let last = ["1", "2", "3"].map(|name| rig.publish(&policy(name)))[2].clone();
    rig.sidecar.silence().await;
    rig.sidecar.say(ToOperator::Applied { hash: first }).await;
    assert_eq!(rig.sidecar.snapshot().await, last);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_waits_for_its_keys_and_comes_after_them() {
    let mut rig = Rig::new(None);
    let hash = rig.publish(&policy_with_keys("one"));
    rig.sidecar.silence().await;
    rig.hub.publish_keys(keys("v1")).unwrap();
    assert_eq!(rig.sidecar.keys().await, keys("v1"));
    assert_eq!(rig.sidecar.snapshot().await, hash);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_waits_5_s_for_its_keys_and_no_longer() {
    let mut rig = Rig::new(None);
    let start = Instant::now();
    let hash = rig.publish(&policy_with_keys("one"));
    assert_eq!(rig.sidecar.snapshot().await, hash);
    let waited = start.elapsed();
    assert!(
        waited >= KEYS_WAIT && waited < KEYS_WAIT + Duration::from_millis(10),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_does_not_wait_for_keys_that_could_not_be_fetched() {
    let mut rig = Rig::new(None);
    rig.hub.keys_unavailable(&KeySource::Url(KEYS_URL.into()));
    let start = Instant::now();
    let hash = rig.publish(&policy_with_keys("one"));
    assert_eq!(rig.sidecar.snapshot().await, hash);
    assert!(start.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_fetched_again_are_sent_to_who_needs_them_only() {
    let mut rig = Rig::new(None);
    rig.hub.publish_keys(keys("v1")).unwrap();
    let hash = rig.publish(&policy_with_keys("one"));
    assert_eq!(rig.sidecar.keys().await.version, "v1");
    assert_eq!(rig.sidecar.snapshot().await, hash);
    rig.sidecar.say(ToOperator::Applied { hash }).await;
    rig.hub.publish_keys(keys("v2")).unwrap();
    assert_eq!(rig.sidecar.keys().await.version, "v2");
    let source = KeySource::Url("https://other.example/jwks".into());
    rig.hub
        .publish_keys(Keys {
            source,
            ..keys("v1")
        })
        .unwrap();
    rig.sidecar.silence().await;
}

#[tokio::test(start_paused = true)]
async fn keys_outlive_a_fetch_that_fails() {
    let mut rig = Rig::new(None);
    rig.hub.publish_keys(keys("v1")).unwrap();
    rig.hub.keys_unavailable(&KeySource::Url(KEYS_URL.into()));
    rig.publish(&policy_with_keys("one"));
    assert_eq!(rig.sidecar.keys().await.version, "v1");
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_reported_and_not_repeated() {
    let mut rig = Rig::new(None);
    assert_eq!(rig.event().await, Event::Connected { hash: None });
    let good = rig.publish(&policy("good"));
    rig.sidecar.snapshot().await;
    rig.sidecar
        .say(ToOperator::Applied { hash: good.clone() })
        .await;
    assert_eq!(rig.event().await, applied(&good));
    let bad = rig.publish(&policy("bad"));
    rig.sidecar.snapshot().await;
    rig.sidecar
        .say(ToOperator::Rejected {
            hash: bad.clone(),
            reason: "no\nway".into(),
        })
        .await;
    assert_eq!(
        rig.event().await,
        Event::Rejected {
            hash: bad,
            reason: "no way".into()
        }
    );
    rig.publish(&policy("bad"));
    rig.sidecar.silence().await;
    // Back to what it runs: nothing to send, but it is current again.
    rig.publish(&policy("good"));
    assert_eq!(rig.event().await, applied(&good));
    rig.sidecar.silence().await;
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_too_old_for_the_policy_is_rejected_without_being_sent_it() {
    let mut rig = Rig::with(FORMAT - 1, None);
    assert_eq!(rig.event().await, Event::Connected { hash: None });
    let hash = rig.publish(&policy("one"));
    match rig.event().await {
        Event::Rejected {
            hash: rejected,
            reason,
        } => {
            assert_eq!(rejected, hash);
            assert!(reason.starts_with("SidecarTooOld"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    rig.sidecar.silence().await;
}

/// A message that it cannot read would end its stream, again and again.
#[tokio::test(start_paused = true)]
async fn a_sidecar_too_old_for_a_kind_of_source_is_not_sent_its_keys() {
    let discovered = Keys {
        source: KeySource::Discovery {
            url: "https://issuer.example/d".into(),
            issuer: "https://issuer.example".into(),
        },
        ..keys("v1")
    };
    let mut policy = policy_with_keys("one");
    policy.format = 2;
    let mut provider = policy.providers["issuer"].clone();
    provider.keys = discovered.source.clone();
    policy.providers.insert("other".into(), provider);
    for (format, read) in [(1, 1), (2, 2)] {
        let mut rig = Rig::with(format, None);
        rig.hub.publish_keys(discovered.clone()).unwrap();
        rig.hub.publish_keys(keys("v1")).unwrap();
        rig.publish(&policy);
        for _ in 0..read {
            rig.sidecar.keys().await;
        }
        if format == 2 {
            rig.sidecar.snapshot().await;
        }
        rig.sidecar.silence().await;
        assert!(!rig.sidecar.stream.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn a_removed_service_leaves_its_sidecars_what_they_have() {
    let mut rig = Rig::new(None);
    let hash = rig.publish(&policy("one"));
    rig.sidecar.snapshot().await;
    rig.sidecar.say(ToOperator::Applied { hash }).await;
    rig.hub.remove(&service());
    rig.sidecar.silence().await;
    assert!(!rig.sidecar.stream.is_finished());
    let hash = rig.publish(&policy("two"));
    assert_eq!(rig.sidecar.snapshot().await, hash);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_asked_for_ends_the_stream() {
    for answer in [
        ToOperator::Applied { hash: "h".into() },
        ToOperator::Rejected {
            hash: "h".into(),
            reason: String::new(),
        },
    ] {
        let mut rig = Rig::new(None);
        rig.sidecar.say(answer).await;
        assert_eq!(rig.sidecar.read().await, None);
    }
    let mut rig = Rig::new(None);
    rig.publish(&policy("one"));
    rig.sidecar.snapshot().await;
    rig.sidecar
        .say(ToOperator::Applied {
            hash: "another".into(),
        })
        .await;
    assert_eq!(rig.sidecar.read().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_does_not_answer_is_let_go() {
    let mut rig = Rig::new(None);
    rig.publish(&policy("one"));
    rig.sidecar.snapshot().await;
    let start = Instant::now();
    assert_eq!(rig.sidecar.read().await, None);
    assert_eq!(start.elapsed().as_secs(), ANSWER_TIMEOUT.as_secs());
    assert_eq!(rig.event().await, Event::Connected { hash: None });
    assert_eq!(rig.event().await, Event::Gone);
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_reads_nothing_is_let_go() {
    let mut rig = Rig::new(None);
    // The channel holds one frame; the second one finds it full.
    rig.hub.publish_keys(keys("v1")).unwrap();
    rig.publish(&policy_with_keys("one"));
    let start = Instant::now();
    (&mut rig.sidecar.stream).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_time_is_over() {
    let mut rig = Rig::new(None);
    let start = Instant::now();
    assert_eq!(rig.sidecar.read().await, None);
    assert_eq!(start.elapsed().as_secs(), 3600);
}

#[tokio::test(start_paused = true)]
async fn an_old_stream_goes_on_for_as_long_as_its_sidecar_could_not_come_back() {
    let (hub, _reports) = Hub::new();
    let (able, is_able) = watch::channel(false);
    let (_trigger, shutdown) = shutdown::channel();
    let hello = Hello {
        pod: pod("u1"),
        service: service().name,
        version: "0.1.0".into(),
        format: FORMAT,
        protocol: wire::PROTOCOL,
        hash: None,
    };
    let mut sidecar = connect_while(is_able, &hub, hello, shutdown);
    tokio::time::sleep(Duration::from_secs(5 * 3600)).await;
    // What can be pushed still is.
    let hash = publish(&hub, &policy("one"));
    assert_eq!(sidecar.snapshot().await, hash);
    sidecar.say(ToOperator::Applied { hash }).await;
    let start = Instant::now();
    able.send_replace(true);
    assert_eq!(sidecar.read().await, None);
    assert!(start.elapsed() <= 2 * RESPITE, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn streams_end_spread_when_the_operator_stops() {
    let (hub, _reports) = Hub::new();
    let (trigger, shutdown) = shutdown::channel();
    let sidecars = (0..1000).map(|number| {
        let hello = Hello {
            pod: pod(&format!("u{number}")),
            service: service().name,
            version: "0.1.0".into(),
            format: FORMAT,
            protocol: wire::PROTOCOL,
            hash: None,
        };
        connect_as(&hub, hello, shutdown.clone())
    });
    let sidecars: Vec<_> = sidecars.collect();
    trigger.start();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let open = hub.streams();
    assert!((300..700).contains(&open), "after half a second: {open}");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(hub.streams(), 0);
    drop(sidecars);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_pod_goes() {
    let mut rig = Rig::new(None);
    assert_eq!(rig.hub.streams(), 1);
    rig.hub.disconnect("another");
    rig.sidecar.silence().await;
    rig.hub.disconnect("u1");
    assert_eq!(rig.sidecar.read().await, None);
    assert_eq!(rig.event().await, Event::Connected { hash: None });
    assert_eq!(rig.event().await, Event::Gone);
    assert_eq!(rig.hub.streams(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_newer_stream_of_the_pod_ends_the_older_one_and_speaks_for_the_pod() {
    let mut rig = Rig::new(Some("h1"));
    let (_trigger, shutdown) = shutdown::channel();
    let newer = connect(&rig.hub, FORMAT, Some("h2"), shutdown);
    assert_eq!(rig.sidecar.read().await, None);
    assert_eq!(
        rig.event().await,
        Event::Connected {
            hash: Some("h1".into())
        }
    );
    assert_eq!(
        rig.event().await,
        Event::Connected {
            hash: Some("h2".into())
        }
    );
    drop(newer.writer);
    assert_eq!(rig.event().await, Event::Gone);
    assert!(rig.reports.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_newest_trust_bundle_comes_first_and_once() {
    let mut rig = Rig::new(None);
    for bundle in ["one", "two", "two"] {
        rig.hub.publish_trust(bundle);
    }
    let two = Some(ToSidecar::Trust {
        bundle: "two".into(),
    });
    assert_eq!(rig.sidecar.read().await, two);
    let hash = rig.publish(&policy("one"));
    let (_trigger, shutdown) = shutdown::channel();
    let mut other = connect(&rig.hub, FORMAT, None, shutdown);
    assert_eq!(other.read().await, two);
    assert_eq!(other.snapshot().await, hash);
    rig.hub.publish_trust(&"x".repeat(wire::MAX_TRUST + 1));
    other.silence().await;
}

#[tokio::test(start_paused = true)]
async fn a_pods_own_reason_to_withhold_readiness_counts_before_its_services() {
    let mut rig = Rig::new(None);
    let withheld = |reason: Option<&str>| {
        let reason = reason.map(str::to_owned);
        Some(ToSidecar::Withhold { reason })
    };
    let say = |uid: Option<&str>, reason: Option<&str>| {
        rig.hub.withhold(&service(), uid, reason.map(str::to_owned));
    };
    say(Some("u1"), Some("pod"));
    assert_eq!(rig.sidecar.read().await, withheld(Some("pod")));
    say(None, Some("service"));
    say(Some("another"), Some("another"));
    rig.sidecar.silence().await;
    let say = |uid: Option<&str>, reason: Option<&str>| {
        rig.hub.withhold(&service(), uid, reason.map(str::to_owned));
    };
    say(Some("u1"), None);
    assert_eq!(rig.sidecar.read().await, withheld(Some("service")));
    say(None, None);
    assert_eq!(rig.sidecar.read().await, withheld(None));
}

/// An unknown message would end its stream, again and again.
#[tokio::test(start_paused = true)]
async fn a_sidecar_of_the_first_protocol_is_sent_nothing_of_the_second() {
    let (hub, _reports) = Hub::new();
    hub.publish_trust("bundle");
    hub.withhold(&service(), None, Some("why".into()));
    let hash = publish(&hub, &policy("one"));
    let (_trigger, shutdown) = shutdown::channel();
    let hello = Hello {
        pod: pod("u1"),
        service: service().name,
        version: "0.1.0".into(),
        format: FORMAT,
        protocol: 1,
        hash: None,
    };
    let mut old = connect_as(&hub, hello, shutdown);
    assert_eq!(old.snapshot().await, hash);
    old.say(ToOperator::Applied { hash }).await;
    hub.publish_trust("another");
    hub.withhold(&service(), Some("u1"), Some("because".into()));
    old.silence().await;
    assert!(!old.stream.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_asks_for_keys_of_its_policy_only_and_a_flood_ends_its_stream() {
    let mut rig = Rig::new(None);
    assert_eq!(rig.event().await, Event::Connected { hash: None });
    rig.hub.publish_keys(keys("v1")).unwrap();
    rig.publish(&policy_with_keys("one"));
    rig.sidecar.keys().await;
    rig.sidecar.snapshot().await;
    let want = |source: &KeySource| ToOperator::KeysWanted {
        source: wire::source_id(source),
    };
    // Also while an answer is due.
    let source = keys("v1").source;
    let other = KeySource::Url("https://other.example/jwks".into());
    rig.sidecar.say(want(&other)).await;
    rig.sidecar.say(want(&source)).await;
    let event = Event::KeysWanted {
        source: source.clone(),
    };
    assert_eq!(rig.event().await, event);
    tokio::time::sleep(Duration::from_secs(10)).await;
    rig.sidecar.say(want(&source)).await;
    assert_eq!(rig.event().await, event);
    let flood = async {
        loop {
            let frame = wire::encode(&want(&source)).unwrap();
            if rig.sidecar.writer.write(frame).await.is_err() {
                return;
            }
        }
    };
    flood.await;
    assert_eq!(rig.event().await, Event::Gone, "nothing was passed on");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_operator() {
    let mut rig = Rig::new(None);
    rig.shutdown.start();
    assert_eq!(rig.sidecar.read().await, None);
}

#[test]
fn a_lifetime_ends_with_the_token_and_at_30_minutes_at_most() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let after = |seconds| lifetime(now + Duration::from_secs(seconds), now);
    assert_eq!(after(600), Duration::from_secs(600));
    let spread: Vec<_> = (0..100).map(|_| after(36_000)).collect();
    assert!(
        spread
            .iter()
            .all(|l| *l <= MAX_AGE && *l >= MAX_AGE.mul_f64(0.9))
    );
    assert!(spread.iter().any(|l| *l < MAX_AGE.mul_f64(0.97)));
    assert_eq!(lifetime(now - Duration::from_secs(1), now), Duration::ZERO);
}
