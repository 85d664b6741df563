//! Looking up a route among 10, 1,000 and 10,000: `cargo bench --bench route`. A lookup is to cost by
//! its path, not by the number of routes; the last lines say what it costs, and by how much more
//! among the most than among the fewest.
#![allow(clippy::print_stdout, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group};
use endpoints::policy::format::Operation;
use endpoints::policy::route::{RouteMatch, Router};
use tokio::time::Instant;

const SIZES: [usize; 3] = [10, 1_000, 10_000];
/// Paths that are looked up in turn, whatever the number of routes: the same work each time.
const PATHS: u32 = 10;

criterion_group!(benches, lookups);

fn main() {
    benches();
    let costs: Vec<_> = SIZES.into_iter().map(|size| (size, cost(size))).collect();
    for (size, cost) in &costs {
        println!("{size:>6} routes: {} ns a lookup", cost.as_nanos());
    }
    if let (Some(least), Some(most)) = (
        costs.iter().map(|(_, cost)| *cost).min(),
        costs.iter().map(|(_, cost)| *cost).max(),
    ) {
        let ratio = most.as_secs_f64() / least.as_secs_f64();
        println!("the dearest costs {ratio:.2} times the cheapest");
    }
}

fn lookups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup");
    for size in SIZES {
        let router = router(size);
        let paths = paths(size);
        assert_found(&router, &paths);
        group.throughput(criterion::Throughput::Elements(u64::from(PATHS)));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| all(&router, &paths));
        });
    }
    group.finish();
}

/// The shortest of many rounds, for one lookup: what is not the machine's other work.
fn cost(size: usize) -> Duration {
    const ROUNDS: u32 = 200;
    const REPEATS: u32 = 100;
    let router = router(size);
    let paths = paths(size);
    let shortest = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..REPEATS {
                all(&router, &paths);
            }
            start.elapsed()
        })
        .min();
    shortest.unwrap_or_default() / REPEATS / PATHS
}

fn all(router: &Router, paths: &[String]) {
    for path in paths {
        black_box(router.find("GET", black_box(path)));
    }
}

/// Of every kind: literals, whole variables, variables inside a segment, the rest, custom verbs.
fn router(size: usize) -> Router {
    let operations: Vec<_> = (0..size)
        .map(|number| operation(template(number)))
        .collect();
    Router::new(&operations).expect("every template has a shape of its own")
}

fn template(number: usize) -> String {
    let collection = format!("collection{}", number / 10);
    match number % 10 {
        0 => format!("/v1/{collection}"),
        1 => format!("/v1/{collection}/{{id}}"),
        2 => format!("/v1/{collection}/{{id}}/parts/{{part}}"),
        3 => format!("/v1/{collection}/{{id}}.{{format}}"),
        4 => format!("/v1/{collection}/{{id}}:run"),
        5 => format!("/v1/{collection}/files/{{path=**}}"),
        6 => format!("/v1/{collection}/by-{{name}}/latest"),
        // Beside one another, however many there are.
        7 => format!("/v1/flat/item{number}"),
        8 => format!("/v1/flat/kind{number}-{{id}}"),
        _ => format!("/v1/flat/{{id}}.f{number}"),
    }
}

/// Of the last routes: the whole tree is there before them.
fn paths(size: usize) -> Vec<String> {
    (size - PATHS as usize..size)
        .map(|number| {
            template(number)
                .replace("{path=**}", "a/b/c.txt")
                .replace("{id}", "0123456789")
                .replace("{part}", "7")
                .replace("{format}", "json")
                .replace("{name}", "smith")
        })
        .collect()
}

fn assert_found(router: &Router, paths: &[String]) {
    for path in paths {
        assert!(
            matches!(router.find("GET", path), RouteMatch::Operation(_)),
            "{path}"
        );
    }
}

fn operation(path: String) -> Operation {
    Operation {
        method: String::from("GET"),
        name: path.clone(),
        path,
        security: Vec::new(),
        backend: None,
        cors: None,
    }
}
