//! One GET: look up, check, connect to what was checked, ask, read within bounds.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::FetchError;
use crate::jwks::address::AddressRule;
use crate::policy::key_set::MAX_KEY_SET_BYTES;

/// For each address of a name: one that is black-holed must leave time for another.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;
/// The most that a response's head may take, in bytes.
const HEAD_BYTES: usize = 64 * 1024;

/// Fetches a URL that was checked; the caller bounds the time.
pub(super) async fn get(
    url: &Url,
    rule: &AddressRule,
    tls: &Arc<ClientConfig>,
) -> Result<Vec<u8>, FetchError> {
    let host = url.host().ok_or(FetchError::BadUrl)?;
    let port = url.port_or_known_default().ok_or(FetchError::BadUrl)?;
    let stream = connect(&addresses(&host, port, rule).await?).await?;
    if url.scheme() != "https" {
        return exchange(stream, url).await;
    }
    let name = match &host {
        Host::Domain(name) => {
            ServerName::try_from((*name).to_owned()).map_err(|_| FetchError::BadUrl)?
        }
        Host::Ipv4(address) => ServerName::from(IpAddr::from(*address)),
        Host::Ipv6(address) => ServerName::from(IpAddr::from(*address)),
    };
    let stream = TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await
        .map_err(|_| FetchError::Tls)?;
    exchange(stream, url).await
}

/// The addresses of a host that may be connected to.
async fn addresses(
    host: &Host<&str>,
    port: u16,
    rule: &AddressRule,
) -> Result<Vec<SocketAddr>, FetchError> {
    let found: Vec<SocketAddr> = match host {
        Host::Ipv4(address) => vec![(*address, port).into()],
        Host::Ipv6(address) => vec![(*address, port).into()],
        Host::Domain(name) => lookup_host((*name, port))
            .await
            .map_err(|_| FetchError::Unresolvable)?
            .collect(),
    };
    if found.is_empty() {
        return Err(FetchError::Unresolvable);
    }
    let permitted: Vec<_> = found
        .into_iter()
        .filter(|a| rule.permits(a.ip()))
        .take(MAX_ADDRESSES)
        .collect();
    if permitted.is_empty() {
        return Err(FetchError::AddressRefused);
    }
    Ok(permitted)
}

/// Connects to the first that answers. The name is not looked up again: a second answer could be
/// another one.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, FetchError> {
    for address in addresses {
        if let Ok(Ok(stream)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err(FetchError::Unreachable)
}

async fn exchange<S>(stream: S, url: &Url) -> Result<Vec<u8>, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| FetchError::Unreachable)?;
    let request = request(url)?;
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
