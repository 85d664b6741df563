//! One request and its answer over an HTTP/2 connection.

use std::fmt;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, Uri, Version};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;

use super::sending::Sending;
use super::{Connection, Place};
use crate::policy::limits::HEADER_COUNT;
use crate::proxy::body::RequestBody;
use crate::proxy::client::Client;
use crate::proxy::config::BackendAddress;
use crate::proxy::upstream::error::UpstreamError;

/// The body of an answer. Reading it also sends what is left of the request; dropping it before its
/// end resets the stream.
pub(in crate::proxy::upstream) struct Receiving {
    stream: RecvStream,
    /// None: sent.
    sending: Option<Sending>,
    /// Bytes to come, if the backend has said so.
    length: Option<u64>,
    data_over: bool,
    place: Place,
}

/// Why an exchange did not come to an answer.
#[derive(Debug)]
pub(in crate::proxy::upstream) struct Failure {
    pub(in crate::proxy::upstream) error: UpstreamError,
    /// The request, if the backend has certainly done nothing for it.
    pub(in crate::proxy::upstream) unprocessed: Option<Box<Request<RequestBody>>>,
}

/// Sends a request and waits for the head of its answer, not longer than the client's deadline.
pub(in crate::proxy::upstream) async fn exchange(
    connection: Rc<Connection>,
    address: &BackendAddress,
    client: &Rc<Client>,
    request: Request<RequestBody>,
) -> Result<Response<Receiving>, Failure> {
    let begun = Instant::now();
    let (parts, body) = request.into_parts();
    let head = Request::from_parts(parts.clone(), ());
    let empty = body.is_end_stream();
    let Some(head) = head_of(head, address) else {
        return Err(UpstreamError::BadAuthority.into());
    };
    let mut sender = connection.sender.clone();
    let place = Place::new(connection);
    let (mut answer, stream) = match sender.send_request(head, empty) {
        Ok(sent) => sent,
        Err(error) => {
            return Err(Failure {
                error: UpstreamError::from_h2(error),
                unprocessed: Some(Box::new(Request::from_parts(parts, body))),
            });
        }
    };
    drop(sender);
    let mut sending = Some(Sending::new(stream, body));
    let mut sent = empty;
    let answered = poll_fn(|context| {
        if !sent && let Some(running) = &mut sending {
            match running.poll(context) {
                Poll::Ready(Ok(())) => sent = true,
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err((UpstreamError::ClientBody(error.into()), false)));
                }
                Poll::Pending => {}
            }
        }
        if let Poll::Ready(answer) = Pin::new(&mut answer).poll(context) {
            return Poll::Ready(answer.map_err(|error| {
                let unprocessed = is_unprocessed(&error);
                (UpstreamError::from_h2(error), unprocessed)
            }));
        }
        if client.deadline.borrow_mut().poll(context).is_ready() {
            place.0.timed_out(begun);
            return Poll::Ready(Err((UpstreamError::Deadline, false)));
        }
        Poll::Pending
    })
    .await;
    match answered {
        Ok(response) => {
            place.0.heard();
            let (parts, stream) = response.into_parts();
            if parts.headers.len() > HEADER_COUNT {
                return Err(UpstreamError::HeadTooLarge.into());
            }
            let length = match stream.is_end_stream() {
                true => Some(0),
                false => parts
                    .headers
                    .get(CONTENT_LENGTH)
                    .and_then(|length| length.to_str().ok()?.parse().ok()),
            };
            let receiving = Receiving {
                stream,
                sending: sending.filter(|_| !sent),
                length,
                data_over: false,
                place,
            };
            Ok(Response::from_parts(parts, receiving))
        }
        Err((error, unprocessed)) => {
            let body = sending.and_then(Sending::untouched);
            Err(Failure {
                error,
                unprocessed: body
                    .filter(|_| unprocessed)
                    .map(|body| Box::new(Request::from_parts(parts, body))),
            })
        }
    }
}

/// The head as HTTP/2 has it (RFC 9113 section 8.3.1): the host in `:authority`, nothing of the
/// connection. None: the host cannot stand there.
fn head_of(mut head: Request<()>, address: &BackendAddress) -> Option<Request<()>> {
    let headers = head.headers_mut();
    let authority = Authority::try_from(headers.remove(HOST)?.as_bytes()).ok()?;
    headers.remove(CONNECTION);
    if is_grpc(headers) {
        // gRPC servers refuse a request without it, as one whose trailers would be lost.
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let mut uri = std::mem::take(head.uri_mut()).into_parts();
    uri.scheme = Some(match address.tls() {
        true => Scheme::HTTPS,
        false => Scheme::HTTP,
    });
    uri.authority = Some(authority);
    *head.uri_mut() = Uri::from_parts(uri).ok()?;
    *head.version_mut() = Version::HTTP_2;
    Some(head)
}

/// Whether the headers are of a gRPC message.
pub(in crate::proxy::upstream) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Whether the backend says that it has not looked at the request: RFC 9113 section 8.7, or a stream
/// beyond the last of its GOAWAY (section 6.8).
fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote()
        && (error.is_go_away()
            || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
}

impl Receiving {
    pub(in crate::proxy::upstream) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        if let Some(sending) = &mut self.sending {
            match sending.poll(context) {
                Poll::Ready(Ok(())) => self.sending = None,
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Some(Err(UpstreamError::ClientBody(error.into()))));
                }
                Poll::Pending => {}
            }
        }
        while !self.data_over {
            match ready!(self.stream.poll_data(context)) {
                Some(Ok(data)) => {
                    self.place.0.heard();
                    // Only what the client has made room for is asked for.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    self.length = self
                        .length
                        .map(|left| left.saturating_sub(data.len() as u64));
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                Some(Err(error)) => return Poll::Ready(self.failed(error)),
                None => self.data_over = true,
            }
        }
        Poll::Ready(match ready!(self.stream.poll_trailers(context)) {
            Ok(Some(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(None) => None,
            Err(error) => self.failed(error),
        })
    }

    pub(in crate::proxy::upstream) fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    pub(in crate::proxy::upstream) fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// A backend that resets because it wants no more of the request has answered in full (RFC 9113
    /// section 8.1); with anything else the answer is broken off.
    fn failed(&self, error: h2::Error) -> Option<Result<Frame<Bytes>, UpstreamError>> {
        let full = self.length.is_none_or(|left| left == 0);
        match full && error.is_reset() && error.reason() == Some(Reason::NO_ERROR) {
            true => None,
            false => Some(Err(UpstreamError::from_h2(error))),
        }
    }
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        Self {
            error,
            unprocessed: None,
        }
    }
}

impl fmt::Debug for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
