//! An HTTP/2 connection (RFC 9113): hyper's server, a task for each stream.
//!
//! hyper refuses what is malformed as such (uppercase names, connection-specific fields, a wrong
//! length). What HTTP/1 has a guard for is checked here, where a stream becomes a request.

mod streams;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_local;

use self::streams::{Streams, Watched};
use super::preface::Begun;
use crate::policy::headers::join_cookies;
use crate::policy::verdict::{Reason, Refusal};
use crate::proxy::Limits;
use crate::proxy::body::ResponseBody;
use crate::proxy::client::Client;
use crate::proxy::drain::{Finish, Member};
use crate::proxy::guard::Head;
use crate::proxy::http1::{QUERY, class};
use crate::proxy::incoming;
use crate::proxy::respond::refusal;
use crate::proxy::service;
use crate::proxy::upstream::Backend;
use crate::proxy::worker::Worker;

/// What one stream and one connection may send before we have passed it on.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What of an answer is held for a stream that does not take it.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that a client reset before we looked at them (CVE-2023-44487), and those that we had to
/// reset; more end the connection.
const PENDING_RESETS: usize = 20;
const OWN_RESETS: usize = 64;
/// Between pings, and how long the answer may take: finds peers that are gone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves until the client goes, or is idle for too long, or the worker drains.
pub(super) async fn serve(
    worker: Rc<Worker>,
    backend: Rc<Backend>,
    client: Rc<Client>,
    socket: Begun<impl AsyncRead + AsyncWrite + Unpin + 'static>,
    mut member: Member,
) -> hyper::Result<()> {
    let limits = client.limits();
    let streams = Streams::new(client.clone());
    let served = service_fn({
        let (worker, streams) = (worker.clone(), streams.clone());
        move |mut request: Request<Incoming>| {
            let head = check(&mut request, &client.renew_limits());
            let to_head = *request.method() == Method::HEAD;
            // Each stream has a deadline of its own.
            let client = Rc::new(client.stream());
            let stream = streams.open();
            let (worker, backend) = (worker.clone(), backend.clone());
            let served = service::serve(
                worker,
                client,
                backend,
                Some(head),
                request.map(incoming::Incoming::Http2),
            );
            async move {
                served
                    .await
                    .map(|response| stream.watch(with_its_content(response, to_head)))
            }
        }
    });
    let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(Tasks { worker })
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(header_bytes)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(OWN_RESETS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(TokioIo::new(socket), served);
    member.run(Watched::new(connection, streams)).await
}

/// What the guard checks of an HTTP/1 head; joins what HTTP/2 may split.
fn check(request: &mut Request<Incoming>, limits: &Limits) -> Result<Head, Refusal> {
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |it| it.as_str().len());
    if target > limits.uri_bytes {
        return Err(refusal(
            StatusCode::URI_TOO_LONG,
            Reason::UriTooLong,
            "The request target is too long.",
        ));
    }
    // A path is looked at where it is decided about; a query goes on as it came.
    let query = request.uri().query().unwrap_or_default();
    if query.bytes().any(|byte| class(byte) & QUERY == 0) {
        return Err(refusal(
            StatusCode::BAD_REQUEST,
            Reason::BadPath,
            "The request target has a character that is not allowed.",
        ));
    }
    if request.headers().len() > limits.header_count {
        return Err(refusal(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Reason::HeadTooLarge,
            "The request head is too large.",
        ));
    }
    if !has_one_length(request.headers()) {
        return Err(refusal(
            StatusCode::BAD_REQUEST,
            Reason::BadFraming,
            "Content-Length is not a single number.",
        ));
    }
    if has_padded_value(request.headers()) {
        return Err(refusal(
            StatusCode::BAD_REQUEST,
            Reason::BadFraming,
            "A header value begins or ends with a space.",
        ));
    }
    let hosts = hosts(request)?;
    join_cookies(request.headers_mut());
    Ok(Head::of_stream(hosts))
}

/// Whether the length is said once at most, as in HTTP/1: hyper compares only the first with the body.
fn has_one_length(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_LENGTH).iter().nth(1).is_none()
}

/// Whether a value begins or ends with white space (RFC 9113 section 8.2.1). To HTTP/1 that is none of
/// the value: behind ` Bearer x` a backend would find a token that was not looked for here.
fn has_padded_value(headers: &HeaderMap) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    headers
        .values()
        .map(HeaderValue::as_bytes)
        .any(|value| is_space(value.first()) || is_space(value.last()))
}

/// How many hosts there are: `:authority` takes the place of `Host`, which may repeat it (RFC 9113
/// section 8.3.1).
fn hosts(request: &Request<Incoming>) -> Result<u16, Refusal> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let Some(authority) = request.uri().authority() else {
        return Ok(u16::try_from(hosts.count()).unwrap_or(u16::MAX));
    };
    let same = |host: &HeaderValue| {
        host.as_bytes()
            .eq_ignore_ascii_case(authority.as_str().as_bytes())
    };
    match hosts.all(same) {
        true => Ok(1),
        false => Err(refusal(
            StatusCode::BAD_REQUEST,
            Reason::BadHost,
            "The Host header is not the request's authority.",
        )),
    }
}

/// The answer with the content that it may have: none to HEAD (RFC 9110 section 9.3.2), none with 204 and
/// 304. hyper sends what it is given, and a client ends the stream for it.
fn with_its_content(mut response: Response<ResponseBody>, to_head: bool) -> Response<ResponseBody> {
    let has_none = to_head
        || matches!(
            response.status(),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    if !has_none || response.body().is_end_stream() {
        return response;
    }
    if to_head && let Some(length) = response.body().size_hint().exact() {
        let length = HeaderValue::from(length);
        response
            .headers_mut()
            .entry(CONTENT_LENGTH)
            .or_insert(length);
    }
    response.body_mut().withhold();
    response
}

/// Runs each stream as a task of the worker.
#[derive(Clone, Debug)]
struct Tasks {
    worker: Rc<Worker>,
}

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, stream: F) {
        let counted = CountPanic(self.worker.clone());
        spawn_local(async move {
            stream.await;
            drop(counted);
        });
    }
}

/// A panic in a request ends its stream only.
#[derive(Debug)]
struct CountPanic(Rc<Worker>);

impl Drop for CountPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.metrics.panics.add(1);
        }
    }
}

impl<I, S, E> Finish for http2::Connection<I, S, E>
where
    S: hyper::service::HttpService<Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S::ResBody: hyper::body::Body + 'static,
    <S::ResBody as hyper::body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, S::ResBody>,
{
    const AT_ONCE: bool = true;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
