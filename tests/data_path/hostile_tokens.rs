//! Tokens that mean harm, or are only odd: what each is answered, in status, headers and body, and
//! whether the backend saw it. Each is sent twice: what is remembered changes nothing.

mod algorithms;
mod claims;
mod encoding;
mod places;
mod signatures;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::client::{Answer, Client};
use crate::proxy::{TestProxy, now, snapshot};
use crate::tokens::Signer;

const ISSUER: &str = "https://issuer.example";
const SERVICE: &str = "books.example.com";

/// A request, and what comes of it.
pub struct Case {
    name: String,
    request: Vec<u8>,
    /// What no answer may hold.
    token: String,
    expected: Expected,
}

#[derive(Clone, Copy)]
enum Expected {
    Passes,
    /// Status, reason and what the message holds.
    Refused(u16, &'static str, &'static str),
}

use Expected::{Passes, Refused};

const NOT_THREE: Expected = Refused(401, "TokenMalformed", "with two dots and 3 sections");
const MISSING: Expected = Refused(401, "TokenMissing", "Jwt is missing");
const HEADER_JSON: Expected = Refused(401, "TokenMalformed", "Jwt header is an invalid JSON");
const HEADER_BASE64: Expected =
    Refused(401, "TokenMalformed", "Jwt header is an invalid Base64url");
const PAYLOAD_JSON: Expected = Refused(401, "TokenMalformed", "Jwt payload is an invalid JSON");
const PAYLOAD_BASE64: Expected =
    Refused(401, "TokenMalformed", "Jwt payload is an invalid Base64url");
const SIGNATURE_BASE64: Expected = Refused(
    401,
    "TokenMalformed",
    "Jwt signature is an invalid Base64url",
);
const SIGNATURE: Expected = Refused(401, "TokenSignature", "Jwt verification fails");
const NO_KEY: Expected = Refused(
    401,
    "TokenKeyUnknown",
    "Jwks doesn't have key to match kid or alg",
);
const BAD_ALG: Expected = Refused(401, "TokenAlgorithm", "Jwt header [alg] is not supported");
const AUDIENCE: Expected = Refused(403, "TokenAudience", "Audiences in Jwt are not allowed");
const UNKNOWN_ISSUER: Expected = Refused(401, "TokenIssuer", "Jwt issuer is not configured");
const EXPIRED: Expected = Refused(401, "TokenExpired", "Jwt is expired");
const TOO_EARLY: Expected = Refused(401, "TokenNotYetValid", "Jwt not yet valid");

/// The issuer's keys; the RSA key may be used with each of its algorithms.
fn ec() -> Signer {
    Signer::new("ES256", "p256")
}

fn ed() -> Signer {
    Signer::new("EdDSA", "ed")
}

fn rsa(algorithm: &str) -> Signer {
    Signer::new(algorithm, "rsa")
}

fn key_set() -> String {
    let mut any = rsa("RS256").jwk();
    any.as_object_mut().unwrap().remove("alg");
    let others = [
        ec(),
        ed(),
        Signer::new("ES384", "p384"),
        Signer::new("ES512", "p521"),
        Signer::new("RS256", "bound"),
    ];
    let mut keys: Vec<_> = others.iter().map(Signer::jwk).collect();
    keys.push(any);
    json!({ "keys": keys }).to_string()
}

fn document() -> String {
    let keys = serde_json::to_string(&key_set()).unwrap();
    format!(
        r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {{title: Books, version: "1"}}
    host: {SERVICE}
    securityDefinitions:
      issuer: {{type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "{ISSUER}"}}
    security: [{{issuer: []}}]
    paths:
      /shelves:
        get: {{responses: {{200: {{description: ok}}}}}}
        post: {{responses: {{200: {{description: ok}}}}}}
jwt: {{issuers: [{{issuer: "{ISSUER}", jwks: {keys}}}]}}
"#
    )
}

fn good_claims() -> Value {
    json!({"iss": ISSUER, "sub": "me", "aud": SERVICE, "iat": now() - 10, "exp": now() + 3600})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = good_claims();
    claims[name] = value;
    claims
}

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Header, payload and signature of a good token of this signer.
fn sections(signer: &Signer) -> [String; 3] {
    let token = signer.token(&good_claims());
    let mut sections = token.split('.').map(str::to_owned);
    [(); 3].map(|()| sections.next().unwrap())
}

/// A token in the usual place.
fn bearer(name: impl Into<String>, token: impl Into<String>, expected: Expected) -> Case {
    let token = token.into();
    let headers = format!("Authorization: Bearer {token}\r\n");
    request(name, "/shelves", headers, token, expected)
}

fn request(
    name: impl Into<String>,
    target: &str,
    headers: impl AsRef<[u8]>,
    token: impl Into<String>,
    expected: Expected,
) -> Case {
    let line = format!("GET {target} HTTP/1.1\r\nHost: {SERVICE}\r\n");
    Case {
        name: name.into(),
        request: [line.as_bytes(), headers.as_ref(), b"\r\n"].concat(),
        token: token.into(),
        expected,
    }
}

#[tokio::test]
async fn every_token_is_judged_as_the_table_says() {
    let cases: Vec<_> = [
        algorithms::cases(),
        claims::cases(),
        encoding::cases(),
        places::cases(),
        signatures::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(cases.len() >= 250, "only {} cases", cases.len());
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    proxy
        .policies
        .store(snapshot(&document(), &Default::default()));
    let mut problems = Vec::new();
    let mut seen = 0;
    for case in &cases {
        let mut client = Client::connect(proxy.address).await;
        for time in ["first", "again"] {
            client.send(&case.request).await;
            let answer = client.answer().await;
            let arrived = backend.requests().len() - seen;
            seen += arrived;
            if let Err(problem) = judge(case, &answer, arrived) {
                problems.push(format!("{} ({time}): {problem}\n{answer:?}", case.name));
                break;
            }
        }
    }
    let number = problems.len();
    assert!(
        problems.is_empty(),
        "{number} of {}:\n{}",
        cases.len(),
        problems.join("\n")
    );
}

fn judge(case: &Case, answer: &Answer, arrived: usize) -> Result<(), String> {
    let (status, reason, message) = match case.expected {
        Passes => {
            let passed = answer.status == 200 && answer.body == "ok" && arrived == 1;
            return passed
                .then_some(())
                .ok_or_else(|| "it should pass".to_owned());
        }
        Refused(status, reason, message) => (status, reason, message),
    };
    if arrived != 0 {
        return Err("the backend saw it".to_owned());
    }
    if answer.status != status {
        return Err(format!("it should be {status}"));
    }
    let body: Value = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
    let whole = body["code"] == status
        && body["reason"] == reason
        && body["message"]
            .as_str()
            .is_some_and(|text| text.contains(message))
        && body.as_object().is_some_and(|members| members.len() == 3);
    if !whole {
        return Err(format!("it should be told {reason}: {message}"));
    }
    if answer.value("content-type") != Some("application/json") {
        return Err("it should be JSON".to_owned());
    }
    let challenge = answer.value("www-authenticate").unwrap_or_default();
    let realm = format!("Bearer realm=\"http://{SERVICE}/shelves\"");
    let is_told = match reason {
        "TokenMissing" => challenge == realm,
        _ => challenge.starts_with(&format!(
            "{realm}, error=\"invalid_token\", error_description="
        )),
    };
    if !is_told {
        return Err(format!("the challenge {challenge}"));
    }
    let part = case.token.split('.').find(|part| {
        part.len() >= 16 && (answer.head.contains(part) || answer.body.contains(part))
    });
    match part {
        Some(_) => Err("it holds a part of the token".to_owned()),
        None => Ok(()),
    }
}
