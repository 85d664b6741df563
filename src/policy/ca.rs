//! Bundles of certificates of authorities, as resources hold them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor};

#[cfg(test)]
mod tests;

/// The most bytes of a bundle; also in the resource's schema.
pub const MAX_CA_BUNDLE_BYTES: usize = 64 * 1024;
/// The most certificates of a bundle.
const MAX_CERTIFICATES: usize = 64;

/// The certificates of a bundle (PEM), at least one; each can be a trust anchor.
///
/// # Errors
/// What is wrong with it, for people; never its content.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    if pem.len() > MAX_CA_BUNDLE_BYTES {
        return Err("it is larger than 64 KiB");
    }
    if pem.contains("PRIVATE KEY") {
        return Err("it holds a private key");
    }
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| "it is not in PEM form")?;
        if certificates.len() == MAX_CERTIFICATES {
            return Err("it holds more than 64 certificates");
        }
        webpki::anchor_from_trusted_cert(&certificate)
            .map_err(|_| "it holds a certificate that cannot be an authority's")?;
        certificates.push(certificate.into_owned());
    }
    match certificates.is_empty() {
        true => Err("it holds no certificate"),
        false => Ok(certificates),
    }
}

/// The certificates of a bundle in their one form: DER in base64, each once, whatever their order and
/// what stands around them.
///
/// # Errors
/// As [`certificates`].
pub fn encoded(pem: &str) -> Result<BTreeSet<String>, &'static str> {
    let certificates = certificates(pem)?;
    Ok(certificates
        .iter()
        .map(|der| STANDARD.encode(der))
        .collect())
}

/// What was [`encoded`], ready to verify by.
///
/// # Errors
/// One that is never written so.
pub fn anchors(encoded: &BTreeSet<String>) -> Result<Vec<TrustAnchor<'static>>, String> {
    let read = |text: &String| {
        let der = STANDARD.decode(text).map_err(|error| error.to_string())?;
        let anchor = webpki::anchor_from_trusted_cert(&CertificateDer::from(der))
            .map(|anchor| anchor.to_owned());
        anchor.map_err(|error| error.to_string())
    };
    encoded.iter().map(read).collect()
}
