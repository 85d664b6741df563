//! Each line that `dev` prints does what it says.

use crate::process::{Dev, example};

/// The printed lines: what each shows, the status to expect, the command.
fn printed(dev: &Dev) -> Vec<(String, String, String)> {
    let mut lines = dev.printed.iter().filter(|line| !line.is_empty());
    let mut all = Vec::new();
    while let Some(comment) = lines.next() {
        let (title, expect) = comment
            .strip_prefix("# ")
            .and_then(|comment| comment.split_once(": expect "))
            .unwrap_or_else(|| panic!("not a comment: {comment}"));
        let (status, _) = expect.split_once(", ").unwrap();
        all.push((
            title.to_owned(),
            status.to_owned(),
            lines.next().unwrap().clone(),
        ));
    }
    all
}

/// Runs all of them; returns the titles.
fn run_all(dev: &Dev) -> Vec<String> {
    let mut titles = Vec::new();
    for (title, status, command) in printed(dev) {
        let answer = dev.paste(&command);
        let first = answer.lines().next().unwrap_or_default().to_owned();
        assert!(
            first.starts_with(&format!("HTTP/1.1 {status}")),
            "{title}: {command}:\n{answer}"
        );
        let lower = answer.to_ascii_lowercase();
        match title.as_str() {
            "a browser's preflight" if !lower.contains("\"method\"") => {
                assert!(lower.contains("access-control-allow-origin: "), "{answer}");
            }
            "no token" => assert!(answer.contains("\"reason\":\"TokenMissing\""), "{answer}"),
            "a good token" => {
                assert!(lower.contains("x-endpoint-api-userinfo"), "{answer}");
                assert!(answer.contains("\"sub\": \"dev-user\""), "{answer}");
            }
            "an expired token" => {
                assert!(answer.contains("\"reason\":\"TokenExpired\""), "{answer}");
            }
            "a token for another audience" => {
                assert!(answer.contains("\"reason\":\"TokenAudience\""), "{answer}");
            }
            _ => {}
        }
        titles.push(title);
    }
    titles
}

#[test]
fn each_printed_line_of_the_bookstore_does_what_it_says() {
    let dev = Dev::start(&example("bookstore/endpointsservice.yaml"), &[]);
    let titles = run_all(&dev);
    assert_eq!(
        titles,
        [
            "a browser's preflight",
            "an open operation",
            "no token",
            "a good token",
            "an expired token",
            "a token for another audience",
        ]
    );
}

#[test]
fn each_printed_line_of_the_echo_service_does_what_it_says() {
    let dev = Dev::start(&example("echo/endpointsservice.yaml"), &[]);
    assert!(run_all(&dev).len() >= 5);
}

/// The two commands of Google's page on ID tokens, to the letter.
#[test]
fn the_commands_of_the_id_token_page_work_unchanged_against_the_echo_service() {
    let dev = Dev::start(&example("echo/endpointsservice.yaml"), &[]);
    for line in [
        r#"curl -H "Authorization: Bearer ${TOKEN}" "${ENDPOINTS_HOST}/echo""#,
        r#"curl "${ENDPOINTS_HOST}/echo?access_token=${TOKEN}""#,
    ] {
        let answer: serde_json::Value = serde_json::from_str(&dev.paste(line)).unwrap();
        assert_eq!(answer["path"], "/echo");
        assert_eq!(answer["userInfo"]["iss"], "https://accounts.google.com");
    }
}

#[test]
fn a_bare_document_runs_and_cors_is_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hello.yaml");
    let text = "swagger: '2.0'\ninfo: {title: t, version: '1'}\npaths:\n  /hello:\n    get: {}\n";
    std::fs::write(&file, text).unwrap();

    let dev = Dev::start(&file, &["--cors"]);
    let answer = dev.paste("curl -si -H 'Origin: https://a.example' \"${ENDPOINTS_HOST}/hello\"");
    assert!(
        answer
            .to_ascii_lowercase()
            .contains("access-control-allow-origin: *"),
        "{answer}"
    );
    run_all(&dev);

    let dev = Dev::start(&file, &[]);
    let answer = dev.paste("curl -si -H 'Origin: https://a.example' \"${ENDPOINTS_HOST}/hello\"");
    assert!(
        !answer.to_ascii_lowercase().contains("access-control-"),
        "{answer}"
    );
}

/// Tokens and curl lines must not vanish when the terminal is not one.
#[test]
fn output_that_is_not_for_a_terminal_is_plain() {
    let dev = Dev::start(&example("bookstore/endpointsservice.yaml"), &[]);
    let all = dev.exports.iter().chain(&dev.printed);
    assert!(all.clone().count() > 8);
    assert!(all.clone().all(|line| !line.contains('\x1b')));
}

#[test]
fn a_token_of_the_other_kind_is_told_so() {
    let embedded = Dev::start(&example("bookstore/endpointsservice.yaml"), &[]);
    let other = Dev::start(&example("bookstore/endpointsservice.yaml"), &[]);
    let token = other
        .exports
        .iter()
        .find(|line| line.starts_with("export TOKEN="))
        .unwrap();
    let line = format!(
        "{token}; curl -si -H \"Authorization: Bearer ${{TOKEN}}\" \"${{ENDPOINTS_HOST}}/v1/me\""
    );
    // Signed by another process's key: a stranger's token, as far as this one can tell.
    let answer = embedded.paste(&line);
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("--issuers real"), "{answer}");
}

/// With the issuers' own keys `dev` answers what a sidecar does, to the letter.
#[test]
fn with_real_issuers_a_token_of_an_unknown_key_is_answered_as_in_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hello.yaml");
    let text = r#"
apiVersion: endpoints.dev/v1alpha1
kind: EndpointsService
metadata: {name: hello}
spec:
  jwt:
    issuers:
      - issuer: https://issuer.example
        jwks: '{"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "x": "BX81lVm2-61iSm6Wj_TxrIfPBSGZkvP1zXDKhj1qmGQ", "y": "9rKyfs18ijVQNFH1eVRVg9M6IwFbNRftERC16uFL8sM"}]}'
  openapi:
    inline: |
      swagger: "2.0"
      info: {title: Hello, version: "1"}
      host: hello.example
      securityDefinitions:
        issuer: {type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://issuer.example"}
      security: [{issuer: []}]
      paths: {/hello: {get: {responses: {200: {description: ok}}}}}
"#;
    std::fs::write(&file, text).unwrap();
    let embedded = Dev::start(&file, &[]);
    let real = Dev::start(&file, &["--issuers", "real"]);
    let mut lines = embedded.exports.iter();
    let token = lines
        .find(|line| line.starts_with("export TOKEN="))
        .unwrap();
    let answer = real.paste(&format!(
        "{token}; curl -s -H \"Authorization: Bearer ${{TOKEN}}\" \"${{ENDPOINTS_HOST}}/hello\""
    ));
    assert_eq!(
        answer,
        r#"{"code":401,"message":"Jwks doesn't have key to match kid or alg from Jwt","reason":"TokenKeyUnknown"}"#
    );
}
