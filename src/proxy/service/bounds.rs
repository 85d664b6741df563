//! Bounds that the policy sets on requests that are to be forwarded.

use http::StatusCode;
use hyper::body::Body;

use crate::policy::verdict::{Reason, Refusal};
use crate::proxy::Limits;
use crate::proxy::body::LargeBody;
use crate::proxy::incoming::Incoming;
use crate::proxy::respond::refusal;
use crate::proxy::worker::Worker;

/// Whether there is room for the request, and for the length that it declares. One of unknown length
/// is counted on its way ([`crate::proxy::body::RequestBody::at_most`]).
pub(super) fn within(limits: &Limits, worker: &Worker, body: &Incoming) -> Result<(), Refusal> {
    if let Some(most) = limits.body_bytes
        && body.size_hint().lower() > most
    {
        return Err(refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            Reason::BodyTooLarge,
            LargeBody::MESSAGE,
        ));
    }
    if let Some(most) = limits.requests_in_flight
        && worker.metrics.requests_in_flight.read() > most
    {
        return Err(refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            Reason::TooManyRequests,
            "The proxy has as many requests in flight as it may have.",
        ));
    }
    Ok(())
}
