use super::*;

#[test]
fn an_unknown_extension_gets_the_nearest_name() {
    for (text, pointer, help) in [
        (
            v2("x-google-endpoint_s: []"),
            "/x-google-endpoint_s",
            "did you mean `x-google-endpoints`?",
        ),
        (
            v2("X: 1\nx-google-endpoints-: []").replace("X: 1\n", ""),
            "/x-google-endpoints-",
            "`x-google-endpoints`",
        ),
        (
            v2_scheme("x-google-issuer: i, x-google-jwks-uri: u"),
            "/securityDefinitions/s/x-google-jwks-uri",
            "`x-google-jwks_uri`",
        ),
        (
            v2_scheme("x-google-issuer: i, x-google-audience: a"),
            "/securityDefinitions/s/x-google-audience",
            "`x-google-audiences`",
        ),
        (
            v2_operation("x-google-backends: {}"),
            "/paths/~1a/get/x-google-backends",
            "`x-google-backend`",
        ),
        (
            v2_operation("x-google-surprise: 1"),
            "/paths/~1a/get/x-google-surprise",
            "an operation may have `x-google-backend`",
        ),
        (
            v3_operation("x-google-surprise: 1"),
            "/paths/~1a/get/x-google-surprise",
            "`x-endpoints-cors`",
        ),
        (
            v2_operation("x-endpoints-cor: {}"),
            "/paths/~1a/get/x-endpoints-cor",
            "`x-endpoints-cors`",
        ),
    ] {
        assert_found(
            &text,
            "unknown-extension",
            pointer,
            "is not known and changes nothing",
            help,
        );
    }
    assert_eq!(
        findings(&v2("x-other: 1\nx-googol: 2\nx-amazon-apigateway: {}")),
        []
    );
}

#[test]
fn what_stands_at_many_places_as_an_alias_is_looked_at_once() {
    // A thousand unknown names in each of 240 operations took seconds.
    let names: String = (0..1000).map(|n| format!("x-google-{n}: 1,")).collect();
    let mut text = format!("swagger: '2.0'\nx-o: &o {{{names}}}\npaths:\n");
    for n in 0..240 {
        text.push_str(&format!("  /p{n}: {{get: *o}}\n"));
    }
    let found = findings(&text);
    let said = &found[found.len() - 1].message;
    assert!(said.contains("(and 900 more findings)"), "{said}");
}

#[test]
fn a_hostile_name_is_no_work() {
    let long = format!("x-google-{}", "a".repeat(100_000));
    let found = findings(&format!(
        "{{\"swagger\": \"2.0\", \"paths\": {{}}, \"{long}\": 1}}"
    ));
    assert_eq!(found[0].code, "unknown-extension");
    assert!(found[0].message.len() < 200);
}

#[test]
fn what_decides_is_refused_at_the_wrong_place() {
    for (text, pointer, words, help) in [
        (
            v2_operation("x-google-issuer: i"),
            "/paths/~1a/get/x-google-issuer",
            "belongs to a security scheme",
            "move it to a security scheme",
        ),
        (
            v2_scheme("x-google-issuer: i, x-google-backend: {}"),
            "/securityDefinitions/s/x-google-backend",
            "at a security scheme nothing reads it",
            "an operation",
        ),
        (
            v2_operation("x-google-endpoints: []"),
            "/paths/~1a/get/x-google-endpoints",
            "belongs to the document itself",
            "move it",
        ),
        (
            v2_operation("x-google-allow: all"),
            "/paths/~1a/get/x-google-allow",
            "belongs to the document",
            "move it",
        ),
        (
            v2("x-endpoints-cors: {}"),
            "/x-endpoints-cors",
            "belongs to a path item or an operation",
            "`cors` of the EndpointsService",
        ),
        (
            v2_scheme("x-google-issuer: i, x-google-auth: {}"),
            "/securityDefinitions/s/x-google-auth",
            "extension of OpenAPI 3.x, and this is OpenAPI 2.0",
            "write `x-google-issuer`",
        ),
        (
            v2("x-google-api-management: {}"),
            "/x-google-api-management",
            "extension of OpenAPI 3.x",
            "`x-google-endpoints`",
        ),
        (
            v3("x-google-endpoints: []"),
            "/x-google-endpoints",
            "extension of OpenAPI 2.0, and this is OpenAPI 3.x",
            "`x-google-endpoint: {}`",
        ),
        (
            v3_operation("x-security: []"),
            "/paths/~1a/get/x-security",
            "extension of OpenAPI 2.0",
            "`x-google-auth`",
        ),
        (
            v3_operation("x-google-auth: {}"),
            "/paths/~1a/get/x-google-auth",
            "belongs to a security scheme",
            "move it",
        ),
        (
            v3("x-google-endpoint: {}"),
            "/x-google-endpoint",
            "belongs to an entry of `servers`",
            "move it",
        ),
    ] {
        assert_invalid(&text, pointer, words, help);
    }
}

#[test]
fn what_only_counts_is_passed_over_or_pointed_out() {
    assert_eq!(
        findings(&v2(
            "x-google-api-name: shop\nx-google-management: {metrics: []}"
        )),
        []
    );
    assert_eq!(
        findings(&v2_operation("x-google-quota: {metricCosts: {reads: 1}}")),
        []
    );
    assert_eq!(findings(&v3_operation("x-google-mcp-tool: {name: a}")), []);
    for (text, pointer, help) in [
        (
            v2_operation("x-google-management: {}"),
            "/paths/~1a/get/x-google-management",
            "move it",
        ),
        (
            v3("x-google-management: {}"),
            "/x-google-management",
            "`x-google-api-management`",
        ),
        (
            v3("x-google-api-name: a"),
            "/x-google-api-name",
            "`apiName`",
        ),
    ] {
        assert_found(&text, "no-effect", pointer, "x-google-", help);
    }
}

#[test]
fn routing_by_model_is_refused() {
    assert_found(
        &v3_operation("x-google-model-router: main"),
        code::UNSUPPORTED_FEATURE,
        "/paths/~1a/get/x-google-model-router",
        "by the model that a body names",
        "`x-google-backend`",
    );
}

/// Nobody reads it, so what it demands would not be demanded.
#[test]
fn what_decides_and_is_not_in_lower_case_is_refused() {
    for (text, pointer, help) in [
        (
            v2_operation("x-Security: [{s: {audiences: [a]}}]"),
            "/paths/~1a/get/x-Security",
            "`x-security`",
        ),
        (v2("x-Security: [{s: []}]"), "/x-Security", "`x-security`"),
        (
            v2_scheme("x-google-issuer: i, x-google-Audiences: a"),
            "/securityDefinitions/s/x-google-Audiences",
            "`x-google-audiences`",
        ),
        (
            v2_scheme("x-google-issuer: i, X-Google-Jwt-Locations: []"),
            "/securityDefinitions/s/X-Google-Jwt-Locations",
            "`x-google-jwt-locations`",
        ),
        (
            v2_scheme("x-google-issuer: i, X-Google-Audiences: a"),
            "/securityDefinitions/s/X-Google-Audiences",
            "`x-google-audiences`",
        ),
    ] {
        assert_invalid(&text, pointer, "not in lower case", help);
    }
}

#[test]
fn what_decides_stands_not_between_the_paths() {
    let text = "swagger: '2.0'\npaths:\n  x-security: [{s: []}]\n  x-own: 1\n  /a: {get: {}}\n";
    let help = "move it to the document itself";
    assert_invalid(text, "/paths/x-security", "at `paths` itself", help);
}
