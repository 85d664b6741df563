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
mod process;
mod reviews;
mod sidecar;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use api_server::Cluster;
use figures::Figures;
use objects::Shop;
use operator::{Answered, Operator};
use reviews::Reviews;
use sidecar::Fleet;
use tokio::time::{Instant, sleep};

/// Edits of one service after the other.
const EDITS: usize = 100;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(500);
/// Edits of every service at once.
const WAVES: usize = 5;
/// How long the operator is watched while nothing is edited.
const IDLE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let numbers = std::env::args().filter_map(|it| it.parse().ok());
    let numbers: Vec<usize> = numbers.collect();
    let [sidecars, services] = numbers[..] else {
        eprintln!("how many sidecars, and of how many services?");
        return ExitCode::from(2);
    };
    let cluster = Cluster::own();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let figures = runtime.block_on(measure(cluster, sidecars, services));
    figures.print();
    ExitCode::SUCCESS
}

async fn measure(cluster: &'static Cluster, sidecars: usize, services: usize) -> Figures {
    let client = cluster.client().await;
    let mut figures = Figures {
        sidecars,
        services,
        ..Figures::default()
    };
    let mut operator = Operator::start(cluster).await;
    figures.memory[0] = operator.resident();
    let mut shop = Shop::create(&client, sidecars, services).await;
    note("objects are there");
    operator.calm().await;
    figures.memory[1] = operator.resident();
    figures.token_reviews = shop.token_reviews().await;
    let bundle = operator.bundle(&client).await;
    let fleet = Fleet::start(&mut shop, operator.push_port, &bundle);
    fleet.all_run().await;
    shop.all_programmed().await;
    note("all sidecars are there");
    let reviews = reviews::start(operator.webhook_port, &bundle, operator.webhook_name());
    operator.calm().await;
    figures.memory[2] = operator.resident();
    let cpu = operator.cpu();
    sleep(IDLE).await;
    figures.idle_cpu = (operator.cpu() - cpu).as_secs_f64() / IDLE.as_secs_f64();
    edit(&shop, &fleet, &operator, &reviews, &mut figures).await;
    note("all edits are made");
    restart(cluster, &fleet, &mut operator, &reviews, &mut figures).await;
    figures
}

async fn edit(
    shop: &Shop,
    fleet: &Fleet,
    operator: &Operator,
    reviews: &Reviews,
    figures: &mut Figures,
) {
    let began = Instant::now();
    let (writes, answered) = (operator.status_writes(), operator.answered());
    let (bytes, policies) = fleet.received();
    let cpu = operator.cpu();
    for round in 0..EDITS {
        let edited = Instant::now();
        let service = round * 7 % shop.services.len();
        let expected = fleet.expect(service);
        shop.edit(service).await;
        let applied = expected.wait().await;
        let last = applied.iter().map(|(_, at)| *at - edited);
        figures.edits.push(last.max().unwrap());
        // Statuses are written a moment later; they belong to the edit.
        sleep(PAUSE).await;
    }
    let (_, pushed) = fleet.received();
    let idle = began.elapsed().mul_f64(figures.idle_cpu);
    let cpu = (operator.cpu() - cpu).saturating_sub(idle);
    figures.edit_cpu = share(cpu, pushed - policies);
    for _ in 0..WAVES {
        let (edited, cpu) = (Instant::now(), operator.cpu());
        let expected = fleet.expect_all();
        let began = shop.edit_all().await;
        figures.stored.push(edited.elapsed());
        let mut of_service = vec![Duration::ZERO; began.len()];
        for (service, at) in expected.wait().await {
            of_service[service] = of_service[service].max(at - began[service]);
            figures.wave = figures.wave.max(at - edited);
        }
        figures.waves.add(of_service.into_iter());
        shop.all_programmed().await;
        figures.told.push(edited.elapsed());
        let idle = edited.elapsed().mul_f64(figures.idle_cpu);
        let cpu = (operator.cpu() - cpu).saturating_sub(idle);
        figures.wave_cpu += share(cpu, (figures.sidecars * WAVES) as u64);
        sleep(PAUSE).await;
    }
    let (all_bytes, all_policies) = fleet.received();
    figures.bytes = (all_bytes - bytes) / (all_policies - policies);
    figures.status_writes = operator.status_writes() - writes;
    figures.edited = EDITS + WAVES * figures.services;
    figures.took = began.elapsed();
    figures.memory[3] = operator.peak();
    figures.reviews = reviews.between(began, Instant::now());
    figures.answered[0] = operator.answered() - answered;
}

async fn restart(
    cluster: &Cluster,
    fleet: &Fleet,
    operator: &mut Operator,
    reviews: &Reviews,
    figures: &mut Figures,
) {
    operator.calm().await;
    let folder = cluster.kubeconfig.parent().unwrap();
    let others = |folder: &Path| [process::cpu_in(folder), process::cpu(std::process::id())];
    let (before, dials, cpu) = (fleet.close(), fleet.dials(), others(folder));
    let killed = Instant::now();
    operator.restart().await;
    figures.ready = killed.elapsed();
    fleet.open();
    let opened = Instant::now();
    fleet.reconnected(&before).await;
    figures.back = opened.elapsed();
    let [api_server, sidecars] = others(folder);
    figures.restart_cpu = [operator.cpu(), api_server - cpu[0], sidecars - cpu[1]];
    figures.dials = fleet.dials() - dials;
    figures.restart_reviews = reviews.between(killed, Instant::now());
    figures.answered[1] = operator.answered();
    figures.restart_memory = operator.peak();
}

fn share(of: Duration, parts: u64) -> Duration {
    of.div_f64(f64::from(u32::try_from(parts).unwrap().max(1)))
}

fn note(what: &str) {
    eprintln!("{what}");
}

impl std::ops::Sub for Answered {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            all: self.all - before.all,
            in_time: self.in_time - before.in_time,
        }
    }
}
