//! What a backend is told of a token that passed: `X-Endpoint-API-UserInfo`, and claims as headers.

use std::collections::HashMap;

use aws_lc_rs::digest::{self, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::policy::format::{ClaimHeader, JwtSettings, UserInfoForm};

/// The most bytes of all claim headers of a request: names are the policy's, values the issuer's, and
/// backends bound the head they read.
const MAX_CLAIM_BYTES: usize = 16 * 1024;

/// What backends are told, as a policy has it.
#[derive(Debug, Default)]
pub struct Forwarding {
    user_info: UserInfoForm,
    claims: Vec<ClaimRule>,
    /// Digest of the above: what was made by it is not taken for what another would make.
    pub(super) id: [u8; 32],
}

/// What a backend is told of one token.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// `X-Endpoint-API-UserInfo`.
    pub user_info: HeaderValue,
    /// Claims, by header.
    pub claims: Vec<(HeaderName, HeaderValue)>,
    /// Claims that no header can hold, or that are too long.
    pub omitted: u32,
}

#[derive(Debug)]
struct ClaimRule {
    name: String,
    /// The name's parts, where dots part it.
    path: Vec<String>,
    header: HeaderName,
}

/// A payload: as text, and read.
#[derive(Clone, Copy)]
pub(super) struct Payload<'p> {
    /// Base64url without padding.
    pub(super) section: &'p str,
    /// Decoded.
    pub(super) text: &'p str,
    pub(super) claims: &'p Map<String, Value>,
}

impl Forwarding {
    /// Makes the settings of a policy ready.
    ///
    /// # Errors
    /// A header that the compiler never writes.
    pub fn new(settings: &JwtSettings) -> Result<Self, String> {
        let rule = |written: &ClaimHeader| {
            let header = HeaderName::from_bytes(written.header.as_bytes())
                .map_err(|_| format!("`{}` is not the name of a header", written.header))?;
            Ok::<_, String>(ClaimRule {
                name: written.claim.clone(),
                path: written.claim.split('.').map(str::to_owned).collect(),
                header,
            })
        };
        let written = (settings.user_info, &settings.claim_headers);
        let bytes = serde_json::to_vec(&written).expect("strings make JSON");
        let mut id = [0; 32];
        id.copy_from_slice(digest::digest(&SHA256, &bytes).as_ref());
        Ok(Self {
            user_info: settings.user_info,
            claims: settings
                .claim_headers
                .iter()
                .map(rule)
                .collect::<Result<_, _>>()?,
            id,
        })
    }

    /// The headers that claims are told in.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.claims.iter().map(|rule| &rule.header)
    }

    /// Strips from a client's request what only claims may say; `_`, `.` and `-` count as equal.
    pub fn strip(&self, headers: &mut HeaderMap) {
        if self.claims.is_empty() {
            return;
        }
        let forged: Vec<_> = headers
            .keys()
            .filter(|name| self.headers().any(|own| alike(own.as_str(), name.as_str())))
            .cloned()
            .collect();
        for name in forged {
            headers.remove(name);
        }
    }

    /// What is told of a token; `None`: a section that no header can hold.
    pub(super) fn tell(&self, payload: Payload<'_>) -> Option<Told> {
        let user_info = match self.user_info {
            UserInfoForm::Payload => HeaderValue::from_str(payload.section),
            UserInfoForm::PaddedPayload => HeaderValue::try_from(padded(payload.section)),
            UserInfoForm::Esp => HeaderValue::try_from(esp(payload)),
        };
        let mut told = Told {
            user_info: user_info.ok()?,
            claims: Vec::with_capacity(self.claims.len()),
            omitted: 0,
        };
        let mut left = MAX_CLAIM_BYTES;
        for rule in &self.claims {
            let Some((value, raw)) = rule.find(payload) else {
                continue;
            };
            match header_value(value, raw).filter(|value| value.len() <= left) {
                Some(value) => {
                    left -= value.len();
                    told.claims.push((rule.header.clone(), value));
                }
                None => told.omitted += 1,
            }
        }
        Some(told)
    }
}

impl ClaimRule {
    /// The claim, and its text in the payload: numbers stay as the issuer wrote them.
    fn find<'p>(&self, payload: Payload<'p>) -> Option<(&'p Value, &'p str)> {
        let whole = std::slice::from_ref(&self.name);
        let path = match payload.claims.contains_key(&self.name) {
            true => whole,
            false => &self.path,
        };
        let (first, rest) = path.split_first()?;
        let mut value = payload.claims.get(first)?;
        for name in rest {
            value = value.as_object()?.get(name)?;
        }
        Some((value, raw(payload.text, path)?))
    }
}

/// The text of a member, inside of others.
fn raw<'p>(text: &'p str, path: &[String]) -> Option<&'p str> {
    let (first, rest) = path.split_first()?;
    let members: HashMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let text = members.get(first)?.get();
    match rest {
        [] => Some(text),
        rest => raw(text, rest),
    }
}

/// Text, numbers and booleans as they are; the rest as JSON in base64url.
fn header_value(value: &Value, raw: &str) -> Option<HeaderValue> {
    match value {
        Value::String(text) => {
            // Spaces around a value are not a part of it (RFC 9110 section 5.5): whoever reads it
            // would read another.
            let is_visible = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            let is_whole = text.trim_ascii() == text;
            let fits = is_visible && is_whole;
            fits.then(|| HeaderValue::from_str(text).ok()).flatten()
        }
        Value::Number(_) | Value::Bool(_) => HeaderValue::from_str(raw).ok(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            HeaderValue::try_from(URL_SAFE_NO_PAD.encode(raw)).ok()
        }
    }
}

/// Base64url with the padding that it came without.
fn padded(section: &str) -> String {
    let missing = (4 - section.len() % 4) % 4;
    format!("{section}{}", &"==="[..missing])
}

/// The first ESP's form: what is empty is left out.
fn esp(payload: Payload<'_>) -> String {
    #[derive(Serialize)]
    struct UserInfo<'p> {
        #[serde(skip_serializing_if = "str::is_empty")]
        issuer: &'p str,
        #[serde(skip_serializing_if = "str::is_empty")]
        id: &'p str,
        #[serde(skip_serializing_if = "str::is_empty")]
        email: &'p str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        audiences: Vec<&'p str>,
        claims: &'p str,
    }
    let text = |name: &str| {
        let claim = payload.claims.get(name);
        claim.and_then(Value::as_str).unwrap_or_default()
    };
    let audiences = match payload.claims.get("aud") {
        Some(Value::String(audience)) => vec![audience.as_str()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let user_info = UserInfo {
        issuer: text("iss"),
        id: text("sub"),
        email: text("email"),
        audiences,
        claims: payload.text,
    };
    URL_SAFE.encode(serde_json::to_vec(&user_info).expect("strings make JSON"))
}

fn alike(own: &str, name: &str) -> bool {
    let plain = |byte: u8| match byte {
        b'_' | b'.' => b'-',
        byte => byte,
    };
    own.len() == name.len() && own.bytes().map(plain).eq(name.bytes().map(plain))
}
