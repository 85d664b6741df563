//! A replica and the one that leads, over TLS on loopback; and the replica's side in virtual time.

use std::io::Write;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, StatusCode, header};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::client::tell;
use super::*;
use crate::push::body::{self, Reader};
use crate::push::client::{session, tls_config};
use crate::push::server::{Event, Hub, Report, serve_all};
use crate::push::tests::rig::{Authority, FakeAuthenticator, soon};
use crate::push::tests::{pod, service};
use crate::push::wire;
use crate::shutdown::{self, Trigger};

/// A leader.
struct Port {
    address: SocketAddr,
    authority: Authority,
    heard: mpsc::Receiver<Heard>,
    leads: watch::Sender<bool>,
    _trigger: Trigger,
}

/// A fake: `token-of-UID` is who it says, for so long.
struct ByToken(Duration);

impl AuthenticateReplica for ByToken {
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
        _: IpAddr,
        hello: &'a ReplicaHello,
    ) -> BoxFuture<'a, Result<SystemTime, Refused>> {
        let answer = if token == format!("token-of-{}", hello.replica.uid) {
            Ok(SystemTime::now() + self.0)
        } else {
            Err(Refused::new(StatusCode::FORBIDDEN, "not an operator"))
        };
        std::future::ready(answer).boxed()
    }
}

impl Port {
    async fn new() -> Self {
        Self::with_tokens_of(Duration::from_secs(600)).await
    }

    async fn with_tokens_of(lifetime: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let authority = Authority::new();
        let (hub, _) = Hub::new();
        let (sender, heard) = mpsc::channel(1);
        let leads = watch::Sender::new(true);
        let (trigger, shutdown) = shutdown::channel();
        let port = ReplicaPort {
            authenticator: Arc::new(ByToken(lifetime)),
            leads: leads.subscribe(),
            heard: sender,
        };
        tokio::spawn(serve_all(
            listener,
            authority.server.clone(),
            hub,
            Arc::new(FakeAuthenticator::default()),
            Some(port),
            shutdown,
        ));
        Self {
            address,
            authority,
            heard,
            leads,
            _trigger: trigger,
        }
    }

    async fn heard(&mut self) -> Heard {
        soon(self.heard.recv()).await.unwrap()
    }

    fn report(
        &self,
        uid: &str,
        token: &str,
        outbox: &Outbox,
    ) -> tokio::task::JoinHandle<Result<(), ReportError>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{token}").unwrap();
        let (address, outbox) = (self.address.to_string(), outbox.clone());
        let tls = Arc::new(tls_config(&self.authority.pem).unwrap());
        let config = Config {
            replica: pod(uid),
            token_file: file.path().to_owned(),
        };
        tokio::spawn(async move {
            let reported = report(&address, tls, &config, &outbox).await;
            drop(file);
            reported
        })
    }

    /// Says these things by hand; the status, and whether the stream ends then.
    async fn say(&self, path: &str, frames: &[ToLeader]) -> StatusCode {
        let tls = Arc::new(tls_config(&self.authority.pem).unwrap());
        let stream = session::dial(&self.address.to_string(), tls).await.unwrap();
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let (writer, body) = body::channel();
        let request = Request::post(format!("https://{}{path}", wire::TLS_NAME))
            .header(header::AUTHORIZATION, "Bearer token-of-r")
            .body(body)
            .unwrap();
        let frames: Vec<Bytes> = frames.iter().map(|it| wire::encode(it).unwrap()).collect();
        let saying = async {
            for frame in frames {
                // A refusal does not wait for everything.
                let _ = writer.write(frame).await;
            }
        };
        let (response, ()) = tokio::join!(soon(sender.send_request(request)), saying);
        let response = response.unwrap();
        let status = response.status();
        if status == StatusCode::OK {
            let mut body = response.into_body();
            let ended =
                async { while http_body_util::BodyExt::frame(&mut body).await.is_some() {} };
            soon(ended).await;
        }
        status
    }
}

fn event(number: usize, event: Event) -> Report {
    Report {
        service: service(),
        pod: pod(&format!("uid-{number}")),
        sidecar_version: "0.1.0".into(),
        event,
    }
}

fn connected(number: usize) -> Report {
    event(number, Event::Connected { hash: None })
}

fn applied(number: usize, hash: &str) -> Report {
    event(number, Event::Applied { hash: hash.into() })
}

#[test]
fn a_stream_that_outlives_its_pod_leaves_nothing() {
    let outbox = Outbox::default();
    outbox.note(&connected(1), Instant::now());
    outbox.forget("uid-1");
    let version = outbox.since(0, Instant::now()).0;
    for last_words in [applied(1, "h1"), event(1, Event::Gone)] {
        outbox.note(&last_words, Instant::now());
    }
    assert_eq!(outbox.since(0, Instant::now()), (version, vec![]));
}

#[tokio::test]
async fn the_leader_hears_everything_then_what_changes() {
    let mut port = Port::new().await;
    let outbox = Outbox::default();
    for number in 0..150 {
        outbox.note(&connected(number), Instant::now());
        outbox.note(&applied(number, "h1"), Instant::now());
    }
    outbox.forget("uid-0");
    let _reporting = port.report("r", "token-of-r", &outbox);
    let first = port.heard().await;
    assert_eq!((first.replica.as_str(), first.said), ("r", Said::Hello));
    let mut all = Vec::new();
    loop {
        let heard = port.heard().await;
        assert_eq!(heard.session, first.session);
        match heard.said {
            Said::Sidecars(some) => {
                assert!(some.len() <= MAX_SIDECARS);
                all.extend(some);
            }
            Said::Complete => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(all.len(), 149, "each once, and none that is gone");
    assert!(all.iter().all(|it| it.runs.as_deref() == Some("h1")));
    assert!(all.iter().all(|it| it.connected && it.key() == service()));

    outbox.note(&applied(7, "h2"), Instant::now());
    outbox.note(&event(8, Event::Gone), Instant::now());
    let Said::Sidecars(mut changed) = port.heard().await.said else {
        panic!("changes come");
    };
    changed.sort_by(|a, b| a.pod.uid.cmp(&b.pod.uid));
    let [seven, eight] = &changed[..] else {
        panic!("both in one message: {changed:?}");
    };
    assert_eq!(seven.runs.as_deref(), Some("h2"));
    assert!(!eight.connected && eight.runs.as_deref() == Some("h1"));
}

#[tokio::test]
async fn who_does_not_lead_hears_nobody_and_who_leads_no_more_says_so() {
    let mut port = Port::new().await;
    port.leads.send_replace(false);
    let outbox = Outbox::default();
    let refused = soon(port.report("r", "token-of-r", &outbox)).await.unwrap();
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("(503): this replica does not lead"),
        "{refused}"
    );

    port.leads.send_replace(true);
    let reporting = port.report("r", "token-of-r", &outbox);
    assert_eq!(port.heard().await.said, Said::Hello);
    assert_eq!(port.heard().await.said, Said::Complete);
    port.leads.send_replace(false);
    soon(reporting).await.unwrap().unwrap();
}

/// What it told late of pods that are gone would otherwise stay for as long as the leader leads.
#[tokio::test]
async fn a_stream_ends_with_its_token_and_the_next_one_tells_what_there_is_then() {
    let mut port = Port::with_tokens_of(Duration::from_millis(500)).await;
    let outbox = Outbox::default();
    outbox.note(&connected(1), Instant::now());
    let mut told = Vec::new();
    for _ in 0..2 {
        let reporting = port.report("r", "token-of-r", &outbox);
        assert_eq!(port.heard().await.said, Said::Hello);
        match port.heard().await.said {
            Said::Sidecars(sidecars) => {
                told.push(sidecars.len());
                assert_eq!(port.heard().await.said, Said::Complete);
            }
            said => assert_eq!((said, told.len()), (Said::Complete, 1)),
        }
        soon(reporting).await.unwrap().unwrap();
        outbox.forget("uid-1");
    }
    assert_eq!(told, [1]);
}

#[tokio::test]
async fn whoever_cannot_show_that_they_are_an_operator_is_not_heard() {
    let mut port = Port::new().await;
    let refused = soon(port.report("r", "token-of-web-0", &Outbox::default())).await;
    let refused = refused.unwrap().unwrap_err().to_string();
    assert!(refused.contains("(403): not an operator"), "{refused}");
    assert!(!refused.contains("token-of"), "{refused}");
    assert!(port.heard.try_recv().is_err());
}

#[tokio::test]
async fn what_is_no_report_ends_its_stream() {
    let port = Port::new().await;
    let hello = || ToLeader::Hello(ReplicaHello { replica: pod("r") });
    assert_eq!(port.say(PATH, &[ToLeader::Alive {}]).await, 400, "no hello");
    assert_eq!(
        port.say(wire::PATH, &[hello()]).await,
        400,
        "not a sidecar's"
    );
    assert_eq!(port.say("/v1/other", &[hello()]).await, 404);
    // Twice.
    assert_eq!(port.say(PATH, &[hello(), hello()]).await, 200);
}

#[tokio::test]
async fn a_message_of_too_many_sidecars_ends_its_stream() {
    let mut port = Port::new().await;
    let outbox = Outbox::default();
    for number in 0..=MAX_SIDECARS {
        outbox.note(&connected(number), Instant::now());
    }
    let sidecars = outbox.since(0, Instant::now()).1;
    let hello = ToLeader::Hello(ReplicaHello { replica: pod("r") });
    let status = port
        .say(PATH, &[hello, ToLeader::Sidecars { sidecars }])
        .await;
    assert_eq!(status, 200);
    assert_eq!(port.heard().await.said, Said::Hello);
    assert!(port.heard.try_recv().is_err(), "none of them");
}

#[test]
fn the_longest_that_sidecars_can_say_fits_into_a_frame() {
    let named = "v".repeat(wire::MAX_NAMED);
    let longest = SidecarReport {
        pod: PodRef {
            namespace: "n".repeat(63),
            name: "p".repeat(253),
            uid: "u".repeat(64),
        },
        service: "s".repeat(253),
        version: named.clone(),
        began: u64::MAX,
        connected: false,
        runs: Some(named.clone()),
        refused: Some(Refusal {
            hash: named,
            // Nothing is longer in JSON.
            reason: wire::reason(&"\"".repeat(2 * wire::MAX_REASON)),
        }),
    };
    let sidecars = vec![longest; MAX_SIDECARS];
    let frame = wire::encode(&ToLeader::Sidecars { sidecars }).unwrap();
    assert!(frame.len() <= 4 + MAX_REPORT_FRAME, "{}", frame.len());
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_every_10_s() {
    let outbox = Outbox::default();
    outbox.note(&connected(1), Instant::now());
    tokio::time::advance(Duration::from_secs(5)).await;
    let (writer, body) = body::channel();
    let telling = outbox.clone();
    tokio::spawn(async move { tell(&writer, &telling).await });
    let mut reader = Reader::new(body, MAX_REPORT_FRAME);
    let ToLeader::Sidecars { sidecars } = next(&mut reader).await else {
        panic!("first everything");
    };
    assert_eq!(sidecars[0].began, 5_000, "how long ago, by one clock");
    assert_eq!(next(&mut reader).await, ToLeader::Complete {});
    for _ in 0..3 {
        let before = Instant::now();
        assert_eq!(next(&mut reader).await, ToLeader::Alive {});
        assert_eq!(before.elapsed(), ALIVE_INTERVAL);
    }
    // What comes in quick succession is told at once.
    for number in 2..5 {
        outbox.note(&connected(number), Instant::now());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ToLeader::Sidecars { sidecars } = next(&mut reader).await else {
        panic!("changes come");
    };
    assert_eq!(sidecars.len(), 3);
}

async fn next(reader: &mut Reader<body::ChannelBody>) -> ToLeader {
    reader.next().await.unwrap().unwrap()
}
