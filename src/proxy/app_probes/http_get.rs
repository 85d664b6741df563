//! A probe by GET, as kubelet makes it (`pkg/probe/http`).

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Failure;

/// The app answers: 2xx and 3xx are passes. A redirection is not followed.
///
/// `headers`: what kubelet sent, those that the pod declares among them; they go on to the app.
pub(super) async fn ask(
    stream: TcpStream,
    port: u16,
    path: &str,
    headers: &HeaderMap,
) -> Result<(), Failure> {
    // As in Go, whose URL of a path that lacks it begins with one all the same.
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    };
    let uri: Uri = path.parse().map_err(|_| Failure::Path)?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = uri;
    *request.headers_mut() = passed_on(headers, port);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let status = tokio::select! {
        response = sender.send_request(request) => response?.status(),
        ended = connection => {
            ended?;
            return Err(Failure::Closed);
        }
    };
    match status.is_success() || status.is_redirection() {
        true => Ok(()),
        false => Err(Failure::Status(status)),
    }
}

fn passed_on(headers: &HeaderMap, port: u16) -> HeaderMap {
    let mut passed = headers.clone();
    for name in [
        CONNECTION,
        CONTENT_LENGTH,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        passed.remove(name);
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| apps_host(host, port));
    let host = host.unwrap_or_else(|| HeaderValue::from_static("localhost"));
    passed.insert(HOST, host);
    passed
}

/// kubelet names the pod's address with the port it asks, which is ours; a Host that the pod declares is
/// a name, and stays.
fn apps_host(host: &str, port: u16) -> Option<HeaderValue> {
    let address = host.parse::<std::net::SocketAddr>();
    let host = match address {
        Ok(mut address) => {
            address.set_port(port);
            address.to_string()
        }
        Err(_) => host.to_owned(),
    };
    HeaderValue::from_str(&host).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubelets_host_names_the_apps_port_and_others_stay() {
        let host = |host: &str| apps_host(host, 8080).unwrap();
        assert_eq!(host("10.1.2.3:14070"), "10.1.2.3:8080");
        assert_eq!(host("[fd00::1]:14070"), "[fd00::1]:8080");
        assert_eq!(host("shop.example"), "shop.example");
        assert_eq!(host("shop.example:14070"), "shop.example:14070");
    }
}
