//! Backends, by address: those of the listeners and of the policy.

use prometheus_client::metrics::MetricType;

use super::cell::Cell;

/// Numbers of one backend, as one worker knows it.
#[derive(Debug, Default)]
pub(in crate::proxy) struct BackendCells {
    /// Connections that were made.
    pub(in crate::proxy) connects: Cell,
    /// Connections that could not be made.
    pub(in crate::proxy) connect_failures: Cell,
    /// Connections that are open.
    pub(in crate::proxy) connections_open: Cell,
    /// Those of them that wait for a request.
    pub(in crate::proxy) connections_idle: Cell,
    /// Requests whose answers are not complete.
    pub(in crate::proxy) requests_in_flight: Cell,
    /// Requests that were sent once more.
    pub(in crate::proxy) retries: Cell,
    /// Requests that were not, because too many were already.
    pub(in crate::proxy) retries_over_budget: Cell,
}

/// Name, explanation, kind and number of each.
pub(super) const BACKENDS: &[BackendNumber] = &[
    (
        "backend_connects",
        "Connections made to a backend",
        MetricType::Counter,
        |cells| &cells.connects,
    ),
    (
        "backend_connect_failures",
        "Connections to a backend that could not be made",
        MetricType::Counter,
        |cells| &cells.connect_failures,
    ),
    (
        "backend_connections_open",
        "Connections to a backend now, upgraded ones among them",
        MetricType::Gauge,
        |cells| &cells.connections_open,
    ),
    (
        "backend_connections_idle",
        "Connections to a backend that no request uses now",
        MetricType::Gauge,
        |cells| &cells.connections_idle,
    ),
    (
        "backend_requests_in_flight",
        "Requests that a backend has, or waits for, and whose answers are not complete",
        MetricType::Gauge,
        |cells| &cells.requests_in_flight,
    ),
    (
        "backend_retries",
        "Requests sent to a backend once more",
        MetricType::Counter,
        |cells| &cells.retries,
    ),
    (
        "backend_retries_over_budget",
        "Requests not sent to a backend once more, because too many were already",
        MetricType::Counter,
        |cells| &cells.retries_over_budget,
    ),
];

type BackendNumber = (
    &'static str,
    &'static str,
    MetricType,
    fn(&BackendCells) -> &Cell,
);
