//! Issuers that many people use, and how their tokens spell them.
//!
//! Tokens hold the issuer letter by letter (RFC 7519 section 4.1.1: compared exactly), and providers
//! do not agree on the slash at its end.

/// A provider, by where its issuers are.
struct Provider {
    name: &'static str,
    host: Host,
    /// Whether the issuer ends with a slash.
    slash: bool,
}

enum Host {
    Is(&'static str),
    /// A tenant's own name stands before it.
    Below(&'static str),
    Between(&'static str, &'static str),
}

const fn provider(name: &'static str, host: Host, slash: bool) -> Provider {
    Provider { name, host, slash }
}

/// From each provider's discovery document or the page that describes its tokens.
const PROVIDERS: &[Provider] = &[
    // https://accounts.google.com/.well-known/openid-configuration
    provider("Google", Host::Is("accounts.google.com"), false),
    // firebase.google.com/docs/auth/admin/verify-id-tokens: https://securetoken.google.com/<projectId>
    provider("Firebase", Host::Is("securetoken.google.com"), false),
    // auth0.com/docs/secure/tokens/access-tokens: https://TENANT.auth0.com/
    provider("Auth0", Host::Below(".auth0.com"), true),
    // developer.okta.com/docs/reference/api/oidc: https://ORG.okta.com[/oauth2/SERVER]
    provider("Okta", Host::Below(".okta.com"), false),
    provider("Okta", Host::Below(".oktapreview.com"), false),
    // learn.microsoft.com/entra/identity-platform/access-tokens: v2.0, and v1.0 below
    provider(
        "Microsoft Entra ID",
        Host::Is("login.microsoftonline.com"),
        false,
    ),
    provider("Microsoft Entra ID", Host::Is("sts.windows.net"), true),
    // docs.aws.amazon.com/cognito, "Verifying JSON Web Tokens"
    provider(
        "Amazon Cognito",
        Host::Between("cognito-idp.", ".amazonaws.com"),
        false,
    ),
    // docs.aws.amazon.com/eks, "IAM roles for service accounts"
    provider(
        "Amazon EKS",
        Host::Between("oidc.eks.", ".amazonaws.com"),
        false,
    ),
    // https://appleid.apple.com/.well-known/openid-configuration
    provider("Apple", Host::Is("appleid.apple.com"), false),
    // docs.github.com/actions, "OpenID Connect reference"
    provider(
        "GitHub Actions",
        Host::Is("token.actions.githubusercontent.com"),
        false,
    ),
];

/// What is wrong with the spelling of an issuer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Tokens of this provider hold another text.
    Other {
        provider: &'static str,
        issuer: String,
    },
    /// The address of the discovery document, at the issuer's usual place.
    DiscoveryDocument { issuer: String },
    /// Entra's endpoint for several tenants: tokens hold the tenant's own.
    SeveralTenants,
}

/// What is wrong with it, if it is known.
pub(super) fn check_spelling(issuer: &str) -> Option<Spelling> {
    if let Some(bare) = issuer.strip_suffix("/.well-known/openid-configuration") {
        return Some(Spelling::DiscoveryDocument {
            issuer: canonical(bare).map_or_else(|| bare.to_owned(), |(_, issuer)| issuer),
        });
    }
    let (host, path) = host_and_path(issuer);
    if host.eq_ignore_ascii_case("login.microsoftonline.com") {
        let tenant = path.trim_start_matches('/').split('/').next();
        if matches!(tenant, Some("common" | "organizations" | "consumers")) {
            return Some(Spelling::SeveralTenants);
        }
    }
    // Both spellings of Google's are one here.
    if issuer == "accounts.google.com" {
        return None;
    }
    let (provider, right) = canonical(issuer)?;
    (right != issuer).then_some(Spelling::Other {
        provider,
        issuer: right,
    })
}

/// The issuer as its provider spells it.
fn canonical(issuer: &str) -> Option<(&'static str, String)> {
    let (host, path) = host_and_path(issuer);
    if let Some(account) = service_account(issuer) {
        return Some(("a Google service account", account.to_owned()));
    }
    let lower = host.to_ascii_lowercase();
    let slash = |slash: bool| if slash { "/" } else { "" };
    let known = PROVIDERS.iter().find(|provider| provider.host.is(&lower));
    if let Some(provider) = known {
        // Auth0's issuers have no path: what has one is somebody's own.
        if provider.name == "Auth0" && !path.is_empty() {
            return None;
        }
        let end = slash(provider.slash);
        return Some((provider.name, format!("https://{lower}{path}{end}")));
    }
    // Keycloak runs anywhere, also without TLS: only the slash is known.
    let (start, realm) = issuer.split_once("/realms/")?;
    let realm = realm.trim_end_matches('/');
    (!realm.is_empty() && !realm.contains('/'))
        .then(|| ("Keycloak", format!("{start}/realms/{realm}")))
}

/// Host and path of an issuer, with or without its scheme, without the slash at its end.
fn host_and_path(issuer: &str) -> (&str, &str) {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    let rest = rest.trim_end_matches('/');
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}

/// The email address of a service account that signs for itself.
fn service_account(issuer: &str) -> Option<&str> {
    let bare = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    let bare = bare.trim_end_matches('/');
    let (name, domain) = bare.split_once('@')?;
    let is_account = !name.is_empty()
        && !name.contains('/')
        && domain.ends_with(".gserviceaccount.com")
        && !domain.contains('/');
    is_account.then_some(bare)
}

impl Host {
    fn is(&self, host: &str) -> bool {
        match self {
            Self::Is(name) => host == *name,
            Self::Below(end) => host.strip_suffix(end).is_some_and(|rest| !rest.is_empty()),
            Self::Between(start, end) => host
                .strip_prefix(start)
                .and_then(|rest| rest.strip_suffix(end))
                .is_some_and(|rest| !rest.is_empty()),
        }
    }
}

/// Who signs with the keys at a URL, or the tokens of an issuer. Two that differ never fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signer<'a> {
    Google,
    Firebase,
    ServiceAccount(&'a str),
    /// A tenant of a provider that serves keys beside its issuer, by its host.
    Tenant(&'a str),
}

/// Who signs tokens of this issuer.
pub(super) fn signer_of_issuer(issuer: &str) -> Option<Signer<'_>> {
    if let Some(account) = service_account(issuer) {
        return Some(Signer::ServiceAccount(account));
    }
    match host_and_path(issuer).0 {
        "accounts.google.com" => Some(Signer::Google),
        "securetoken.google.com" => Some(Signer::Firebase),
        host => tenant(host),
    }
}

/// Whose keys are at this URL.
pub(super) fn signer_of_keys(uri: &str) -> Option<Signer<'_>> {
    let (host, path) = host_and_path(uri);
    if host != "www.googleapis.com" {
        return tenant(host);
    }
    if matches!(
        path,
        "/oauth2/v1/certs" | "/oauth2/v2/certs" | "/oauth2/v3/certs"
    ) {
        return Some(Signer::Google);
    }
    // /robot/v1/metadata/{x509,jwk}/EMAIL and /service_accounts/v1/{jwk,metadata/x509}/EMAIL
    let is_account = path.starts_with("/robot/v1/") || path.starts_with("/service_accounts/v1/");
    match path.rsplit('/').next() {
        Some("securetoken@system.gserviceaccount.com") if is_account => Some(Signer::Firebase),
        Some(account) if is_account && account.contains('@') => {
            Some(Signer::ServiceAccount(account))
        }
        _ => None,
    }
}

fn tenant(host: &str) -> Option<Signer<'_>> {
    const TENANTS: [&str; 3] = ["Auth0", "Okta", "Amazon Cognito"];
    PROVIDERS
        .iter()
        .any(|provider| TENANTS.contains(&provider.name) && provider.host.is(host))
        .then_some(Signer::Tenant(host))
}

/// What the audience of an issuer's tokens is, where it never is a service's name.
pub(super) fn own_audience(issuer: &str) -> Option<(&'static str, &'static str)> {
    let (host, _) = host_and_path(issuer);
    match host {
        "accounts.google.com" => Some((
            "tokens of Google Sign-In carry the OAuth client ID of the app",
            "add `x-google-audiences` with the client ID (it ends with `.apps.googleusercontent.com`); if only service accounts call, list the `https://…` that they ask tokens for",
        )),
        "securetoken.google.com" => Some((
            "tokens of Firebase carry the project's ID",
            "add `x-google-audiences` with the project's ID (the last part of the issuer)",
        )),
        _ if Host::Between("cognito-idp.", ".amazonaws.com").is(host) => Some((
            "ID tokens of Amazon Cognito carry the ID of the app client",
            "add `x-google-audiences` with the ID of the app client",
        )),
        _ => None,
    }
}
