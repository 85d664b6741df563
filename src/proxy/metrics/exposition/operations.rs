//! Requests by operation, summed over the workers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::{Labels, family};
use crate::proxy::metrics::Metrics;
use crate::proxy::metrics::operations::{BUCKETS, METHODS, OperationCells};

/// Operation and method.
type Key = (String, String);

#[derive(Default)]
struct Totals {
    codes: BTreeMap<(&'static str, usize), u64>,
    buckets: [u64; BUCKETS.len() + 1],
    sum_microseconds: u64,
    request_bytes: u64,
    response_bytes: u64,
}

impl Metrics {
    pub(super) fn operations(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let totals = self.totals();
        let labels = |(operation, method): &Key| {
            vec![("operation", operation.clone()), ("method", method.clone())]
        };
        let requests = totals.iter().flat_map(|(key, totals)| {
            totals.codes.iter().map(move |((source, code), count)| {
                let mut labels = labels(key);
                labels.push(("code", code.to_string()));
                labels.push(("source", (*source).to_owned()));
                (labels, *count)
            })
        });
        family(
            encoder,
            "requests",
            "Requests, by operation (empty: none matched), method, status and who made the answer",
            MetricType::Counter,
            requests,
        )?;

        let mut durations = encoder.encode_descriptor(
            "request_duration_seconds",
            "From the request's head to the last byte of its answer",
            None,
            MetricType::Histogram,
        )?;
        for (key, totals) in &totals {
            let buckets: Vec<_> = bounds().zip(totals.buckets).collect();
            durations
                .encode_family(&Labels(&labels(key)))?
                .encode_histogram::<NoLabelSet>(
                    seconds(totals.sum_microseconds),
                    totals.count(),
                    &buckets,
                    None,
                )?;
        }

        type Bytes = fn(&Totals) -> u64;
        let sizes: [(&str, &str, Bytes); 2] = [
            (
                "request_body_bytes",
                "Bytes of request bodies, as far as they were read",
                |totals| totals.request_bytes,
            ),
            (
                "response_body_bytes",
                "Bytes of answers' bodies, as far as they were written",
                |totals| totals.response_bytes,
            ),
        ];
        for (name, help, bytes) in sizes {
            let counts = totals
                .iter()
                .map(|(key, totals)| (labels(key), bytes(totals)));
            family(encoder, name, help, MetricType::Counter, counts)?;
        }
        Ok(())
    }

    /// Operations (and requests without one) by name and method, over all workers.
    fn totals(&self) -> BTreeMap<Key, Totals> {
        let mut totals: BTreeMap<Key, Totals> = BTreeMap::new();
        for worker in &*self.workers {
            worker.operations.each(|key, cells| {
                let key = (key.name.clone(), key.method.clone());
                totals.entry(key).or_default().add(cells);
            });
            for (method, cells) in METHODS.iter().zip(&worker.unrouted) {
                let key = (String::new(), (*method).to_owned());
                totals.entry(key).or_default().add(cells);
            }
        }
        totals.retain(|_, totals| totals.count() > 0);
        totals
    }
}

impl Totals {
    fn add(&mut self, cells: &OperationCells) {
        for (source, codes) in [("backend", &cells.backend), ("proxy", &cells.proxy)] {
            for (code, count) in codes.iter().filter(|(_, count)| *count > 0) {
                *self.codes.entry((source, code)).or_default() += count;
            }
        }
        for (total, cell) in self.buckets.iter_mut().zip(&cells.buckets) {
            *total += cell.read();
        }
        self.sum_microseconds += cells.sum_microseconds.read();
        self.request_bytes += cells.request_bytes.read();
        self.response_bytes += cells.response_bytes.read();
    }

    fn count(&self) -> u64 {
        self.buckets.iter().sum()
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
    Duration::from_micros(microseconds).as_secs_f64()
}
