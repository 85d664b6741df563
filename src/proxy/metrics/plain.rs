//! Numbers without labels, and numbers by one label whose values are known beforehand: a field of
//! [`WorkerMetrics`] and a line here.

use prometheus_client::metrics::MetricType;

use super::WorkerMetrics;
use super::cell::Cell;
use crate::policy::cors::CorsVerdict;

/// The names of [`CorsVerdict::ALL`].
pub(super) const CORS_VERDICTS: [&str; CorsVerdict::ALL.len()] = {
    let mut names = [""; CorsVerdict::ALL.len()];
    let mut place = 0;
    while place < names.len() {
        names[place] = CorsVerdict::ALL[place].as_str();
        place += 1;
    }
    names
};

/// Name, explanation, kind and number of each.
pub(super) const PLAIN: &[Plain] = &[
    counter(
        "claims_omitted",
        "Claims (jwt.claimToHeaders) that no header could hold, or that were too long",
        |w| &w.claims_omitted,
    ),
    counter("connections", "Client connections accepted", |w| {
        &w.connections
    }),
    gauge("connections_open", "Client connections now", |w| {
        &w.connections_open
    }),
    counter(
        "connections_refused",
        "Client connections closed at once, over the limit",
        |w| &w.connections_refused,
    ),
    counter(
        "connections_failed",
        "Client connections that ended with an error",
        |w| &w.connections_failed,
    ),
    counter(
        "parser_errors",
        "Client connections that ended since what came was no HTTP, and no request to refuse",
        |w| &w.parser_errors,
    ),
    gauge(
        "streams_open",
        "Streams of clients' HTTP/2 connections now",
        |w| &w.streams_open,
    ),
    gauge(
        "upgrades_open",
        "Client connections now that have switched to another protocol (WebSocket)",
        |w| &w.upgrades_open,
    ),
    gauge(
        "requests_in_flight",
        "Requests whose answers are not complete",
        |w| &w.requests_in_flight,
    ),
    counter(
        "token_cache_hits",
        "Tokens that were verified before, and remembered",
        |w| &w.token_cache_hits,
    ),
    counter(
        "token_cache_misses",
        "Tokens whose signature had to be verified",
        |w| &w.token_cache_misses,
    ),
    gauge(
        "token_cache_entries",
        "Verified tokens that are remembered",
        |w| &w.token_cache_entries,
    ),
    counter(
        "panics",
        "Connections ended by a defect of the proxy",
        |w| &w.panics,
    ),
    gauge("draining", "Workers that are about to end", |w| &w.draining),
];

/// Name, explanation, kind, label, its values and their numbers.
pub(super) const LABELLED: &[Labelled] = &[Labelled {
    name: "cors_verdicts",
    help: "Requests under a CORS rule, by what it came to",
    kind: MetricType::Counter,
    label: "verdict",
    values: &CORS_VERDICTS,
    cells: |w| &w.cors_verdicts,
}];

/// A number without labels.
pub(super) struct Plain {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricType,
    pub(super) cell: fn(&WorkerMetrics) -> &Cell,
}

/// A number by one label.
pub(super) struct Labelled {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricType,
    pub(super) label: &'static str,
    pub(super) values: &'static [&'static str],
    pub(super) cells: fn(&WorkerMetrics) -> &[Cell],
}

/// Only grows; `_total` is added to its name.
const fn counter(
    name: &'static str,
    help: &'static str,
    cell: fn(&WorkerMetrics) -> &Cell,
) -> Plain {
    Plain {
        name,
        help,
        kind: MetricType::Counter,
        cell,
    }
}

/// Grows and shrinks.
const fn gauge(name: &'static str, help: &'static str, cell: fn(&WorkerMetrics) -> &Cell) -> Plain {
    Plain {
        name,
        help,
        kind: MetricType::Gauge,
        cell,
    }
}
