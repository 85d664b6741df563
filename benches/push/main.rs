//! What it costs to push policies: the real operator at a real API server, and sidecars that speak the
//! protocol with real tokens over real TLS, all of them in this process. `benches/push/run` builds what is
//! needed, runs every case and writes the figures into docs/performance.md.
// A measurement that cannot be made ends with a message; its figures are its output.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs
)]

#[path = "../../tests/support/api_server.rs"]
mod api_server;
mod figures;
mod objects;
mod operator;
mod reviews;
mod sidecar;

use std::sync::Arc;
use std::time::{Duration, Instant};

use api_server::Cluster;
use figures::{Figures, Quantiles};
use objects::Shop;
use operator::Operator;
use sidecar::Fleet;

/// Edits of one service after the other.
const EDITS: usize = 40;
/// Edits of every service at once.
const WAVES: usize = 5;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = arguments.iter().filter_map(|it| it.parse().ok()).collect();
    let [sidecars, services] = numbers[..] else {
        eprintln!("how many sidecars, and of how many services?");
        std::process::exit(2);
    };
    let cluster = Cluster::own();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let figures = runtime.block_on(measure(cluster, sidecars, services));
    figures.print();
}

async fn measure(cluster: &'static Cluster, sidecars: usize, services: usize) -> Figures {
    let client = cluster.client().await;
    let mut operator = Operator::start(cluster).await;
    let shop = Shop::create(&client, sidecars, services).await;
    let bundle = operator.bundle(&client).await;
    let fleet = Arc::new(Fleet::start(&shop, &operator, &bundle));
    fleet
        .all_run(shop.pods.len(), Duration::from_secs(300))
        .await;
    shop.all_programmed(Duration::from_secs(120)).await;
    let reviews = reviews::start(operator.webhook_port, &bundle, &operator.webhook_name());
    tokio::time::sleep(Duration::from_secs(5)).await;

    let mut figures = Figures::new(sidecars, services);
    figures.idle_rss = operator.rss();
    let writes = operator.counter("endpoints_operator_status_writes_total");
    let started = Instant::now();
    for round in 0..EDITS {
        let service = round * 7 % shop.services.len();
        one_edit(&shop, &fleet, &operator, &mut figures, service).await;
    }
    for _ in 0..WAVES {
        let (began, cpu) = (Instant::now(), operator.cpu());
        let hashes = fleet.expect_all();
        shop.edit_all().await;
        let delays = hashes.wait(began).await;
        figures.waves.push(delays.last());
        figures.wave_cpu.push(operator.cpu() - cpu);
        shop.all_programmed(Duration::from_secs(120)).await;
        figures.wave_said.push(began.elapsed());
    }
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    let writes = operator.counter("endpoints_operator_status_writes_total") - writes;
    figures.status_writes = writes / minutes;
    figures.edits = EDITS + WAVES * shop.services.len();
    figures.rss = operator.rss();
    figures.reviews = reviews.quantiles();

    let streams = fleet.streams();
    operator.kill();
    let ready = operator.restart().await;
    fleet.reconnected(&streams, Duration::from_secs(120)).await;
    figures.reconnect = ready.elapsed();
    figures.restart_rss = operator.rss();
    figures.frame = fleet.frame();
    figures
}

/// From the request that edits to the moment when the last sidecar runs it.
async fn one_edit(
    shop: &Shop,
    fleet: &Fleet,
    operator: &Operator,
    figures: &mut Figures,
    service: usize,
) {
    let cpu = operator.cpu();
    let began = Instant::now();
    let expected = fleet.expect(service);
    shop.edit(service).await;
    let delays: Quantiles = expected.wait(began).await;
    figures.edit.push(delays.last());
    figures.push.extend(&delays);
    // Statuses are written a moment later; they belong to the edit.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let pushes = u32::try_from(delays.len()).unwrap();
    figures.cpu.push((operator.cpu() - cpu) / pushes);
}
