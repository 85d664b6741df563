//! What the webhooks count.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::check::CheckOutcome;
use super::review::Answer;

type Counters = Family<Vec<(&'static str, &'static str)>, Counter>;

/// Seconds. A review takes well below a millisecond of computing; the API server waits 5 s.
const BUCKETS: [f64; 10] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 5.0,
];

/// What the webhooks count.
#[derive(Clone, Debug)]
pub struct Metrics {
    reviews: Counters,
    denials: Counters,
    durations: Histogram,
    checks: Counters,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reviews: Counters::default(),
            denials: Counters::default(),
            durations: Histogram::new(BUCKETS),
            checks: Counters::default(),
        }
    }
}

impl Metrics {
    /// Puts the counters into the process's registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "endpoints_admission_reviews",
            "Pods that the webhook was asked about, by outcome",
            self.reviews.clone(),
        );
        registry.register(
            "endpoints_admission_denials",
            "Pods that the webhook denied, by what their authors have to change",
            self.denials.clone(),
        );
        registry.register(
            "endpoints_admission_review_duration_seconds",
            "From a review's head to its answer, with the wait for others",
            self.durations.clone(),
        );
        registry.register(
            "endpoints_admission_checks",
            "EndpointsServices that were checked while they were written, by outcome",
            self.checks.clone(),
        );
    }

    pub(super) fn count(&self, answer: &Answer, took: Duration) {
        self.durations.observe(took.as_secs_f64());
        let outcome = answer.outcome().name();
        self.reviews
            .get_or_create(&vec![("outcome", outcome)])
            .inc();
        if let Answer::Reviewed {
            denied: Some(reason),
            ..
        } = answer
        {
            self.denials.get_or_create(&vec![("reason", *reason)]).inc();
        }
    }

    pub(super) fn count_check(&self, outcome: CheckOutcome) {
        self.checks
            .get_or_create(&vec![("outcome", outcome.name())])
            .inc();
    }
}
