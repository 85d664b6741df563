//! Certificates in PEM, always in the same form: bundles are compared byte for byte.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The most certificates that are read from one text.
const MAX: usize = 16;

/// The certificates, one after the other.
pub(super) fn encode<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> String {
    let mut text = String::new();
    for certificate in certificates {
        let encoded = STANDARD.encode(certificate);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = &*encoded;
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = more;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

/// The certificates in a text. None: it is not PEM, or holds more than anybody needs.
pub(super) fn decode(text: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text).take(MAX + 1).collect();
    certificates
        .ok()
        .filter(|certificates| certificates.len() <= MAX)
}
