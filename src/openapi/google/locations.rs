//! Where a request carries its token: `x-google-jwt-locations`, `x-google-auth.jwtLocations`.

use super::super::description::{TokenLocation, WrittenLocation};
use super::super::diagnostic::{Diagnostic, Findings, code, quote};
use super::super::lints;
use super::super::source::Cursor;
use super::Spelling;
use super::values::{Found, mapping, sequence, text, wrong};

/// The most places for one scheme: each is looked at for every request.
const MAX_LOCATIONS: usize = 16;
/// The longest name of a header or a parameter, in bytes.
const MAX_NAME: usize = 256;
/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 256;

/// Headers that say how a message is framed or that end at each hop (RFC 9110 section 7.6.1, RFC 9112
/// section 6), with what else never reaches the check as the client sent it.
const NO_TOKEN_HERE: [(&str, &str); 15] = [
    ("connection", "ends at each hop"),
    ("content-length", "frames the message"),
    ("expect", "is answered by the proxy"),
    ("host", "names the server"),
    ("http2-settings", "ends at each hop"),
    ("keep-alive", "ends at each hop"),
    ("proxy-authenticate", "ends at each hop"),
    ("proxy-authentication-info", "ends at each hop"),
    ("proxy-authorization", "ends at each hop"),
    ("proxy-connection", "ends at each hop"),
    ("te", "ends at each hop"),
    ("trailer", "frames the message"),
    ("transfer-encoding", "frames the message"),
    ("upgrade", "ends at each hop"),
    ("x-http-method-override", "replaces the method"),
];

/// Reads the list, which takes the place of all default places.
pub(super) fn locations(
    at: &Cursor<'_>,
    spelling: Spelling,
    findings: &mut Findings,
) -> Result<Vec<WrittenLocation>, Found> {
    let name = match spelling {
        Spelling::V2 => "x-google-jwt-locations",
        Spelling::V3 => "jwtLocations",
    };
    sequence(at, name, MAX_LOCATIONS, findings)?;
    let mut locations: Vec<WrittenLocation> = Vec::new();
    let mut result = Ok(());
    for item in at.items() {
        match location(&item, name, spelling, findings) {
            Err(found) => result = Err(found),
            Ok(location)
                if locations
                    .iter()
                    .any(|known| same(&known.location, &location)) =>
            {
                findings.push(
                    Diagnostic::warning(
                        lints::NO_EFFECT,
                        item.place(),
                        "this place for a token is in the list already",
                    )
                    .help("remove it"),
                );
            }
            Ok(location) => locations.push(WrittenLocation {
                location,
                place: item.place(),
            }),
        }
    }
    result?;
    if locations.is_empty() {
        findings.push(
            wrong(
                at,
                format!("`{name}` is empty: no token would ever be found"),
            )
            .help("list a header or a query parameter, or remove it for the usual places"),
        );
        return Err(Found);
    }
    Ok(locations)
}

/// Header names are compared in any case (RFC 9110 section 5.1), the rest as it is.
fn same(one: &TokenLocation, other: &TokenLocation) -> bool {
    match (one, other) {
        (
            TokenLocation::Header { name, value_prefix },
            TokenLocation::Header {
                name: other_name,
                value_prefix: other_prefix,
            },
        ) => name.eq_ignore_ascii_case(other_name) && value_prefix == other_prefix,
        _ => one == other,
    }
}

fn location(
    at: &Cursor<'_>,
    name: &str,
    spelling: Spelling,
    findings: &mut Findings,
) -> Result<TokenLocation, Found> {
    let prefix_name = match spelling {
        Spelling::V2 => "value_prefix",
        Spelling::V3 => "valuePrefix",
    };
    if let Some(cookie) = at.get("cookie") {
        findings.push(no_cookies(&cookie));
        return Err(Found);
    }
    mapping(at, name, &["header", "query", prefix_name], findings)?;
    let prefix = at.get(prefix_name);
    match (at.get("header"), at.get("query")) {
        (Some(header), None) => Ok(TokenLocation::Header {
            name: header_name(&header, findings)?,
            value_prefix: match prefix {
                Some(prefix) => value_prefix(&prefix, prefix_name, findings)?,
                None => String::new(),
            },
        }),
        (None, Some(query)) => {
            if let Some(prefix) = prefix {
                findings.push(
                    wrong(
                        &prefix,
                        format!("`{prefix_name}` belongs to a header, not to a query parameter"),
                    )
                    .help("remove it: the parameter's whole value is the token"),
                );
                return Err(Found);
            }
            query_name(&query, findings)
        }
        (header, _) => {
            let what = if header.is_some() {
                "both `header` and `query`"
            } else {
                "neither `header` nor `query`"
            };
            findings.push(
                wrong(at, format!("a place for a token has {what}"))
                    .help("write one item for each place: `- header: X-Token`, `- query: token`"),
            );
            Err(Found)
        }
    }
}

fn no_cookies(at: &Cursor<'_>) -> Diagnostic {
    Diagnostic::error(
        code::UNSUPPORTED_FEATURE,
        at.key_place(),
        "tokens are not taken from cookies (ESPv2 ignores this place): a browser sends them with requests that other sites make",
    )
    .help("let clients send the token in a header: `header: Authorization` with the prefix `Bearer `")
}

fn header_name(at: &Cursor<'_>, findings: &mut Findings) -> Result<String, Found> {
    let name = text(at, "header", MAX_NAME, findings)?;
    // RFC 9110 section 5.6.2. With `_` a request is refused before its token is looked for.
    let is_token = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^`|~".contains(&byte));
    if !is_token {
        let finding = wrong(
            at,
            format!(
                "{} is not the name of a header that can be sent",
                quote(name)
            ),
        );
        findings.push(finding.help(match name.strip_suffix(':') {
            Some(name) => format!("write it without the colon: {}", quote(name)),
            None => String::from("use letters, digits and `-`"),
        }));
        return Err(Found);
    }
    let lower = name.to_ascii_lowercase();
    if lower == "cookie" {
        findings.push(no_cookies(at));
        return Err(Found);
    }
    let generated = lower.starts_with("x-endpoint-") || lower == "x-forwarded-authorization";
    let why = match NO_TOKEN_HERE.iter().find(|(name, _)| *name == lower) {
        Some((_, why)) => why,
        None if generated => "is only the proxy's to set, and removed from every request",
        None => return Ok(name.to_owned()),
    };
    findings.push(
        wrong(
            at,
            format!(
                "a token cannot stand in the header {}, which {why}",
                quote(name)
            ),
        )
        .help("use `Authorization`, or a header of your own"),
    );
    Err(Found)
}

fn value_prefix(at: &Cursor<'_>, name: &str, findings: &mut Findings) -> Result<String, Found> {
    let prefix = text(at, name, MAX_PREFIX, findings)?;
    let is_visible = prefix.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !is_visible || prefix.starts_with(' ') {
        findings.push(
            wrong(
                at,
                format!(
                    "`{name}` is {}, which no header's value begins with",
                    quote(prefix)
                ),
            )
            .help("write visible ASCII characters, and spaces only behind them: \"Bearer \""),
        );
        return Err(Found);
    }
    Ok(prefix.to_owned())
}

fn query_name(at: &Cursor<'_>, findings: &mut Findings) -> Result<TokenLocation, Found> {
    let name = text(at, "query", MAX_NAME, findings)?;
    if name.is_empty() {
        findings.push(
            wrong(at, "the query parameter of a token has an empty name")
                .help("write its name, like `access_token`"),
        );
        return Err(Found);
    }
    Ok(TokenLocation::Query {
        name: name.to_owned(),
    })
}
