//! What a payload claims: types, times, issuers, audiences, and which of several faults is told.

use serde_json::json;

use super::*;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    times(&mut cases);
    texts(&mut cases);
    audiences(&mut cases);
    order(&mut cases);
    cases
}

/// A token whose payload has this member, as text, in the place of the usual one.
fn member(name: &str, value: &str) -> String {
    let mut claims = good_claims();
    claims.as_object_mut().unwrap().remove(name);
    let claims = claims.to_string();
    let payload = format!("{{\"{name}\":{value},{}", &claims[1..]);
    ec().token_of_text(r#"{"alg":"ES256","kid":"p256"}"#, &payload)
}

fn without(name: &str) -> String {
    let mut claims = good_claims();
    claims.as_object_mut().unwrap().remove(name);
    ec().token(&claims)
}

fn times(cases: &mut Vec<Case>) {
    let now = now();
    for (name, value, expected) in [
        ("exp", format!("{}", now + 600), Passes),
        ("exp", format!("{}.75", now + 600), Passes),
        ("exp", format!("{}e0", now + 600), Passes),
        ("exp", "1e10".to_owned(), Passes),
        ("exp", "1E+10".to_owned(), Passes),
        ("exp", "9223372036854775807".to_owned(), Passes),
        ("exp", "18446744073709551615".to_owned(), Passes),
        ("exp", format!("{}", now - 30), Passes),
        ("exp", format!("{}", now - 120), EXPIRED),
        ("exp", format!("{}.9", now - 120), EXPIRED),
        ("exp", "0".to_owned(), EXPIRED),
        ("exp", "-0".to_owned(), EXPIRED),
        ("exp", "0.5".to_owned(), EXPIRED),
        ("exp", "1e-9".to_owned(), EXPIRED),
        ("nbf", format!("{}", now + 30), Passes),
        ("nbf", format!("{}", now - 30), Passes),
        ("nbf", "0".to_owned(), Passes),
        ("nbf", format!("{}", now + 300), TOO_EARLY),
        ("nbf", "18446744073709551615".to_owned(), TOO_EARLY),
        ("nbf", "1e18".to_owned(), TOO_EARLY),
        ("iat", format!("{}", now + 100_000), Passes),
        ("iat", "0".to_owned(), Passes),
    ] {
        cases.push(bearer(
            format!("{name} {value}"),
            member(name, &value),
            expected,
        ));
    }
    for (name, no_number, out_of_range) in [
        (
            "exp",
            "Jwt payload [exp] field is not an integer",
            "Jwt payload [exp] field is not a positive 64 bit integer",
        ),
        (
            "nbf",
            "Jwt payload [nbf] field is not an integer",
            "Jwt payload [nbf] field is not a positive 64 bit integer",
        ),
        (
            "iat",
            "Jwt payload [iat] field is not an integer",
            "Jwt payload [iat] field is not a positive 64 bit integer",
        ),
    ] {
        for value in [
            "null",
            "true",
            "\"9999999999\"",
            "\"\"",
            "[]",
            "[9999999999]",
            "{}",
        ] {
            let expected = Refused(401, "TokenMalformed", no_number);
            cases.push(bearer(
                format!("{name} {value}"),
                member(name, value),
                expected,
            ));
        }
        for value in [
            "-1",
            "-0.5",
            "-1e300",
            "18446744073709551616",
            "1e30",
            "9.3e18",
        ] {
            let expected = Refused(401, "TokenMalformed", out_of_range);
            cases.push(bearer(
                format!("{name} {value}"),
                member(name, value),
                expected,
            ));
        }
        for value in [
            "1e400", "-1e400", "NaN", "Infinity", "0x10", "+1", "01", "1.", ".5", "1_000",
        ] {
            cases.push(bearer(
                format!("{name} {value}"),
                member(name, value),
                PAYLOAD_JSON,
            ));
        }
    }
    let missing = Refused(
        401,
        "TokenClaimMissing",
        "Jwt payload [exp] field is required",
    );
    cases.push(bearer("no exp", without("exp"), missing));
    cases.push(bearer("no iat", without("iat"), Passes));
    cases.push(bearer("no sub", without("sub"), Passes));
}

fn texts(cases: &mut Vec<Case>) {
    for (name, message) in [
        ("iss", "Jwt payload [iss] field is not a string"),
        ("sub", "Jwt payload [sub] field is not a string"),
        ("jti", "Jwt payload [jti] field is not a string"),
    ] {
        for value in [
            "null",
            "1",
            "true",
            "[]",
            "{}",
            "[\"https://issuer.example\"]",
        ] {
            let expected = Refused(401, "TokenMalformed", message);
            cases.push(bearer(
                format!("{name} {value}"),
                member(name, value),
                expected,
            ));
        }
    }
    cases.push(bearer("no iss", without("iss"), UNKNOWN_ISSUER));
    for issuer in [
        "",
        " ",
        "https://issuer.example/",
        "https://issuer.example ",
        " https://issuer.example",
        "http://issuer.example",
        "HTTPS://issuer.example",
        "https://ISSUER.example",
        "issuer.example",
        "https://issuer.example.evil.example",
        "https://issuer.example@evil.example",
        "https://issuer.example#",
        "https://issuer.example?",
        "https://issuer.example\u{0}",
        "https://іssuer.example",
        "https://issuer%2eexample",
        "https://issuer.example\n",
        "accounts.google.com",
    ] {
        cases.push(bearer(
            format!("iss {issuer:?}"),
            ec().token(&with("iss", json!(issuer))),
            UNKNOWN_ISSUER,
        ));
    }
    let escaped = member("iss", r#""https:\/\/issuer\u002eexample""#);
    cases.push(bearer("iss with escapes", escaped, Passes));
    cases.push(bearer(
        "sub of controls",
        ec().token(&with("sub", json!("a\r\nX-Evil: 1\u{0}"))),
        Passes,
    ));
    cases.push(bearer(
        "sub of 40 KB",
        ec().token(&with("sub", json!("s".repeat(20_000)))),
        Passes,
    ));
}

fn audiences(cases: &mut Vec<Case>) {
    for audience in [
        json!(SERVICE),
        json!(format!("http://{SERVICE}")),
        json!(format!("https://{SERVICE}")),
        json!(format!("https://{SERVICE}/")),
        json!(format!("{SERVICE}/")),
        json!([SERVICE]),
        json!(["other", SERVICE, ""]),
        json!([SERVICE, SERVICE]),
    ] {
        cases.push(bearer(
            format!("aud {audience}"),
            ec().token(&with("aud", audience.clone())),
            Passes,
        ));
    }
    for audience in [
        json!(""),
        json!([]),
        json!([""]),
        json!("other"),
        json!(["other", "another"]),
        json!("https://"),
        json!(format!("{SERVICE}//")),
        json!(format!("//{SERVICE}")),
        json!(format!("HTTPS://{SERVICE}")),
        json!(SERVICE.to_uppercase()),
        json!(format!("{SERVICE}.evil.example")),
        json!(format!("x{SERVICE}")),
        json!(format!("{SERVICE},other")),
        json!(format!("{SERVICE} ")),
        json!(format!("https://https://{SERVICE}")),
        json!(format!("https://{SERVICE}/shelves")),
        json!(format!("ftp://{SERVICE}")),
        json!("*"),
        json!(format!("{SERVICE}\u{0}")),
        json!(format!("{SERVICE}:443")),
        json!(format!("{SERVICE}.")),
        json!(vec!["other"; 1_000]),
    ] {
        let name: String = format!("aud {audience}").chars().take(80).collect();
        cases.push(bearer(name, ec().token(&with("aud", audience)), AUDIENCE));
    }
    cases.push(bearer("no aud", without("aud"), AUDIENCE));
    let message = "Jwt payload [aud] field is not a string or string list";
    for value in [
        "null",
        "1",
        "true",
        "{}",
        "[1]",
        "[null]",
        "[\"books.example.com\",1]",
        "[[\"books.example.com\"]]",
    ] {
        let expected = Refused(401, "TokenMalformed", message);
        cases.push(bearer(
            format!("aud {value}"),
            member("aud", value),
            expected,
        ));
    }
}

/// Of several faults the first is told: issuer, time, audience, key, signature.
fn order(cases: &mut Vec<Case>) {
    let stranger = Signer::new("ES256", "stranger");
    let forger = Signer::new("ES256", "forger");
    let forged = |claims: &Value| {
        forger.token_of_text(r#"{"alg":"ES256","kid":"p256"}"#, &claims.to_string())
    };
    let old = |mut claims: Value| {
        claims["exp"] = json!(now() - 1_000);
        claims
    };
    let early = |mut claims: Value| {
        claims["nbf"] = json!(now() + 1_000);
        claims
    };
    let issuer = with("iss", json!("https://other.example"));
    let audience = with("aud", json!("other"));
    for (name, token, expected) in [
        (
            "issuer before time",
            ec().token(&old(issuer.clone())),
            UNKNOWN_ISSUER,
        ),
        ("issuer before signature", forged(&issuer), UNKNOWN_ISSUER),
        (
            "nbf before exp",
            ec().token(&early(old(good_claims()))),
            TOO_EARLY,
        ),
        (
            "time before audience",
            ec().token(&old(audience.clone())),
            EXPIRED,
        ),
        (
            "time before signature",
            forged(&old(good_claims())),
            EXPIRED,
        ),
        ("audience before signature", forged(&audience), AUDIENCE),
        ("audience before key", stranger.token(&audience), AUDIENCE),
        (
            "key before signature",
            stranger.token(&good_claims()),
            NO_KEY,
        ),
        ("signature at last", forged(&good_claims()), SIGNATURE),
    ] {
        cases.push(bearer(name, token, expected));
    }
}
