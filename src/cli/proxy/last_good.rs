//! What a restarted container goes on with while the operator is away: the last good policy, the keys
//! and the trust bundle that came with it, and whether the pod was ready once. One small file each, in
//! a volume that lives as long as the pod.
//!
//! A file that is cut, changed, too large, of another pod or another service counts as none. What
//! cannot be written is removed: an older policy than the last one is not the last good one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::policy::format::{self, KeySource};
use crate::push::wire::{self, Keys, PodRef, Snapshot};

#[cfg(test)]
mod tests;

/// The most bytes of one file. The volume holds the whole of a usual state many times.
const MAX_FILE: usize = 4 * 1024 * 1024;
/// The first word of every file; another one is of a build that writes something else.
const MAGIC: &str = "endpoints-1";

const POLICY: &str = "policy";
const TRUST: &str = "trust";
const READINESS: &str = "readiness";
const KEYS: &str = "keys-";

/// The folder, and whose state is in it.
#[derive(Clone, Debug)]
pub(super) struct LastGood {
    folder: PathBuf,
    pod_uid: String,
    service: String,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The last policy that was in force.
    pub(super) policy: Option<Snapshot>,
    /// Keys of its sources, as far as they came.
    pub(super) keys: Vec<Keys>,
    /// The last trust bundle.
    pub(super) trust: Option<String>,
    /// Whether the pod was ready once.
    pub(super) readiness: FirstReadiness,
    /// Why files count as none.
    pub(super) refused: Vec<Refused>,
}

/// How far the pod's first readiness has come.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct FirstReadiness {
    /// It was ready once.
    pub(super) was_ready: bool,
    /// Why it shall not become so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) withheld: Option<String>,
}

/// Why a file was not written, or counts as none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// The volume is missing, full, read-only or broken.
    #[error("{}", path.display())]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// How that failed.
        source: io::Error,
    },
    /// Over [`MAX_FILE`].
    #[error("{} has more than {MAX_FILE} bytes", .0.display())]
    TooLarge(PathBuf),
    /// Cut, changed, or written by another build.
    #[error("{} is damaged", .0.display())]
    Damaged(PathBuf),
    /// Of another pod or service.
    #[error("{} is of another pod or service", .0.display())]
    Foreign(PathBuf),
}

/// A file's second part, after its digest.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<T> {
    pod_uid: String,
    service: String,
    content: T,
}

impl LastGood {
    /// State of this pod's sidecar, in this folder.
    pub(super) fn new(folder: PathBuf, pod: &PodRef, service: &str) -> Self {
        Self {
            folder,
            pod_uid: pod.uid.clone(),
            service: service.to_owned(),
        }
    }

    /// What is there, as far as it can be used.
    pub(super) fn find(&self) -> Found {
        let mut found = Found::default();
        let names = match self.names() {
            Ok(names) => names,
            Err(refused) => {
                found.refused.push(refused);
                return found;
            }
        };
        for name in names {
            let result = match &*name {
                POLICY => self.read(&name).map(|policy| found.policy = policy),
                TRUST => self.read(&name).map(|trust| found.trust = trust),
                READINESS => self
                    .read(&name)
                    .map(|readiness| found.readiness = readiness.unwrap_or_default()),
                _ if name.starts_with(KEYS) => self.read(&name).map(|keys| found.keys.extend(keys)),
                // Half a file, of a process that was killed.
                _ => Ok(()),
            };
            found.refused.extend(result.err());
        }
        found
    }

    /// Keeps the policy in force, and of the keys only those of its sources.
    pub(super) fn keep_policy(
        &self,
        snapshot: &Snapshot,
        sources: &[KeySource],
    ) -> Result<(), Refused> {
        let needed: Vec<_> = sources.iter().map(keys_name).collect();
        for name in self.names()? {
            if name.starts_with(KEYS) && !needed.contains(&name) {
                self.remove(&name)?;
            }
        }
        self.write(POLICY, snapshot)
    }

    /// Keeps keys of one source.
    pub(super) fn keep_keys(&self, keys: &Keys) -> Result<(), Refused> {
        self.write(&keys_name(&keys.source), keys)
    }

    /// Keeps the trust bundle.
    pub(super) fn keep_trust(&self, bundle: &str) -> Result<(), Refused> {
        self.write(TRUST, &bundle)
    }

    /// Keeps whether the pod was ready once.
    pub(super) fn keep_readiness(&self, readiness: &FirstReadiness) -> Result<(), Refused> {
        self.write(READINESS, readiness)
    }

    fn names(&self) -> Result<Vec<String>, Refused> {
        let failed = |source| io_error(&self.folder, source);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            // Ours are all text.
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        // Keys before others or after: who reads them does not care; messages come in one order.
        names.sort();
        Ok(names)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Refused> {
        let path = self.folder.join(name);
        let length = fs::metadata(&path).map_err(|error| io_error(&path, error))?;
        if length.len() > MAX_FILE as u64 {
            return Err(Refused::TooLarge(path));
        }
        let bytes = fs::read(&path).map_err(|error| io_error(&path, error))?;
        let Some(envelope) = open::<T>(&bytes) else {
            return Err(Refused::Damaged(path));
        };
        if envelope.pod_uid != self.pod_uid || envelope.service != self.service {
            return Err(Refused::Foreign(path));
        }
        Ok(Some(envelope.content))
    }

    /// Whole or not at all: whoever reads sees the file before or this one.
    fn write(&self, name: &str, content: &impl Serialize) -> Result<(), Refused> {
        let result = self.try_write(name, content);
        if result.is_err() {
            // The error is told already; an old state that stays where it is makes it no worse.
            let _ = self.remove(name);
            let _ = fs::remove_file(self.temporary());
        }
        result
    }

    fn try_write(&self, name: &str, content: &impl Serialize) -> Result<(), Refused> {
        let path = self.folder.join(name);
        let envelope = Envelope {
            pod_uid: self.pod_uid.clone(),
            service: self.service.clone(),
            content,
        };
        let bytes = seal(&envelope);
        if bytes.len() > MAX_FILE {
            return Err(Refused::TooLarge(path));
        }
        let temporary = self.temporary();
        fs::write(&temporary, bytes)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|error| io_error(&path, error))
    }

    fn remove(&self, name: &str) -> Result<(), Refused> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&path, error)),
            _ => Ok(()),
        }
    }

    fn temporary(&self) -> PathBuf {
        self.folder.join("half-written")
    }
}

/// `MAGIC DIGEST\nJSON`.
fn seal(envelope: &Envelope<impl Serialize>) -> Vec<u8> {
    let json = serde_json::to_vec(envelope).expect("what came as JSON becomes JSON");
    let mut bytes = format!("{MAGIC} {}\n", format::hash(&json)).into_bytes();
    bytes.extend_from_slice(&json);
    bytes
}

/// What [`seal`] made; none: something else did, or half of it.
fn open<T: DeserializeOwned>(bytes: &[u8]) -> Option<Envelope<T>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (head, json) = (bytes.get(..end)?, bytes.get(end + 1..)?);
    let digest = std::str::from_utf8(head).ok()?.strip_prefix(MAGIC)?;
    if digest.strip_prefix(' ')? != format::hash(json) {
        return None;
    }
    serde_json::from_slice(json).ok()
}

fn keys_name(source: &KeySource) -> String {
    format!("{KEYS}{}", wire::source_id(source))
}

fn io_error(path: &Path, source: io::Error) -> Refused {
    Refused::Io {
        path: path.to_owned(),
        source,
    }
}
