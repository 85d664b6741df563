//! CORS as browsers and backends see it: each row is one request, and all that its answer says of
//! CORS. The rows are in [`rows`]; how they are read:
//!
//! `METHOD PATH [token=NAME] | Origin | requested method | STATUS reason | CORS headers | Vary | backend`
//!
//! * Origin, requested method: `-`: no such field; `''`: an empty one; `a & b`: two fields.
//! * STATUS: with the reason of an answer that the proxy made.
//! * CORS headers: `-`: none; `theirs`: the backend's, untouched; `ORIGIN [+c]`: ours for this origin
//!   (`*` included), with credentials; `bare *`: `Access-Control-Allow-Origin` alone. What a preflight
//!   and what other answers have beside the origin follows from the row: see [`expected`].
//! * Vary: all fields joined by ` + `, or `-`.
//! * backend: whether it saw the request: `seen` or `-`.

mod http2;
mod rows;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use crate::backend::{Backend, Recorded, Reply};
use crate::client::{Answer, ask};
use crate::proxy::{TestProxy, now, snapshot};
use crate::tokens::{Signer, key_set};

const KEYS: &str = "https://issuer.example/keys";
/// What the backend says of CORS, on each of its answers.
const THEIRS: [&str; 4] = [
    "access-control-allow-credentials: true",
    "access-control-allow-origin: https://backend.example",
    "access-control-allow-private-network: true",
    "access-control-expose-headers: X-Secret",
];
const PREFLIGHT_VARY: &str =
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

/// Every operation that the rows name. `{paths}`: more of them; `{endpoint}`: of the document.
fn specification(cors: &str, endpoint: &str, paths: &str) -> String {
    format!(
        r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {{title: Books, version: "1"}}
    host: books.example.com
    {endpoint}
    securityDefinitions:
      issuer: {{type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://issuer.example", x-google-jwks_uri: "{KEYS}"}}
    paths:
      /open: {{get: {{responses: {{200: {{description: ok}}}}}}, post: {{responses: {{200: {{description: ok}}}}}}}}
      /closed: {{get: {{security: [{{issuer: []}}], responses: {{200: {{description: ok}}}}}}}}
      /declared: {{get: {{responses: {{200: {{description: ok}}}}}}, options: {{responses: {{200: {{description: ok}}}}}}}}
      /guarded: {{get: {{responses: {{200: {{description: ok}}}}}}, options: {{security: [{{issuer: []}}], responses: {{200: {{description: ok}}}}}}}}
      /items/{{id}}: {{get: {{responses: {{200: {{description: ok}}}}}}, delete: {{security: [{{issuer: []}}], responses: {{200: {{description: ok}}}}}}}}
      /vary-star: {{get: {{responses: {{200: {{description: ok}}}}}}}}
      /vary-origin: {{get: {{responses: {{200: {{description: ok}}}}}}}}
      /vary-two: {{get: {{responses: {{200: {{description: ok}}}}}}}}
      /plain: {{get: {{responses: {{200: {{description: ok}}}}}}}}
      /moved: {{get: {{responses: {{200: {{description: ok}}}}}}}}
      /fails: {{get: {{responses: {{200: {{description: ok}}}}}}}}
      /unchanged: {{get: {{responses: {{200: {{description: ok}}}}}}}}
      /broken: {{get: {{responses: {{200: {{description: ok}}}}}}}}
      /garbage: {{get: {{responses: {{200: {{description: ok}}}}}}}}
      /late: {{get: {{x-google-backend: {{deadline: 0.2}}, responses: {{200: {{description: ok}}}}}}}}
      /away: {{get: {{x-google-backend: {{address: "http://127.0.0.1:1"}}, responses: {{200: {{description: ok}}}}}}}}
{paths}
{cors}
"#
    )
}

fn reply(request: &Recorded) -> Reply {
    let path = request.line().split(' ').nth(1).unwrap_or_default();
    let mut head = String::from(match path {
        "/moved" => "HTTP/1.1 302 Found\r\nLocation: /open\r\n",
        "/fails" => "HTTP/1.1 500 Internal Server Error\r\n",
        "/unchanged" => "HTTP/1.1 304 Not Modified\r\n",
        "/broken" => return Reply::Close(Vec::new()),
        "/garbage" => return Reply::Close(b"220 mail.example ESMTP\r\n\r\n".to_vec()),
        "/late" => return Reply::Stall(Vec::new()),
        _ => "HTTP/1.1 200 OK\r\n",
    });
    head.push_str(match path {
        "/vary-star" => "Vary: *\r\n",
        "/vary-origin" => "Vary: accept, ORIGIN\r\n",
        "/vary-two" => "Vary: Accept\r\nVary: Cookie\r\n",
        "/plain" => "",
        _ => "Vary: Accept\r\n",
    });
    for line in THEIRS {
        let _ = write!(head, "{line}\r\n");
    }
    if path != "/unchanged" {
        head.push_str("Content-Length: 0\r\n");
    }
    Reply::Keep(format!("{head}\r\n").into_bytes())
}

/// A token by its name in a row.
fn token(name: &str) -> String {
    let claims = |audience: &str, expires: u64| json!({"iss": "https://issuer.example", "sub": "me", "aud": audience, "exp": expires});
    let good = "https://books.example.com";
    let signer = Signer::new("ES256", "one");
    match name {
        "good" => signer.token(&claims(good, now() + 3600)),
        "expired" => signer.token(&claims(good, now() - 3600)),
        "audience" => signer.token(&claims("https://other.example", now() + 3600)),
        "forged" => Signer::new("ES384", "one").token(&claims(good, now() + 3600)),
        _ => name.to_owned(),
    }
}

struct Row<'t> {
    text: &'t str,
    method: &'t str,
    request: String,
    requested: bool,
    status: u16,
    reason: &'t str,
    cors: &'t str,
    vary: &'t str,
    seen: bool,
}

impl<'t> Row<'t> {
    fn read(text: &'t str) -> Self {
        let cells: Vec<_> = text.split('|').map(str::trim).collect();
        let [line, origin, requested, status, cors, vary, backend] = cells[..] else {
            panic!("seven cells: {text}")
        };
        let mut words = line.split_whitespace();
        let method = words.next().expect("a method");
        let path = words.next().expect("a path");
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: books.example.com\r\n");
        for more in words {
            let (name, value) = more.split_once('=').expect("NAME=VALUE");
            let _ = match name {
                "token" => write!(request, "Authorization: Bearer {}\r\n", token(value)),
                _ => write!(request, "{name}: {value}\r\n"),
            };
        }
        for (name, values) in [
            ("Origin", origin),
            ("Access-Control-Request-Method", requested),
        ] {
            for value in values.split(" & ").filter(|value| *value != "-") {
                let value = if value == "''" { "" } else { value };
                let _ = write!(request, "{name}: {value}\r\n");
            }
        }
        if requested != "-" {
            request.push_str("Access-Control-Request-Headers: x-not-listed\r\n");
            request.push_str("Access-Control-Request-Private-Network: true\r\n");
        }
        request.push_str("\r\n");
        let (status, reason) = status.split_once(' ').unwrap_or((status, ""));
        Self {
            text,
            method,
            request,
            requested: requested != "-",
            status: status.parse().expect("a status"),
            reason,
            cors,
            vary,
            seen: backend == "seen",
        }
    }

    /// The lines that the answer must have of CORS, sorted.
    fn expected(&self) -> Vec<String> {
        if self.cors == "-" {
            return Vec::new();
        }
        if self.cors == "theirs" {
            return THEIRS.map(str::to_owned).into();
        }
        if let Some(origin) = self.cors.strip_prefix("bare ") {
            return vec![format!("access-control-allow-origin: {origin}")];
        }
        let (origin, credentials) = match self.cors.strip_suffix(" +c") {
            Some(origin) => (origin, true),
            None => (self.cors, false),
        };
        let mut lines = vec![
            format!("access-control-allow-origin: {origin}"),
            "access-control-expose-headers: Content-Length,Content-Range".to_owned(),
        ];
        if credentials {
            lines.push("access-control-allow-credentials: true".to_owned());
        }
        if self.method == "OPTIONS" && self.requested && self.status == 200 && !self.seen {
            lines.extend([
                "access-control-allow-methods: GET, POST, PUT, PATCH, DELETE, OPTIONS".to_owned(),
                "access-control-allow-headers: DNT,User-Agent,X-User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization,X-Api-Key".to_owned(),
                "access-control-max-age: 1728000".to_owned(),
            ]);
        }
        lines.sort();
        lines
    }

    async fn hold(&self, proxy: &TestProxy, backend: &Backend) {
        let before = backend.requests().len();
        let answer = ask(proxy.address, &self.request).await;
        assert_eq!(answer.status, self.status, "{}\n{answer:?}", self.text);
        if !self.reason.is_empty() {
            assert_eq!(answer.reason(), self.reason, "{}", self.text);
        }
        assert_eq!(cors_of(&answer), self.expected(), "{}", self.text);
        let vary = answer.values("vary").join(" + ");
        let expected = match self.vary {
            "-" => "",
            "preflight" => PREFLIGHT_VARY,
            vary => vary,
        };
        assert_eq!(vary, expected, "{}", self.text);
        let seen = backend.requests().len() > before;
        assert_eq!(seen, self.seen, "{}", self.text);
    }
}

/// The answer's lines about CORS, names in lower case, sorted.
fn cors_of(answer: &Answer) -> Vec<String> {
    let mut lines: Vec<_> = answer
        .head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .filter(|line| line.starts_with("access-control-"))
        .collect();
    lines.sort();
    lines
}

/// Starts a proxy under a specification and holds each row against it.
async fn hold(specification: &str, rows: &str) {
    let backend = Backend::answering(reply).await;
    let proxy = TestProxy::start(backend.address);
    let keys = BTreeMap::from([(KEYS.to_owned(), key_set(&[&Signer::new("ES256", "one")]))]);
    proxy.policies.store(snapshot(specification, &keys));
    let rows = rows.lines().map(str::trim).filter(|row| !row.is_empty());
    for row in rows {
        Row::read(row).hold(&proxy, &backend).await;
    }
}
