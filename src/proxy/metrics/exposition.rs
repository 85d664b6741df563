//! The numbers in the OpenMetrics text format.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::{BUCKETS, Cell, Cells, METHODS, Metrics, WorkerMetrics};
use crate::policy::verdict::Reason;

/// What `/metrics` answers with as its content type.
pub(in crate::proxy) const CONTENT_TYPE: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Metrics {
    /// All numbers, summed over the workers.
    ///
    /// # Errors
    /// None in practice: writing to a string does not fail.
    pub(in crate::proxy) fn text(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("endpoints");
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }

    fn sum(&self, cell: impl Fn(&WorkerMetrics) -> &Cell) -> u64 {
        self.workers.iter().map(|worker| cell(worker).read()).sum()
    }

    /// Operations (and requests without one) by name and method, over all workers.
    fn operations(&self) -> BTreeMap<(String, String), Totals> {
        let mut totals: BTreeMap<(String, String), Totals> = BTreeMap::new();
        for worker in &*self.workers {
            for (key, cells) in &*worker.lock() {
                totals
                    .entry((key.name.clone(), key.method.clone()))
                    .or_default()
                    .add(cells);
            }
            for (method, cells) in METHODS.iter().zip(&worker.unrouted) {
                totals
                    .entry((String::new(), (*method).to_owned()))
                    .or_default()
                    .add(cells);
            }
        }
        totals.retain(|_, totals| totals.count() > 0);
        totals
    }

    fn refusals(&self) -> BTreeMap<Reason, u64> {
        let mut sums = BTreeMap::new();
        for worker in &*self.workers {
            for (reason, count) in &*worker.refusals.lock() {
                *sums.entry(*reason).or_default() += count;
            }
        }
        sums
    }
}

#[derive(Default)]
struct Totals {
    codes: BTreeMap<(&'static str, usize), u64>,
    buckets: [u64; BUCKETS.len() + 1],
    sum_microseconds: u64,
}

impl Totals {
    fn add(&mut self, cells: &Cells) {
        for (source, codes) in [("backend", &cells.backend), ("proxy", &cells.proxy)] {
            for (code, count) in codes.iter().filter(|(_, count)| *count > 0) {
                *self.codes.entry((source, code)).or_default() += count;
            }
        }
        for (total, cell) in self.buckets.iter_mut().zip(&cells.buckets) {
            *total += cell.read();
        }
        self.sum_microseconds += cells.sum_microseconds.read();
    }

    fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let operations = self.operations();
        let mut requests = encoder.encode_descriptor(
            "requests",
            "Requests, by operation (empty: none matched), method, status and who made the answer",
            None,
            MetricType::Counter,
        )?;
        for ((operation, method), totals) in &operations {
            for ((source, code), count) in &totals.codes {
                let code = code.to_string();
                let labels = Labels(&[
                    ("operation", operation),
                    ("method", method),
                    ("code", &code),
                    ("source", source),
                ]);
                requests
                    .encode_family(&labels)?
                    .encode_counter::<NoLabelSet, _, u64>(count, None)?;
            }
        }

        let mut durations = encoder.encode_descriptor(
            "request_duration_seconds",
            "From the request's head to the last byte of its answer",
            None,
            MetricType::Histogram,
        )?;
        for ((operation, method), totals) in &operations {
            let buckets: Vec<_> = bounds().zip(totals.buckets).collect();
            let labels = Labels(&[("operation", operation), ("method", method)]);
            durations
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(
                    seconds(totals.sum_microseconds),
                    totals.count(),
                    &buckets,
                    None,
                )?;
        }

        let mut refusals = encoder.encode_descriptor(
            "refusals",
            "Answers of the proxy instead of the backend's, and answers broken off, by reason",
            None,
            MetricType::Counter,
        )?;
        let reasons = self.refusals();
        for (reason, count) in &reasons {
            let labels = Labels(&[("reason", reason.as_str())]);
            refusals
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(count, None)?;
        }

        let mut verdicts = encoder.encode_descriptor(
            "jwt_verdicts",
            "Token checks, by what they said",
            None,
            MetricType::Counter,
        )?;
        let verified = self.sum(|worker| &worker.verified);
        let of_tokens = reasons.iter().filter(|(reason, _)| {
            let name = reason.as_str();
            name.starts_with("Token") || **reason == Reason::KeysUnavailable
        });
        let of_tokens = of_tokens.map(|(reason, count)| (reason.as_str(), *count));
        for (verdict, count) in std::iter::once(("Verified", verified)).chain(of_tokens) {
            let labels = Labels(&[("verdict", verdict)]);
            verdicts
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }

        for (name, help, count) in [
            (
                "claims_omitted",
                "Claims that no header could hold, or that were too long, of requests let in",
                self.sum(|w| &w.claims_omitted),
            ),
            (
                "connections",
                "Client connections accepted",
                self.sum(|w| &w.connections),
            ),
            (
                "connections_refused",
                "Client connections closed at once, over the limit",
                self.sum(|w| &w.connections_refused),
            ),
            (
                "connections_failed",
                "Client connections that ended with an error",
                self.sum(|w| &w.connections_failed),
            ),
            (
                "panics",
                "Connections ended by a defect of the proxy",
                self.sum(|w| &w.panics),
            ),
        ] {
            encoder
                .encode_descriptor(name, help, None, MetricType::Counter)?
                .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        let open = i64::try_from(self.sum(|w| &w.connections_open)).unwrap_or(i64::MAX);
        encoder
            .encode_descriptor(
                "connections_open",
                "Client connections now",
                None,
                MetricType::Gauge,
            )?
            .encode_gauge(&open)?;

        if let Some(snapshot) = self.policies.load() {
            encoder
                .encode_descriptor("policy", "The policy in force", None, MetricType::Info)?
                .encode_info(&Labels(&[
                    ("hash", snapshot.hash()),
                    ("service", &snapshot.prepared.policy.service),
                ]))?;
        }
        Ok(())
    }
}

/// Upper bounds in seconds, and infinity.
fn bounds() -> impl Iterator<Item = f64> {
    BUCKETS
        .iter()
        .map(|bound| seconds(*bound))
        .chain(std::iter::once(f64::INFINITY))
}

fn seconds(microseconds: u64) -> f64 {
    std::time::Duration::from_micros(microseconds).as_secs_f64()
}

#[derive(Debug)]
struct Labels<'l>(&'l [(&'l str, &'l str)]);

impl EncodeLabelSet for Labels<'_> {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>,
    ) -> fmt::Result {
        for label in self.0 {
            prometheus_client::encoding::EncodeLabel::encode(label, encoder.encode_label())?;
        }
        Ok(())
    }
}
