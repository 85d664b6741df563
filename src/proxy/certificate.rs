//! The certificate that clients are shown: read from files that change under us, on a thread of its
//! own.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::sleep;

use super::config::CertificateFiles;
use crate::shutdown::Shutdown;
use crate::tls;

#[cfg(test)]
mod tests;

/// How often the files are read. Kubelet itself takes up to a minute to bring a new Secret.
const READ_EVERY: Duration = Duration::from_secs(2);
/// The longest file that is read, in bytes: what a Secret can hold.
const MAX_BYTES: u64 = 1024 * 1024;
/// HTTP versions, the better one first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS towards clients. Cheap to clone; all clones have one certificate.
#[derive(Clone, Debug)]
pub(super) struct ClientTls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
}

/// The last good certificate, if there was one, and what is wrong with what the files hold now.
#[derive(Debug)]
struct Current(ArcSwap<State>);

#[derive(Clone, Debug)]
struct State {
    certified: Option<Arc<CertifiedKey>>,
    problem: Option<String>,
}

/// What the files held last.
type Contents = Result<(Vec<u8>, Vec<u8>), String>;

impl ClientTls {
    /// Without a certificate, so far.
    ///
    /// # Errors
    /// The crypto provider cannot be used: a defect of the build.
    pub(super) fn new() -> Result<Self, rustls::Error> {
        let current = Arc::new(Current(ArcSwap::from_pointee(State {
            certified: None,
            problem: Some("no files were named".to_owned()),
        })));
        let mut config = ServerConfig::builder_with_provider(tls::crypto_provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self {
            config: Arc::new(config),
            current,
        })
    }

    /// Reads the files once, and goes on reading them on a thread of its own until `ended`.
    ///
    /// # Errors
    /// The thread cannot be made. Files without a usable certificate are no error: they may change.
    pub(super) fn watch(
        &self,
        files: CertificateFiles,
        mut ended: Shutdown,
    ) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let current = self.current.clone();
        let mut seen = None;
        current.read(&files, &mut seen);
        thread::Builder::new()
            .name("certificate".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            () = ended.wait() => return,
                            () = sleep(READ_EVERY) => current.read(&files, &mut seen),
                        }
                    }
                });
            })
    }

    /// How clients are spoken to; None: there is no usable certificate.
    pub(super) fn config(&self) -> Option<&Arc<ServerConfig>> {
        self.current.0.load().certified.as_ref()?;
        Some(&self.config)
    }

    /// Why there is no usable certificate; None: there is one.
    pub(super) fn lack(&self) -> Option<String> {
        let state = self.current.0.load();
        match state.certified {
            Some(_) => None,
            None => Some(state.problem.clone().unwrap_or_default()),
        }
    }
}

impl Current {
    /// Takes over what the files hold, if that is news and good; the last good pair stays else.
    fn read(&self, files: &CertificateFiles, seen: &mut Option<Contents>) {
        let now = contents(files);
        if seen.as_ref() == Some(&now) {
            return;
        }
        let certified = now.clone().and_then(|(chain, key)| {
            let named = |path: &Path, why: String| format!("{}: {why}", path.display());
            certified(&chain, &key).map_err(|(of_key, why)| match of_key {
                true => named(&files.key, why),
                false => named(&files.certificate, why),
            })
        });
        let before = self.0.load();
        match certified {
            Ok(certified) => {
                tracing::info!(file = %files.certificate.display(), "the certificate towards clients was read");
                self.0.store(Arc::new(State {
                    certified: Some(Arc::new(certified)),
                    problem: None,
                }));
            }
            Err(why) => {
                // Where none was ever wanted, none is missed.
                if files.certificate.exists() || before.certified.is_some() {
                    let kept = before.certified.is_some();
                    tracing::warn!(why, kept, "the certificate towards clients cannot be used");
                }
                self.0.store(Arc::new(State {
                    certified: before.certified.clone(),
                    problem: Some(why),
                }));
            }
        }
        *seen = Some(now);
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().certified.clone()
    }
}

/// Both files. Between two reads kubelet may have swapped the folder: then the pair does not fit, the
/// one before stays, and the next look finds a whole one.
fn contents(files: &CertificateFiles) -> Contents {
    let read = |path: &PathBuf| {
        let read = || {
            let mut bytes = Vec::new();
            File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|error: io::Error| format!("{}: {error}", path.display()))
    };
    Ok((read(&files.certificate)?, read(&files.key)?))
}

/// A chain and its key, checked to fit; else whether the key is to blame, and why.
fn certified(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, (bool, String)> {
    let of_chain = |why: String| (false, why);
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| of_chain(error.to_string()))?;
    if chain.is_empty() {
        return Err(of_chain("it holds no certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| (true, "it holds no private key in PEM".to_owned()))?;
    CertifiedKey::from_der(chain, key, &tls::crypto_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => (true, "it is not the certificate's key".to_owned()),
        other => of_chain(other.to_string()),
    })
}
