//! The certificate that backends are shown: read from a folder that changes under us.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::sleep;

use crate::shutdown::Shutdown;
use crate::tls;

#[cfg(test)]
mod tests;

/// How often the folder is read. Kubelet itself takes up to a minute to bring a new Secret.
const READ_EVERY: Duration = Duration::from_secs(10);
/// The longest file that is read, in bytes: twice what a Secret can hold.
const MAX_BYTES: u64 = 2 * 1024 * 1024;

/// The certificate and its key, if there are any: the last that were good. Cheap to clone.
#[derive(Clone, Default)]
pub(in crate::proxy) struct ClientIdentity(Arc<Current>);

#[derive(Default)]
struct Current(ArcSwapOption<CertifiedKey>);

/// Reads a folder again and again, and remembers what it held.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Certificates and key, as they were read last.
    seen: Option<Contents>,
}

/// Certificates and key, or why they cannot be read.
type Contents = Result<(Vec<u8>, Vec<u8>), String>;

impl ClientIdentity {
    /// Reads the folder once, and goes on reading it on a thread of its own until the shutdown.
    ///
    /// # Errors
    /// The thread cannot be made. A folder without a certificate is no error: it may come.
    pub(in crate::proxy) fn watch(
        &self,
        path: PathBuf,
        mut shutdown: Shutdown,
    ) -> io::Result<JoinHandle<()>> {
        let mut folder = Folder { path, seen: None };
        self.read(&mut folder);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let identity = self.clone();
        thread::Builder::new()
            .name("client-cert".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            () = shutdown.wait() => return,
                            () = sleep(READ_EVERY) => identity.read(&mut folder),
                        }
                    }
                });
            })
    }

    /// Whether there is a certificate to show.
    pub(super) fn is_there(&self) -> bool {
        self.0.0.load().is_some()
    }

    /// What rustls asks for the certificate.
    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        self.0.clone()
    }

    /// Takes over what the folder holds now, if it is good; what was good before stays else.
    fn read(&self, folder: &mut Folder) {
        let Some(files) = folder.changed() else {
            return;
        };
        let path = folder.path.display();
        let read = files.and_then(|(certificates, key)| certified_key(&certificates, &key));
        match read {
            Ok(key) => {
                self.0.0.store(Some(Arc::new(key)));
                tracing::info!(folder = %path, "the certificate for backends was read");
            }
            Err(why) => {
                let kept = self.is_there();
                tracing::warn!(folder = %path, kept, why, "the certificate for backends cannot be used");
            }
        }
    }
}

impl Folder {
    /// What it holds, if that is something else than before.
    fn changed(&mut self) -> Option<Contents> {
        // Nobody has mounted one: most sidecars need none.
        if self.seen.is_none() && !self.path.exists() {
            return None;
        }
        let read = |name: &str| read_file(&self.path.join(name));
        let now = read("tls.crt").and_then(|certificates| Ok((certificates, read("tls.key")?)));
        if self.seen.as_ref() == Some(&now) {
            return None;
        }
        self.seen = Some(now.clone());
        Some(now)
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;

    let name = path.file_name().unwrap_or_default().display();
    let read = || {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error: io::Error| format!("{name}: {error}"))
}

fn certified_key(certificates: &[u8], key: &[u8]) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("tls.crt: {error}"))?;
    if chain.is_empty() {
        return Err("tls.crt: no certificate".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("tls.key: {error}"))?;
    CertifiedKey::from_der(chain, key, &tls::crypto_provider()).map_err(|error| error.to_string())
}

impl ResolvesClientCert for Current {
    fn resolve(
        &self,
        _authorities: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0
            .load_full()
            .filter(|certified| certified.key.choose_scheme(schemes).is_some())
    }

    fn has_certs(&self) -> bool {
        self.0.load().is_some()
    }
}

/// Without the key.
impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current")
            .field("is_there", &self.0.load().is_some())
            .finish()
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
