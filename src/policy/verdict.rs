//! Refusals: a stable reason and the facts behind it. Status, JSON body, `WWW-Authenticate`, log
//! line and metric are all made from this one value.

mod grpc;
mod reason;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use serde::Serialize;

pub use self::reason::{Fault, Reason, Topic};

/// The longest realm sent, in bytes; ESPv2's bound.
const MAX_REALM: usize = 256;

/// What a verdict rests on, beside its reason and its sentence; for logs, metrics and explanations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Facts {
    /// Nothing more.
    #[default]
    None,
    /// The path is that of a template.
    Path {
        /// As the document writes it.
        template: String,
    },
    /// The token is one of a provider of the policy.
    Provider {
        /// Its place in the order of [`Policy::providers`](crate::policy::Policy::providers).
        index: usize,
    },
    /// A backend was asked.
    Backend {
        /// Its address, without user or path.
        address: String,
        /// How far it came.
        phase: Phase,
    },
}

/// How far an exchange with a backend came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its name, socket or TLS.
    Connect,
    /// The request went out, or a part of it; no answer yet.
    Request,
    /// The head of the answer is here.
    Response,
}

/// An answer of our own instead of the backend's.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The status sent.
    pub status: StatusCode,
    /// The stable reason.
    pub reason: Reason,
    /// For people; ESPv2's sentence where it has one. Never holds a token or a query.
    pub message: String,
    /// `Allow`, on a 405.
    pub allow: Option<HeaderValue>,
    /// RFC 6750 `error` for `WWW-Authenticate`; see [`Challenge`].
    pub challenge: Option<Challenge>,
    /// What it rests on.
    pub facts: Facts,
}

/// What `WWW-Authenticate: Bearer` says beside the realm (RFC 6750 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// No token was sent: no error code.
    Missing,
    /// `error="invalid_token"`, with the refusal's message as `error_description`.
    InvalidToken,
    /// `error="insufficient_scope"`, likewise, and which scopes are demanded.
    InsufficientScope {
        /// Separated by spaces.
        scope: Arc<str>,
    },
}

// === impl Phase ===

impl Phase {
    /// The name that the access log shows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// A refusal with neither `Allow` nor challenge.
    pub fn new(status: StatusCode, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            message: message.into(),
            allow: None,
            challenge: None,
            facts: Facts::None,
        }
    }

    /// The same, with what it rests on.
    #[must_use]
    pub fn resting_on(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    /// The body, `application/json`: ESPv2's `code` and `message`, and our `reason` (a script
    /// cannot read `WWW-Authenticate` across origins).
    pub fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            code: u16,
            message: &'a str,
            reason: &'a str,
        }

        serde_json::to_vec(&Body {
            code: self.status.as_u16(),
            message: &self.message,
            reason: self.reason.as_str(),
        })
        .expect("a struct of a number and strings is always JSON")
    }

    /// `WWW-Authenticate` (RFC 6750 section 3), if the refusal is about a token. `realm` is
    /// `scheme://host/path`; what follows a `?` is cut, since queries hold tokens and keys, and so
    /// is what exceeds 256 bytes.
    pub fn www_authenticate(&self, realm: &str) -> Option<HeaderValue> {
        let mut value = String::with_capacity(96 + realm.len());
        value.push_str("Bearer realm=\"");
        let realm = realm.split(['?', '#']).next().unwrap_or_default();
        for c in realm.chars().filter(char::is_ascii_graphic).take(MAX_REALM) {
            if matches!(c, '"' | '\\') {
                value.push('\\');
            }
            value.push(c);
        }
        value.push('"');
        let mut error = |code: &str| {
            value.push_str(", error=\"");
            value.push_str(code);
            value.push_str("\", error_description=\"");
            value.extend(self.message.chars().filter_map(description_char));
            value.push('"');
        };
        match self.challenge.as_ref()? {
            Challenge::Missing => {}
            Challenge::InvalidToken => error("invalid_token"),
            Challenge::InsufficientScope { scope } => {
                error("insufficient_scope");
                value.push_str(", scope=\"");
                value.extend(scope.chars().filter_map(description_char));
                value.push('"');
            }
        }
        HeaderValue::try_from(value).ok()
    }
}

/// `reason: message`, one line, for logs.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

/// What `error_description` may hold (RFC 6750 section 3): printable ASCII but quote and backslash.
fn description_char(c: char) -> Option<char> {
    match c {
        '"' => Some('\''),
        '\\' => None,
        ' '..='~' => Some(c),
        _ => None,
    }
}
