//! A way through a proxy: CONNECT (RFC 9110 section 9.3.6).

use std::pin::pin;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::{self, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Host;

use super::FetchError;
use super::proxy::Proxy;

/// The most that the head of the proxy's answer may take, in bytes.
const HEAD_BYTES: usize = 8 * 1024;

/// Asks a proxy for a tunnel to a host. What the proxy says beside its status is not looked at.
pub(super) async fn open(
    stream: TcpStream,
    proxy: &Proxy,
    host: &Host<&str>,
    port: u16,
) -> Result<TokioIo<Upgraded>, FetchError> {
    let request = request(proxy, host, port)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| FetchError::ProxyUnreachable)?;
    let mut tunnel = pin!(async move {
        let response = sender
            .send_request(request)
            .await
            .map_err(|_| FetchError::ProxyUnreachable)?;
        if !response.status().is_success() {
            return Err(FetchError::ProxyRefused(response.status().as_u16()));
        }
        let stream = upgrade::on(response).await;
        stream
            .map(TokioIo::new)
            .map_err(|_| FetchError::ProxyUnreachable)
    });
    // The connection is driven here until it is the tunnel, not in a task of its own: it ends with
    // the fetch.
    tokio::select! {
        biased;
        tunnel = &mut tunnel => return tunnel,
        _ = connection.with_upgrades() => {}
    }
    tunnel.await
}

fn request(
    proxy: &Proxy,
    host: &Host<&str>,
    port: u16,
) -> Result<Request<Empty<Bytes>>, FetchError> {
    // With its port even where that is the default one; an IPv6 address is written in brackets.
    let authority = format!("{host}:{port}");
    let target: Uri = authority.parse().map_err(|_| FetchError::BadUrl)?;
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(target)
        .header(header::HOST, authority);
    if let Some(value) = &proxy.authorization {
        request = request.header(header::PROXY_AUTHORIZATION, value);
    }
    request.body(Empty::new()).map_err(|_| FetchError::BadUrl)
}
