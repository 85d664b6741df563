//! The CA and what it signs. Pure: time is an argument.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

use super::pem;
use super::validity::Validity;
use crate::tls::crypto_provider;

#[cfg(test)]
mod tests;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the CA lives.
const CA_LIFE: Duration = DAY.saturating_mul(3652);
/// How long a leaf lives.
const LEAF_LIFE: Duration = DAY.saturating_mul(30);
/// When it is replaced, counted from its making.
const LEAF_RENEWAL: Duration = DAY.saturating_mul(20);
/// Certificates are valid this long before they were made: clocks of a cluster differ.
pub(super) const CLOCK_SKEW: Duration = Duration::from_secs(60 * 60);
/// The name of every CA of ours. Fixed: a CA read back is used as its issuer without parsing names, and
/// key identifiers tell one from the other.
const CA_NAME: &str = "endpoints-operator CA";

/// A CA whose key we have.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    validity: Validity,
}

/// A serving certificate and its key.
pub struct Leaf {
    /// As rustls wants it.
    pub key: Arc<CertifiedKey>,
    /// Valid from.
    pub not_before: SystemTime,
    /// Valid until.
    pub not_after: SystemTime,
    /// When it is to be replaced, by the wall clock,
    pub renew_at: SystemTime,
    /// and by how long it has been in use.
    pub renew_after: Duration,
}

/// Why there is no usable CA. Never quotes a key.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate is not PEM.
    #[error("the CA's certificate is not a PEM certificate")]
    Certificate,
    /// The key is not PEM of a usable kind.
    #[error("the CA's key is not a PEM private key of a usable kind")]
    Key,
    /// What it signs does not verify: another key's certificate, or another CA's.
    #[error("certificates that the CA signs do not verify: {0}")]
    Mismatch(rustls::Error),
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

impl Authority {
    /// Makes a new CA.
    ///
    /// # Errors
    /// The crypto provider fails.
    pub fn generate(now: SystemTime) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = ca_params();
        set_validity(&mut params, now - CLOCK_SKEW, now + CA_LIFE);
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self {
            validity: Validity::read(&certificate).ok_or(AuthorityError::Certificate)?,
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    /// Reads a CA that [`Authority::generate`] made; also one that is not valid at `now`.
    ///
    /// # Errors
    /// The parts do not parse, do not belong together, or are not ours.
    pub fn read(
        certificate_pem: &[u8],
        key_pem: &[u8],
        now: SystemTime,
    ) -> Result<Self, AuthorityError> {
        let certificate = CertificateDer::from_pem_slice(certificate_pem)
            .map_err(|_| AuthorityError::Certificate)?;
        let key = std::str::from_utf8(key_pem).map_err(|_| AuthorityError::Key)?;
        let key = KeyPair::from_pem(key).map_err(|_| AuthorityError::Key)?;
        let authority = Self {
            issuer: Issuer::new(ca_params(), key),
            validity: Validity::read(&certificate).ok_or(AuthorityError::Certificate)?,
            certificate,
        };
        let probe = "probe.invalid";
        let leaf = authority.leaf(&[probe.to_owned()], &[], now)?;
        let trusted = std::slice::from_ref(&authority.certificate);
        verify(trusted, &leaf.key.cert, probe, now).map_err(AuthorityError::Mismatch)?;
        Ok(authority)
    }

    /// The certificate. Public.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate, PEM.
    pub fn certificate_pem(&self) -> String {
        pem::encode([&self.certificate])
    }

    /// The key, PEM: that is stored, never logged.
    pub(super) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// When the certificate is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// A certificate for the successor's key, signed by this CA: whoever trusts only this one, trusts
    /// what the successor signs. It is valid while either of them is: one that was made while a clock
    /// was wrong must not break the chain.
    ///
    /// # Errors
    /// The crypto provider fails.
    pub fn cross_sign(&self, successor: &Self) -> Result<CertificateDer<'static>, AuthorityError> {
        let (ours, theirs) = (self.validity, successor.validity);
        let mut params = ca_params();
        set_validity(
            &mut params,
            ours.not_before.min(theirs.not_before),
            ours.not_after.max(theirs.not_after),
        );
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(successor.issuer.key(), &self.issuer)?;
        Ok(certificate.der().clone())
    }

    /// Signs a serving certificate for these DNS names, with a new key. `crosses` are presented with
    /// it, so that it leads to earlier CAs, too.
    ///
    /// # Errors
    /// A name is not a DNS name.
    pub fn leaf(
        &self,
        names: &[String],
        crosses: &[CertificateDer<'static>],
        now: SystemTime,
    ) -> Result<Leaf, AuthorityError> {
        let (not_before, not_after) = (now - CLOCK_SKEW, now + LEAF_LIFE);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        set_validity(&mut params, not_before, not_after);
        params.distinguished_name = common_name("endpoints-operator");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
            .expect("rcgen makes keys that rustls can use");
        let mut chain = vec![certificate.der().clone()];
        chain.extend_from_slice(crosses);
        Ok(Leaf {
            key: Arc::new(CertifiedKey::new(chain, key)),
            not_before,
            not_after,
            renew_at: now + LEAF_RENEWAL,
            renew_after: LEAF_RENEWAL,
        })
    }
}

/// Verifies a chain, leaf first, as a client does that trusts these CAs and nobody else.
///
/// # Errors
/// Why it does not.
pub(super) fn verify(
    trusted: &[CertificateDer<'static>],
    chain: &[CertificateDer<'static>],
    name: &str,
    now: SystemTime,
) -> Result<(), rustls::Error> {
    let general = |error: String| rustls::Error::General(error);
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone())?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crypto_provider())
        .build()
        .map_err(|error| general(error.to_string()))?;
    let name = ServerName::try_from(name).map_err(|error| general(error.to_string()))?;
    let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Err(general("an empty chain".to_owned()));
    };
    verifier
        .verify_server_cert(leaf, intermediates, &name, &[], now)
        .map(drop)
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// What of a CA is the same each time.
fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(CA_NAME);
    // Below an earlier CA stand the certificates of later ones.
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// rcgen's time type comes from a crate that is not ours to depend on: here it has no name.
fn set_validity(params: &mut CertificateParams, from: SystemTime, until: SystemTime) {
    let since_epoch = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(from);
    params.not_after = epoch + since_epoch(until);
}
