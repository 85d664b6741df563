//! What listings that are under way have not shown yet.

use std::collections::BTreeSet;

use super::{Object, Observed};
use crate::operator::index::{Index, Kind};
use crate::operator::pod::PodCache;
use crate::push::wire::ServiceKey;

/// What of each kind a listing under way has not shown yet: when it ends, that is gone.
#[derive(Debug, Default)]
pub(in crate::operator::controller) struct Listings {
    entries: Listing,
    pods: Listing,
    services: Listing,
    revisions: Listing,
}

#[derive(Debug, Default)]
struct Listing {
    unseen: BTreeSet<(String, String)>,
    under_way: bool,
    complete: bool,
}

impl Listings {
    /// Whether everything was listed at least once.
    pub(in crate::operator::controller) fn complete(&self) -> bool {
        let Self {
            entries,
            pods,
            services,
            revisions,
        } = self;
        [entries, pods, services, revisions]
            .iter()
            .all(|listing| listing.complete)
    }

    /// Whether what the index has of EndpointsServices is what their watch told, and not half a listing.
    pub(in crate::operator::controller) fn entries_are_told(&self) -> bool {
        self.entries.complete && !self.entries.under_way
    }

    /// Tells the index what was observed, and the authenticator's cache what is gone.
    pub(in crate::operator::controller) fn apply(
        &mut self,
        observed: Observed,
        index: &mut Index,
        pods: &PodCache,
    ) {
        match observed {
            Observed::Listing(kind) => {
                let listing = self.of(kind);
                listing.unseen = index.names(kind);
                listing.under_way = true;
            }
            Observed::Listed(kind) => {
                let listing = self.of(kind);
                listing.under_way = false;
                listing.complete = true;
                for (namespace, name) in std::mem::take(&mut listing.unseen) {
                    gone(kind, &namespace, &name, index, pods);
                }
            }
            Observed::Gone {
                kind,
                namespace,
                name,
            } => gone(kind, &namespace, &name, index, pods),
            Observed::Object {
                namespace,
                name,
                object,
            } => {
                let kind = object.kind();
                self.of(kind)
                    .unseen
                    .remove(&(namespace.clone(), name.clone()));
                match object {
                    Object::Entry(object) => {
                        index.apply_entry(&ServiceKey { namespace, name }, *object);
                    }
                    // It is let in when what follows from it is done.
                    Object::Pod(pod) => index.apply_pod(*pod),
                    Object::Service(service) => index.apply_service(&namespace, service),
                    Object::Revision(revision) => index.apply_revision(&namespace, revision),
                    Object::Nothing(kind) => gone(kind, &namespace, &name, index, pods),
                }
            }
        }
    }

    fn of(&mut self, kind: Kind) -> &mut Listing {
        match kind {
            Kind::Entry => &mut self.entries,
            Kind::Pod => &mut self.pods,
            Kind::Service => &mut self.services,
            Kind::Revision => &mut self.revisions,
        }
    }
}

fn gone(kind: Kind, namespace: &str, name: &str, index: &mut Index, pods: &PodCache) {
    match kind {
        Kind::Entry => index.delete_entry(&ServiceKey {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }),
        Kind::Pod => {
            pods.remove(namespace, name);
            index.delete_pod(namespace, name);
        }
        Kind::Service => index.delete_service(namespace, name),
        Kind::Revision => index.delete_revision(namespace, name),
    }
}
