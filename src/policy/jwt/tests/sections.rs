use super::*;

#[test]
fn a_token_that_is_no_token_is_told_so() {
    let shape = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    let mut operation = Operation::of(&signer());
    for text in [
        "x",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        "..",
        "a..c",
        ".b.c",
        "a.b.",
    ] {
        operation.refuses(text, Reason::TokenMalformed, shape);
    }
}

#[test]
fn headers_are_read_strictly() {
    let good = signer().token(&claims());
    let rest = good.split_once('.').unwrap().1;
    let mut operation = Operation::of(&signer());
    let header_base64 = "Jwt header is an invalid Base64url encoded";
    // Padded, of the other alphabet, with trailing bits, of an impossible length.
    for section in ["e30=", "++//", "e31", "e", "e3 0"] {
        let token = format!("{section}.{rest}");
        operation.refuses(&token, Reason::TokenMalformed, header_base64);
    }

    let mut header = |text: &str, reason, message: &str| {
        let token = signer().token_of_text(text, &claims().to_string());
        operation.refuses(&token, reason, message);
    };
    let json = "Jwt header is an invalid JSON";
    for text in [
        "x",
        "[]",
        "\"ES256\"",
        r#"{"alg":"ES256""#,
        r#"{"alg":"ES256"}{}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","x":{"a":1,"a":2}}"#,
    ] {
        header(text, Reason::TokenMalformed, json);
    }
    let deep = format!(
        r#"{{"alg":"ES256","x":{}{}}}"#,
        "[".repeat(64),
        "]".repeat(64)
    );
    header(&deep, Reason::TokenMalformed, json);
    let alg = "Jwt header [alg] field is required and must be a string";
    header("{}", Reason::TokenMalformed, alg);
    header(r#"{"alg":7}"#, Reason::TokenMalformed, alg);
    let kid = "Jwt header [kid] field is not a string";
    header(r#"{"alg":"ES256","kid":7}"#, Reason::TokenMalformed, kid);
}

#[test]
fn algorithms_outside_the_list_are_refused() {
    let mut operation = Operation::of(&signer());
    for alg in [
        "none", "None", "HS256", "HS384", "HS512", "es256", "ES256K", "Ed25519", "",
    ] {
        let header = json!({ "alg": alg, "kid": "a" }).to_string();
        let token = signer().token_of_text(&header, &claims().to_string());
        let message = "Jwt header [alg] is not supported";
        operation.refuses(&token, Reason::TokenAlgorithm, message);
    }
}

#[test]
fn crit_and_b64_are_refused_even_where_they_change_nothing() {
    let mut operation = Operation::of(&signer());
    for (member, value) in [
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("b64", json!(true)),
    ] {
        let header = json!({"alg": "ES256", "kid": "a", (member): value}).to_string();
        let token = signer().token_of_text(&header, &claims().to_string());
        let message = format!("Jwt header [{member}] is not supported");
        operation.refuses(&token, Reason::TokenAlgorithm, &message);
    }
}

#[test]
fn payloads_are_read_strictly() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&claims());
    let (header, signature) = (
        token.split('.').next().unwrap(),
        token.rsplit('.').next().unwrap(),
    );
    let base64 = "Jwt payload is an invalid Base64url encoded";
    operation.refuses(
        &format!("{header}.e30=.{signature}"),
        Reason::TokenMalformed,
        base64,
    );

    let header = r#"{"alg":"ES256","kid":"a"}"#;
    let twice = claims()
        .to_string()
        .replacen('{', r#"{"iss":"https://other.example","#, 1);
    for payload in ["x", "[]", "null", "{} {}", twice.as_str()] {
        let token = signer().token_of_text(header, payload);
        operation.refuses(
            &token,
            Reason::TokenMalformed,
            "Jwt payload is an invalid JSON",
        );
    }
}

#[test]
fn a_signature_that_is_not_base64url_is_malformed() {
    let token = signer().token(&claims());
    let message = "Jwt signature is an invalid Base64url encoded";
    Operation::of(&signer()).refuses(&format!("{token}="), Reason::TokenMalformed, message);
}

#[test]
fn an_ed25519_signature_of_wrong_length_is_told_so() {
    let signer = Signer::new("EdDSA", "a");
    let token = signer.token(&claims());
    let (head, _) = token.rsplit_once('.').unwrap();
    let short = format!("{head}.{}", "A".repeat(84));
    let message = "Jwt ED25519 signature is wrong length";
    Operation::of(&signer).refuses(&short, Reason::TokenSignature, message);
}

#[test]
fn nothing_told_holds_a_part_of_the_token() {
    let mut operation = Operation::of(&signer());
    let canary = "canary";
    for (name, value) in [
        ("iss", canary),
        ("aud", canary),
        ("exp", canary),
        ("sub", canary),
    ] {
        let authentication = operation.bearer(&signer().token(&with(name, json!(value))));
        if let Authentication::Refused(refusal) = authentication {
            assert!(!refusal.message.contains(canary), "{}", refusal.message);
        }
    }
}
