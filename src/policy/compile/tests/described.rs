//! Descriptions made by hand: what compiles them does not depend on any reader.

use std::sync::Arc;

use super::*;
use crate::openapi::description::{
    Alternative, JwtScheme, Operation, Requirement, Scheme, SchemeKind, Security,
};
use crate::openapi::lints;

pub(super) fn place(pointer: &str) -> Place {
    Place::document(pointer, None)
}

/// A JWT scheme with a key set.
pub(super) fn scheme(name: &str) -> Scheme {
    let at = place(&format!("/securityDefinitions/{name}"));
    Scheme {
        name: name.to_owned(),
        kind: SchemeKind::Jwt(Box::new(JwtScheme {
            issuer: format!("https://{name}.example"),
            issuer_place: place(&format!("{}/x-google-issuer", at.pointer)),
            jwks_uri: Some(format!("https://{name}.example/keys")),
            jwks_uri_place: at.clone(),
            discovery_url: None,
            audiences: Vec::new(),
            audiences_place: at.clone(),
            locations: Vec::new(),
        })),
        place: at,
    }
}

/// A scheme that nothing here checks.
pub(super) fn api_key(name: &str) -> Scheme {
    Scheme {
        kind: SchemeKind::Unenforceable {
            what: String::from("has `type: apiKey`, which is not checked"),
            help: String::from("demand a JWT"),
            mends: false,
        },
        ..scheme(name)
    }
}

/// A `security`: alternatives of names of schemes, each perhaps with scopes (`a:read,write`).
pub(super) fn security(alternatives: &[&[&str]]) -> Arc<Security> {
    let requirement = |(index, written): (usize, &&str)| {
        let (scheme, scopes) = written.split_once(':').unwrap_or((written, ""));
        Requirement {
            scheme: scheme.to_owned(),
            scopes: scopes
                .split(',')
                .filter(|scope| !scope.is_empty())
                .map(str::to_owned)
                .collect(),
            audiences: None,
            place: place(&format!("/security/{index}/{scheme}")),
        }
    };
    Arc::new(Security {
        alternatives: alternatives
            .iter()
            .map(|names| Alternative {
                requirements: names.iter().enumerate().map(requirement).collect(),
                place: place("/security/0"),
            })
            .collect(),
        place: Some(place("/security")),
    })
}

pub(super) fn operation(method: &str, path: &str) -> Operation {
    let escaped = path.replace('~', "~0").replace('/', "~1");
    let path_place = place(&format!("/paths/{escaped}"));
    Operation {
        method: method.to_owned(),
        path: path.to_owned(),
        operation_id: None,
        security: Arc::new(Security::default()),
        backend: None,
        cors: None,
        place: place(&format!("{}/{}", path_place.pointer, method.to_lowercase())),
        path_place,
    }
}

pub(super) fn description(operations: Vec<Operation>, schemes: Vec<Scheme>) -> Description {
    Description {
        host: None,
        host_place: None,
        endpoint_name: None,
        operations,
        schemes,
        allow_cors: None,
        allow_all: None,
    }
}

/// Compiles a description with these fields around it. What compiles is canonical and can be run.
pub(super) fn outcome(
    description: &Description,
    fields: Value,
) -> Result<Compiled, Vec<Diagnostic>> {
    let mut spec = json!({"openapi": {"inline": "-"}});
    let fields = fields.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    let spec = serde_json::from_value(spec).unwrap();
    let compiled = compile_described(description, &spec);
    if let Ok(Compiled { policy, .. }) = &compiled {
        let again = Policy::from_bytes(&policy.canonical_bytes()).unwrap();
        assert_eq!(again, *policy);
        assert_eq!(policy.format, policy.needed_format());
        Prepared::new(again).expect("what compiles can be run");
    }
    compiled
}

/// The policy, and the names of those of its warnings that compiling makes (not `policy/lint`).
pub(super) fn policy(description: &Description, fields: Value) -> (Policy, Vec<&'static str>) {
    let compiled = outcome(description, fields).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let own = [
        lints::ALTERNATIVE_LEFT_OUT,
        lints::BACKEND_ID_TOKEN_NOT_MINTED,
        lints::DUPLICATE_OPERATION_ID,
        lints::NO_EFFECT,
        lints::SERVICE_NAME_DIFFERS,
        lints::UNDEFINED_PATHS_ALLOWED,
    ];
    let warnings = compiled.warnings.iter().map(|warning| warning.code);
    let warnings = warnings.filter(|name| own.contains(name)).collect();
    (compiled.policy, warnings)
}

/// The only finding that a description is refused for.
pub(super) fn refusal(description: &Description, fields: Value) -> Diagnostic {
    let mut findings = outcome(description, fields).unwrap_err();
    findings.retain(Diagnostic::is_error);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

/// Compiles a description as if a document had been read to it.
pub(super) fn compile_described(
    description: &Description,
    spec: &EndpointsServiceSpec,
) -> Result<Compiled, Vec<Diagnostic>> {
    let none = ConfigMapTexts::default();
    compile_read(
        Some(description),
        spec,
        &none,
        &identity(),
        Findings::default(),
    )
}
