//! A certificate that somebody else keeps in files, in the form of a `kubernetes.io/tls` Secret:
//! `tls.crt`, `tls.key`, and `ca.crt`, whom to trust. cert-manager writes such Secrets; kubelet keeps
//! the mounted files current.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;

use super::authority::verify;
use super::{CertificateMetrics, Certificates, Current, Leaf, Validity, pem};
use crate::tls::crypto_provider;

#[cfg(test)]
mod tests;

/// How often the files are looked at: kubelet takes a minute to bring a change.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// The most that a file may hold.
const MAX_FILE: u64 = 256 * 1024;

/// The folder with the three files.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
    names: Vec<String>,
}

/// Why the files cannot be used. Never quotes a key.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file is not there, or too long.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {what}{remedy}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What it shall hold.
        what: &'static str,
        /// What to do, if that is known.
        remedy: &'static str,
    },
    /// Certificate and key do not belong together.
    #[error("tls.key in {} is not the key of tls.crt", folder.display())]
    Key {
        /// Where they are.
        folder: PathBuf,
    },
    /// Whoever trusts `ca.crt` would not accept the certificate.
    #[error(
        "tls.crt in {} is not good for {name} to whoever trusts ca.crt: the certificate needs this \
         DNS name and an issuer that says who it is", folder.display()
    )]
    Untrusted {
        /// Where they are.
        folder: PathBuf,
        /// The name that it is asked for.
        name: String,
        /// Why not.
        source: rustls::Error,
    },
}

/// What the files hold.
struct Loaded {
    leaf: Leaf,
    trusted: Vec<CertificateDer<'static>>,
}

impl Files {
    /// The files of this folder, which must be good for each of these names.
    pub fn new(folder: PathBuf, names: Vec<String>) -> Self {
        Self { folder, names }
    }

    /// Reads them for the first time.
    ///
    /// # Errors
    /// They are not there, or of no use.
    pub fn certificates(
        &self,
        metrics: CertificateMetrics,
        now: SystemTime,
    ) -> Result<Certificates, FilesError> {
        let Loaded { leaf, trusted } = self.load(now)?;
        let certificates = Certificates::presenting(current(leaf), self.names.clone(), metrics);
        certificates.have_trusted(trusted);
        certificates.observe(None);
        Ok(certificates)
    }

    /// Presents what they hold, for as long as it is polled. What is of no use changes nothing.
    pub async fn keep(self, certificates: Certificates) {
        let mut told = None;
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            match self.load(SystemTime::now()) {
                Ok(Loaded { leaf, trusted }) => {
                    told = None;
                    certificates.have_trusted(trusted);
                    if certificates.resolver.0.load().leaf.key.cert != leaf.key.cert {
                        tracing::info!("the serving certificate was renewed");
                        certificates.resolver.0.store(Arc::new(current(leaf)));
                        certificates.observe(None);
                    }
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    let text = error.to_string();
                    if told.as_ref() != Some(&text) {
                        tracing::error!(error, "the serving certificate goes on as it was");
                        told = Some(text);
                    }
                }
            }
        }
    }

    fn load(&self, now: SystemTime) -> Result<Loaded, FilesError> {
        let path = |name: &str| self.folder.join(name);
        let content = |name: &str, what, remedy| FilesError::Content {
            path: path(name),
            what,
            remedy,
        };
        let certificates = |name: &str, remedy| {
            let certificates = pem::decode(&read(&path(name))?);
            certificates
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| content(name, "certificate (PEM)", remedy))
        };
        let remedy =
            ": the issuer must be one that tells its CA (CA, self-signed, Vault; not ACME)";
        let trusted = certificates("ca.crt", remedy)?;
        let chain = certificates("tls.crt", "")?;
        let validity = Validity::read(&chain[0]);
        let validity = validity.ok_or_else(|| content("tls.crt", "certificate (PEM)", ""))?;
        let key = PrivateKeyDer::from_pem_slice(&read(&path("tls.key"))?);
        let key = key.map_err(|_| content("tls.key", "private key (PEM)", ""))?;
        let key = CertifiedKey::from_der(chain, key, &crypto_provider());
        let folder = self.folder.clone();
        let key = key.map_err(|_| FilesError::Key {
            folder: folder.clone(),
        })?;
        for name in &self.names {
            verify(&trusted, &key.cert, name, now).map_err(|source| FilesError::Untrusted {
                folder: folder.clone(),
                name: name.clone(),
                source,
            })?;
        }
        Ok(Loaded {
            leaf: Leaf {
                key: Arc::new(key),
                not_before: validity.not_before,
                not_after: validity.not_after,
                // Not ours to renew.
                renew_at: validity.not_after,
                renew_after: Duration::MAX,
            },
            trusted,
        })
    }
}

fn current(leaf: Leaf) -> Current {
    Current {
        leaf,
        signer: None,
        since: Instant::now(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    use std::io::Read as _;
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(std::io::Error::other("it is longer than 256 KiB"));
        }
        Ok(bytes)
    };
    read().map_err(|source| FilesError::Read {
        path: path.to_owned(),
        source,
    })
}
