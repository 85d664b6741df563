//! From a request head to what happens with it, up to the token: method override, path, health,
//! route, preflight. One function, no I/O: `service` calls it once per request.

use std::borrow::Cow;

use http::{HeaderMap, Method, Uri};

use super::Prepared;
use super::cors::ResponseCors;
use super::verdict::Refusal;

/// What the head decides.
#[derive(Debug)]
pub struct Decision<'r> {
    /// What to do.
    pub action: Action<'r>,
    /// What the response gets, whoever makes it.
    pub cors: ResponseCors,
}

/// What to do with a request.
#[derive(Debug)]
pub enum Action<'r> {
    /// A preflight answered by us: 200 with these headers and no body.
    Preflight(HeaderMap),
    /// The health path: 200.
    Healthy,
    /// Refuse.
    Refuse(Refusal),
    /// Authenticate against this operation, then forward.
    Forward(Forward<'r>),
}

/// How a request goes on.
#[derive(Debug)]
pub struct Forward<'r> {
    /// The operation, as an index into [`super::Policy::operations`].
    pub operation: usize,
    /// False for a preflight passed through under `allowCors`: no token is asked for.
    pub authenticate: bool,
    /// The method to forward, where the override changed it.
    pub method: Option<Method>,
    /// The normalised path; borrowed when it is as it came.
    pub path: Cow<'r, str>,
}

/// Decides. `headers` are the client's own (method override, origin and preflight fields are read).
pub fn decide<'r>(
    _prepared: &Prepared,
    _method: &Method,
    _target: &'r Uri,
    _headers: &HeaderMap,
) -> Decision<'r> {
    todo!("decision helper")
}
