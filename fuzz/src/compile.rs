//! A document to a policy.

use endpoints::api::EndpointsServiceSpec;
use endpoints::api::endpoints_service::OpenApiSource;
use endpoints::policy::{Compiled, Policy, Prepared, ServiceIdentity, compile};

use super::findings;

/// What compiles can be run, travels unharmed and is the same each time, also when the document
/// comes as structure; what does not is told where and why.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let inline = OpenApiSource {
        inline: Some(text.to_owned()),
        ..OpenApiSource::default()
    };
    let Some(compiled) = check(&spec(inline), true) else {
        return;
    };
    if let Ok(document) = serde_json::from_str(text) {
        let structure = OpenApiSource {
            document: Some(document),
            ..OpenApiSource::default()
        };
        let same = check(&spec(structure), false).expect("text and structure say the same");
        assert_eq!(same.policy, compiled.policy);
    }
}

/// Compiles, and checks what came of it. `text`: the document is text.
pub fn check(spec: &EndpointsServiceSpec, text: bool) -> Option<Compiled> {
    let identity = ServiceIdentity {
        name: String::from("fuzz"),
        namespace: String::from("test"),
    };
    let compiled = match compile(spec, &identity) {
        Ok(compiled) => compiled,
        Err(refused) => {
            assert!(
                refused.iter().any(|finding| finding.is_error()),
                "{refused:?}"
            );
            findings::check(&refused, text);
            return None;
        }
    };
    assert!(!compiled.warnings.iter().any(|finding| finding.is_error()));
    findings::check(&compiled.warnings, text);
    assert_eq!(compiled.policy.format, compiled.policy.needed_format());
    let bytes = compiled.policy.canonical_bytes();
    let read = Policy::from_bytes(&bytes).expect("the compiler writes what sidecars read");
    assert_eq!(read, compiled.policy);
    let again = compile(spec, &identity).expect("it compiled before");
    assert_eq!(again.policy.canonical_bytes(), bytes, "not canonical");
    assert_eq!(again.warnings, compiled.warnings);
    Prepared::new(read).expect("what compiles can be run");
    Some(compiled)
}

fn spec(openapi: OpenApiSource) -> EndpointsServiceSpec {
    EndpointsServiceSpec {
        openapi,
        service_name: None,
        cors: None,
        jwt: None,
        backend: None,
        routing: None,
        ..EndpointsServiceSpec::default()
    }
}
