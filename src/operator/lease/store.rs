//! The Lease in the API server.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::election::{Record, Seen};

/// Annotation of the Lease: where its holder serves the other replicas.
const ADDRESS: &str = "endpoints.dev/replica-address";
/// Who owns the fields of the Lease.
const FIELD_MANAGER: &str = "endpoints-operator";

/// Where a Lease is kept.
pub(super) trait Store: Send + 'static {
    /// What it says now; none: it does not exist.
    fn read(&self) -> BoxFuture<'_, Result<Option<Seen>, StoreError>>;
    /// Creates it; a conflict when it exists.
    fn create(&self, record: Record) -> BoxFuture<'_, Result<Seen, StoreError>>;
    /// Replaces this version; a conflict when there is another one, or none.
    fn replace(&self, record: Record, version: String) -> BoxFuture<'_, Result<Seen, StoreError>>;
}

/// Why the Lease was not read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// It is another one by now.
    #[error("somebody else has changed it")]
    Conflict,
    /// Nobody knows what was done.
    #[error("{0}")]
    Unavailable(String),
}

/// One Lease, by its name.
pub(super) struct KubeStore {
    api: Api<Lease>,
    name: String,
}

impl KubeStore {
    /// Needs the rights to get and patch this Lease, and to create it.
    pub(super) fn new(client: Client, namespace: &str, name: String) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name,
        }
    }
}

impl Store for KubeStore {
    fn read(&self) -> BoxFuture<'_, Result<Option<Seen>, StoreError>> {
        async {
            let lease = self.api.get_opt(&self.name).await?;
            lease.map(seen).transpose()
        }
        .boxed()
    }

    fn create(&self, record: Record) -> BoxFuture<'_, Result<Seen, StoreError>> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                annotations: record
                    .address
                    .clone()
                    .map(|address| BTreeMap::from([(ADDRESS.to_owned(), address)])),
                ..ObjectMeta::default()
            },
            spec: Some(spec(&record)),
        };
        async move { seen(self.api.create(&PostParams::default(), &lease).await?) }.boxed()
    }

    fn replace(&self, record: Record, version: String) -> BoxFuture<'_, Result<Seen, StoreError>> {
        // What others have put on the object, labels say, stays.
        let spec = spec(&record);
        let patch = Patch::Merge(json!({
            "metadata": {
                "resourceVersion": version,
                "annotations": { ADDRESS: record.address },
            },
            "spec": {
                "holderIdentity": spec.holder_identity,
                "leaseDurationSeconds": spec.lease_duration_seconds,
                "acquireTime": spec.acquire_time,
                "renewTime": spec.renew_time,
                "leaseTransitions": spec.lease_transitions,
            },
        }));
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        async move { seen(self.api.patch(&self.name, &params, &patch).await?) }.boxed()
    }
}

fn seen(lease: Lease) -> Result<Seen, StoreError> {
    let nothing = || StoreError::Unavailable("the Lease has no version".to_owned());
    let version = lease.metadata.resource_version.ok_or_else(nothing)?;
    let address = lease
        .metadata
        .annotations
        .and_then(|mut all| all.remove(ADDRESS));
    let spec = lease.spec.unwrap_or_default();
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    Ok(Seen {
        record: Record {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            address,
            duration: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
            acquired: spec.acquire_time.map(|time| time.0),
            renewed: spec.renew_time.map(|time| time.0),
            transitions: spec.lease_transitions.unwrap_or_default(),
        },
        version,
    })
}

fn spec(record: &Record) -> LeaseSpec {
    LeaseSpec {
        holder_identity: record.holder.clone(),
        lease_duration_seconds: i32::try_from(record.duration.as_secs()).ok(),
        acquire_time: record.acquired.map(MicroTime),
        renew_time: record.renewed.map(MicroTime),
        lease_transitions: Some(record.transitions),
        ..LeaseSpec::default()
    }
}

impl From<kube::Error> for StoreError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if matches!(status.code, 404 | 409) => Self::Conflict,
            other => Self::Unavailable(other.to_string()),
        }
    }
}
