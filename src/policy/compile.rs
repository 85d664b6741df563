//! The compiler: an EndpointsService's spec to a [`Policy`].
//!
//! One file a topic; each collects its findings, so that one run shows all of them.

mod address;
mod backend;
mod block;
mod cors;
mod duration;
mod jwt;
mod references;
mod routes;
mod security;
mod service;
mod settings;

use serde::Serialize;

use crate::api::EndpointsServiceSpec;
use crate::api::endpoints_service::{MAX_DOCUMENT_BYTES, OpenApiSource};
use crate::openapi::diagnostic::code;
use crate::openapi::{self, Description, Diagnostic, Findings, Place};
use crate::policy::format::MAX_POLICY_BYTES;
use crate::policy::{Policy, lint};
use backend::Backends;
use block::Block;
use cors::Overrides;
use routes::Judges;
use security::Resolver;

pub use cors::origin_regex;
pub(super) use cors::{MAX_ORIGIN_BYTES, NOBODYS_ORIGIN, canonical_origin};
pub use duration::parse as parse_duration;
pub use references::ConfigMapTexts;

#[cfg(test)]
mod tests;

/// Which resource is compiled: the default of `serviceName` is built from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceIdentity {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
}

/// A policy and what was odd on the way to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Compiled {
    /// The policy.
    pub policy: Policy,
    /// Findings that do not stop it, in order of their places.
    pub warnings: Vec<Diagnostic>,
}

/// Compiles a spec that names no ConfigMap; see [`compile_with`].
///
/// # Errors
/// All findings, at least one of them an error: one for each ConfigMap that it names after all.
pub fn compile(
    spec: &EndpointsServiceSpec,
    identity: &ServiceIdentity,
) -> Result<Compiled, Vec<Diagnostic>> {
    compile_with(spec, &ConfigMapTexts::default(), identity)
}

/// Compiles a spec: reads its OpenAPI document, checks every field (also what the CRD's CEL checks:
/// `dev` has no API server), and decides what each operation demands. `texts`: what the keys of
/// ConfigMaps hold that it names.
///
/// # Errors
/// All findings, at least one of them an error.
pub fn compile_with(
    spec: &EndpointsServiceSpec,
    texts: &ConfigMapTexts,
    identity: &ServiceIdentity,
) -> Result<Compiled, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let description = read_document(&spec.openapi, texts, &mut findings);
    compile_read(description.as_ref(), spec, texts, identity, findings)
}

/// Compiles what was read; `None`: the document was refused, and the fields around it are checked.
fn compile_read(
    description: Option<&Description>,
    spec: &EndpointsServiceSpec,
    texts: &ConfigMapTexts,
    identity: &ServiceIdentity,
    mut findings: Findings,
) -> Result<Compiled, Vec<Diagnostic>> {
    let cors_place = Place::resource("/spec/cors");
    let cors = spec
        .cors
        .as_ref()
        .map(|cors| cors::compile(cors, Block(&cors_place), &mut findings));
    let backend = service::backend(spec.backend.as_ref(), &mut findings);
    let backends = Backends::new(spec.backend.as_ref(), &mut findings);
    let healthz = service::healthz(spec.routing.as_ref(), &mut findings);
    let written_name = service::check_name(spec.service_name.as_deref(), &mut findings);
    let issuers = jwt::check_issuers(spec.jwt.as_ref(), texts, &mut findings);
    let settings = settings::compile(spec, &mut findings);
    let policy = description.map(|description| {
        let service = service::name(written_name, description, identity, &mut findings);
        let cors = cors::mode(cors.flatten(), description.allow_cors.is_some());
        let undefined = routes::undefined_paths(description, &mut findings);
        let judges = Judges {
            security: Resolver::new(description, security::enforces_scopes(spec.jwt.as_ref())),
            backends,
            cors: Overrides::new(&cors),
        };
        let routes = routes::compile(description, &undefined, judges, &mut findings);
        let providers = jwt::providers(
            description,
            spec.jwt.as_ref(),
            &issuers,
            &service,
            &routes.schemes,
            &mut findings,
        );
        settings::check_token_headers(&settings.jwt, &providers, &mut findings);
        let mut policy = Policy {
            format: 1,
            operations: routes.operations,
            providers,
            required_claims: jwt::required_claims(spec.jwt.as_ref()),
            backend,
            healthz,
            service,
            backends: routes.backends,
            cors_rules: routes.cors_rules,
            cors,
            settings,
        };
        policy.format = policy.needed_format();
        let subject = lint::Subject {
            description,
            spec,
            policy: &policy,
        };
        lint::run(subject, &mut findings);
        policy
    });
    if let Some(policy) = &policy
        && json_size(policy) > MAX_POLICY_BYTES
    {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                Place::document("", None),
                format!("the policy takes more than {MAX_POLICY_BYTES} bytes (16 MiB)"),
            )
            .help("describe the API in several EndpointsServices"),
        );
    }
    let failed = findings.has_errors();
    match policy {
        Some(policy) if !failed => Ok(Compiled {
            policy,
            warnings: findings.into_vec(),
        }),
        _ => Err(findings.into_vec()),
    }
}

/// Reads the one source that is given.
fn read_document(
    source: &OpenApiSource,
    texts: &ConfigMapTexts,
    findings: &mut Findings,
) -> Option<Description> {
    let read = match (&source.inline, &source.document, &source.config_map_key_ref) {
        (Some(text), None, None) => openapi::read_text(text),
        (None, None, Some(reference)) => match texts.get(reference) {
            Some(text) => openapi::read_text(text),
            None => Err(vec![references::missing(
                "/spec/openapi/configMapKeyRef",
                reference,
            )]),
        },
        (None, Some(document), None) => match json_size(document) > MAX_DOCUMENT_BYTES {
            true => Err(vec![
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    Place::resource("/spec/openapi/document"),
                    format!("the document takes more than {MAX_DOCUMENT_BYTES} bytes (1 MiB)"),
                )
                .help("remove descriptions and examples: the proxy does not need them"),
            ]),
            false => openapi::read_value(document),
        },
        (inline, document, config_map) => {
            let given = [inline.is_some(), document.is_some(), config_map.is_some()];
            let what = if given.contains(&true) {
                "more than one of `inline`, `document` and `configMapKeyRef`"
            } else {
                "none of `inline`, `document` and `configMapKeyRef`"
            };
            Err(vec![
                Diagnostic::error(
                    code::INVALID_SPEC,
                    Place::resource("/spec/openapi"),
                    format!("`openapi` has {what}"),
                )
                .help("give exactly one: `inline` (the document as text), `document` (as structure) or `configMapKeyRef` (a key of a ConfigMap)"),
            ])
        }
    };
    match read {
        Ok((description, warnings)) => {
            findings.extend(warnings);
            Some(description)
        }
        Err(errors) => {
            findings.extend(errors);
            None
        }
    }
}

/// The bytes of a value as JSON, counted without writing them anywhere.
fn json_size(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

/// A finding about a field around the document.
fn invalid(pointer: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code::INVALID_SPEC, Place::resource(pointer), message)
}

/// Whether it is a token of HTTP (RFC 9110 section 5.6.2): a method, or a header's name.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
