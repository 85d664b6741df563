//! What the Secret holds: the CA, the one to come, and what is left of earlier ones.
//!
//! | key | what |
//! |---|---|
//! | `ca.crt`, `ca.key` | the CA that signs |
//! | `next.crt`, `next.key` | the one that will, once everybody trusts it |
//! | `previous.crt` | earlier ones, newest first: trusted for as long as something of theirs may be in use |
//! | `cross.crt` | the certificate of each CA's key by the CA before it, newest first |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use k8s_openapi::ByteString;
use rustls_pki_types::CertificateDer;

use super::authority::{Authority, AuthorityError};
use super::pem;

#[cfg(test)]
mod tests;

const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";
const PREVIOUS: &str = "previous.crt";
const CROSSES: &str = "cross.crt";

/// The Secret's content, read.
#[derive(Clone, Debug)]
pub struct Authorities {
    /// Signs.
    pub current: Arc<Authority>,
    /// Will sign.
    pub next: Option<Arc<Authority>>,
    /// Signed before; newest first.
    pub previous: Vec<CertificateDer<'static>>,
    /// Newest first: the chain from `current` down to the oldest CA that some pod may only know.
    pub crosses: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// A first CA.
    ///
    /// # Errors
    /// The crypto provider fails.
    pub fn generate(now: SystemTime) -> Result<Self, AuthorityError> {
        Ok(Self {
            current: Arc::new(Authority::generate(now)?),
            next: None,
            previous: Vec::new(),
            crosses: Vec::new(),
        })
    }

    /// Reads the Secret. True: something beside the CA itself is spoilt, and left out.
    ///
    /// # Errors
    /// There is no usable CA.
    pub fn read(
        data: &BTreeMap<String, ByteString>,
        now: SystemTime,
    ) -> Result<(Self, bool), AuthorityError> {
        let part = |key: &str| data.get(key).map_or(&[][..], |bytes| &bytes.0);
        let current = Authority::read(part(CERTIFICATE), part(KEY), now)?;
        let mut spoilt = false;
        let announced = data.contains_key(NEXT_CERTIFICATE) || data.contains_key(NEXT_KEY);
        let next = announced
            .then(|| Authority::read(part(NEXT_CERTIFICATE), part(NEXT_KEY), now))
            .and_then(|next| next.map_err(|_| spoilt = true).ok());
        let mut certificates = |key| {
            let certificates = pem::decode(part(key));
            spoilt |= certificates.is_none();
            certificates.unwrap_or_default()
        };
        let read = Self {
            current: Arc::new(current),
            next: next.map(Arc::new),
            previous: certificates(PREVIOUS),
            crosses: certificates(CROSSES),
        };
        Ok((read, spoilt))
    }

    /// Puts it into the Secret's data; what else is there stays.
    pub fn write(&self, data: &mut BTreeMap<String, ByteString>) {
        let next = self.next.as_deref();
        let some = |text: String| (!text.is_empty()).then_some(text);
        for (key, text) in [
            (CERTIFICATE, Some(self.current.certificate_pem())),
            (KEY, Some(self.current.key_pem())),
            (NEXT_CERTIFICATE, next.map(Authority::certificate_pem)),
            (NEXT_KEY, next.map(Authority::key_pem)),
            (PREVIOUS, some(pem::encode(&self.previous))),
            (CROSSES, some(pem::encode(&self.crosses))),
        ] {
            match text {
                Some(text) => data.insert(key.to_owned(), ByteString(text.into_bytes())),
                None => data.remove(key),
            };
        }
    }

    /// Everybody who is to be trusted, the CA that signs first.
    pub fn trusted(&self) -> Vec<CertificateDer<'static>> {
        let signing = [Some(&self.current), self.next.as_ref()];
        let signing = signing.into_iter().flatten().map(|it| it.certificate());
        let mut trusted = Vec::new();
        for certificate in signing.chain(&self.previous) {
            if !trusted.contains(certificate) {
                trusted.push(certificate.clone());
            }
        }
        trusted
    }

    /// Whether this CA is, will be or was ours.
    pub fn knows(&self, certificate: &CertificateDer<'static>) -> bool {
        self.trusted().contains(certificate)
    }
}
