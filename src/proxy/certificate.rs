//! A certificate and its key, shown to clients or to backends: read from files that change under us, on
//! a thread of its own.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
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

/// The last good certificate with its key, if there was one. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Certificate(Arc<Slot>);

/// What rustls asks for the certificate.
#[derive(Debug)]
pub(super) struct Slot {
    shown_to: ShownTo,
    state: ArcSwap<State>,
}

/// Who sees a certificate.
#[derive(Clone, Copy, Debug)]
pub(super) enum ShownTo {
    /// Those who connect.
    Clients,
    /// Those who are connected to.
    Backends,
}

/// The last good certificate, and what is wrong with what the files hold now.
#[derive(Clone)]
struct State {
    certified: Option<Arc<CertifiedKey>>,
    problem: Option<String>,
}

/// Files that are read again and again, and what they held last.
struct Watched {
    files: CertificateFiles,
    seen: Option<Contents>,
}

type Contents = Result<(Vec<u8>, Vec<u8>), String>;

impl Certificate {
    /// None, so far.
    pub(super) fn new(shown_to: ShownTo) -> Self {
        Self(Arc::new(Slot {
            shown_to,
            state: ArcSwap::from_pointee(State {
                certified: None,
                problem: Some("no files were named".to_owned()),
            }),
        }))
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
        let slot = self.0.clone();
        let mut watched = Watched { files, seen: None };
        slot.read(&mut watched);
        thread::Builder::new()
            .name("certificate".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            () = ended.wait() => return,
                            () = sleep(READ_EVERY) => slot.read(&mut watched),
                        }
                    }
                });
            })
    }

    /// Whether there is one to show.
    pub(super) fn is_there(&self) -> bool {
        self.0.state.load().certified.is_some()
    }

    /// Why there is none to show; None: there is one.
    pub(super) fn lack(&self) -> Option<String> {
        let state = self.0.state.load();
        match state.certified {
            Some(_) => None,
            None => Some(state.problem.clone().unwrap_or_default()),
        }
    }

    /// What rustls asks for it.
    pub(super) fn resolver(&self) -> Arc<Slot> {
        self.0.clone()
    }
}

impl Slot {
    /// Takes over what the files hold, if that is news and good; the last good pair stays else.
    fn read(&self, watched: &mut Watched) {
        let Some(contents) = watched.changed() else {
            return;
        };
        let files = &watched.files;
        let (to, file) = (self.shown_to, files.certificate.display());
        let before = self.state.load();
        match contents.and_then(|(chain, key)| certified(&chain, &key, files)) {
            Ok(certified) => {
                tracing::info!(%file, "the certificate for {to} was read");
                self.state.store(Arc::new(State {
                    certified: Some(Arc::new(certified)),
                    problem: None,
                }));
            }
            Err(why) => {
                let kept = before.certified.is_some();
                // Where nobody has mounted one, none is missed.
                if kept || files.certificate.parent().is_some_and(Path::exists) {
                    tracing::warn!(why, kept, "the certificate for {to} cannot be used");
                }
                self.state.store(Arc::new(State {
                    certified: before.certified.clone(),
                    problem: Some(why),
                }));
            }
        }
    }
}

impl Watched {
    /// What the files hold, if that is something else than before. Between two reads kubelet may have
    /// swapped the folder: then the pair does not fit, and the next look finds a whole one.
    fn changed(&mut self) -> Option<Contents> {
        let now = read_file(&self.files.certificate)
            .and_then(|chain| Ok((chain, read_file(&self.files.key)?)));
        if self.seen.as_ref() == Some(&now) {
            return None;
        }
        self.seen = Some(now.clone());
        Some(now)
    }
}

fn read_file(path: &PathBuf) -> Result<Vec<u8>, String> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error: io::Error| format!("{}: {error}", path.display()))
}

/// A chain and its key, checked to fit; else which file is to blame, and why.
fn certified(chain: &[u8], key: &[u8], files: &CertificateFiles) -> Result<CertifiedKey, String> {
    let of_chain = |why: String| format!("{}: {why}", files.certificate.display());
    let of_key = |why: &str| format!("{}: {why}", files.key.display());
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| of_chain(error.to_string()))?;
    if chain.is_empty() {
        return Err(of_chain("it holds no certificate".to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|_| of_key("it holds no private key in PEM"))?;
    CertifiedKey::from_der(chain, key, &tls::crypto_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => of_key("it is not the certificate's key"),
        other => of_chain(other.to_string()),
    })
}

impl ResolvesServerCert for Slot {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.state.load().certified.clone()
    }
}

impl ResolvesClientCert for Slot {
    fn resolve(
        &self,
        _authorities: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let certified = self.state.load().certified.clone();
        certified.filter(|certified| certified.key.choose_scheme(schemes).is_some())
    }

    fn has_certs(&self) -> bool {
        self.state.load().certified.is_some()
    }
}

impl fmt::Display for ShownTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clients => "clients",
            Self::Backends => "backends",
        })
    }
}

/// Without the key.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("is_there", &self.certified.is_some())
            .field("problem", &self.problem)
            .finish()
    }
}
