//! How many requests a backend gets over one HTTP/2 connection: what its SETTINGS say, and until they
//! have come, one.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use endpoints::proxy::Limits;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use crate::backend::raw;
use crate::client::{Answer, ask, patient};
use crate::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PING, REFUSED_STREAM, RST_STREAM, SETTINGS,
};
use crate::http2_backends::{grpc, grpc_with};

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
/// Not repeatable: it gets through only if no stream was wasted on it.
const POST: &str = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
const MAX_CONCURRENT_STREAMS: u8 = 3;
/// `:status: 200` of the static table.
const OK: &[u8] = &[0x88];

/// A server, frame by frame, that knows no more of HTTP/2 than it needs.
struct Server {
    frames: Frames,
    open: BTreeSet<u32>,
}

impl Server {
    /// Takes the client's preface, and says nothing.
    async fn accept(mut stream: tokio::net::TcpStream) -> Option<Self> {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.ok()?;
        Some(Self {
            frames: Frames { stream },
            open: BTreeSet::new(),
        })
    }

    /// The stream of the next request, when it is whole. None: the connection ended.
    async fn next(&mut self) -> Option<u32> {
        loop {
            let frame = self.frames.next().await?;
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => {
                    // Its settings are taken, in silence.
                }
                PING if frame.flags & ACK == 0 => {
                    self.frames.send(PING, ACK, 0, &frame.payload).await;
                }
                HEADERS => {
                    self.open.insert(frame.stream);
                    if frame.flags & END_STREAM != 0 {
                        return Some(frame.stream);
                    }
                }
                DATA if frame.flags & END_STREAM != 0 => return Some(frame.stream),
                RST_STREAM => {
                    self.open.remove(&frame.stream);
                }
                _ => {}
            }
        }
    }

    async fn allow(&mut self, streams: u8) {
        let setting = [0, MAX_CONCURRENT_STREAMS, 0, 0, 0, streams];
        self.frames.send(SETTINGS, 0, 0, &setting).await;
    }

    async fn answer(&mut self, stream: u32) {
        self.open.remove(&stream);
        let flags = END_HEADERS | END_STREAM;
        self.frames.send(HEADERS, flags, stream, OK).await;
    }

    async fn refuse(&mut self, stream: u32) {
        self.open.remove(&stream);
        let code = REFUSED_STREAM.to_be_bytes();
        self.frames.send(RST_STREAM, 0, stream, &code).await;
    }
}

fn at_once(address: SocketAddr, requests: &[&'static str]) -> Vec<tokio::task::JoinHandle<Answer>> {
    let ask = |request: &&'static str| tokio::spawn(ask(address, request));
    requests.iter().map(ask).collect()
}

/// A new connection once took up to 100 requests at once: a backend that allows fewer refused them.
#[tokio::test]
async fn until_its_settings_have_come_a_backend_gets_one_request_and_never_more_than_they_allow() {
    let (too_many, connections) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (note, count) = (too_many.clone(), connections.clone());
    let backend = raw(move |stream, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let too_many = note.clone();
        async move {
            let Some(mut server) = Server::accept(stream).await else {
                return;
            };
            // The first is not kept waiting for anything.
            let Some(first) = server.next().await else {
                return;
            };
            // What would be sent without waiting comes now.
            while let Ok(Some(stream)) = timeout(Duration::from_millis(50), server.next()).await {
                too_many.fetch_add(1, Ordering::SeqCst);
                server.refuse(stream).await;
            }
            server.allow(1).await;
            server.answer(first).await;
            while let Some(stream) = server.next().await {
                if server.open.len() > 1 {
                    too_many.fetch_add(1, Ordering::SeqCst);
                    server.refuse(stream).await;
                    continue;
                }
                sleep(Duration::from_millis(5)).await;
                server.answer(stream).await;
            }
        }
    })
    .await;
    let proxy = grpc(backend);
    for client in at_once(proxy.address, &[[GET; 25], [POST; 25]].concat()) {
        let answer = patient(client).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(too_many.load(Ordering::SeqCst), 0, "streams too many");
    assert!((2..=50).contains(&connections.load(Ordering::SeqCst)));
}

/// Requests that last are not stuck behind each other: there are as many connections as it takes.
#[tokio::test]
async fn streams_that_last_have_connections_enough() {
    let (arrive, mut arrived) = mpsc::unbounded_channel();
    let done = Arc::new(Semaphore::new(0));
    let held = done.clone();
    let backend = raw(move |stream, number| {
        let (arrive, done) = (arrive.clone(), held.clone());
        async move {
            let Some(mut server) = Server::accept(stream).await else {
                return;
            };
            server.allow(2).await;
            loop {
                tokio::select! {
                    stream = server.next() => match stream {
                        Some(_) => {
                            let _ = arrive.send((number, server.open.len()));
                        }
                        None => return,
                    },
                    _ = done.acquire() => break,
                }
            }
            for stream in server.open.clone() {
                server.answer(stream).await;
            }
            while server.next().await.is_some() {}
        }
    })
    .await;
    let proxy = grpc(backend);
    let clients = at_once(proxy.address, &[GET; 11]);
    for _ in 0..11 {
        let (_, open) = patient(arrived.recv()).await.unwrap();
        assert!(open <= 2, "{open}");
    }
    done.close();
    for client in clients {
        assert_eq!(patient(client).await.unwrap().status, 200);
    }
}

/// The first is asked for by the deadline, what waits for the settings by `connectTimeout`.
#[tokio::test]
async fn who_waits_for_settings_that_never_come_is_told() {
    let backend = raw(|stream, _| async move {
        if let Some(mut server) = Server::accept(stream).await {
            while server.next().await.is_some() {}
        }
    })
    .await;
    let limits = Limits {
        backend_deadline: Duration::from_secs(3),
        backend_connect_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let proxy = grpc_with(backend, limits);
    let mut told = Vec::new();
    for client in at_once(proxy.address, &[POST; 6]) {
        let answer = patient(client).await.unwrap();
        if answer.status == 503 {
            assert!(answer.body.contains("no SETTINGS came"), "{answer:?}");
        }
        told.push(answer.reason());
    }
    told.sort();
    told.dedup();
    assert_eq!(told, ["BackendTimeout", "BackendUnreachable"]);
}

/// As one does that restarts: the connection was taken, and nothing was read of it.
#[tokio::test]
async fn who_waits_on_a_connection_that_ends_before_its_settings_moves_to_another() {
    let backend = raw(|stream, number| async move {
        let Some(mut server) = Server::accept(stream).await else {
            return;
        };
        if number == 0 {
            let _ = server.next().await;
            sleep(Duration::from_millis(50)).await;
            return;
        }
        server.allow(100).await;
        while let Some(stream) = server.next().await {
            server.answer(stream).await;
        }
    })
    .await;
    let proxy = grpc(backend);
    let answers = async {
        let mut statuses = Vec::new();
        for client in at_once(proxy.address, &[POST; 30]) {
            statuses.push(patient(client).await.unwrap().status);
        }
        statuses
    };
    let statuses = answers.await;
    let lost = statuses.iter().filter(|status| **status == 502).count();
    // The first may have been seen.
    assert!(lost <= 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 502].contains(status)));
}

/// Settings may come late for who was first, and change under many.
#[tokio::test]
async fn what_is_refused_because_the_backend_allows_fewer_by_now_costs_no_attempt() {
    let backend = raw(|stream, number| async move {
        let Some(mut server) = Server::accept(stream).await else {
            return;
        };
        server.allow(if number == 0 { 100 } else { 1 }).await;
        if number == 0 {
            // The settings are known with the first answer.
            let Some(first) = server.next().await else {
                return;
            };
            server.answer(first).await;
            for _ in 0..20 {
                let _ = server.next().await;
            }
            server.allow(1).await;
            for stream in server.open.clone() {
                match server.open.len() {
                    1 => server.answer(stream).await,
                    _ => server.refuse(stream).await,
                }
            }
        }
        while let Some(stream) = server.next().await {
            server.answer(stream).await;
        }
    })
    .await;
    let proxy = grpc(backend).under(&format!(
        "{}backend: {{address: \"grpc://{backend}\", retries: {{num: 0}}}}\n",
        crate::forwarding::OPEN
    ));
    assert_eq!(ask(proxy.address, GET).await.status, 200);
    for client in at_once(proxy.address, &[GET; 20]) {
        let answer = patient(client).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn a_backend_that_allows_no_request_is_named() {
    let backend = raw(|stream, _| async move {
        let Some(mut server) = Server::accept(stream).await else {
            return;
        };
        server.allow(0).await;
        while let Some(stream) = server.next().await {
            server.refuse(stream).await;
        }
    })
    .await;
    let proxy = grpc(backend);
    for client in at_once(proxy.address, &[GET; 5]) {
        let answer = patient(client).await.unwrap();
        assert!([502, 503].contains(&answer.status), "{answer:?}");
    }
}
