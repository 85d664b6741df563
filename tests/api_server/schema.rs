//! The CRD: what the API server itself refuses, with which words.

use endpoints::api::EndpointsService;
use serde_json::{Value, json};

use crate::api_server::Test;
use crate::objects::{document, service};

#[tokio::test]
async fn exactly_one_document_is_asked_for() {
    let test = Test::without_operator().await;
    let one = "exactly one of inline";
    refused(&test, json!({ "openapi": {} }), one).await;
    let both = json!({ "openapi": { "inline": "{}", "document": { "swagger": "2.0" } } });
    refused(&test, both, one).await;
    let reference = json!({ "name": "docs", "key": "openapi.yaml" });
    let both = json!({ "openapi": { "inline": "{}", "configMapKeyRef": reference } });
    refused(&test, both, one).await;
    accepted(
        &test,
        "config-map",
        json!({ "openapi": { "configMapKeyRef": reference } }),
    )
    .await;
    for (reference, message) in [
        (json!({ "name": "docs" }), "key: Required value"),
        (json!({ "name": "Docs", "key": "a" }), "should match"),
        (json!({ "name": "../a", "key": "a" }), "should match"),
        (json!({ "name": "docs", "key": "a/b" }), "should match"),
        (json!({ "name": "docs", "key": "" }), "at least 1"),
    ] {
        let spec = json!({ "openapi": { "configMapKeyRef": reference } });
        refused(&test, spec, message).await;
    }
    refused(&test, json!({}), "spec.openapi: Required value").await;
    accepted(
        &test,
        "inline",
        json!({ "openapi": { "inline": document(&[]) } }),
    )
    .await;
    let structure: Value = serde_json::from_str(&document(&[])).unwrap();
    let stored = accepted(
        &test,
        "structure",
        json!({ "openapi": { "document": structure } }),
    )
    .await;
    assert_eq!(
        stored.spec.openapi.document,
        Some(structure),
        "unknown fields are preserved"
    );
}

#[tokio::test]
async fn any_origin_with_credentials_is_refused() {
    let test = Test::without_operator().await;
    let message = "credentials with any origin";
    refused(&test, cors(json!({ "allowCredentials": true })), message).await;
    let star = json!({ "allowCredentials": true, "allowOrigins": ["https://a.example", "*"] });
    refused(&test, cors(star), message).await;
    let meant = json!({ "allowCredentials": true, "allowAnyOriginWithCredentials": true });
    accepted(&test, "meant", cors(meant)).await;
    let listed = json!({ "allowCredentials": true, "allowOrigins": ["https://a.example"] });
    accepted(&test, "listed", cors(listed)).await;
}

#[tokio::test]
async fn cors_fields_that_contradict_each_other_are_refused() {
    let test = Test::without_operator().await;
    let both = json!({ "allowOrigins": ["*"], "allowOriginRegex": "https://.*" });
    refused(
        &test,
        cors(both),
        "allowOrigins or allowOriginRegex, not both",
    )
    .await;
    let basic = json!({ "preset": "basic", "allowOriginRegex": "https://.*" });
    refused(&test, cors(basic), "preset basic compares exact origins").await;
    let regex = json!({ "preset": "cors_with_regex" });
    refused(&test, cors(regex), "needs allowOriginRegex").await;
}

#[tokio::test]
async fn bounds_hold() {
    let test = Test::without_operator().await;
    let many: Vec<_> = (0..65).map(|n| format!("https://{n}.example")).collect();
    refused(
        &test,
        cors(json!({ "allowOrigins": many })),
        "must have at most 64 items",
    )
    .await;
    let long = json!({ "allowOriginRegex": "a".repeat(1025) });
    refused(&test, cors(long), "Too long").await;
    refused(
        &test,
        json!({ "openapi": { "inline": "a".repeat(1_048_577) } }),
        "Too long",
    )
    .await;
    refused(
        &test,
        cors(json!({ "preset": "strict" })),
        "Unsupported value",
    )
    .await;
}

#[tokio::test]
async fn one_source_of_keys_an_issuer() {
    let test = Test::without_operator().await;
    let jwt =
        |issuer: Value| json!({ "openapi": { "inline": "{}" }, "jwt": { "issuers": [issuer] } });
    let message = "exactly one of jwksUri, jwks, jwksConfigMapKeyRef and kubernetes";
    let reference = json!({ "name": "keys", "key": "jwks.json" });
    refused(
        &test,
        jwt(json!({ "issuer": "https://a.example" })),
        message,
    )
    .await;
    let both =
        json!({ "issuer": "https://a.example", "jwksUri": "https://a/k", "kubernetes": true });
    refused(&test, jwt(both), message).await;
    let of_cluster = json!({ "caBundle": "x", "kubernetes": true });
    let of_keys = json!({ "caBundle": "x", "jwks": "{}" });
    let of_config_map = json!({ "caBundle": "x", "jwksConfigMapKeyRef": reference });
    let two = json!({ "jwks": "{}", "jwksConfigMapKeyRef": reference });
    for further in [of_cluster, of_keys, of_config_map, two] {
        let mut entry = further;
        entry["issuer"] = json!("https://a.example");
        refused(&test, jwt(entry), message).await;
    }
    for (name, further) in [
        ("one", json!({ "kubernetes": true })),
        ("keys", json!({ "jwks": "{}" })),
        ("config-map", json!({ "jwksConfigMapKeyRef": reference })),
        ("authorities", json!({ "caBundle": "x" })),
        ("both", json!({ "caBundle": "x", "jwksUri": "https://a/k" })),
    ] {
        let mut entry = further;
        entry["issuer"] = json!("https://a.example");
        accepted(&test, name, jwt(entry)).await;
    }
}

#[tokio::test]
async fn the_settings_of_tokens_have_bounds() {
    let test = Test::without_operator().await;
    let jwt = |fields: Value| json!({ "openapi": { "inline": "{}" }, "jwt": fields });
    let many: Vec<_> = (0..33)
        .map(|n| json!({ "claim": "a", "header": format!("X-{n}") }))
        .collect();
    for (fields, words) in [
        (
            json!({ "jwksFetchRetries": 11 }),
            "less than or equal to 10",
        ),
        (
            json!({ "tokenCacheSize": -1 }),
            "greater than or equal to 0",
        ),
        (
            json!({ "tokenCacheSize": 100_001 }),
            "less than or equal to 100000",
        ),
        (json!({ "claimToHeaders": many }), "at most 32 items"),
        (
            json!({ "claimToHeaders": [{ "claim": "a", "header": "a b" }] }),
            "should match",
        ),
        (
            json!({ "forwardPayload": { "format": "envoy" } }),
            "Unsupported value",
        ),
        (
            json!({ "forwardPayload": { "format": "esp", "pad": false } }),
            "always padded",
        ),
    ] {
        refused(&test, jwt(fields), words).await;
    }
    let all = json!({
        "clockSkew": "30s", "jwksCacheDuration": "1m", "jwksFetchRetries": 2, "maxKeyAge": "1h",
        "tokenCacheSize": 0, "tokenCacheTtl": "1m", "forwardPayload": { "format": "esp", "pad": true },
        "claimToHeaders": [{ "claim": "sub", "header": "X-User" }],
        "stripToken": true, "closeStreamsAtExpiry": true,
    });
    let stored = accepted(&test, "all", jwt(all.clone())).await;
    assert_eq!(serde_json::to_value(stored.spec.jwt).unwrap(), all);
}

#[tokio::test]
async fn limits_hold_at_their_borders() {
    let test = Test::without_operator().await;
    let limits =
        |limits: Value| json!({ "openapi": { "inline": document(&[]) }, "limits": limits });
    for (field, low, high) in [
        ("headerBytes", 1024, 262_144_i64),
        ("headerCount", 1, 1000),
        ("uriBytes", 64, 61_439),
        ("bodyBytes", 0, 1_099_511_627_776),
        ("connections", 1, 1_000_000),
        ("requestsInFlight", 1, 1_000_000),
        ("streams", 1, 1000),
    ] {
        for (good, name) in [(low, "low"), (high, "high")] {
            let name = format!("{}-{name}", field.to_lowercase());
            accepted(&test, &name, limits(json!({ field: good }))).await;
        }
        for bad in [low - 1, high + 1] {
            let error = test
                .create::<EndpointsService>(service("refused", limits(json!({ field: bad }))))
                .await
                .unwrap_err();
            assert!(error.to_string().contains(field), "{error}");
        }
    }
    let target = json!({ "uriBytes": 2048, "headerBytes": 2048 });
    refused(
        &test,
        limits(target),
        "uriBytes must be less than headerBytes",
    )
    .await;
    let target = json!({ "uriBytes": 65_534, "headerBytes": 65_535 });
    accepted(&test, "large", limits(target)).await;
}

#[tokio::test]
async fn a_listener_has_workers_in_bounds_and_a_secret_with_a_name() {
    let test = Test::without_operator().await;
    let listener = |it: Value| json!({ "openapi": { "inline": document(&[]) }, "listener": it });
    let message = "give a number from 1 to 4, or auto";
    for bad in [json!(0), json!(5), json!("2"), json!("all")] {
        refused(&test, listener(json!({ "workers": bad })), message).await;
    }
    for (name, good) in [
        ("one", json!(1)),
        ("four", json!(4)),
        ("auto", json!("auto")),
    ] {
        let stored = accepted(&test, name, listener(json!({ "workers": good }))).await;
        let stored = serde_json::to_value(stored.spec.listener).unwrap();
        assert_eq!(stored, json!({ "workers": good }));
    }
    refused(
        &test,
        listener(json!({ "tls": {} })),
        "secretRef: Required value",
    )
    .await;
    let named = |name: &str| listener(json!({ "tls": { "secretRef": { "name": name } } }));
    refused(&test, named("A b"), "should match").await;
    refused(&test, named(""), "at least 1 char").await;
    accepted(&test, "tls", named("shop.tls-1")).await;
    let client = |name: &str| {
        json!({
            "openapi": { "inline": document(&[]) },
            "backend": { "tls": { "clientCertificateRef": { "name": name } } }
        })
    };
    refused(&test, client("A b"), "should match").await;
    accepted(&test, "client", client("shop-client")).await;
}

#[tokio::test]
async fn timeouts_are_text_of_bounded_length() {
    let test = Test::without_operator().await;
    let with = |it: Value| json!({ "openapi": { "inline": document(&[]) }, "timeouts": it });
    for field in ["head", "idle", "bodyProgress", "writeProgress"] {
        refused(&test, with(json!({ field: "1".repeat(33) })), "Too long").await;
        refused(&test, with(json!({ field: 5 })), field).await;
        let name = field.to_lowercase();
        accepted(&test, &name, with(json!({ field: "1m30s" }))).await;
    }
}

#[tokio::test]
async fn settings_of_backends_have_bounds() {
    let test = Test::without_operator().await;
    let with = |it: Value| json!({ "openapi": { "inline": document(&[]) }, "backend": it });
    let addresses = [
        "http://a",
        "https://a.example:8443",
        "grpc://10.0.0.1",
        "grpcs://[::1]:443",
        "unix:/run/app.sock",
        "unix:@app",
    ];
    for (number, address) in addresses.into_iter().enumerate() {
        let name = format!("address-{number}");
        accepted(&test, &name, with(json!({ "address": address }))).await;
    }
    for address in ["app:8080", "ftp://app", "unix:app", "https:/app", "http://"] {
        refused(
            &test,
            with(json!({ "address": address })),
            "spec.backend.address",
        )
        .await;
    }
    for (field, bad, message) in [
        ("connectTimeout", json!("1".repeat(33)), "Too long"),
        ("idleTimeout", json!(5), "must be of type string"),
        (
            "pool",
            json!({ "maxConnections": 0 }),
            "greater than or equal to 1",
        ),
        (
            "pool",
            json!({ "maxConnections": 10001 }),
            "less than or equal to 10000",
        ),
        ("pool", json!({ "maxAge": 5 }), "must be of type string"),
        ("retries", json!({ "num": 11 }), "less than or equal to 10"),
        (
            "retries",
            json!({ "num": -1 }),
            "greater than or equal to 0",
        ),
        (
            "retries",
            json!({ "statusCodes": [99] }),
            "greater than or equal to 100",
        ),
        (
            "retries",
            json!({ "statusCodes": [600] }),
            "less than or equal to 599",
        ),
        (
            "retries",
            json!({ "on": ["5xx"] }),
            "\"reset\", \"connect-failure\", \"refused-stream\"",
        ),
        ("tls", json!({ "caBundle": "a".repeat(65537) }), "Too long"),
        ("tls", json!({ "serverName": "a".repeat(254) }), "Too long"),
    ] {
        refused(&test, with(json!({ field: bad })), message).await;
    }
    let all = json!({
        "connectTimeout": "1s", "idleTimeout": "1h",
        "tls": { "caBundle": "pem", "serverName": "a.example" },
        "pool": { "maxConnections": 5, "idleTimeout": "30s", "maxAge": "1h" },
        "retries": {
            "on": ["reset", "connect-failure", "refused-stream"], "statusCodes": [503],
            "num": 2, "perTryTimeout": "2s"
        }
    });
    let stored = accepted(&test, "all", with(all.clone())).await;
    assert_eq!(serde_json::to_value(stored.spec.backend).unwrap(), all);
}

#[tokio::test]
async fn what_is_told_of_requests_has_bounds() {
    let test = Test::without_operator().await;
    let spec = |fields: Value| {
        let mut spec = json!({ "openapi": { "inline": document(&[]) } });
        let whole = spec.as_object_mut().unwrap();
        whole.extend(fields.as_object().unwrap().clone());
        spec
    };
    for (fields, message) in [
        (
            json!({ "accessLog": { "sample": 0.5 } }),
            "sample is the share that mode Sampled logs",
        ),
        (
            json!({ "accessLog": { "mode": "Sampled", "sample": 1.5 } }),
            "should be less than or equal to 1",
        ),
        (
            json!({ "accessLog": { "mode": "Some" } }),
            "Unsupported value",
        ),
        (json!({ "tracing": {} }), "otlpEndpoint: Required value"),
        (
            json!({ "tracing": { "otlpEndpoint": "collector:4318" } }),
            "should match '^https?://.+$'",
        ),
        (
            json!({ "tracing": { "otlpEndpoint": "http://c", "sample": -1 } }),
            "should be greater than or equal to 0",
        ),
        (
            json!({ "drain": { "grace": "" } }),
            "should be at least 1 chars long",
        ),
    ] {
        refused(&test, spec(fields), message).await;
    }
    let good = json!({
        "accessLog": { "mode": "Sampled", "sample": 0.25 },
        "tracing": { "otlpEndpoint": "http://collector:4318", "sample": 1 },
        "drain": { "grace": "1m" },
    });
    let stored = accepted(&test, "told", spec(good.clone())).await;
    let stored = serde_json::to_value(stored.spec).unwrap();
    assert_eq!(stored["accessLog"], good["accessLog"]);
    assert_eq!(stored["drain"], good["drain"]);
}

#[tokio::test]
async fn routing_and_mode_have_the_values_there_are() {
    let test = Test::without_operator().await;
    let with = |fields: Value| {
        let mut spec = json!({ "openapi": { "inline": document(&[]) } });
        spec.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        spec
    };
    for fields in [
        json!({ "routing": { "escapedSlashes": "keep" } }),
        json!({ "mode": "Off" }),
        json!({ "headers": { "forwarded": { "mode": "append" } } }),
    ] {
        refused(&test, with(fields), "Unsupported value").await;
    }
    let all = json!({
        "mode": "Audit",
        "routing": {
            "normalizePath": false, "mergeSlashes": false, "escapedSlashes": "Redirect",
            "colonInWildcard": false, "underscoresInHeaders": true, "methodOverride": false,
        },
        "headers": {
            "request": { "set": { "X-Env": "prod" }, "append": { "X-Way": "%PROTOCOL%" } },
            "response": { "set": { "Strict-Transport-Security": "max-age=1" } },
            "operationName": true, "generatedPrefix": "X-Books-",
            "forwarded": { "mode": "Set", "trustedHops": 16 },
        },
    });
    let stored = accepted(&test, "all", with(all.clone())).await;
    let stored = serde_json::to_value(stored.spec).unwrap();
    for field in ["mode", "routing", "headers"] {
        assert_eq!(stored[field], all[field]);
    }
}

#[tokio::test]
async fn headers_have_names_and_bounds() {
    let test = Test::without_operator().await;
    let headers =
        |fields: Value| json!({ "openapi": { "inline": document(&[]) }, "headers": fields });
    for side in ["request", "response"] {
        for action in ["set", "append"] {
            let list = |list: Value| headers(json!({ side: { action: list } }));
            refused(
                &test,
                list(json!({ "X A": "b" })),
                "is not the name of a header",
            )
            .await;
            refused(
                &test,
                list(json!({ ":path": "b" })),
                "is not the name of a header",
            )
            .await;
            let many: serde_json::Map<_, _> =
                (0..33).map(|n| (format!("X-{n}"), json!("1"))).collect();
            refused(&test, list(json!(many)), "must have at most 32 items").await;
            refused(&test, list(json!({ "X-A": "x".repeat(4097) })), "Too long").await;
            refused(&test, list(json!({ "X-A": 1 })), "must be of type string").await;
        }
    }
    refused(
        &test,
        headers(json!({ "generatedPrefix": "X_Books" })),
        "should match",
    )
    .await;
    refused(
        &test,
        headers(json!({ "forwarded": { "trustedHops": 17 } })),
        "less than or equal to 16",
    )
    .await;
    refused(
        &test,
        headers(json!({ "forwarded": { "trustedHops": -1 } })),
        "greater than or equal to 0",
    )
    .await;
}

#[tokio::test]
async fn nothing_is_defaulted_into_what_the_user_wrote() {
    let test = Test::without_operator().await;
    let stored = accepted(&test, "plain", cors(json!({}))).await;
    assert_eq!(serde_json::to_value(stored.spec.cors).unwrap(), json!({}));
}

#[tokio::test]
async fn kubectl_knows_the_short_name_and_the_columns() {
    let test = Test::without_operator().await;
    accepted(
        &test,
        "bookstore",
        json!({ "openapi": { "inline": document(&[]) } }),
    )
    .await;
    for (wide, expected) in [
        (
            &[][..],
            "NAME SERVICE OPERATIONS SIDECARS PROGRAMMED READY AGE",
        ),
        (
            &["-o", "wide"],
            "NAME SERVICE OPERATIONS SIDECARS PROGRAMMED READY CAPTURED AGE",
        ),
    ] {
        let arguments = [&["get", "eps", "-n", &test.namespace], wide].concat();
        let output = test.cluster.kubectl(&arguments).await;
        let text = String::from_utf8(output.stdout).unwrap();
        let columns: Vec<_> = text.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(columns.join(" "), expected);
    }
}

fn cors(cors: Value) -> Value {
    json!({ "openapi": { "inline": document(&[]) }, "cors": cors })
}

async fn accepted(test: &Test, name: &str, spec: Value) -> EndpointsService {
    test.create(service(name, spec)).await.unwrap()
}

async fn refused(test: &Test, spec: Value, message: &str) {
    let error = test
        .create::<EndpointsService>(service("refused", spec))
        .await
        .unwrap_err();
    assert!(error.to_string().contains(message), "{error}");
}
