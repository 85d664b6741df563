//! Headers of a request: what is stripped, added and set.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use endpoints::policy::headers::{
    Captured, Facts, HeaderPlan, Origin, Seen, ValueTemplate, check_prefix, check_target,
    client_address, forwarded_peer, sanitise_response,
};
use endpoints::policy::{Policy, Prepared};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

/// What `headers` can ask for, all of it.
const POLICY: &str = include_str!("headers/policy.json");

static PLANS: LazyLock<[Prepared; 2]> = LazyLock::new(|| {
    let own = Policy::from_bytes(POLICY.as_bytes()).expect("a policy");
    let mut plain = own.clone();
    plain.settings.headers = Default::default();
    [own, plain].map(|policy| Prepared::new(policy).expect("it can be run"))
});

/// Lines: `name: value`. No headers panic the plan, and nothing that only the proxy may say, or that
/// ends at this hop, gets past it; what each line would be as a header to set, either.
pub fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (str::from_utf8(name), str::from_utf8(value)) {
            written(name, value);
        }
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    for prepared in &*PLANS {
        check(&prepared.headers, headers.clone());
    }
}

/// A name and a value as they stand in a resource.
fn written(name: &str, value: &str) {
    let _ = check_prefix(&name.to_ascii_lowercase());
    if let Ok(header) = check_target(name, "x-books-") {
        assert!(!is_forbidden(header.as_str()), "{header} may be set");
    }
    for of_response in [false, true] {
        if let Err(why) = ValueTemplate::parse(value, of_response) {
            assert!(!why.to_string().contains('\n'), "{why:?}");
        }
    }
}

fn check(plan: &HeaderPlan, came: HeaderMap) {
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for hops in [0, 1, 16] {
        client_address(&came, peer, hops);
    }
    let mut headers = came.clone();
    plan.sanitise(&mut headers, Seen::of(&came, plan));
    let trailers_understood = headers.get("te").is_some();
    for name in headers.keys() {
        let own = matches!(name.as_str(), "te" | "connection") && trailers_understood;
        assert!(own || !is_forbidden(name.as_str()), "{name} got past");
        assert!(came.contains_key(name) || own, "{name} came from nowhere");
    }
    if trailers_understood {
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["connection"], "TE");
    }
    assert!(headers.get_all("cookie").iter().count() <= 1);
    let mut twice = headers.clone();
    plan.sanitise(&mut twice, Seen::of(&headers, plan));
    assert_eq!(twice, headers, "sanitised twice");

    let mut trailers = came.clone();
    plan.sanitise_trailers(&mut trailers);
    for name in trailers.keys().map(HeaderName::as_str) {
        assert!(
            !is_forbidden(name) && !name.contains('_') && !name.starts_with("x-forwarded-"),
            "{name} got into the trailers"
        );
    }
    let mut response = came;
    sanitise_response(&mut response);
    for name in response.keys().map(HeaderName::as_str) {
        assert!(!is_of_hop(name), "{name} got back");
    }

    let facts = Facts {
        method: &Method::GET,
        path: "/",
        headers: &headers,
        protocol: Version::HTTP_11,
        peer,
        operation: Some("name"),
    };
    let captured = plan.capture(&facts);
    let edits = plan.request(Some(0), &facts);
    for captured in [captured, Captured::default()] {
        plan.respond(&captured, 200, &mut response);
    }
    let origin = Origin {
        peer: &forwarded_peer(peer),
        scheme: "http",
    };
    plan.forward(&mut headers, origin, Some(&HeaderValue::from_static("a")));
    if let Some(edits) = edits {
        edits.apply(&mut headers);
        assert_eq!(headers["x-set"], "static");
        assert_eq!(headers["x-books-api-operation-name"], "open");
    }
}

/// Written anew here, so that a slip in the plan is no slip in the check.
fn is_forbidden(name: &str) -> bool {
    let read = name.replace('_', "-");
    read.starts_with("x-endpoint-")
        || read == "x-forwarded-authorization"
        || read == "x-http-method-override"
        || is_of_hop(name)
}

fn is_of_hop(name: &str) -> bool {
    [
        "connection",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    ]
    .contains(&name)
}
