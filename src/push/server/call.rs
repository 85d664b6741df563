//! The one request of a connection: who asks is established, then its stream begins.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::lobby::Guest;
use super::{HELLO_TIMEOUT, Refused, Server, stream};
use crate::push::body::{self, Reader};
use crate::push::replica::{self, ReplicaHello, ReplicaPort};
use crate::push::wire::{self, MAX_OPERATOR_FRAME, ServiceKey, ToOperator};

/// How long an authenticator may take.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(10);

type ResponseBody = BoxBody<Bytes, Infallible>;

/// The one request of a connection.
pub(super) struct Call {
    pub(super) server: Arc<Server>,
    pub(super) peer: IpAddr,
    /// Counts the connection as unauthenticated until it is dropped.
    pub(super) _guest: Guest,
    /// Dropped when the call is over; nothing is ever sent.
    pub(super) open: oneshot::Sender<Infallible>,
}

impl Call {
    /// Streams, or says why not.
    pub(super) async fn answer(self, request: Request<Incoming>) -> Response<ResponseBody> {
        let peer = self.peer;
        match self.admit(request).await {
            Ok(response) => response,
            Err(refused) => {
                let Refused { status, reason } = &refused;
                tracing::warn!(%peer, status = status.as_u16(), reason, "refused a sidecar");
                refusal(&refused)
            }
        }
    }

    async fn admit(self, request: Request<Incoming>) -> Result<Response<ResponseBody>, Refused> {
        let nothing = || Refused::new(StatusCode::NOT_FOUND, "this port serves sidecars only");
        if request.method() != Method::POST {
            return Err(nothing());
        }
        let replicas = match request.uri().path() {
            wire::PATH => None,
            replica::PATH => Some(self.server.replicas.clone().ok_or_else(nothing)?),
            _ => return Err(nothing()),
        };
        let token = bearer(request.headers())
            .ok_or_else(|| Refused::new(StatusCode::UNAUTHORIZED, "no bearer token"))?;
        let mut reader = Reader::new(request.into_body(), MAX_OPERATOR_FRAME);
        if let Some(port) = replicas {
            return self.admit_replica(port, &token, reader).await;
        }
        let hello = match first(&mut reader).await? {
            ToOperator::Hello(hello) if hello.is_bounded() => hello,
            ToOperator::Hello(_) => {
                let reason = "the hello's version or hash is none";
                return Err(Refused::new(StatusCode::BAD_REQUEST, reason));
            }
            _ => return Err(not_a_hello()),
        };
        let authenticate = self
            .server
            .authenticator
            .authenticate(&token, self.peer, &hello);
        let identity = tokio::time::timeout(AUTHENTICATION_TIMEOUT, authenticate)
            .await
            .map_err(|_| {
                Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the check took too long")
            })??;
        let Self {
            server,
            peer,
            open,
            _guest: guest,
        } = self;
        drop(guest);
        let service = ServiceKey {
            namespace: identity.pod.namespace.clone(),
            name: hello.service.clone(),
        };
        let subscription = server.hub.connect(identity.pod, service, &hello);
        let (writer, body) = body::channel();
        let lifetime = stream::lifetime(identity.expires, SystemTime::now());
        let end = stream::end(server, lifetime);
        let stream = stream::run(subscription, reader, writer, hello, end);
        tokio::spawn(async move {
            stream.await;
            drop(open);
        });
        tracing::debug!(%peer, "a sidecar was authenticated");
        Ok(answer(body))
    }

    /// Hears another replica, if this one leads.
    async fn admit_replica(
        self,
        port: ReplicaPort,
        token: &str,
        mut reader: Reader<Incoming>,
    ) -> Result<Response<ResponseBody>, Refused> {
        if !*port.leads.borrow() {
            return Err(Refused::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "this replica does not lead",
            ));
        }
        let hello: ReplicaHello = match first(&mut reader).await? {
            replica::ToLeader::Hello(hello) => hello,
            _ => return Err(not_a_hello()),
        };
        let authenticate = port.authenticator.authenticate(token, self.peer, &hello);
        let expires = tokio::time::timeout(AUTHENTICATION_TIMEOUT, authenticate)
            .await
            .map_err(|_| {
                Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the check took too long")
            })??;
        let reader = reader.with_limit(replica::MAX_REPORT_FRAME);
        let (writer, body) = body::channel();
        let (open, shutdown) = (self.open, self.server.shutdown.clone());
        tokio::spawn(async move {
            replica::server::run(port, hello, reader, expires, shutdown).await;
            // Ends the response, then the connection.
            drop((writer, open));
        });
        Ok(answer(body))
    }
}

fn answer(body: body::ChannelBody) -> Response<ResponseBody> {
    Response::builder()
        .header(header::CONTENT_TYPE, wire::CONTENT_TYPE)
        .header(wire::PROTOCOL_HEADER, wire::PROTOCOL)
        .body(BoxBody::new(body))
        .expect("a constant content type is a valid header")
}

/// The first message, in time.
async fn first<M: DeserializeOwned>(reader: &mut Reader<Incoming>) -> Result<M, Refused> {
    let refused = |reason: String| Refused::new(StatusCode::BAD_REQUEST, reason);
    match tokio::time::timeout(HELLO_TIMEOUT, reader.next()).await {
        Ok(Ok(Some(message))) => Ok(message),
        Ok(Ok(None)) => Err(refused("the stream ended before its hello".to_owned())),
        Ok(Err(error)) => Err(refused(format!("no hello: {error}"))),
        Err(_) => Err(Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            "no hello in time",
        )),
    }
}

fn not_a_hello() -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "the first message is not a hello")
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    let token = value.strip_prefix("Bearer ")?;
    (values.next().is_none() && !token.is_empty()).then(|| token.to_owned())
}

pub(super) fn refusal(refused: &Refused) -> Response<ResponseBody> {
    let body = serde_json::json!({ "reason": refused.reason }).to_string();
    Response::builder()
        .status(refused.status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(BoxBody::new(Full::from(body)))
        .expect("a constant content type is a valid header")
}
