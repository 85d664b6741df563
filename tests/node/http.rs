//! HTTP from a client pod, as bytes: what a test asserts is what was on the wire.

use std::fmt::Write as _;

use serde_json::Value;

use crate::namespace::Namespace;

/// A request. Not printable: it may carry a token.
#[derive(Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Sends one request from the pod's shell, keeping its own side open until the answer has ended:
/// a client that closes it says that it no longer wants the answer.
const SEND: &str = r#"
    pipe=/tmp/$$
    mkfifo $pipe
    timeout 10 nc "$0" "$1" <$pipe &
    exec 3>$pipe
    rm $pipe
    cat >&3
    wait $!
"#;

impl Request {
    pub(crate) fn new(method: &'static str, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// What a browser asks before a script's request of another origin.
    pub(crate) fn preflight(path: &str, origin: &str, method: &str, headers: &str) -> Self {
        Self::new("OPTIONS", path)
            .header("Origin", origin)
            .header("Access-Control-Request-Method", method)
            .header("Access-Control-Request-Headers", headers)
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Its bytes, for whoever sends them otherwise; `connection` is what becomes of the connection.
    pub(crate) fn head(&self, host: &str, connection: &str) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Connection: {connection}\r\n\r\n");
        head
    }

    /// Sends it from the namespace's client pod. Err: no HTTP came back (no connection, an empty
    /// answer); why.
    pub(crate) fn try_send(
        &self,
        from: &Namespace,
        host: &str,
        port: u16,
    ) -> Result<Response, String> {
        let head = self.head(host, "close");
        let port = port.to_string();
        let outcome = from.try_kubectl(
            &[
                "exec", "--stdin", "client", "--", "sh", "-c", SEND, host, &port,
            ],
            &head,
        );
        Response::parse(&outcome.stdout).ok_or_else(|| {
            let complaint = outcome.stderr.trim();
            format!(
                "{} {} on {host}:{port} gave no HTTP: {complaint}",
                self.method, self.path
            )
        })
    }
}

impl Response {
    /// The only value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} is there twice: {self:#?}");
        Some(&value.1)
    }

    /// The elements of a header that is a list, in lower case.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.header(name)
            .unwrap_or_default()
            .split(',')
            .map(|element| element.trim().to_ascii_lowercase())
            .collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Reads a whole response.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?;
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_owned(), value.trim().to_owned()))
            })
            .collect::<Option<Vec<_>>>()?;
        let response = Self {
            status: status.parse().ok()?,
            headers,
            body: body.to_owned(),
        };
        // Cut short is no answer.
        match response.header("Content-Length") {
            Some(length) if length.parse() != Ok(body.len()) => None,
            _ => Some(response),
        }
    }
}
