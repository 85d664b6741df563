//! Steady traffic beside a test, from the node: what it asserts is that nobody noticed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::cluster::eventually;
use crate::http::{Request, Response};
use crate::shop::{AUDIENCE, Shop};

/// Between two requests of a sender.
const PACE: Duration = Duration::from_millis(10);
/// No answer for this long is a failure.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most failures that are told.
const TOLD: usize = 10;

/// Traffic that goes on until [`Traffic::finish`].
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Tally>>,
}

/// A request and the status that it must have.
#[derive(Clone)]
struct Expected(Request, u16);

#[derive(Default)]
struct Tally {
    sent: usize,
    failures: Vec<String>,
}

impl Traffic {
    /// Starts asking the shop for what is open, for what needs a token with one and without: over new
    /// connections through its Service, and over a kept connection to each sidecar.
    pub(crate) fn to(shop: &Shop) -> Self {
        let token = shop.namespace.token(AUDIENCE);
        let requests = vec![
            Expected(Request::get("/v1/shelves"), 200),
            Expected(Request::get("/v1/me").bearer(&token), 200),
            Expected(Request::get("/v1/me"), 401),
        ];
        // The node learns a moment later than we do that there are pods behind a new Service.
        eventually("the Service answers", Duration::from_secs(20), || {
            let Expected(request, _) = &requests[0];
            ask(shop.address(), &mut None, false, request).map_err(|error| error.to_string())
        });
        let stop = Arc::new(AtomicBool::new(false));
        let sender = |address: SocketAddr, keep: bool| {
            let (requests, stop) = (requests.clone(), stop.clone());
            thread::spawn(move || send(address, keep, &requests, &stop))
        };
        let mut senders = vec![sender(shop.address(), false)];
        for sidecar in shop.sidecars() {
            senders.push(sender(sidecar.socket_address(), true));
        }
        Self { stop, senders }
    }

    /// Ends it. Fails the test unless each request had the answer that it must have.
    pub(crate) fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut sent, mut failures) = (0, Vec::new());
        for sender in self.senders {
            let tally = sender.join().expect("a sender does not panic");
            assert!(tally.sent > 0, "a sender sent nothing");
            sent += tally.sent;
            failures.extend(tally.failures);
        }
        let first = &failures[..failures.len().min(TOLD)];
        assert!(
            failures.is_empty(),
            "{} of {sent} requests failed: {first:#?}",
            failures.len()
        );
        eprintln!("{sent} requests, none failed");
    }
}

fn send(address: SocketAddr, keep: bool, requests: &[Expected], stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    for Expected(request, status) in requests.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        tally.sent += 1;
        match ask(address, &mut connection, keep, request) {
            Ok(response) if response.status == *status => {}
            Ok(response) => tally.failures.push(format!("{address}: {response:?}")),
            Err(error) => {
                connection = None;
                tally.failures.push(format!("{address}: {error}"));
            }
        }
        thread::sleep(PACE);
    }
    tally
}

/// Asks over the connection that is kept, or a new one.
fn ask(
    address: SocketAddr,
    connection: &mut Option<TcpStream>,
    keep: bool,
    request: &Request,
) -> std::io::Result<Response> {
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            connection.insert(stream)
        }
    };
    let head = request.head("bookstore", if keep { "keep-alive" } else { "close" });
    stream.write_all(head.as_bytes())?;
    let mut bytes = Vec::new();
    let response = loop {
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..length]);
        let whole = std::str::from_utf8(&bytes).ok().and_then(Response::parse);
        if let Some(response) = whole {
            break response;
        }
    };
    if !keep
        || response
            .list("Connection")
            .iter()
            .any(|value| value == "close")
    {
        *connection = None;
    }
    Ok(response)
}
