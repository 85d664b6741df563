//! Hostile requests, byte by byte: each with what the client is told, whether the backend saw it, and
//! what it saw. One table a theme; every row has a connection of its own, on which exactly one answer
//! comes.

mod edges;
mod fields;
mod framing;
mod hop;
mod hosts;
mod http2;
mod pipelining;
mod request_line;
mod targets;

use tokio::io::AsyncWriteExt as _;

use crate::backend::{Backend, Recorded};
use crate::client::{Answer, Client};
use crate::proxy::TestProxy;

/// Each operation's name arrives beside its request: the one that was decided upon.
pub const API: &str = r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {title: Shelves, version: "1"}
    host: shelves.example.com
    paths:
      /shelves:
        get: {operationId: list}
        head: {operationId: head}
        post: {operationId: create}
        put: {operationId: replace}
      /shelves/{shelf}:
        get: {operationId: get}
        delete: {operationId: delete}
      "/shelves/{shelf}:merge":
        post: {operationId: merge}
      "/files/{name=**}":
        get: {operationId: file}
      /admin/users:
        get: {operationId: users}
routing: {healthz: /healthz}
headers: {operationName: true}
"#;

/// The header that names the operation.
pub const OPERATION: &str = "x-endpoint-api-operation-name";

/// One request and what comes of it.
pub struct Case {
    name: String,
    request: Vec<u8>,
    expected: Expected,
    /// Headers that the backend saw, with all of their values.
    saw: Vec<(&'static str, Vec<String>)>,
    /// What it saw of the body.
    body: Option<Vec<u8>>,
    closes: bool,
}

pub enum Expected {
    /// By this status and reason, and unseen by the backend.
    Refused(u16, &'static str),
    /// With this request line, and answered with what the backend said.
    Forwarded(String),
    /// By the proxy, with this status, and unseen by the backend.
    Answered(u16),
}

impl Case {
    /// A request that is refused.
    pub fn refused(
        name: impl Into<String>,
        request: impl Into<Vec<u8>>,
        status: u16,
        reason: &'static str,
    ) -> Self {
        Self::new(name, request, Expected::Refused(status, reason))
    }

    /// A request that reaches the backend with this request line.
    pub fn forwarded(
        name: impl Into<String>,
        request: impl Into<Vec<u8>>,
        line: impl Into<String>,
    ) -> Self {
        Self::new(name, request, Expected::Forwarded(line.into()))
    }

    /// A request that the proxy answers.
    pub fn answered(name: impl Into<String>, request: impl Into<Vec<u8>>, status: u16) -> Self {
        Self::new(name, request, Expected::Answered(status))
    }

    fn new(name: impl Into<String>, request: impl Into<Vec<u8>>, expected: Expected) -> Self {
        Self {
            name: name.into(),
            request: request.into(),
            expected,
            saw: Vec::new(),
            body: None,
            closes: false,
        }
    }

    /// The backend saw these values of a header, and no others.
    pub fn saw(mut self, name: &'static str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.saw.push((name, values));
        self
    }

    /// The backend saw this body.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// Nothing after it on its connection is read.
    pub fn closes(mut self) -> Self {
        self.closes = true;
        self
    }

    fn check(&self, answer: &Answer, seen: &[Recorded]) -> Result<(), String> {
        let told = (answer.status, answer.body.as_str());
        match (&self.expected, seen) {
            (Expected::Refused(status, reason), []) => {
                let body: serde_json::Value =
                    serde_json::from_str(&answer.body).unwrap_or_default();
                let said = (body["code"].as_u64(), body["reason"].as_str());
                let expected = (Some(u64::from(*status)), Some(*reason));
                if answer.status != *status || said != expected {
                    return Err(format!("{told:?} instead of {status} {reason}"));
                }
                if answer.value("content-type") != Some("application/json") {
                    return Err(format!("not JSON: {}", answer.head));
                }
                if *status == 405 && answer.value("allow").is_none() {
                    return Err(format!("405 without Allow: {}", answer.head));
                }
            }
            (Expected::Answered(status), []) if answer.status == *status => {}
            (Expected::Forwarded(line), [seen]) if answer.status == 200 => {
                if seen.line() != line {
                    return Err(format!("the backend saw {:?}, not {line:?}", seen.line()));
                }
                for (name, values) in &self.saw {
                    if seen.values(name) != *values {
                        return Err(format!("{name} is not {values:?} in {:?}", seen.head));
                    }
                }
                if let Some(body) = &self.body
                    && seen.body != *body
                {
                    return Err(format!(
                        "the backend read {:?}",
                        String::from_utf8_lossy(&seen.body)
                    ));
                }
            }
            _ => return Err(format!("{told:?}, and the backend saw {seen:?}")),
        }
        match self.closes && answer.value("connection") != Some("close") {
            true => Err(format!("the connection goes on: {}", answer.head)),
            false => Ok(()),
        }
    }
}

pub async fn start() -> (Backend, TestProxy) {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(API);
    (backend, proxy)
}

/// Asks everything; what is wrong is told at once.
pub async fn run(at_least: usize, cases: Vec<Case>) {
    assert!(cases.len() >= at_least, "{} cases only", cases.len());
    let (backend, proxy) = start().await;
    let mut problems = Vec::new();
    for case in cases {
        let before = backend.requests().len();
        let mut client = Client::connect(proxy.address).await;
        client.send(&case.request).await;
        let is_head = case.request.starts_with(b"HEAD ");
        // Whoever is not answered panics.
        let asked = tokio::spawn(async move {
            let answer = match is_head {
                true => client.answer_to_head().await,
                false => client.answer().await,
            };
            // What was sent was one request: nothing else is answered.
            let _ = client.stream.shutdown().await;
            (answer, client.rest().await)
        });
        let Ok((answer, rest)) = asked.await else {
            problems.push(format!("{}: no answer", case.name));
            continue;
        };
        let seen = &backend.requests()[before..];
        if let Err(why) = case.check(&answer, seen) {
            problems.push(format!("{}: {why}", case.name));
        } else if !rest.is_empty() {
            let rest = String::from_utf8_lossy(&rest);
            problems.push(format!("{}: a second answer: {rest}", case.name));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Bytes around others.
pub fn around(before: &str, bytes: &[u8], after: &str) -> Vec<u8> {
    [before.as_bytes(), bytes, after.as_bytes()].concat()
}
