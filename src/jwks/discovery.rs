//! OpenID Connect Discovery 1.0: from an issuer's metadata to the URL of its keys.

use serde_json::Value;

use super::fetch::FetchError;

/// The URL of the keys that a discovery document names, if it is `issuer`'s own (section 4.3: the
/// issuer must be the very same text).
///
/// # Errors
/// Not a discovery document, or one of another issuer.
pub(super) fn jwks_uri(document: &[u8], issuer: &str) -> Result<String, FetchError> {
    let document: Value =
        serde_json::from_slice(document).map_err(|_| FetchError::NotADiscoveryDocument)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    match text("issuer") {
        Some(found) if found == issuer => {}
        Some(found) => return Err(FetchError::OtherIssuer(shown(found))),
        None => return Err(FetchError::NotADiscoveryDocument),
    }
    text("jwks_uri")
        .map(str::to_owned)
        .ok_or(FetchError::NotADiscoveryDocument)
}

/// Text from elsewhere as part of a message.
fn shown(text: &str) -> String {
    const LONGEST: usize = 200;
    text.chars()
        .filter(|character| !character.is_control())
        .take(LONGEST)
        .collect()
}
