//! `securityDefinitions`, and the requirements that name them.

use std::collections::HashMap;

use super::super::description::JwtScheme;
use super::super::diagnostic::{Diagnostic, Findings, code, quote};
use super::super::google;
use super::super::source::{Cursor, Kind};

/// The most alternatives in one requirement.
const MAX_ALTERNATIVES: usize = 64;
/// The most schemes in a document.
const MAX_SCHEMES: usize = 256;
/// The longest name of a scheme, in bytes.
const MAX_NAME: usize = 256;

/// The schemes of a document.
pub(super) struct Schemes {
    by_name: HashMap<String, Scheme>,
    jwt: Vec<JwtScheme>,
}

enum Scheme {
    /// Checked by verifying a token.
    Jwt,
    /// Cannot be enforced: what it is, and what to do. Fine as long as nothing demands it.
    Unenforceable(String, &'static str),
    /// Wrong in itself; that was found already.
    Broken,
}

impl Schemes {
    pub(super) fn read(root: &Cursor<'_>, findings: &mut Findings) -> Self {
        let mut schemes = Self {
            by_name: HashMap::new(),
            jwt: Vec::new(),
        };
        let Some(definitions) = root.get("securityDefinitions") else {
            return schemes;
        };
        if !matches!(definitions.kind(), Kind::Mapping(_) | Kind::Null) {
            findings.push(definitions.wrong_kind("securityDefinitions", "a mapping"));
        }
        if definitions.entries().count() > MAX_SCHEMES {
            findings.push(Diagnostic::error(
                code::INVALID_OPENAPI,
                definitions.key_place(),
                format!("there are more than {MAX_SCHEMES} security schemes"),
            ));
            return schemes;
        }
        for (name, definition) in definitions.entries() {
            if name.len() > MAX_NAME {
                findings.push(Diagnostic::error(
                    code::INVALID_OPENAPI,
                    definition.key_place(),
                    format!("the name {} is longer than {MAX_NAME} bytes", quote(name)),
                ));
                continue;
            }
            let scheme = schemes.definition(name, &definition, findings);
            schemes.by_name.insert(name.to_owned(), scheme);
        }
        schemes
    }

    pub(super) fn into_jwt(self) -> Vec<JwtScheme> {
        self.jwt
    }

    fn definition(&mut self, name: &str, at: &Cursor<'_>, findings: &mut Findings) -> Scheme {
        if !matches!(at.kind(), Kind::Mapping(_)) {
            findings.push(at.wrong_kind(name, "a mapping"));
            return Scheme::Broken;
        }
        let Some(scheme_type) = at.get("type") else {
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    at.key_place(),
                    format!("the security scheme {} has no `type`", quote(name)),
                )
                .help("a scheme for JSON Web Tokens has `type: oauth2` and `x-google-issuer`"),
            );
            return Scheme::Broken;
        };
        match scheme_type.string() {
            Some("oauth2") => match google::read_jwt_scheme(name, at, findings) {
                google::Found::Scheme(scheme) => {
                    self.jwt.push(*scheme);
                    Scheme::Jwt
                }
                google::Found::NoIssuer => Scheme::Unenforceable(
                    String::from(
                        "is OAuth 2.0 without `x-google-issuer`: nothing says whose tokens it accepts",
                    ),
                    "add `x-google-issuer` and `x-google-jwks_uri` to the scheme",
                ),
                google::Found::Broken => Scheme::Broken,
            },
            Some(kind @ ("apiKey" | "basic")) => Scheme::Unenforceable(
                format!("has `type: {kind}`, which this version does not check"),
                "demand a JWT scheme (`type: oauth2` with `x-google-issuer`), or `security: []` to leave it to the backend",
            ),
            _ => {
                let found = scheme_type
                    .text()
                    .map_or_else(|| scheme_type.kind_name().to_owned(), quote);
                findings.push(
                    Diagnostic::error(
                        code::INVALID_OPENAPI,
                        scheme_type.place(),
                        format!("the `type` of a security scheme is {found}"),
                    )
                    .help("OpenAPI 2.0 knows `oauth2`, `apiKey` and `basic`"),
                );
                Scheme::Broken
            }
        }
    }

    /// Reads a `security` list: the alternatives, each the name of a JWT scheme.
    pub(super) fn requirement(&self, at: &Cursor<'_>, findings: &mut Findings) -> Vec<String> {
        let Kind::Sequence(items) = at.kind() else {
            findings.push(
                at.wrong_kind("security", "a list")
                    .help("`security: []` leaves an operation open"),
            );
            return Vec::new();
        };
        if items.len() > MAX_ALTERNATIVES {
            findings.push(Diagnostic::error(
                code::INVALID_OPENAPI,
                at.place(),
                format!("`security` has more than {MAX_ALTERNATIVES} alternatives"),
            ));
            return Vec::new();
        }
        let mut names: Vec<String> = Vec::new();
        for alternative in at.items() {
            if let Some(name) = self.alternative(&alternative, findings)
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }

    /// The scheme of an alternative; `None` when a finding was made.
    fn alternative(&self, at: &Cursor<'_>, findings: &mut Findings) -> Option<String> {
        let Kind::Mapping(entries) = at.kind() else {
            findings.push(
                at.wrong_kind("security", "a list of mappings")
                    .help("write `- my_scheme: []`"),
            );
            return None;
        };
        let unsupported = |at: &Cursor<'_>, message: String, help: &str| {
            Diagnostic::error(code::UNSUPPORTED_SECURITY, at.key_place(), message).help(help)
        };
        if entries.is_empty() {
            findings.push(unsupported(
                at,
                String::from("`{}` makes a token optional, which this version cannot check"),
                "remove the alternative, or write `security: []` to leave the operation open",
            ));
            return None;
        }
        if entries.len() > 1 {
            let names: Vec<_> = entries
                .iter()
                .take(4)
                .map(|entry| quote(&entry.key))
                .collect();
            findings.push(unsupported(
                at,
                format!(
                    "{} are demanded together (AND), which this version cannot check",
                    names.join(" and ")
                ),
                "write alternatives as items of their own: each with a `-` in front",
            ));
            return None;
        }
        let (name, scopes) = at.entries().next()?;
        match scopes.kind() {
            Kind::Sequence(scopes) if scopes.is_empty() => {}
            Kind::Sequence(_) => {
                findings.push(unsupported(
                    &scopes,
                    format!(
                        "scopes are demanded of {}, which this version cannot check",
                        quote(name)
                    ),
                    &format!(
                        "write {}, and check the scopes in the backend",
                        quote(&format!("{name}: []"))
                    ),
                ));
                return None;
            }
            _ => {
                findings.push(
                    scopes
                        .wrong_kind(name, "a list")
                        .help(format!("write {}", quote(&format!("{name}: []")))),
                );
                return None;
            }
        }
        match self.by_name.get(name) {
            Some(Scheme::Jwt) => return Some(name.to_owned()),
            Some(Scheme::Broken) => {}
            Some(Scheme::Unenforceable(why, help)) => {
                findings.push(unsupported(
                    &scopes,
                    format!("the security scheme {} {why}", quote(name)),
                    help,
                ));
            }
            None => {
                let known: Vec<_> = self
                    .jwt
                    .iter()
                    .take(8)
                    .map(|scheme| quote(&scheme.name))
                    .collect();
                let help = match known.as_slice() {
                    [] => String::from("define it in `securityDefinitions`"),
                    known => format!(
                        "define it in `securityDefinitions`, or use one that is: {}",
                        known.join(", ")
                    ),
                };
                findings.push(unsupported(
                    &scopes,
                    format!("there is no security scheme {}", quote(name)),
                    &help,
                ));
            }
        }
        None
    }
}
