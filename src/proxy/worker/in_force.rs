//! The policy in force, as one worker runs it.

use std::rc::Rc;
use std::sync::Arc;

use crate::policy::format::{Operation, Settings};
use crate::proxy::Limits;
use crate::proxy::metrics::{OperationCells, Outcome, ProviderCells, WorkerMetrics};
use crate::proxy::snapshot::{Remote, Snapshot};
use crate::proxy::upstream::{Backend, Backends};

/// A snapshot with what this worker adds to it.
#[derive(Debug)]
pub(in crate::proxy) struct InForce {
    pub(in crate::proxy) snapshot: Arc<Snapshot>,
    /// What bounds it sets.
    pub(in crate::proxy) limits: Rc<Limits>,
    /// The policy's own backend, if it names one.
    pub(in crate::proxy) backend: Option<Rc<Backend>>,
    /// In the order of the policy's backends: where a rule names an address.
    backends: Vec<Option<Rc<Backend>>>,
    /// The backend of a listener, and what takes its place.
    apps: Vec<[Rc<Backend>; 2]>,
    cells: Vec<Arc<OperationCells>>,
    /// In the order of the policy's providers.
    pub(in crate::proxy) providers: Vec<Arc<ProviderCells>>,
}

impl InForce {
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        limits: Rc<Limits>,
        backends: &Backends,
        metrics: &WorkerMetrics,
    ) -> Self {
        let upstream = &snapshot.upstream;
        let own = snapshot.backend.as_ref();
        let remotes = snapshot.backends.iter();
        Self {
            limits,
            backend: own.map(|address| backends.own(address, upstream)),
            backends: remotes
                .map(|rule| Some(backends.remote(rule.address.as_ref()?, upstream)))
                .collect(),
            apps: backends.apps(upstream),
            cells: metrics.operations(&snapshot),
            providers: metrics.providers(&snapshot),
            snapshot,
        }
    }

    /// The policy's settings of the data path.
    pub(in crate::proxy) fn settings(&self) -> &Settings {
        &self.snapshot.prepared.policy.settings
    }

    pub(in crate::proxy) fn operation(&self, index: usize) -> Option<&Operation> {
        self.snapshot.prepared.policy.operations.get(index)
    }

    /// Where an operation's requests go and what is special there; `listener`: where the others do.
    /// What is no operation's goes to the service's own backend.
    pub(in crate::proxy) fn route<'p>(
        &'p self,
        operation: Option<usize>,
        listener: &'p Rc<Backend>,
    ) -> (&'p Rc<Backend>, Option<&'p Remote>) {
        let default = match &self.backend {
            Some(own) => own,
            None => self.app(listener),
        };
        let named = operation.and_then(|operation| self.operation(operation));
        let Some(index) = named.and_then(|it| it.backend) else {
            return (default, None);
        };
        let named = self.backends.get(index).and_then(Option::as_ref);
        (named.unwrap_or(default), self.snapshot.backends.get(index))
    }

    /// The app behind a listener, as the policy wants it to be talked to.
    fn app<'p>(&'p self, listener: &'p Rc<Backend>) -> &'p Rc<Backend> {
        let apps = self.apps.iter();
        apps.filter(|[of, _]| Rc::ptr_eq(of, listener))
            .map(|[_, ours]| ours)
            .next()
            .unwrap_or(listener)
    }

    pub(in crate::proxy) fn count(&self, index: usize, outcome: &Outcome<'_>) {
        if let Some(cells) = self.cells.get(index) {
            cells.count(outcome);
        }
    }
}
