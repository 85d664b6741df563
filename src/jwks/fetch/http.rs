//! One GET: connect to what was checked, ask, read within bounds.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Position, Url};

use super::proxy::{Proxy, ProxySettings};
use super::{FetchError, connect, tunnel};
use crate::jwks::address::AddressRule;
use crate::policy::key_set::MAX_KEY_SET_BYTES;

/// What a proxy answers for itself (RFC 9110 section 15.5.8).
const PROXY_AUTHENTICATION: u16 = 407;
/// The most that a response's head may take, in bytes.
const HEAD_BYTES: usize = 64 * 1024;

/// Fetches a URL that was checked; the caller bounds the time.
pub(super) async fn get(
    url: &Url,
    rule: &AddressRule,
    proxies: &ProxySettings,
    tls: &Arc<ClientConfig>,
) -> Result<Vec<u8>, FetchError> {
    let host = url.host().ok_or(FetchError::BadUrl)?;
    let port = url.port_or_known_default().ok_or(FetchError::BadUrl)?;
    let encrypted = url.scheme() == "https";
    let Some(proxy) = proxies.proxy(url.scheme(), &host, port) else {
        let stream = connect::direct(&host, port, rule).await?;
        return match encrypted {
            true => exchange(secure(stream, &host, tls).await?, request(url)?).await,
            false => exchange(stream, request(url)?).await,
        };
    };
    connect::check_before_proxy(&host, port, rule).await?;
    let stream = connect::to_proxy(proxy).await?;
    if encrypted {
        let stream = tunnel::open(stream, proxy, &host, port).await?;
        return exchange(secure(stream, &host, tls).await?, request(url)?).await;
    }
    let answer = exchange(stream, request_by_proxy(url, proxy)?).await;
    answer.map_err(|error| match error {
        FetchError::Status(status) if status == PROXY_AUTHENTICATION => {
            FetchError::ProxyRefused(status)
        }
        other => other,
    })
}

async fn secure<S>(
    stream: S,
    host: &Host<&str>,
    tls: &Arc<ClientConfig>,
) -> Result<TlsStream<S>, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = match host {
        Host::Domain(name) => {
            ServerName::try_from((*name).to_owned()).map_err(|_| FetchError::BadUrl)?
        }
        Host::Ipv4(address) => ServerName::from(IpAddr::from(*address)),
        Host::Ipv6(address) => ServerName::from(IpAddr::from(*address)),
    };
    TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await
        .map_err(|_| FetchError::Tls)
}

async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Vec<u8>, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| FetchError::Unreachable)?;
    let mut answer = pin!(async move {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| class(&error))?;
        read(response).await
    });
    // The connection is driven here, not in a task of its own: it ends with the fetch.
    tokio::select! {
        biased;
        answer = &mut answer => return answer,
        _ = connection => {}
    }
    // What the connection had read is still on its way.
    answer.await
}

fn request(url: &Url) -> Result<Request<Empty<Bytes>>, FetchError> {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = url.host_str().ok_or(FetchError::BadUrl)?;
    let host = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    Request::get(target)
        .header(header::HOST, host)
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
        .header(
            header::USER_AGENT,
            HeaderValue::from_static("endpoints-operator"),
        )
        .header(header::CONNECTION, HeaderValue::from_static("close"))
        .body(Empty::new())
        .map_err(|_| FetchError::BadUrl)
}

/// The proxy is asked for the whole URL (RFC 9112 section 3.2.2).
fn request_by_proxy(url: &Url, proxy: &Proxy) -> Result<Request<Empty<Bytes>>, FetchError> {
    let mut request = request(url)?;
    let whole = &url[..Position::AfterQuery];
    *request.uri_mut() = whole.parse().map_err(|_| FetchError::BadUrl)?;
    if let Some(value) = &proxy.authorization {
        let headers = request.headers_mut();
        headers.insert(header::PROXY_AUTHORIZATION, value.clone());
    }
    Ok(request)
}

async fn read(response: Response<Incoming>) -> Result<Vec<u8>, FetchError> {
    match response.status() {
        StatusCode::OK => {}
        status if status.is_redirection() => return Err(FetchError::Redirect),
        status => return Err(FetchError::Status(status.as_u16())),
    }
    let mut body = response.into_body();
    if body.size_hint().lower() > MAX_KEY_SET_BYTES as u64 {
        return Err(FetchError::TooLarge);
    }
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| class(&error))?;
        if let Some(data) = frame.data_ref() {
            if text.len() + data.len() > MAX_KEY_SET_BYTES {
                return Err(FetchError::TooLarge);
            }
            text.extend_from_slice(data);
        }
    }
    Ok(text)
}

fn class(error: &hyper::Error) -> FetchError {
    if error.is_parse() {
        FetchError::NotHttp
    } else {
        FetchError::Unreachable
    }
}
