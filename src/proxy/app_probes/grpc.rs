//! A probe by the gRPC health protocol (`grpc.health.v1.Health/Check`), as kubelet makes it
//! (`pkg/probe/grpc`).

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client;
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Method, Request};
use tokio::net::TcpStream;

use super::Failure;

/// The longest answer that is read; a right one has a few bytes.
const MAX_ANSWER: usize = 1024;

/// The app says that the service is served.
pub(super) async fn ask(stream: TcpStream, port: u16, service: &str) -> Result<(), Failure> {
    let (sender, connection) = client::handshake(stream).await?;
    tokio::select! {
        answer = check(sender, port, service) => answer,
        ended = connection => {
            ended?;
            Err(Failure::Health("nothing"))
        }
    }
}

async fn check(
    sender: client::SendRequest<Bytes>,
    port: u16,
    service: &str,
) -> Result<(), Failure> {
    let uri = format!("http://127.0.0.1:{port}/grpc.health.v1.Health/Check");
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.parse().map_err(|_| Failure::Path)?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    let (response, mut stream) = sender.ready().await?.send_request(request, false)?;
    stream.send_data(message(service), true)?;
    let response = response.await?;
    if !response.status().is_success() {
        return Err(Failure::Status(response.status()));
    }
    let head_status = status(response.headers());
    let mut body = response.into_body();
    let mut answer = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        if answer.len() + data.len() > MAX_ANSWER {
            return Err(Failure::Health("too much"));
        }
        answer.put(data);
    }
    let trailers = body.trailers().await?;
    let trailer_status = trailers.as_ref().and_then(status);
    match trailer_status.or(head_status) {
        Some(0) => {}
        // NOT_FOUND
        Some(5) => return Err(Failure::Health("that it does not know the service")),
        // UNIMPLEMENTED
        Some(12) => return Err(Failure::Health("that it has no health service")),
        _ => return Err(Failure::Health("with an error")),
    }
    match is_serving(&answer) {
        true => Ok(()),
        false => Err(Failure::Health("that it is not serving")),
    }
}

fn status(headers: &HeaderMap) -> Option<u32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// `HealthCheckRequest { service }`, with gRPC's head: not compressed, and its length.
fn message(service: &str) -> Bytes {
    let mut content = BytesMut::new();
    if !service.is_empty() {
        // Field 1, a string.
        content.put_u8(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            content.put_u8(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
            length >>= 7;
        }
        content.put_u8(u8::try_from(length).unwrap_or(0));
        content.put_slice(service.as_bytes());
    }
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
    message.put(content);
    message.freeze()
}

/// `HealthCheckResponse { status: SERVING }`: field 1, a number, 1.
fn is_serving(answer: &[u8]) -> bool {
    matches!(answer, [0, 0, 0, 0, 2, 0x08, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_the_service() {
        assert_eq!(&message("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&message("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = message(&"x".repeat(300));
        assert_eq!(&long[..8], [0, 0, 0, 1, 0x2f, 0x0a, 0xac, 0x02]);
        assert_eq!(long.len(), 5 + 3 + 300);
    }

    #[test]
    fn only_serving_passes() {
        assert!(is_serving(&[0, 0, 0, 0, 2, 8, 1]));
        for other in [&[0, 0, 0, 0, 0][..], &[0, 0, 0, 0, 2, 8, 2], &[]] {
            assert!(!is_serving(other), "{other:?}");
        }
    }
}
