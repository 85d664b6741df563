//! What was compiled lately: documents that many tenants share are compiled once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};

use super::{Compile, Source};
use crate::openapi::Diagnostic;
use crate::policy::{Compiled, ServiceIdentity};

/// The most policies that are remembered.
const MAX_ENTRIES: usize = 64;
/// The most bytes of their sources; a policy is seldom larger than what it was compiled from.
const MAX_BYTES: usize = 8 * 1024 * 1024;

type Digest = [u8; 32];

/// Policies by the digest of what they were compiled from, the one used last at the end.
#[derive(Debug, Default)]
pub struct Cache(Mutex<VecDeque<Known>>);

#[derive(Debug)]
struct Known {
    digest: Digest,
    /// Of the source.
    bytes: usize,
    compiled: Arc<Compiled>,
}

impl Cache {
    /// Compiles a source, unless that was done lately. Whose it is counts only where a name follows
    /// from that.
    ///
    /// # Errors
    /// The findings of the compiler; they are not remembered.
    pub fn compile(
        &self,
        source: &Source,
        identity: &ServiceIdentity,
        compile: Compile,
    ) -> Result<Arc<Compiled>, Vec<Diagnostic>> {
        let own_name = format!("{}.{}.svc", identity.name, identity.namespace);
        let text = serde_json::to_vec(&(&*source.spec, &source.texts)).unwrap_or_default();
        let anybodys = sha256(&[&text]);
        let own = sha256(&[&text, b"\0", own_name.as_bytes()]);
        if let Some(compiled) = self.find(&anybodys).or_else(|| self.find(&own)) {
            return Ok(compiled);
        }
        let compiled = Arc::new(compile(&source.spec, &source.texts, identity)?);
        // A name that is written somewhere leaves nothing that follows from the resource's own.
        let digest = match compiled.policy.service == own_name {
            true => own,
            false => anybodys,
        };
        // What does not become text has no digest of its own.
        if !text.is_empty() {
            self.add(digest, text.len(), compiled.clone());
        }
        Ok(compiled)
    }

    fn find(&self, digest: &Digest) -> Option<Arc<Compiled>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.iter().position(|known| known.digest == *digest)?;
        let found = known.remove(at)?;
        let compiled = found.compiled.clone();
        known.push_back(found);
        Some(compiled)
    }

    fn add(&self, digest: Digest, bytes: usize, compiled: Arc<Compiled>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Two threads may have compiled the same.
        known.retain(|known| known.digest != digest);
        known.push_back(Known {
            digest,
            bytes,
            compiled,
        });
        let mut total: usize = known.iter().map(|known| known.bytes).sum();
        while known.len() > MAX_ENTRIES || total > MAX_BYTES {
            let Some(oldest) = known.pop_front() else {
                return;
            };
            total -= oldest.bytes;
        }
    }
}

fn sha256(parts: &[&[u8]]) -> Digest {
    let whole = digest(&SHA256, &parts.concat());
    whole.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests;
