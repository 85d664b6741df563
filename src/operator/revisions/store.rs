//! ControllerRevisions at the API server.

use std::time::Duration;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::core::ObjectMeta;
use kube::{Api, Client};
use serde_json::json;
use tokio::time::sleep;

use super::{DIGEST, Kept, Plan, SERVICE, SERVICE_UID};
use crate::operator::bounded::bounded;
use crate::push::wire::ServiceKey;

#[cfg(test)]
mod tests;

/// The label of all of them, which the operator watches by.
pub const LABEL: &str = "endpoints.dev/last-good";
/// The pause after a read that failed, doubled up to the longest.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// The most characters of the service's name in the name of a revision: a name has 253.
const NAME_PART: usize = 180;
/// Where in `data` the source stands.
const SOURCE: &str = "source";

/// A plan that was carried out, or not.
#[derive(Debug)]
pub struct Done {
    /// The EndpointsService.
    pub key: ServiceKey,
    /// What went wrong, for the log.
    pub result: Result<(), String>,
}

/// A revision that was read, or not.
#[derive(Debug)]
pub struct Loaded {
    /// The EndpointsService.
    pub key: ServiceKey,
    /// The revision's name.
    pub name: String,
    /// What it holds, or why that cannot be known.
    pub encoded: Result<String, String>,
}

/// Carries out a plan: first what is new is written, then what is old deleted.
pub async fn store(client: Client, key: ServiceKey, plan: Plan) -> Done {
    let api = Api::<ControllerRevision>::namespaced(client, &key.namespace);
    let result = async {
        if let Some((number, kept)) = &plan.create {
            let object = object(&key, *number, kept);
            create(&api, &object).await?;
        }
        for revision in &plan.delete {
            let exactly = Preconditions {
                uid: Some(revision.uid.clone()),
                resource_version: None,
            };
            let params = DeleteParams {
                preconditions: Some(exactly),
                ..DeleteParams::default()
            };
            match bounded(api.delete(&revision.name, &params)).await {
                // Gone, or another of the same name: what was meant is not there.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                other => drop(other.map_err(|error| error.to_string())?),
            }
        }
        Ok(())
    };
    let result = result.await;
    Done { key, result }
}

/// Reads a revision, however long that takes: pods wait for it, and an older one is no substitute.
/// `failed` is told of each try that failed.
pub async fn load(
    client: Client,
    key: ServiceKey,
    name: String,
    failed: impl Fn(&ServiceKey, &kube::Error),
) -> Loaded {
    let api = Api::<ControllerRevision>::namespaced(client, &key.namespace);
    let read = || bounded(api.get(&name));
    let revision = read_in_the_end(read, |error| failed(&key, error)).await;
    let encoded = match revision {
        Some(revision) => revision
            .data
            .and_then(|data| data.0.get(SOURCE)?.as_str().map(str::to_owned))
            .ok_or_else(|| "it holds no source".to_owned()),
        None => Err("it is gone".to_owned()),
    };
    Loaded { key, name, encoded }
}

/// Reads until there is an answer, with backoff. None: there is no such object.
async fn read_in_the_end<T, R>(read: impl Fn() -> R, failed: impl Fn(&kube::Error)) -> Option<T>
where
    R: Future<Output = Result<T, kube::Error>>,
{
    let mut pause = FIRST_BACKOFF;
    loop {
        match read().await {
            Ok(found) => return Some(found),
            Err(kube::Error::Api(status)) if status.code == 404 => return None,
            Err(error) => failed(&error),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_BACKOFF);
    }
}

async fn create(api: &Api<ControllerRevision>, object: &ControllerRevision) -> Result<(), String> {
    match bounded(api.create(&PostParams::default(), object)).await {
        // Another replica's, a moment ago: the watch tells.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        // The namespace is going, and everything in it.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop).map_err(|error| error.to_string()),
    }
}

fn object(key: &ServiceKey, number: u64, kept: &Kept) -> ControllerRevision {
    let part = key.name.get(..NAME_PART).unwrap_or(&key.name);
    let part = part.trim_end_matches(['.', '-']);
    let digest = kept.digest.get(..10).unwrap_or_default();
    let annotations = [
        (SERVICE, &*key.name),
        (SERVICE_UID, &*kept.uid),
        (DIGEST, &*kept.digest),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    ControllerRevision {
        metadata: ObjectMeta {
            name: Some(format!("{part}-{digest}-{number}")),
            namespace: Some(key.namespace.clone()),
            labels: Some([owned((LABEL, "true"))].into()),
            annotations: Some(annotations.into_iter().map(owned).collect()),
            ..ObjectMeta::default()
        },
        revision: i64::try_from(number).unwrap_or(i64::MAX),
        data: Some(RawExtension(
            json!({ SOURCE: kept.encoded().unwrap_or_default() }),
        )),
    }
}
