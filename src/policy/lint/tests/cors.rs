//! CORS.

use super::*;

const OPEN: &str = "swagger: '2.0'\npaths: {/a: {get: {}}}\n";

fn regex(pattern: &str) -> Vec<Diagnostic> {
    findings(OPEN, json!({"cors": {"allowOriginRegex": pattern}}))
}

#[test]
fn an_expression_that_takes_strangers_is_shown_one_that_matches() {
    for (pattern, stranger) in [
        (r"https?://.*example\.com", "evilexample.com"),
        (r"https://.+example\.com", "https://evilexample.com"),
        (r"https://[a-z]+example\.com", "https://evilexample.com"),
        (
            r"https://(.*\.)?shop.example\.com",
            "https://shopxexample.com",
        ),
        (r"https://example.com", "https://examplexcom"),
        (r"^https://example\.com.*$", "https://example.com.evil.net"),
        (
            r"https://example\.com[a-z.]*",
            "https://example.com.evil.net",
        ),
        (r".*\.example\.com", "http://"),
        (r".*example\.com", "http://"),
        (r"http://192\.168\..*", ".evil.net"),
        (r"(?i)https://shop.example\.com", "https://shopxexample.com"),
        (
            r"https://a\.example\.com|https://b.example\.com",
            "https://bxexample.com",
        ),
    ] {
        let findings = regex(pattern);
        assert_eq!(findings.len(), 1, "{pattern}: {findings:#?}");
        assert_eq!(findings[0].code, "broad-origin-regex", "{pattern}");
        assert_eq!(findings[0].place.pointer, "/spec/cors/allowOriginRegex");
        assert!(
            findings[0].message.contains(stranger),
            "{pattern}: {}",
            findings[0]
        );
    }
    for everybody in [".*", "https?://.*", "https://.+", r"https://.+\.[a-z]+"] {
        let findings = regex(everybody);
        assert_eq!(findings.len(), 1, "{everybody}: {findings:#?}");
        assert!(findings[0].message.contains("every origin"), "{findings:?}");
    }
}

#[test]
fn an_expression_that_takes_no_strangers_is_fine() {
    for pattern in [
        r"https://example\.com",
        r"^https://example\.com$",
        r"https?://(www\.)?example\.com(:\d+)?",
        r"https://(.+\.)?example\.com",
        r"https://([a-z0-9-]+\.)*example\.com",
        r"https://[^.]+\.example\.com",
        r"https://[a-z0-9-]+-shop\.vercel\.app",
        r"https://pr-[0-9]+\.example\.com",
        r"http://localhost:[0-9]+",
        r"https?://localhost(:[0-9]{1,5})?",
        r"https://example\.(com|org|co\.uk)",
        r"(?i)https://SHOP\.example\.com",
        r"capacitor://localhost|https://shop\.example\.com",
        r"chrome-extension://[a-p]{32}",
        r"https://shop[.]example[.]com",
    ] {
        assert_eq!(regex(pattern), [], "{pattern}");
    }
}

#[test]
fn an_expression_that_no_browser_meets_says_why() {
    for (pattern, why) in [
        (r"https://shop\\.example\\.com", "a backslash"),
        (r"shop\.example\.com", "no scheme"),
        (r"https://shop\.example\.com/", "a slash"),
        (r"https://shop\.example\.com/app", "a path"),
        (r"https://Shop\.example\.com", "lower case"),
        (r"https://shop\.example\.com:443", "default port"),
    ] {
        let findings = regex(pattern);
        assert_eq!(findings.len(), 1, "{pattern}: {findings:#?}");
        assert_eq!(findings[0].code, "dead-origin-regex", "{pattern}");
        assert!(
            findings[0].message.contains(why),
            "{pattern}: {}",
            findings[0]
        );
    }
}

const SHOP_PATHS: &str = "security: [{shop: []}]\npaths:\n  /a:\n    get: {}\n    put: {}\n    x-y: 1\n  /b: {get: {security: []}, delete: {}, options: {}}\n";

#[test]
fn each_thing_that_scripts_cannot_send_is_one_finding() {
    let document = with_schemes("", SHOP_PATHS);
    let cors = |methods: Value, headers: Value| {
        let cors = json!({"allowOrigins": ["https://a.example.com"], "allowMethods": methods, "allowHeaders": headers});
        findings(&document, json!({"cors": cors}))
            .iter()
            .map(|finding| format!("{}: {}", finding.place.pointer, finding.message))
            .collect::<Vec<_>>()
    };
    let fine: [String; 0] = [];
    assert_eq!(cors(json!(["*"]), json!(["AUTHORIZATION"])), fine);
    assert_eq!(
        cors(json!(["PUT", "DELETE"]), json!(["authorization"])),
        fine
    );
    assert_eq!(
        cors(json!(["PUT"]), json!(["*"])),
        [
            "/spec/cors/allowHeaders: scripts cannot send the token to 3 operations (first `GET /a`): its header `Authorization` is not in `allowHeaders`, and `*` does not stand for it (Fetch standard)",
            "/spec/cors/allowMethods: scripts cannot call `DELETE /b`: `DELETE` is not in `allowMethods`",
        ]
    );
}

#[test]
fn a_token_in_a_place_of_its_own_needs_that_header() {
    let located = SHOP.replace('}', ", x-google-jwt-locations: [LOCATIONS]}");
    let findings = |locations: &str, cors: Value| {
        let scheme = located.replace("LOCATIONS", locations);
        let document = format!(
            "swagger: '2.0'\nsecurityDefinitions: {{shop: {scheme}}}\nsecurity: [{{shop: []}}]\npaths: {{/a: {{get: {{}}}}}}\n"
        );
        findings(&document, json!({"cors": cors}))
    };
    let missing = findings("{header: X-Token}", json!({}));
    assert_eq!(missing.len(), 1, "{missing:#?}");
    assert_eq!(missing[0].code, "cors-cannot-carry-token");
    assert_eq!(missing[0].place.pointer, "/spec/cors");
    assert!(missing[0].message.contains("`X-Token`"));
    assert!(missing[0].help.as_ref().unwrap().contains("default list"));
    for (locations, cors) in [
        ("{header: X-Token}", json!({"allowHeaders": ["x-token"]})),
        ("{header: X-Token}", json!({"allowHeaders": ["*"]})),
        ("{header: X-Token}, {header: Authorization}", json!({})),
        ("{header: X-Goog-Iap-Jwt-Assertion}", json!({})),
    ] {
        assert_eq!(findings(locations, cors), [], "{locations}");
    }
}

#[test]
fn a_preflight_without_token_is_fine_where_the_proxy_answers() {
    let document = with_schemes("", SHOP_PATHS);
    let refused = only("preflight-needs-token", &document, json!({}));
    assert!(refused.message.contains("`OPTIONS /b`"), "{refused}");
    assert_eq!(findings(&document, json!({"cors": {}})), []);
}
