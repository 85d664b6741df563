//! All backends that one worker knows: those that are spoken to alike share their connections,
//! whoever names them, and they outlive the policies that do.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rustls_pki_types::ServerName;

use super::{Backend, BackendTls, UpstreamPolicy};
use crate::proxy::config::{BackendAddress, Limits};
use crate::proxy::metrics::WorkerMetrics;

/// The backends of one worker.
#[derive(Debug)]
pub(in crate::proxy) struct Backends {
    limits: Limits,
    metrics: Arc<WorkerMetrics>,
    /// What listeners start with, before there is a policy.
    defaults: Arc<UpstreamPolicy>,
    tls: BackendTls,
    /// Of the policy last asked for.
    tls_under: RefCell<Option<(Arc<UpstreamPolicy>, BackendTls)>>,
    listeners: RefCell<Vec<Rc<Backend>>>,
    known: RefCell<HashMap<Key, Vec<Known>>>,
}

/// Address, and whom its certificate must name if that is not the address's host.
type Key = (BackendAddress, Option<ServerName<'static>>);
/// A backend, and the policy that it was made under.
type Known = (Arc<UpstreamPolicy>, Rc<Backend>);

impl Backends {
    pub(in crate::proxy) fn new(
        limits: Limits,
        metrics: Arc<WorkerMetrics>,
        tls: BackendTls,
    ) -> Self {
        Self {
            limits,
            metrics,
            defaults: Arc::default(),
            tls,
            tls_under: RefCell::default(),
            listeners: RefCell::default(),
            known: RefCell::default(),
        }
    }

    /// The app behind a listener, as long as no policy says anything about it.
    pub(in crate::proxy) fn listener(&self, address: &BackendAddress) -> Rc<Backend> {
        let backend = self.find((address.clone(), None), &self.defaults);
        let mut listeners = self.listeners.borrow_mut();
        if !listeners.iter().any(|known| Rc::ptr_eq(known, &backend)) {
            listeners.push(backend.clone());
        }
        backend
    }

    /// What takes the place of each listener's backend under this policy, if anything does.
    pub(in crate::proxy) fn apps(&self, policy: &Arc<UpstreamPolicy>) -> Vec<[Rc<Backend>; 2]> {
        if policy.settings == self.defaults.settings {
            return Vec::new();
        }
        let listeners = self.listeners.borrow();
        listeners
            .iter()
            .map(|listener| {
                let ours = self.find((listener.address().clone(), None), policy);
                [listener.clone(), ours]
            })
            .collect()
    }

    /// A backend of operations.
    pub(in crate::proxy) fn remote(
        &self,
        address: &BackendAddress,
        policy: &Arc<UpstreamPolicy>,
    ) -> Rc<Backend> {
        self.find((address.clone(), None), policy)
    }

    /// The service's own backend.
    pub(in crate::proxy) fn own(
        &self,
        address: &BackendAddress,
        policy: &Arc<UpstreamPolicy>,
    ) -> Rc<Backend> {
        let named = policy.settings.tls.server_name.clone();
        let name = named
            .filter(|_| address.tls())
            .and_then(|name| ServerName::try_from(name).ok());
        self.find((address.clone(), name), policy)
    }

    /// Closes connections that are not needed, and forgets backends that nobody names any more.
    pub(in crate::proxy) fn sweep(&self) {
        let mut known = self.known.borrow_mut();
        known.retain(|_, alike| {
            // Held by this list alone: neither a listener's nor the policy's any more.
            alike.retain(|(_, backend)| Rc::strong_count(backend) > 1);
            !alike.is_empty()
        });
        for (_, backend) in known.values().flatten() {
            backend.sweep();
        }
    }

    fn find(&self, key: Key, policy: &Arc<UpstreamPolicy>) -> Rc<Backend> {
        let mut known = self.known.borrow_mut();
        let alike = known.entry(key.clone()).or_default();
        let same = |other: &UpstreamPolicy| other.settings == policy.settings;
        if let Some((_, backend)) = alike.iter().find(|(other, _)| same(other)) {
            return backend.clone();
        }
        let (address, server_name) = key;
        let metrics = self.metrics.backend(&address);
        let tls = self.tls_under(policy);
        let backend = Backend::new(address, policy, &self.limits, tls, server_name, metrics);
        let backend = Rc::new(backend);
        alike.push((policy.clone(), backend.clone()));
        backend
    }

    fn tls_under(&self, policy: &Arc<UpstreamPolicy>) -> BackendTls {
        let mut under = self.tls_under.borrow_mut();
        if let Some((of, tls)) = &*under
            && Arc::ptr_eq(of, policy)
        {
            return tls.clone();
        }
        let tls = self.tls.under(policy);
        *under = Some((policy.clone(), tls.clone()));
        tls
    }
}
