//! The watches of whole kinds, as one stream of what was observed.

mod listings;
mod service;

use std::fmt::Debug;

use futures_util::stream::{BoxStream, select_all};
use futures_util::{StreamExt, future};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::PartialObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

pub(super) use self::listings::Listings;
use self::service::entry;
use crate::api::annotations::INJECTED;
use crate::operator::capture::ServiceFacts;
use crate::operator::index::{Kind, ServiceObject};
use crate::operator::list_watch::list_watch;
use crate::operator::metrics::Metrics;
use crate::operator::pod::InjectedPod;
use crate::operator::revisions::{LABEL, RevisionFacts};

#[cfg(test)]
mod tests;

/// The most objects of a listing that are held at one time. Each may take the 1.5 MiB that the store
/// takes, and whoever may create them in one namespace must not fill the operator's memory (kube's
/// own 500 would be 750 MiB).
pub(super) const PAGE: u32 = 32;

/// Something that a watch saw.
#[derive(Debug)]
pub(super) enum Observed {
    /// All objects of this kind are about to be listed.
    Listing(Kind),
    /// They were.
    Listed(Kind),
    /// An object is like this now.
    Object {
        namespace: String,
        name: String,
        object: Object,
    },
    /// An object is gone.
    Gone {
        kind: Kind,
        namespace: String,
        name: String,
    },
}

/// What the index keeps of an object.
#[derive(Debug)]
pub(super) enum Object {
    Entry(Box<ServiceObject>),
    Pod(Box<InjectedPod>),
    Service(ServiceFacts),
    Revision(RevisionFacts),
    /// Of no interest (any more).
    Nothing(Kind),
}

/// Watches everything that the index is about. A watch that fails is started again, with backoff.
pub(super) fn all(client: Client, metrics: Metrics) -> BoxStream<'static, Observed> {
    let paged = watcher::Config::default().page_size(PAGE);
    let injected = paged.clone().labels(&format!("{INJECTED}=true"));
    let revisions = paged.clone().labels(&format!("{LABEL}=true"));
    let streams: [BoxStream<'static, Observed>; 4] = [
        one(
            Api::all(client.clone()),
            paged.clone(),
            Kind::Entry,
            entry,
            &metrics,
        ),
        one(Api::all(client.clone()), injected, Kind::Pod, pod, &metrics),
        one(
            Api::all(client.clone()),
            paged,
            Kind::Service,
            service,
            &metrics,
        ),
        self::revisions(Api::all(client), revisions, &metrics),
    ];
    select_all(streams).boxed()
}

/// One watch. An object that does not parse is handed on as such: it never stalls the others.
fn one<K>(
    api: Api<DeserializeGuard<K>>,
    config: watcher::Config,
    kind: Kind,
    read: fn(DeserializeGuard<K>) -> Object,
    metrics: &Metrics,
) -> BoxStream<'static, Observed>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let metrics = metrics.clone();
    list_watch(api, config)
        .filter_map(move |event| {
            future::ready(match event {
                Ok(event) => observed(kind, event, read),
                Err(error) => {
                    metrics.watch_errors.inc();
                    tracing::warn!(?kind, %error, "a watch failed; it is started again");
                    None
                }
            })
        })
        .boxed()
}

/// The watch of revisions: of thousands, what is inside is not read before somebody needs it.
fn revisions(
    api: Api<PartialObjectMeta<ControllerRevision>>,
    config: watcher::Config,
    metrics: &Metrics,
) -> BoxStream<'static, Observed> {
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    let metrics = metrics.clone();
    let kind = Kind::Revision;
    list_watch(api, config)
        .filter_map(move |event| {
            let observed = match event {
                Ok(Init) => Some(Observed::Listing(kind)),
                Ok(InitDone) => Some(Observed::Listed(kind)),
                Ok(Apply(object) | InitApply(object)) => {
                    let names = object.namespace().map(|it| (it, object.name_any()));
                    names.map(|(namespace, name)| Observed::Object {
                        namespace,
                        name,
                        object: match RevisionFacts::read(&object.metadata) {
                            Some(facts) => Object::Revision(facts),
                            None => Object::Nothing(kind),
                        },
                    })
                }
                Ok(Delete(object)) => object.namespace().map(|namespace| Observed::Gone {
                    kind,
                    namespace,
                    name: object.name_any(),
                }),
                Err(error) => {
                    metrics.watch_errors.inc();
                    tracing::warn!(?kind, %error, "a watch failed; it is started again");
                    None
                }
            };
            future::ready(observed)
        })
        .boxed()
}

fn observed<K>(
    kind: Kind,
    event: watcher::Event<DeserializeGuard<K>>,
    read: fn(DeserializeGuard<K>) -> Object,
) -> Option<Observed>
where
    K: Resource<DynamicType = ()>,
{
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    let names = |object: &DeserializeGuard<K>| Some((object.namespace()?, object.name_any()));
    Some(match event {
        Init => Observed::Listing(kind),
        InitDone => Observed::Listed(kind),
        Apply(object) | InitApply(object) => {
            let (namespace, name) = names(&object)?;
            Observed::Object {
                namespace,
                name,
                object: read(object),
            }
        }
        Delete(object) => {
            let (namespace, name) = names(&object)?;
            Observed::Gone {
                kind,
                namespace,
                name,
            }
        }
    })
}

fn pod(object: DeserializeGuard<Pod>) -> Object {
    match object.0.ok().and_then(|pod| InjectedPod::read(&pod)) {
        Some(pod) => Object::Pod(Box::new(pod)),
        None => Object::Nothing(Kind::Pod),
    }
}

fn service(object: DeserializeGuard<Service>) -> Object {
    match object.0 {
        Ok(service) => Object::Service(ServiceFacts::read(&service)),
        Err(_) => Object::Nothing(Kind::Service),
    }
}

impl Object {
    fn kind(&self) -> Kind {
        match self {
            Self::Entry(_) => Kind::Entry,
            Self::Pod(_) => Kind::Pod,
            Self::Service(_) => Kind::Service,
            Self::Revision(_) => Kind::Revision,
            Self::Nothing(kind) => *kind,
        }
    }
}
