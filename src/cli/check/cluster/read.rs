//! Reads a cluster, a page at a time, and keeps facts only. What may not be read is told, never passed
//! over in silence.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::anyhow;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::facts::{Facts, HasTemplate, misplaced};
use crate::api::EndpointsService;
use crate::cli::check::Unread;
use crate::operator::capture::{ServiceFacts, SliceFacts};

/// How long one request may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
/// Objects in one answer; EndpointsServices may have a megabyte each.
const PAGE: u32 = 500;
const PAGE_OF_DOCUMENTS: u32 = 32;
/// The most objects of one kind.
const MAX_OBJECTS: usize = 100_000;

/// Reads a namespace, or all of them; what could not be read, each with why.
///
/// # Errors
/// The API server cannot be reached, or does not know who asks.
pub(super) async fn read(
    client: Client,
    namespace: Option<&str>,
) -> anyhow::Result<(Facts, Vec<Unread>)> {
    let mut reader = Reader {
        client,
        namespace,
        facts: Facts::default(),
        unread: Vec::new(),
    };
    reader.all().await?;
    reader.operator_version().await;
    Ok((reader.facts, reader.unread))
}

struct Reader<'n> {
    client: Client,
    namespace: Option<&'n str>,
    facts: Facts,
    unread: Vec<Unread>,
}

impl Reader<'_> {
    async fn all(&mut self) -> anyhow::Result<()> {
        let entries = self.entries().await?;
        self.facts.seen.entries = entries;
        let pods = self.list::<Pod>("pods", |facts, pod| facts.add_pod(&pod));
        self.facts.seen.pods = pods.await?;
        let services = self.list::<Service>("services", |facts, service| {
            let read = ServiceFacts::read(&service);
            let namespace = facts.namespace(service.namespace());
            namespace.services.insert(read.name.clone(), read);
        });
        self.facts.seen.services = services.await?;
        let slices =
            self.list::<EndpointSlice>("endpointslices.discovery.k8s.io", |facts, slice| {
                if let Some(read) = SliceFacts::read(&slice) {
                    let namespace = facts.namespace(slice.namespace());
                    let known = namespace.slices.entry(read.service.clone()).or_default();
                    known.slices.insert(read.name.clone(), read);
                }
            });
        self.facts.seen.slices = slices.await?;
        if self.facts.seen.slices {
            for namespace in self.facts.namespaces.values_mut() {
                for service in namespace.services.keys() {
                    namespace.slices.entry(service.clone()).or_default().listed = true;
                }
            }
        }
        let policies =
            self.list::<NetworkPolicy>("networkpolicies.networking.k8s.io", |facts, policy| {
                let namespace = facts.namespace(policy.namespace());
                namespace.policies.push(policy);
            });
        self.facts.seen.policies = policies.await?;
        self.workloads::<Deployment>("deployments.apps").await?;
        self.workloads::<StatefulSet>("statefulsets.apps").await?;
        self.workloads::<DaemonSet>("daemonsets.apps").await?;
        self.workloads::<Job>("jobs.batch").await?;
        self.workloads::<CronJob>("cronjobs.batch").await
    }

    async fn workloads<K>(&mut self, what: &str) -> anyhow::Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + HasTemplate
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let add = |facts: &mut Facts, workload: K| {
            facts.add_workload(misplaced(workload.meta(), &workload));
        };
        self.list::<K>(what, add).await.map(drop)
    }

    /// Without their specs' types: one that does not parse is listed all the same.
    async fn entries(&mut self) -> anyhow::Result<bool> {
        let resource = ApiResource::erase::<EndpointsService>(&());
        let api: Api<DynamicObject> = match self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let what = "endpointsservices.endpoints.dev";
        self.pages(&api, what, PAGE_OF_DOCUMENTS, |facts, object| {
            facts.add_entry(&object);
        })
        .await
    }

    async fn list<K>(&mut self, what: &str, add: impl FnMut(&mut Facts, K)) -> anyhow::Result<bool>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api: Api<K> = match self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        self.pages(&api, what, PAGE, add).await
    }

    /// Whether all of it was read.
    async fn pages<K>(
        &mut self,
        api: &Api<K>,
        what: &str,
        page: u32,
        mut add: impl FnMut(&mut Facts, K),
    ) -> anyhow::Result<bool>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        let mut params = ListParams::default().limit(page);
        let mut count = 0;
        loop {
            let list = match api.list(&params).await {
                Ok(list) => list,
                Err(error) => {
                    let why = why(error, what)?;
                    self.unread(what, why);
                    return Ok(false);
                }
            };
            count += list.items.len();
            for object in list.items {
                add(&mut self.facts, object);
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                None => return Ok(true),
                Some(_) if count >= MAX_OBJECTS => {
                    let why = format!("there are more than {MAX_OBJECTS}: name a namespace");
                    self.unread(what, why);
                    return Ok(false);
                }
                Some(token) => params = params.continue_token(&token),
            }
        }
    }

    fn unread(&mut self, what: &str, why: String) {
        let place = match self.namespace {
            Some(namespace) => format!("of namespace {namespace}"),
            None => "of all namespaces".to_owned(),
        };
        self.unread.push(Unread {
            path: format!("{what} {place}"),
            why,
        });
    }

    /// Whoever may look into the operator's namespace learns more; nobody has to.
    async fn operator_version(&mut self) {
        let details = self
            .facts
            .namespaces
            .values()
            .flat_map(|it| it.details.values());
        let mut addresses = details.filter_map(|details| details.operator_address.as_deref());
        let Some((name, namespace)) = addresses.next().and_then(service_of) else {
            return;
        };
        let deployments = Api::<Deployment>::namespaced(self.client.clone(), &namespace);
        if let Ok(deployment) = deployments.get(&name).await {
            let labels = deployment.labels();
            self.facts.operator_version = labels.get("app.kubernetes.io/version").cloned();
        }
    }
}

/// `NAME.NAMESPACE.svc:PORT` as name and namespace.
pub(super) fn service_of(address: &str) -> Option<(String, String)> {
    let (host, _) = address.rsplit_once(':')?;
    let mut labels = host.split('.');
    let (name, namespace) = (labels.next()?, labels.next()?);
    (labels.next() == Some("svc")).then(|| (name.to_owned(), namespace.to_owned()))
}

/// Why a list could not be read; an error where no other could either.
fn why(error: kube::Error, what: &str) -> anyhow::Result<String> {
    match error {
        kube::Error::Api(status) => match status.code {
            401 => Err(anyhow!("the cluster does not know you: {}", status.message)),
            403 => Ok(format!("you may not list them ({})", status.message)),
            404 => Ok(format!(
                "the cluster has no {what}: is the operator installed?"
            )),
            _ => Ok(status.message.clone()),
        },
        error @ (kube::Error::SerdeError(_) | kube::Error::ReadEvents(_)) => Ok(error.to_string()),
        error => Err(anyhow!(error).context("cannot reach the cluster")),
    }
}
