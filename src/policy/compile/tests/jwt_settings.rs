//! `spec.jwt` beside issuers' names and audiences: bounds, headers of claims, keys in the resource,
//! authorities.

use super::*;
use crate::policy::format::{ClaimHeader, JwtSettings, UserInfoForm};
use crate::policy::key_set::tokens::{Signer, certificate, key_set};

const ISSUER: &str = "https://accounts.google.com";

fn jwt(fields: Value) -> Value {
    json!({ "jwt": fields })
}

fn settings(fields: Value) -> JwtSettings {
    compiled(jwt(fields)).policy.settings.jwt
}

fn keys(entry: Value) -> KeySource {
    let mut entry = entry;
    entry["issuer"] = json!(ISSUER);
    let compiled = compiled(jwt(json!({ "issuers": [entry] })));
    compiled.policy.providers["google"].keys.clone()
}

#[test]
fn what_has_its_default_is_not_written() {
    let defaults = json!({
        "clockSkew": "1m", "jwksCacheDuration": "5m", "jwksFetchRetries": 0, "maxKeyAge": "24h",
        "tokenCacheSize": 1000, "tokenCacheTtl": "300s", "forwardPayload": {"format": "espv2", "pad": false},
        "claimToHeaders": [], "stripToken": false, "closeStreamsAtExpiry": false,
    });
    let plain = compiled(json!({})).policy;
    assert_eq!(compiled(jwt(defaults)).policy, plain);
    assert!(plain.format < 3);
}

#[test]
fn each_field_arrives() {
    let policy = compiled(jwt(json!({
        "clockSkew": "0s", "jwksCacheDuration": "10s", "jwksFetchRetries": 3, "maxKeyAge": "1h",
        "tokenCacheSize": 0, "tokenCacheTtl": "1s", "forwardPayload": {"format": "esp"},
        "claimToHeaders": [{"claim": "address.country", "header": "X-Country"}],
        "stripToken": true, "closeStreamsAtExpiry": true,
    })))
    .policy;
    assert_eq!(policy.format, 3);
    assert_eq!(
        policy.settings.jwt,
        JwtSettings {
            clock_skew_seconds: Some(0),
            key_refresh_seconds: Some(10),
            fetch_retries: 3,
            max_key_age_seconds: Some(3600),
            token_cache_size: Some(0),
            token_cache_ttl_seconds: Some(1),
            user_info: UserInfoForm::Esp,
            claim_headers: vec![ClaimHeader {
                claim: "address.country".to_owned(),
                header: "x-country".to_owned(),
            }],
            strip_token: true,
            close_streams_at_expiry: true,
        }
    );
    assert_eq!(
        settings(json!({"forwardPayload": {"pad": true}})).user_info,
        UserInfoForm::PaddedPayload
    );
    assert_eq!(
        Policy::from_bytes(&policy.canonical_bytes()).unwrap(),
        policy
    );
}

#[test]
fn bounds_are_told_with_their_field() {
    for (field, value, words) in [
        ("clockSkew", json!("601s"), "over 600 seconds"),
        ("clockSkew", json!("-1s"), "negative"),
        ("clockSkew", json!("1.5s"), "whole seconds"),
        ("clockSkew", json!("soon"), "no unit"),
        ("jwksCacheDuration", json!("9s"), "under 10 seconds"),
        ("jwksCacheDuration", json!("25h"), "over 86400 seconds"),
        ("maxKeyAge", json!("299s"), "under 300 seconds"),
        ("maxKeyAge", json!("721h"), "over 2592000 seconds"),
        ("tokenCacheTtl", json!("0s"), "under 1 seconds"),
        ("tokenCacheTtl", json!("25h"), "over 86400 seconds"),
        ("jwksFetchRetries", json!(11), "11"),
        ("jwksFetchRetries", json!(-1), "-1"),
        ("tokenCacheSize", json!(100_001), "100001"),
    ] {
        assert_refused(
            jwt(json!({ field: value })),
            &format!("/spec/jwt/{field}"),
            words,
            "give",
        );
    }
    // Keys that are fetched every half hour are not too old after five minutes.
    let both = json!({"jwksCacheDuration": "30m", "maxKeyAge": "29m"});
    assert_refused(
        jwt(both),
        "/spec/jwt/maxKeyAge",
        "under 1800 seconds",
        "give",
    );
}

#[test]
fn esp_is_always_padded() {
    let unpadded = json!({"forwardPayload": {"format": "esp", "pad": false}});
    assert_refused(
        jwt(unpadded),
        "/spec/jwt/forwardPayload/pad",
        "always padded",
        "remove",
    );
}

#[test]
fn headers_that_mean_something_else_are_no_headers_of_claims() {
    for header in [
        "Host",
        "host",
        "Content-Length",
        "content_length",
        "Transfer-Encoding",
        "Connection",
        "TE",
        "Trailer",
        "Upgrade",
        "Keep-Alive",
        "Proxy-Authorization",
        "Expect",
        "Authorization",
        "Cookie",
        "Content-Type",
        "X-Endpoint-API-UserInfo",
        "X_Endpoint_Anything",
        "X-Forwarded-For",
        "X-Forwarded-Authorization",
        "X-HTTP-Method-Override",
        "X-Goog-IAP-JWT-Assertion",
        "Origin",
        "Access-Control-Request-Method",
        ":path",
        "",
        "a b",
        "a:b",
        "é",
        "a\r\nb",
    ] {
        let claims =
            json!([{"claim": "sub", "header": "X-User"}, {"claim": "sub", "header": header}]);
        assert_refused(
            jwt(json!({ "claimToHeaders": claims })),
            "/spec/jwt/claimToHeaders/1/header",
            "",
            "",
        );
    }
}

#[test]
fn claims_have_names_and_headers_of_their_own() {
    for claim in ["", ".", "a..b", ".a", "a.", "a\nb"] {
        let claims = json!([{"claim": claim, "header": "X-A"}]);
        let pointer = "/spec/jwt/claimToHeaders/0/claim";
        assert_refused(
            jwt(json!({ "claimToHeaders": claims })),
            pointer,
            "not the name",
            "write",
        );
    }
    let twice = json!([{"claim": "a", "header": "X-A-B"}, {"claim": "b", "header": "x_a-b"}]);
    let pointer = "/spec/jwt/claimToHeaders/1/header";
    assert_refused(
        jwt(json!({ "claimToHeaders": twice })),
        pointer,
        "another claim",
        "of its own",
    );
    let many: Vec<_> = (0..33)
        .map(|n| json!({"claim": "a", "header": format!("X-{n}")}))
        .collect();
    let pointer = "/spec/jwt/claimToHeaders";
    assert_refused(
        jwt(json!({ "claimToHeaders": many })),
        pointer,
        "more than 32",
        "UserInfo",
    );
}

#[test]
fn a_claim_takes_no_header_in_which_tokens_come() {
    let document = BOOKSTORE.replace(
        "    x-google-audiences",
        "    x-google-jwt-locations: [{header: X-Token}]\n    x-google-audiences",
    );
    let with = |header: &str| {
        let mut spec = inline(&document);
        let fields = json!({"claimToHeaders": [{"claim": "sub", "header": header}]});
        spec.jwt = Some(serde_json::from_value(fields).unwrap());
        compile(&spec, &identity())
    };
    with("X-Subject").unwrap();
    for header in ["X-Token", "x-token"] {
        let findings = with(header).unwrap_err();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        let finding = &findings[0];
        assert_eq!(finding.place.pointer, "/spec/jwt/claimToHeaders/0/header");
        assert!(finding.message.contains("tokens are read"), "{finding}");
    }
}

#[test]
fn keys_in_the_resource_are_kept_without_their_padding() {
    let signer = Signer::new("ES256", "a");
    let mut jwk = signer.jwk();
    jwk["x5c"] = json!(["padding"]);
    let KeySource::Inline(text) = keys(json!({"jwks": json!({"keys": [jwk]}).to_string()})) else {
        panic!("not inline")
    };
    assert!(!text.contains("x5c"), "{text}");
    let plain = keys(json!({"jwks": key_set(&[&signer])}));
    assert_eq!(plain, KeySource::Inline(text));
    assert_eq!(plain.needed_format(), 3);
}

#[test]
fn keys_in_the_resource_are_read_as_fetched_ones_are() {
    let signer = Signer::new("ES256", "a");
    let with = |name: &str, value: Value| {
        let mut jwk = signer.jwk();
        jwk[name] = value;
        json!({"keys": [signer.jwk(), jwk]}).to_string()
    };
    let pointer = "/spec/jwt/issuers/0/jwks";
    for (text, words) in [
        (String::from("no JSON"), "not JSON"),
        (String::from("{}"), "no `keys`"),
        (String::from(r#"{"keys": []}"#), "no usable key"),
        (
            String::from(r#"{"keys": [{"kty": "oct", "k": "AAAA"}]}"#),
            "private or symmetric",
        ),
        (with("d", json!("AAAA")), "private or symmetric"),
        (with("p", json!("AAAA")), "private or symmetric"),
        (with("k", json!("AAAA")), "private or symmetric"),
        (format!("{{\"keys\": [{}]}}", " ".repeat(65_536)), "64 KiB"),
    ] {
        let entry = json!({"issuers": [{"issuer": ISSUER, "jwks": text}]});
        assert_refused(jwt(entry), pointer, words, "public keys");
    }
    let unused = json!({"issuers": [{"issuer": ISSUER, "jwks": with("use", json!("enc"))}]});
    let warnings = compiled(jwt(unused)).warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].message.contains("1 of the keys"),
        "{warnings:?}"
    );
}

#[test]
fn authorities_stand_beside_a_url_or_alone() {
    let pem = certificate("ES256", &[4; 65]);
    let beside = keys(json!({"jwksUri": "https://k.example/", "caBundle": pem}));
    let expected = |url: &str| KeySource::Trusting {
        ca_bundle: pem.clone(),
        source: Box::new(KeySource::Url(url.to_owned())),
    };
    assert_eq!(beside, expected("https://k.example/"));
    assert_eq!(beside.needed_format(), 3);
    let alone = keys(json!({"caBundle": pem}));
    assert_eq!(
        alone,
        expected("https://www.googleapis.com/oauth2/v3/certs")
    );

    let pointer = "/spec/jwt/issuers/0";
    for entry in [
        json!({"caBundle": pem, "kubernetes": true}),
        json!({"caBundle": pem, "jwks": "{}"}),
        json!({"jwksUri": "https://k.example/", "jwks": "{}"}),
        json!({"jwksUri": "https://k.example/", "kubernetes": true}),
        json!({"jwks": "{}", "kubernetes": true}),
        json!({"kubernetes": false}),
        json!({}),
    ] {
        let mut entry = entry;
        entry["issuer"] = json!(ISSUER);
        assert_refused(
            jwt(json!({ "issuers": [entry] })),
            pointer,
            "exactly one source",
            "give",
        );
    }
    let plain = json!({"issuer": ISSUER, "jwksUri": "http://k.example/", "caBundle": pem});
    let findings = compile(&bookstore(jwt(json!({ "issuers": [plain] }))), &identity());
    let findings = findings.unwrap_err();
    let told = |finding: &Diagnostic| finding.message.contains("without TLS");
    assert!(findings.iter().any(told), "{findings:?}");
}

#[test]
fn a_bundle_that_is_none_is_refused() {
    let pem = certificate("ES256", &[4; 65]);
    for (bundle, words) in [
        (String::from("no PEM"), "no certificate"),
        (pem.replace("CERTIFICATE", "PRIVATE KEY"), "private key"),
        (pem.replace("MII", "!!!"), "PEM"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
            "cannot be",
        ),
        (pem.repeat(65), "more than 64 certificates"),
        (" ".repeat(65_537), "64 KiB"),
    ] {
        let entry = json!({"issuer": ISSUER, "jwksUri": "https://k.example/", "caBundle": bundle});
        let pointer = "/spec/jwt/issuers/0/caBundle";
        assert_refused(jwt(json!({ "issuers": [entry] })), pointer, words, "PEM");
    }
}
