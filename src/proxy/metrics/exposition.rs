//! The numbers in the OpenMetrics text format.

mod operations;

use std::collections::BTreeMap;
use std::fmt;
use std::time::UNIX_EPOCH;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::backends::BACKENDS;
use super::cell::Cell;
use super::plain::{LABELLED, PLAIN};
use super::process::PROCESS;
use super::{Metrics, WorkerMetrics};
use crate::jwks::Keys;
use crate::policy::format::Provider;
use crate::policy::verdict::Reason;
use crate::proxy::admin::source;
use crate::proxy::snapshot::{PolicyCell, Snapshot};

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

    fn refusals(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Cells = fn(&WorkerMetrics) -> &[Cell; Reason::ALL.len()];
        const REFUSALS: [(&str, &str, Cells); 2] = [
            (
                "refusals",
                "Answers of the proxy instead of the backend's, and answers broken off, by reason",
                |worker| &worker.refusals,
            ),
            (
                "audited",
                "Requests let through by mode Audit, by the reason why they would be refused",
                |worker| &worker.audited,
            ),
        ];
        for (name, help, cells) in REFUSALS {
            let counts = Reason::ALL.iter().filter_map(|reason| {
                let count = self.sum(|worker| &cells(worker)[*reason as usize]);
                (count > 0).then(|| (vec![("reason", reason.as_str().to_owned())], count))
            });
            family(encoder, name, help, MetricType::Counter, counts)?;
        }
        Ok(())
    }

    fn tokens(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut counts: BTreeMap<(String, &str), u64> = BTreeMap::new();
        for worker in &*self.workers {
            let mut add = |issuer: &str, verdict, count| {
                *counts.entry((issuer.to_owned(), verdict)).or_default() += count;
            };
            worker.providers.each(|issuer, cells| {
                for (verdict, count) in cells.verdicts() {
                    add(issuer, verdict, count);
                }
            });
            for (verdict, count) in worker.no_provider.verdicts() {
                add("", verdict, count);
            }
        }
        let counts = counts.into_iter().map(|((issuer, verdict), count)| {
            let labels = vec![("issuer", issuer), ("verdict", verdict.to_owned())];
            (labels, count)
        });
        family(
            encoder,
            "jwt_verdicts",
            "Token checks, by issuer (empty: none of the policy's) and what they said",
            MetricType::Counter,
            counts,
        )
    }

    fn backends(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, kind, cell) in BACKENDS {
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            for worker in &*self.workers {
                worker.backends.each(|address, cells| {
                    *counts.entry(address.to_string()).or_default() += cell(cells).read();
                });
            }
            let counts = counts
                .into_iter()
                .map(|(address, count)| (vec![("backend", address)], count));
            family(encoder, name, help, *kind, counts)?;
        }
        Ok(())
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        self.operations(encoder)?;
        self.refusals(encoder)?;
        self.tokens(encoder)?;
        for it in LABELLED {
            let counts = it.values.iter().enumerate().map(|(place, value)| {
                let cells = |worker| (it.cells)(worker).get(place).map_or(0, Cell::read);
                let count = self.workers.iter().map(|worker| cells(worker)).sum();
                (vec![(it.label, (*value).to_owned())], count)
            });
            family(encoder, it.name, it.help, it.kind, counts)?;
        }
        self.backends(encoder)?;
        for it in PLAIN {
            let count = self.sum(it.cell);
            family(encoder, it.name, it.help, it.kind, [(Vec::new(), count)])?;
        }
        for (name, help, counter) in PROCESS {
            let count = counter(&self.process).read();
            let kind = MetricType::Counter;
            family(encoder, name, help, kind, [(Vec::new(), count)])?;
        }
        delivery(encoder, &self.policies)?;
        match self.policies.load() {
            Some(snapshot) => policy(encoder, &snapshot),
            None => Ok(()),
        }
    }
}

/// How the policy in force came.
fn delivery(encoder: &mut DescriptorEncoder<'_>, policies: &PolicyCell) -> fmt::Result {
    let Some(counts) = policies.delivery().counts() else {
        return Ok(());
    };
    let numbers = [
        (
            "operator_connected",
            "Whether there is a stream to the operator: 1 or 0",
            MetricType::Gauge,
            u64::from(counts.connected),
        ),
        (
            "policies_restored",
            "Policies that a restarted container took from its volume",
            MetricType::Counter,
            counts.restored,
        ),
        (
            "volume_failures",
            "Writes of the last good state that failed, and files of it that are of no use",
            MetricType::Counter,
            counts.volume_failures,
        ),
    ];
    for (name, help, kind, count) in numbers {
        family(encoder, name, help, kind, [(Vec::new(), count)])?;
    }
    let source = policies.load().map(|_| counts.source.name().to_owned());
    family(
        encoder,
        "policy_source",
        "Where the policy in force came from (always 1): stream, or volume until the operator confirms it",
        MetricType::Gauge,
        source.map(|source| (vec![("source", source)], 1)),
    )
}

/// What is in force.
fn policy(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    encoder
        .encode_descriptor("policy", "The policy in force", None, MetricType::Info)?
        .encode_info(&Labels(&[
            ("hash", snapshot.hash().to_owned()),
            ("service", snapshot.prepared.policy.service.clone()),
        ]))?;
    let gauge = MetricType::Gauge;
    let generation = snapshot.generation().and_then(|it| u64::try_from(it).ok());
    family(
        encoder,
        "policy_generation",
        "metadata.generation of the EndpointsService that the policy was compiled from",
        gauge,
        generation.map(|generation| (Vec::new(), generation)),
    )?;
    let since = snapshot.since().duration_since(UNIX_EPOCH);
    family(
        encoder,
        "policy_applied_timestamp_seconds",
        "When the policy came into force, in seconds since 1970",
        gauge,
        [(Vec::new(), since.unwrap_or_default().as_secs())],
    )?;
    let providers = || {
        snapshot
            .prepared
            .policy
            .providers
            .values()
            .zip(&snapshot.keys)
    };
    let labels = |provider: &Provider| {
        vec![
            ("issuer", provider.issuer.clone()),
            ("source", source(&provider.keys)),
        ]
    };
    // Two schemes may share an issuer and its keys: they are one line.
    let of_keys = |number: fn(&Keys) -> Option<u64>| -> BTreeMap<_, _> {
        let numbers = providers().filter_map(|(provider, slot)| {
            let keys = slot.current.load();
            Some((labels(provider), number(keys.as_ref()?)?))
        });
        numbers.collect()
    };
    let mut results = BTreeMap::new();
    for (provider, slot) in providers() {
        for (result, count) in [("received", slot.received()), ("failed", slot.failures())] {
            let mut labels = labels(provider);
            labels.push(("result", result.to_owned()));
            results.insert(labels, count);
        }
    }
    family(
        encoder,
        "jwks_fetches",
        "Key sets that came, fetched here or pushed, and fetches that failed",
        MetricType::Counter,
        results,
    )?;
    family(
        encoder,
        "jwks_keys",
        "Keys in a key set",
        gauge,
        of_keys(|keys| Some(keys.set.keys.len() as u64)),
    )?;
    family(
        encoder,
        "jwks_fetched_timestamp_seconds",
        "When a key set was fetched, by whoever fetched it, in seconds since 1970",
        gauge,
        of_keys(Keys::fetched),
    )
}

/// One name, with a line for each set of labels.
fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    counts: impl IntoIterator<Item = (Vec<(&'static str, String)>, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, count) in counts {
        if labels.is_empty() {
            // Braces around nothing would be right, but nobody writes them.
            number(&mut family, kind, count)?;
        } else {
            number(&mut family.encode_family(&Labels(&labels))?, kind, count)?;
        }
    }
    Ok(())
}

fn number(line: &mut MetricEncoder<'_>, kind: MetricType, count: u64) -> fmt::Result {
    match kind {
        MetricType::Gauge => line.encode_gauge(&i64::try_from(count).unwrap_or(i64::MAX)),
        _ => line.encode_counter::<NoLabelSet, _, u64>(&count, None),
    }
}

#[derive(Debug)]
struct Labels<'l>(&'l [(&'static str, String)]);

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for (name, value) in self.0 {
            (*name, value.as_str()).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}
