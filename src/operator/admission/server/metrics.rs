//! What the webhooks count.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::check::CheckOutcome;
use super::review::Answer;

type Counters = Family<Vec<(&'static str, &'static str)>, Counter>;

/// What the webhooks count.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    reviews: Counters,
    denials: Counters,
    checks: Counters,
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
            "endpoints_admission_checks",
            "EndpointsServices that were checked while they were written, by outcome",
            self.checks.clone(),
        );
    }

    pub(super) fn count(&self, answer: &Answer) {
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
