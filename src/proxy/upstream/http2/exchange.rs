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
use crate::proxy::upstream::replay;
use crate::proxy::upstream::retry::{Cause, Failure};

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

/// The head of a request that was sent, as bytes: whole requests are needed again so seldom that no
/// header is cloned for it.
#[derive(Debug)]
pub(in crate::proxy::upstream) struct Sent(Vec<u8>);

impl Sent {
    /// The request with this body.
    pub(in crate::proxy::upstream) fn again(
        &self,
        body: RequestBody,
    ) -> Option<Request<RequestBody>> {
        replay::read(&self.0, body)
    }
}

/// Sends a request and waits for the head of its answer, not longer than the client's deadline.
/// `keeps`: it may be sent twice.
pub(in crate::proxy::upstream) async fn exchange(
    connection: Rc<Connection>,
    address: &BackendAddress,
    client: &Rc<Client>,
    request: Request<RequestBody>,
    keeps: bool,
) -> Result<(Response<Receiving>, Sent), Box<Failure>> {
    let begun = Instant::now();
    let (parts, body) = request.into_parts();
    let sent_head = Sent(replay::write(&parts));
    let empty = body.is_end_stream();
    let Some(head) = head_of(Request::from_parts(parts, ()), address) else {
        return Err(lost(UpstreamError::BadAuthority));
    };
    let mut sender = connection.sender.clone();
    let place = Place::new(connection);
    let (mut answer, stream) = match sender.send_request(head, empty) {
        Ok(sent) => sent,
        Err(error) => {
            let error = UpstreamError::from_h2(error);
            return Err(Failure::error(error, Cause::Moved, sent_head.again(body)));
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
                    return Poll::Ready(Err((
                        UpstreamError::ClientBody(error.into()),
                        Cause::Final,
                    )));
                }
                Poll::Pending => {}
            }
        }
        if let Poll::Ready(answer) = Pin::new(&mut answer).poll(context) {
            return Poll::Ready(answer.map_err(|error| {
                let cause = match cause(&error) {
                    // There were more streams than the backend wants by now: that is no refusal of
                    // this request.
                    Cause::Refused if place.0.is_overfull() => Cause::Moved,
                    cause => cause,
                };
                (UpstreamError::from_h2(error), cause)
            }));
        }
        let waits = sending
            .as_ref()
            .is_some_and(|sending| !sent && sending.waits());
        if client.poll_deadline(waits, context).is_ready() {
            place.0.timed_out(begun);
            return Poll::Ready(Err((UpstreamError::Deadline, Cause::Final)));
        }
        Poll::Pending
    })
    .await;
    match answered {
        Ok(response) => {
            client.release_deadline();
            place.0.heard();
            let (parts, stream) = response.into_parts();
            if parts.headers.len() > HEADER_COUNT {
                return Err(lost(UpstreamError::HeadTooLarge));
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
            Ok((Response::from_parts(parts, receiving), sent_head))
        }
        Err((error, cause)) => {
            let body = match cause {
                Cause::Moved | Cause::Refused => sending.and_then(Sending::untouched),
                _ => keeps.then_some(RequestBody::Empty),
            };
            let request = body.and_then(|body| sent_head.again(body));
            Err(Failure::error(error, cause, request))
        }
    }
}

/// Without a further attempt.
fn lost(error: UpstreamError) -> Box<Failure> {
    Failure::error(error, Cause::Final, None)
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

/// What an error says about the request. The backend has not looked at it if it says so (RFC 9113
/// section 8.7), or if the stream is beyond the last of its GOAWAY (section 6.8).
fn cause(error: &h2::Error) -> Cause {
    match () {
        () if error.is_remote() && error.is_go_away() => Cause::Moved,
        () if error.is_remote()
            && error.is_reset()
            && error.reason() == Some(Reason::REFUSED_STREAM) =>
        {
            Cause::Refused
        }
        () if error.is_library() => Cause::Final,
        () => Cause::Reset { kept: false },
    }
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

impl fmt::Debug for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
