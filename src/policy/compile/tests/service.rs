//! The service, its backend and its health path.

use super::*;

#[test]
fn the_service_is_the_field_else_the_host_else_the_resource() {
    assert_eq!(compiled(json!({})).policy.service, "bookstore.example.com");
    let named = compiled(json!({"serviceName": "books"}));
    assert_eq!(named.policy.service, "books");
    assert_eq!(named.warnings.len(), 1);
    assert_eq!(named.warnings[0].code, "service-name-differs");
    assert!(named.warnings[0].message.contains("`https://books`"));
    assert_eq!(
        compiled(json!({"serviceName": "bookstore.example.com"})).warnings,
        []
    );
    let without_host = BOOKSTORE.replace("host:", "x-host:");
    let compiled = compile(&inline(&without_host), &identity()).unwrap();
    assert_eq!(compiled.policy.service, "bookstore.shop.svc");
    let name = "/spec/serviceName";
    assert_refused(
        json!({"serviceName": "https://books/"}),
        name,
        "is not a name",
        "write `books`",
    );
    assert_refused(
        json!({"serviceName": "a b"}),
        name,
        "is not a name",
        "write a name",
    );
    assert_refused(
        json!({"serviceName": ""}),
        name,
        "is not a name",
        "write a name",
    );
}

/// Without a `host`, the endpoint's name says for whom tokens would be made: one that is not us is a trap.
#[test]
fn the_endpoint_is_the_service_where_no_host_stands() {
    use super::described::{description, operation, place, policy, refusal};
    let mut described = description(vec![operation("GET", "/a")], Vec::new());
    described.endpoint_name = Some((
        String::from("Books.example.com"),
        place("/x-google-endpoints/0/name"),
    ));
    let finding = refusal(&described, json!({}));
    assert_eq!(finding.place.pointer, "/x-google-endpoints/0/name");
    for name in ["`Books.example.com`", "`bookstore.shop.svc`"] {
        assert!(finding.message.contains(name), "{finding}");
    }
    assert!(
        finding
            .help
            .as_deref()
            .unwrap_or_default()
            .contains("serviceName")
    );
    let (policy, warnings) = policy(&described, json!({"serviceName": "books.example.com"}));
    assert_eq!(policy.service, "books.example.com");
    assert_eq!(warnings, Vec::<&str>::new());
}

#[test]
fn a_backend_is_an_address_and_nothing_more() {
    for (written, address) in [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://App.shop", "http://app.shop"),
        ("http://[::1]:80/", "http://[::1]:80"),
        ("http://[::1]", "http://[::1]"),
        ("http://127.1:80", "http://127.0.0.1:80"),
        ("https://App.shop", "https://app.shop"),
        ("grpc://app:50051", "grpc://app:50051"),
        ("grpcs://app", "grpcs://app"),
        ("unix:/run/App.sock", "unix:/run/App.sock"),
        ("unix:@app", "unix:@app"),
    ] {
        let policy = compiled(json!({"backend": {"address": written}})).policy;
        assert_eq!(policy.backend.as_deref(), Some(address));
    }
    for (written, words, help) in [
        ("https://app/v1", "a path or a query", "write `https://app`"),
        (
            "http://app:80/v1",
            "a path or a query",
            "write `http://app:80`",
        ),
        ("http://app?x", "a path or a query", "write `http://app`"),
        ("http://app#x", "fragment", "remove"),
        ("http://me:secret@app", "credentials", "remove"),
        ("http://app:99999", "port", "write it like"),
        ("http://app:0", "its port", "write it like"),
        ("app:8080", "no scheme", "write it like"),
        ("ftp://app", "its scheme", "write `https://`"),
        ("http://", "no host", "write it like"),
        ("http://169.254.169.254", "metadata", "of your own"),
        ("https://a..b", "its host", "write it like"),
        ("unix:", "names no socket", "unix:/run/app.sock"),
        ("unix:@", "names no socket", "unix:/run/app.sock"),
        ("unix:run/app", "names no socket", "unix:/run/app.sock"),
        ("unix:/a\nb", "control character", "unix:/run/app.sock"),
        (&format!("unix:/{}", "a".repeat(107)), "longer", "unix:"),
    ] {
        assert_refused(
            json!({"backend": {"address": written}}),
            "/spec/backend/address",
            words,
            help,
        );
    }
}

/// Older sidecars run what they know.
#[test]
fn a_backend_that_is_not_plain_http_needs_a_newer_format() {
    let format = |address: &str| {
        let policy = compiled(json!({"backend": {"address": address}})).policy;
        policy.format
    };
    assert_eq!(format("http://app"), 1);
    for newer in ["https://app", "grpc://app", "grpcs://app", "unix:@app"] {
        assert_eq!(format(newer), 3, "{newer}");
    }
}

#[test]
fn a_health_path_is_a_path() {
    for (written, path) in [("/healthz", "/healthz"), ("live//./x", "/live/x")] {
        let policy = compiled(json!({"routing": {"healthz": written}})).policy;
        assert_eq!(policy.healthz.as_deref(), Some(path));
    }
    for written in ["/x?y", "", "/a#b", "/%zz", "/../x"] {
        assert_refused(
            json!({"routing": {"healthz": written}}),
            "/spec/routing/healthz",
            "is not a path",
            "/healthz",
        );
    }
}
