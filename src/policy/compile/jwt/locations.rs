//! `x-google-jwt-locations`: where tokens are looked for.

use super::super::is_token;
use crate::openapi::description::{self, WrittenLocation};
use crate::openapi::diagnostic::{code, quote};
use crate::openapi::{Diagnostic, Findings, lints};
use crate::policy::format::TokenLocation;

/// The most places of one scheme.
const MAX_LOCATIONS: usize = 16;
/// The longest name or prefix, in bytes.
const MAX_BYTES: usize = 256;

/// Checks the places; in their order, none twice.
pub(super) fn compile(written: &[WrittenLocation], findings: &mut Findings) -> Vec<TokenLocation> {
    let mut locations: Vec<TokenLocation> = Vec::new();
    if let Some(over) = written.get(MAX_LOCATIONS) {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                over.place.clone(),
                format!("tokens are looked for at more than {MAX_LOCATIONS} places"),
            )
            .help("keep those that clients use"),
        );
        return locations;
    }
    for written in written {
        match location(&written.location) {
            Ok(location) if locations.contains(&location) => findings.push(
                Diagnostic::warning(
                    lints::NO_EFFECT,
                    written.place.clone(),
                    "tokens are looked for at this place already",
                )
                .help("remove it"),
            ),
            Ok(location) => locations.push(location),
            Err((message, help)) => findings.push(
                Diagnostic::error(code::INVALID_OPENAPI, written.place.clone(), message).help(help),
            ),
        }
    }
    locations
}

fn location(written: &description::TokenLocation) -> Result<TokenLocation, (String, &'static str)> {
    match written {
        description::TokenLocation::Header { name, value_prefix } => {
            if !is_token(name) || name.len() > MAX_BYTES {
                return Err((
                    format!("{} is not the name of a header", quote(name)),
                    "write a name like `X-Access-Token`",
                ));
            }
            let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
            if !value_prefix.bytes().all(is_visible) || value_prefix.len() > MAX_BYTES {
                return Err((
                    format!("no header has {} before its token", quote(value_prefix)),
                    "write a prefix of visible ASCII characters, like `Bearer `",
                ));
            }
            Ok(TokenLocation::Header {
                name: name.to_ascii_lowercase(),
                value_prefix: value_prefix.clone(),
            })
        }
        description::TokenLocation::Query { name } => {
            let is_odd = name.chars().any(char::is_control);
            if name.is_empty() || is_odd || name.len() > MAX_BYTES {
                return Err((
                    format!("{} is not the name of a query parameter", quote(name)),
                    "write a name like `access_token`",
                ));
            }
            Ok(TokenLocation::Query(name.clone()))
        }
    }
}
