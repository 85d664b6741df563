//! Mixed load over the real sidecar: `make soak TIME=3600`. Good, bad, slow and aborted requests while
//! policies are swapped, keys rotate and the backend restarts. Nothing may be accepted or refused
//! wrongly, and after the first minutes neither memory nor descriptors may grow.
// A failed expectation is what it looks for.
#![allow(clippy::print_stdout, clippy::panic)]

mod backend;
mod cases;
mod client;
mod process;
mod state;
#[path = "../support/operator.rs"]
mod support;
mod tally;
#[path = "../support/tokens.rs"]
mod tokens;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use endpoints::api::EndpointsServiceSpec;
use endpoints::policy::{Policy, ServiceIdentity, compile};
use tokio::time::{Instant, interval, sleep};

use self::backend::{Backend, Seen};
use self::cases::{KINDS, Pace, Tokens, case};
use self::client::Client;
use self::process::Sidecar;
use self::state::State;
use self::support::{Operator, free_ports};
use self::tally::Tally;
use self::tokens::{Signer, key_set};

const ISSUER: &str = "https://issuer.example.com";
const AUDIENCE: &str = "https://api.example.com";
const KEYS: &str = "https://issuer.example.com/keys";
const ORIGIN: &str = "https://app.example.com";

const CLIENTS: usize = 16;
/// The pause between two requests of a client: a steady load, not a flood.
const PAUSE: Duration = Duration::from_millis(5);
const SWAP_EVERY: Duration = Duration::from_secs(3);
const ROTATE_EVERY: Duration = Duration::from_secs(7);
const RESTART_EVERY: Duration = Duration::from_secs(11);
/// How long pushed keys may take to be in force: they are not acknowledged as policies are.
const KEYS_TAKE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_accepted_or_refused_wrongly_and_nothing_grows() {
    let time = std::env::var("SOAK_SECONDS").ok();
    let time = time.map_or(60, |seconds| seconds.parse().expect("a number of seconds"));
    let end = Instant::now() + Duration::from_secs(time);

    let signers = [Signer::new("RS256", "a"), Signer::new("ES256", "b")];
    let stranger = Signer::new("ES256", "stranger");
    let mut operator = Operator::start().await;
    operator.publish_keys(KEYS, key_set(&[&signers[0]]));
    operator.publish(&policy(false));

    let [traffic, app, admin] = free_ports();
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("sidecar.log");
    let binary = Command::new(env!("CARGO_BIN_EXE_endpoints"));
    let child = support::sidecar(binary, &operator, [traffic, app, admin], &log);
    let sidecar = Arc::new(Sidecar::new(child, log, folder));
    operator.applied().await;

    let address = SocketAddr::from(([127, 0, 0, 1], app));
    let seen = Arc::new(Seen::default());
    let (state, tally) = (Arc::new(State::default()), Arc::new(Tally::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let restarting = tokio::spawn(restart(address, seen.clone(), state.clone(), stop.clone()));
    let swapping = tokio::spawn(swap(operator, signers.clone(), state.clone(), stop.clone()));
    let numbers = Arc::new(AtomicU64::new(0));
    let signers = Arc::new((signers, stranger));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|place| {
            let shared = (
                state.clone(),
                tally.clone(),
                numbers.clone(),
                signers.clone(),
            );
            tokio::spawn(ask(
                SocketAddr::from(([127, 0, 0, 1], traffic)),
                place,
                shared,
                stop.clone(),
            ))
        })
        .collect();

    let mut samples = Vec::new();
    let mut ticks = interval(Duration::from_secs(time.div_ceil(60).min(5)));
    while Instant::now() < end && tally.wrong() < 50 {
        ticks.tick().await;
        samples.push(sidecar.sample());
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.expect("no client panics");
    }
    swapping.await.expect("the operator lasts");
    restarting.await.expect("the backend lasts");

    println!("{tally}");
    println!(
        "{} requests reached the backend",
        seen.requests.load(Ordering::SeqCst)
    );
    let grown = process::growth(&samples, time);
    println!("{grown}");
    let panics = process::metric(admin, "panics").await;
    let (code, tail) = sidecar.stop();
    assert_eq!(
        tally.wrong(),
        0,
        "see above; the sidecar's log ends with\n{tail}"
    );
    assert_eq!(
        seen.wrongly.load(Ordering::SeqCst),
        0,
        "requests reached the backend that must not"
    );
    assert!(!grown.grew(), "{grown}");
    assert_eq!(panics, Some(0), "{tail}");
    assert_eq!(code, Some(0), "{tail}");
}

type Shared = (
    Arc<State>,
    Arc<Tally>,
    Arc<AtomicU64>,
    Arc<([Signer; 2], Signer)>,
);

/// One client after the other's kinds, over one connection as long as it lasts.
async fn ask(proxy: SocketAddr, place: usize, shared: Shared, stop: Arc<AtomicBool>) {
    let (state, tally, numbers, signers) = shared;
    let mut client = None;
    let mut kind = place * 7;
    while !stop.load(Ordering::SeqCst) {
        sleep(PAUSE).await;
        kind = (kind + 1) % KINDS;
        let id = format!("id-{}", numbers.fetch_add(1, Ordering::Relaxed));
        let before = state.now();
        let tokens = Tokens {
            signers: &signers.0,
            stranger: &signers.1,
            now: process::now(),
        };
        let case = case(kind, &id, &before, &tokens);
        let mut own = match client.take() {
            Some(client) => client,
            None => match Client::connect(proxy).await {
                Ok(client) => client,
                Err(error) => {
                    tally.wrongly(case.name, format!("no connection: {error}"));
                    continue;
                }
            },
        };
        let answer = match case.pace {
            Pace::AtOnce => own.ask(&case.request).await,
            Pace::Trickled(piece) => match own.trickle(&case.request, piece).await {
                Some(()) => own.answer(false).await,
                None => None,
            },
            Pace::CutAfter(bytes) => {
                let _ = own
                    .send(&case.request[..bytes.min(case.request.len())])
                    .await;
                None
            }
        };
        tally.judge(&case, &id, answer.as_ref(), &before, &state.now());
        if answer.is_some_and(|answer| answer.keeps()) {
            client = Some(own);
        }
    }
}

/// Restarts the backend: its connections are reset, its port is closed for a moment.
async fn restart(address: SocketAddr, seen: Arc<Seen>, state: Arc<State>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        let backend = Backend::start(address, seen.clone());
        // What was kept from before is noticed.
        sleep(Duration::from_millis(200)).await;
        if state.now().backend_is_down() {
            state.backend_turns();
        }
        sleep(RESTART_EVERY).await;
        state.backend_turns();
        drop(backend);
        sleep(Duration::from_millis(300)).await;
    }
}

/// Swaps policies and rotates keys, and says when each is in force.
async fn swap(
    mut operator: Operator,
    signers: [Signer; 2],
    state: Arc<State>,
    stop: Arc<AtomicBool>,
) {
    let (mut toggled, mut signer) = (false, 0);
    let mut rotated = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        sleep(SWAP_EVERY).await;
        toggled = !toggled;
        state.policy_changes();
        operator.publish(&policy(toggled));
        operator.applied().await;
        state.policy_changed(toggled);
        if rotated.elapsed() > ROTATE_EVERY {
            rotated = Instant::now();
            signer = 1 - signer;
            state.keys_change();
            operator.publish_keys(KEYS, key_set(&[&signers[signer]]));
            sleep(KEYS_TAKE).await;
            state.keys_changed(signer);
        }
    }
}

/// `toggled`: with the path that comes and goes.
fn policy(toggled: bool) -> Policy {
    let operation = |name: &str| serde_json::json!({"operationId": name, "responses": {}});
    let mut paths = serde_json::json!({
        "/v1/open/{id}": {"get": operation("open"), "post": operation("post")},
        "/v1/slow/{id}": {"get": operation("slow")},
        "/v1/broken/{id}": {"get": operation("broken")},
        "/v1/chunked/{id}": {"get": operation("chunked")},
        "/v1/large/{id}": {"get": operation("large")},
        "/v1/secured/{id}": {"get": operation("secured")},
    });
    paths["/v1/secured/{id}"]["get"]["security"] = serde_json::json!([{"issuer": []}]);
    if toggled {
        paths["/v1/toggled/{id}"] = serde_json::json!({"get": operation("toggled")});
    }
    let document = serde_json::json!({
        "swagger": "2.0", "info": {"title": "soak", "version": "1"}, "host": "api.example.com",
        "paths": paths,
        "securityDefinitions": {"issuer": {
            "type": "oauth2", "flow": "implicit", "authorizationUrl": "",
            "x-google-issuer": ISSUER, "x-google-jwks_uri": KEYS, "x-google-audiences": AUDIENCE,
        }},
    });
    let spec = serde_json::json!({
        "openapi": {"inline": document.to_string()},
        "cors": {"allowOrigins": [ORIGIN]},
    });
    let spec: EndpointsServiceSpec = serde_json::from_value(spec).expect("a specification");
    let identity = ServiceIdentity {
        name: "shop".to_owned(),
        namespace: "bench".to_owned(),
    };
    compile(&spec, &identity)
        .expect("the document compiles")
        .policy
}
