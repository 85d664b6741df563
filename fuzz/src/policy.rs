//! A policy's bytes, as a sidecar gets them.

use endpoints::policy::decide::decide;
use endpoints::policy::{Policy, Prepared};
use http::{HeaderMap, Method, Uri};

/// Bytes are a policy or are refused; what can be run, decides.
pub fn run(data: &[u8]) {
    let Ok(policy) = Policy::from_bytes(data) else {
        return;
    };
    let bytes = policy.canonical_bytes();
    assert_eq!(Policy::from_bytes(&bytes).expect("ours"), policy);
    let targets: Vec<_> = policy
        .operations
        .iter()
        .take(16)
        .map(|o| o.path.clone())
        .collect();
    let Ok(prepared) = Prepared::new(policy) else {
        return;
    };
    assert_eq!(prepared.hash, endpoints::policy::format::hash(&bytes));
    let mut headers = HeaderMap::new();
    headers.insert(
        "origin",
        http::HeaderValue::from_static("https://a.example"),
    );
    headers.insert(
        "access-control-request-method",
        http::HeaderValue::from_static("GET"),
    );
    for target in targets.iter().map(String::as_str).chain(["/", "/v1/a/b:c"]) {
        let Ok(target) = target.parse::<Uri>() else {
            continue;
        };
        for method in [Method::GET, Method::OPTIONS] {
            let _ = decide(&prepared, &method, &target, &headers);
        }
    }
}
