//! The last good sources, kept in ControllerRevisions: a new operator, or a new pod, has the last good
//! policy although the stored spec is broken, or the EndpointsService is deleted.
//!
//! What is kept is the *source*, never the policy. It is compiled like any spec, under the same bounds,
//! by whatever version reads it: there is nothing to be trusted in it, so nothing needs to be signed, and
//! no key can be lost with it. Whoever may write ControllerRevisions in a namespace can say what is
//! enforced there while there is no good spec; that right is as strong as the one to write
//! EndpointsServices, and Kubernetes' own `edit` role does not have it.
//!
//! They have no owner: the garbage collector would take them together with the EndpointsService, of
//! which pods may still be alive. The operator deletes them when neither the service nor a pod is left.

mod plan;
mod store;

use std::io::{Read, Write};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use kube::core::ObjectMeta;
use serde::{Deserialize, Serialize};

pub use self::plan::{Plan, plan};
pub use self::store::{Done, LABEL, Loaded, load, store};
use super::codes;
use super::compiler::Source;
use crate::api::EndpointsServiceSpec;
use crate::openapi::{Diagnostic, Place};
use crate::policy::ConfigMapTexts;
use crate::push::wire::ServiceKey;

#[cfg(test)]
mod tests;

/// Annotations of a ControllerRevision of ours: which EndpointsService, which life of it, the digest of
/// what is inside.
const SERVICE: &str = "endpoints.dev/last-good-of";
const SERVICE_UID: &str = "endpoints.dev/last-good-of-uid";
const DIGEST: &str = "endpoints.dev/last-good-digest";
/// The most bytes of a compressed source in base64. The store takes 1.5 MiB, and there is more in an
/// object than this.
const MAX_ENCODED: usize = 1024 * 1024;
/// The most bytes of a source: a resource of 1.5 MiB, a document of 1 MiB, and key sets.
const MAX_SOURCE: usize = 8 * 1024 * 1024;

/// A source as it is kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// `metadata.uid` of the EndpointsService.
    pub(super) uid: String,
    /// Of the source, its object and generation included.
    pub(super) digest: String,
    /// gzip in base64; too large: how many bytes.
    encoded: Result<String, usize>,
}

/// What a ControllerRevision holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    namespace: String,
    name: String,
    /// `metadata.uid` of the EndpointsService.
    pub uid: String,
    /// Its `metadata.generation`.
    pub generation: i64,
    spec: EndpointsServiceSpec,
    #[serde(default, skip_serializing_if = "ConfigMapTexts::is_empty")]
    config_maps: ConfigMapTexts,
}

/// The same, to be written without copying it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Storing<'s> {
    namespace: &'s str,
    name: &'s str,
    uid: &'s str,
    generation: i64,
    spec: &'s EndpointsServiceSpec,
    #[serde(skip_serializing_if = "ConfigMapTexts::is_empty")]
    config_maps: &'s ConfigMapTexts,
}

/// What is known of a ControllerRevision of ours without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionFacts {
    /// Its name.
    pub name: String,
    /// Its `metadata.uid`.
    pub uid: String,
    /// The EndpointsService.
    pub service: String,
    /// Which life of it.
    pub service_uid: String,
    /// The digest of what it holds.
    pub digest: String,
    /// Counts the revisions of the service.
    pub number: u64,
}

impl Kept {
    /// Encodes a source.
    pub fn new(key: &ServiceKey, uid: &str, generation: i64, source: &Source) -> Self {
        let storing = Storing {
            namespace: &key.namespace,
            name: &key.name,
            uid,
            generation,
            spec: &source.spec,
            config_maps: &source.texts,
        };
        let json = serde_json::to_vec(&storing).expect("what was JSON becomes JSON");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let packed = encoder.write_all(&json).and_then(|()| encoder.finish());
        let encoded = STANDARD.encode(packed.expect("writing to memory does not fail"));
        let too_large = encoded.len() > MAX_ENCODED || json.len() > MAX_SOURCE;
        Self {
            uid: uid.to_owned(),
            digest: hex(&json),
            encoded: match too_large {
                true => Err(encoded.len()),
                false => Ok(encoded),
            },
        }
    }

    /// gzip in base64, unless that is too large.
    pub(super) fn encoded(&self) -> Option<&str> {
        self.encoded.as_deref().ok()
    }

    /// What people are to know of it.
    pub fn warning(&self) -> Option<Diagnostic> {
        let bytes = self.encoded.as_ref().err()?;
        let message = format!(
            "the source takes {bytes} bytes compressed, more than the {MAX_ENCODED} (1 MiB) that are kept: \
             should the spec break, an operator that starts then has no last good policy"
        );
        let place = Place::resource("/spec/openapi");
        Some(
            Diagnostic::warning(codes::SOURCE_NOT_KEPT, place, message)
                .help("remove descriptions and examples: the proxy does not need them"),
        )
    }
}

impl Stored {
    /// Reads what a ControllerRevision of this service holds. Whoever wrote it may be hostile.
    ///
    /// # Errors
    /// Why it is of no use, for the log.
    pub fn decode(encoded: &str, digest: &str, key: &ServiceKey) -> Result<Self, String> {
        if encoded.len() > MAX_ENCODED {
            return Err(format!("it holds more than {MAX_ENCODED} bytes"));
        }
        let packed = STANDARD.decode(encoded).map_err(|_| "it is not base64")?;
        let mut json = Vec::new();
        GzDecoder::new(packed.as_slice())
            .take(MAX_SOURCE as u64 + 1)
            .read_to_end(&mut json)
            .map_err(|_| "it is not gzip")?;
        if json.len() > MAX_SOURCE {
            return Err(format!("it unpacks to more than {MAX_SOURCE} bytes"));
        }
        if hex(&json) != digest {
            return Err("its digest is another".to_owned());
        }
        let stored: Self =
            serde_json::from_slice(&json).map_err(|error| format!("it does not parse: {error}"))?;
        if stored.namespace != key.namespace || stored.name != key.name {
            return Err("it is another EndpointsService's".to_owned());
        }
        Ok(stored)
    }
}

impl From<Stored> for Source {
    fn from(stored: Stored) -> Self {
        Self {
            spec: stored.spec.into(),
            texts: stored.config_maps,
        }
    }
}

impl RevisionFacts {
    /// Reads what a ControllerRevision says of itself. None: it is not one of ours.
    pub fn read(meta: &ObjectMeta) -> Option<Self> {
        let annotations = meta.annotations.as_ref()?;
        let name = meta.name.clone()?;
        // The number stands at the end of the name; `revision` is not part of the metadata.
        let number = name.rsplit('-').next()?.parse().ok()?;
        Some(Self {
            uid: meta.uid.clone()?,
            service: annotations.get(SERVICE)?.clone(),
            service_uid: annotations.get(SERVICE_UID)?.clone(),
            digest: annotations.get(DIGEST)?.clone(),
            name,
            number,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
