//! Issuers, keys, audiences and claims: what would refuse every token, or believe too many.

use std::collections::{BTreeSet, HashMap};

use super::issuers::{self, Spelling};
use super::placeholders::placeholder;
use super::{Subject, requirements};
use crate::api::endpoints_service::{AudienceMode, RegisteredClaim};
use crate::openapi::description::{JwtScheme, Scheme, TokenLocation};
use crate::openapi::diagnostic::quote;
use crate::openapi::{Diagnostic, Findings, Place, lints};

/// The path of discovery documents (OpenID Connect Discovery 1.0 section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// The most entries of `jwt.issuers` that are looked at: more are an error.
const MAX_ISSUERS: usize = 64;

pub(super) fn check(subject: Subject<'_>, findings: &mut Findings) {
    let demands = Demands::new(subject);
    let mut issuers: HashMap<&str, (&Scheme, &JwtScheme)> = HashMap::new();
    let demanded = subject
        .description
        .jwt_schemes()
        .filter(|(at, _)| demands.schemes.contains_key(at.name.as_str()));
    for (at, scheme) in demanded {
        // Both spellings of Google's issuer are one here, but ESPv2 needs a scheme for each.
        match issuers.get(scheme.issuer.as_str()) {
            Some(first) => findings.push(duplicate_issuer(*first, (at, scheme))),
            None => {
                issuers.insert(&scheme.issuer, (at, scheme));
            }
        }
        if placeholder(&scheme.issuer).is_none() {
            findings.extend(issuer_spelling(scheme));
        }
        let uses_own = demands.schemes.get(at.name.as_str()) == Some(&true);
        if uses_own {
            findings.extend(missing_audiences(subject, at, scheme));
            for audience in &scheme.audiences {
                findings.extend(audience_spelling(audience, &scheme.audiences_place));
            }
        }
        findings.extend(token_in_query(scheme));
        findings.extend(key_set(subject, scheme));
    }
    for (audience, place) in demands.audiences {
        findings.extend(audience_spelling(audience, place));
    }
    if !issuers.is_empty() {
        findings.extend(unchecked_claims(subject));
    }
}

/// What operations demand.
struct Demands<'a> {
    /// Schemes, and whether some operation takes the scheme's own audiences.
    schemes: HashMap<&'a str, bool>,
    /// Audiences of operations, and where the first of each stands.
    audiences: Vec<(&'a str, &'a Place)>,
}

impl<'a> Demands<'a> {
    fn new(subject: Subject<'a>) -> Self {
        let mut demands = Self {
            schemes: HashMap::new(),
            audiences: Vec::new(),
        };
        let mut seen = BTreeSet::new();
        for requirement in requirements(subject) {
            let own = requirement.audiences.is_none();
            *demands.schemes.entry(&requirement.scheme).or_default() |= own;
            for audience in requirement.audiences.iter().flatten() {
                if seen.insert(audience.as_str()) {
                    demands.audiences.push((audience, &requirement.place));
                }
            }
        }
        demands
    }
}

fn duplicate_issuer(first: (&Scheme, &JwtScheme), second: (&Scheme, &JwtScheme)) -> Diagnostic {
    let names = (quote(&first.0.name), quote(&second.0.name));
    let message = format!(
        "{} and {} have the same issuer {}",
        names.0,
        names.1,
        quote(&second.1.issuer)
    );
    let audiences = |scheme: &JwtScheme| scheme.audiences.iter().cloned().collect::<BTreeSet<_>>();
    let (message, help) = if audiences(first.1) == audiences(second.1) {
        (
            format!("{message} and the same audiences: a token for one passes for the other"),
            format!("keep {}, and demand it in place of {}", names.0, names.1),
        )
    } else {
        (
            format!("{message}: only its audience says which of them a token is for"),
            String::from(
                "make one scheme of them with all audiences, unless operations are to tell them apart; no audience may stand in both",
            ),
        )
    };
    Diagnostic::warning(
        lints::DUPLICATE_ISSUER,
        second.1.issuer_place.clone(),
        message,
    )
    .help(help)
    .related(first.1.issuer_place.clone(), "the same issuer")
}

fn issuer_spelling(scheme: &JwtScheme) -> Option<Diagnostic> {
    let written = quote(&scheme.issuer);
    let (message, help) = match issuers::check_spelling(&scheme.issuer)? {
        Spelling::Other { provider, issuer } => (
            format!(
                "tokens of {provider} hold the issuer {}, not {written}: every one of them is refused",
                quote(&issuer)
            ),
            format!("write {}", quote(&issuer)),
        ),
        Spelling::DiscoveryDocument { issuer } => (
            format!(
                "{written} is the address of the discovery document, which no token holds as its issuer"
            ),
            format!(
                "write the `issuer` that the document names: {}, perhaps with a slash",
                quote(&issuer)
            ),
        ),
        Spelling::SeveralTenants => (
            format!(
                "{written} is an address for several tenants: tokens hold the issuer of their own tenant"
            ),
            String::from(
                "write `https://login.microsoftonline.com/TENANT/v2.0` with the tenant's ID, one scheme for each tenant",
            ),
        ),
    };
    Some(
        Diagnostic::warning(lints::ISSUER_SPELLING, scheme.issuer_place.clone(), message)
            .help(help),
    )
}

/// Providers that choose the audience themselves: the default never fits.
fn missing_audiences(subject: Subject<'_>, at: &Scheme, scheme: &JwtScheme) -> Option<Diagnostic> {
    let mode = subject.spec.jwt.as_ref().and_then(|jwt| jwt.audiences);
    if !scheme.audiences.is_empty() || mode == Some(AudienceMode::Unchecked) {
        return None;
    }
    if let Some((what, help)) = issuers::own_audience(&scheme.issuer) {
        return Some(
            Diagnostic::warning(
                lints::MISSING_AUDIENCES,
                scheme.audiences_place.clone(),
                format!(
                    "{} has no audiences, so a token must be for {}, but {what}",
                    quote(&at.name),
                    quote(&format!("https://{}", subject.policy.service))
                ),
            )
            .help(help),
        );
    }
    // Written, and yet empty: `","` switches the check off in ESPv2.
    (scheme.audiences_place != at.place).then(|| {
        Diagnostic::warning(
            lints::MISSING_AUDIENCES,
            scheme.audiences_place.clone(),
            format!(
                "the list names no audience, so a token must be for {}",
                quote(&format!("https://{}", subject.policy.service))
            ),
        )
        .help("list audiences, or set `jwt.audiences: Unchecked` in the EndpointsService to accept tokens for anybody")
    })
}

fn audience_spelling(audience: &str, place: &Place) -> Option<Diagnostic> {
    let written = quote(audience);
    let (message, help) = if audience.contains('*') {
        (
            format!("{written} is compared as it is: no token is for an audience with `*` in it"),
            String::from("list each audience"),
        )
    } else if audience.contains(['"', '\'', '[', ']']) {
        (
            format!("{written} has a quote or a bracket, which no audience has"),
            String::from("write audiences plainly, with commas between them: `a, b`"),
        )
    } else if audience.contains(char::is_whitespace) {
        (
            format!("{written} is one audience: a space does not part two"),
            String::from("write a comma between audiences"),
        )
    } else if let Some(bare) = audience.strip_suffix('/') {
        let bare = bare.trim_end_matches('/');
        (
            format!(
                "{written} ends with a slash, which is passed over here but not by other verifiers of the token"
            ),
            format!("write {}, if that is what tokens hold", quote(bare)),
        )
    } else {
        return None;
    };
    Some(Diagnostic::warning(lints::AUDIENCE_SPELLING, place.clone(), message).help(help))
}

fn token_in_query(scheme: &JwtScheme) -> Option<Diagnostic> {
    scheme.locations.iter().find_map(|written| {
        let TokenLocation::Query { name } = &written.location else {
            return None;
        };
        Some(
            Diagnostic::warning(
                lints::TOKEN_IN_QUERY,
                written.place.clone(),
                format!(
                    "a token in the query parameter {} ends up in histories, logs and the referrers of pages",
                    quote(name)
                ),
            )
            .help("take it from a header, unless clients cannot set one (WebSockets and downloads of browsers)"),
        )
    })
}

fn key_set(subject: Subject<'_>, scheme: &JwtScheme) -> Option<Diagnostic> {
    let entries = subject
        .spec
        .jwt
        .as_ref()
        .and_then(|jwt| jwt.issuers.as_deref());
    let entry = entries
        .unwrap_or_default()
        .iter()
        .take(MAX_ISSUERS)
        .enumerate()
        .find(|(_, entry)| entry.issuer == scheme.issuer);
    let (uri, place) = match entry {
        Some((index, entry)) => (
            entry.jwks_uri.as_deref()?,
            Place::resource(format!("/spec/jwt/issuers/{index}/jwksUri")),
        ),
        None => match (&scheme.jwks_uri, &scheme.discovery_url) {
            (Some(uri), _) => (uri.as_str(), scheme.jwks_uri_place.clone()),
            (None, Some(url)) => return insecure(url, scheme.jwks_uri_place.clone()),
            (None, None) => return insecure(&scheme.issuer, scheme.issuer_place.clone()),
        },
    };
    mismatch(scheme, uri, place.clone()).or_else(|| insecure(uri, place))
}

/// Keys that come over plain HTTP; on the same machine nobody is between.
fn insecure(uri: &str, place: Place) -> Option<Diagnostic> {
    let rest = uri.strip_prefix("http://")?;
    let authority = rest.split('/').next().unwrap_or_default();
    let is_local = ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| {
        authority
            .strip_prefix(local)
            .is_some_and(|port| port.is_empty() || port.starts_with(':'))
    });
    (!is_local).then(|| {
        Diagnostic::warning(
            lints::HTTP_JWKS_URI,
            place,
            format!(
                "{} has no TLS: whoever is on the way to it can put in keys of their own, and sign any token",
                quote(uri)
            ),
        )
        .help("write `https://`; the operator fetches no other by default")
    })
}

fn mismatch(scheme: &JwtScheme, uri: &str, place: Place) -> Option<Diagnostic> {
    if uri.split('?').next().unwrap_or(uri).ends_with(DISCOVERY) {
        return Some(
            Diagnostic::warning(
                lints::JWKS_URI_MISMATCH,
                place,
                format!("{} is a discovery document, not a key set", quote(uri)),
            )
            .help("write the `jwks_uri` that the document names, or leave this out: keys are discovered then"),
        );
    }
    let signer = issuers::signer_of_issuer(&scheme.issuer)?;
    let keys = issuers::signer_of_keys(uri)?;
    (signer != keys).then(|| {
        Diagnostic::warning(
            lints::JWKS_URI_MISMATCH,
            place,
            format!(
                "{} are not the keys of {}: no token of it will verify",
                quote(uri),
                quote(&scheme.issuer)
            ),
        )
        .help("write the address of the issuer's own keys")
        .related(scheme.issuer_place.clone(), "the issuer")
    })
}

/// Google's page names `iss`, `sub`, `aud`, `iat` and `exp`. The issuer is always compared, and the
/// audience where it is checked at all; who writes a list of the others thinks it complete.
fn unchecked_claims(subject: Subject<'_>) -> Option<Diagnostic> {
    use RegisteredClaim::{Exp, Iat, Sub};
    let written = subject.spec.jwt.as_ref()?.required_claims.as_ref()?;
    let missing: Vec<_> = [(Exp, "`exp`"), (Sub, "`sub`"), (Iat, "`iat`")]
        .into_iter()
        .filter(|(claim, _)| !written.contains(claim))
        .map(|(_, name)| name)
        .collect();
    let (why, help) = match missing.as_slice() {
        [] => return None,
        ["`exp`", ..] => (
            "and without `exp` a token is good for ever",
            "add them, or leave `requiredClaims` out: `exp` is demanded then",
        ),
        _ => (
            "though Google's page on JWT lists them as required",
            "add them, or leave `requiredClaims` out: `exp` is demanded then",
        ),
    };
    Some(
        Diagnostic::warning(
            lints::UNCHECKED_CLAIMS,
            Place::resource("/spec/jwt/requiredClaims"),
            format!("tokens without {} are accepted, {why}", missing.join(", ")),
        )
        .help(help),
    )
}
