//! Certificates of authorities that a policy carries: what backends are verified by.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use rustls_pki_types::{CertificateDer, TrustAnchor};

#[cfg(test)]
mod tests;

/// Reads a bundle of PEM certificates into what a policy holds: DER in base64, each once, whatever
/// their order and what stands around them.
///
/// # Errors
/// What is wrong with it, for people; a private key in it is.
pub fn read_bundle(pem: &str) -> Result<BTreeSet<String>, String> {
    // Also encrypted ones, which the reader would pass over.
    if pem.contains("PRIVATE KEY-----") {
        return Err("it holds a private key".to_owned());
    }
    let mut authorities = BTreeSet::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
        match section.map_err(|error| format!("it is not PEM: {error}"))? {
            (SectionKind::Certificate, der) => {
                anchor(&CertificateDer::from(der.as_slice()))?;
                authorities.insert(STANDARD.encode(der));
            }
            _ => return Err("it holds something else than certificates".to_owned()),
        }
    }
    match authorities.is_empty() {
        true => Err("it holds no certificate".to_owned()),
        false => Ok(authorities),
    }
}

/// The authorities, ready to verify by.
///
/// # Errors
/// One that [`read_bundle`] never writes.
pub fn anchors(authorities: &BTreeSet<String>) -> Result<Vec<TrustAnchor<'static>>, String> {
    let read = |text: &String| {
        let der = STANDARD.decode(text).map_err(|error| error.to_string())?;
        anchor(&CertificateDer::from(der))
    };
    authorities.iter().map(read).collect()
}

fn anchor(certificate: &CertificateDer<'_>) -> Result<TrustAnchor<'static>, String> {
    webpki::anchor_from_trusted_cert(certificate)
        .map(|anchor| anchor.to_owned())
        .map_err(|error| format!("one of its certificates cannot be used: {error}"))
}
