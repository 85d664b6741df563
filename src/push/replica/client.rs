//! The replica's side of one stream to the leader.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, sleep};

use super::{ALIVE_INTERVAL, MAX_SIDECARS, Outbox, PATH, ReplicaHello, ToLeader};
use crate::push::body::{self, Reader, Writer};
use crate::push::client::session::{self, SessionError};
use crate::push::wire::{self, MAX_OPERATOR_FRAME, PodRef, ToSidecar};

/// Changes wait so long for others to come along.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// HTTP/2 receive windows: the leader says nothing.
const WINDOW: u32 = 64 * 1024;

/// Who reports.
#[derive(Clone, Debug)]
pub struct Config {
    /// The pod this runs in.
    pub replica: PodRef,
    /// Its projected token; read at each connect.
    pub token_file: PathBuf,
}

/// Why the leader is not told any more.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct ReportError {
    text: String,
}

/// Tells the leader at `address` (`IP:PORT`) until it ends the stream.
///
/// # Errors
/// It cannot be reached, or refuses.
pub async fn report(
    address: &str,
    tls: Arc<rustls::ClientConfig>,
    config: &Config,
    outbox: &Outbox,
) -> Result<(), ReportError> {
    run(address, tls, config, outbox)
        .await
        .map_err(|error| ReportError {
            text: session::causes(&error),
        })
}

async fn run(
    address: &str,
    tls: Arc<rustls::ClientConfig>,
    config: &Config,
    outbox: &Outbox,
) -> Result<(), SessionError> {
    let authorization = session::authorization(&config.token_file).await?;
    let connection = session::dial(address, tls).await?;
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .keep_alive_interval(ALIVE_INTERVAL)
        .keep_alive_timeout(ALIVE_INTERVAL)
        .handshake(TokioIo::new(connection))
        .await
        .map_err(SessionError::Http)?;
    let (writer, body) = body::channel();
    let hello = ReplicaHello {
        replica: config.replica.clone(),
    };
    say(&writer, &ToLeader::Hello(hello)).await?;
    let conversation = async {
        let response = session::open_stream(&mut sender, PATH, authorization, body).await?;
        tracing::info!(leader = address, "reporting to the leader");
        let mut reader = Reader::new(response.into_body(), MAX_OPERATOR_FRAME);
        tokio::select! {
            told = tell(&writer, outbox) => told,
            // It says nothing until it ends the stream.
            ended = reader.next::<ToSidecar>() => ended.map(drop).map_err(SessionError::Read),
        }
    };
    session::drive(conversation, connection).await
}

/// Everything, then what changes; ends only by an error.
pub(super) async fn tell(writer: &Writer, outbox: &Outbox) -> Result<(), SessionError> {
    let mut newest = outbox.version();
    let mut told = 0;
    let mut complete = false;
    loop {
        newest.mark_unchanged();
        let (version, sidecars) = outbox.since(told, Instant::now());
        for sidecars in sidecars.chunks(MAX_SIDECARS) {
            let sidecars = sidecars.to_vec();
            say(writer, &ToLeader::Sidecars { sidecars }).await?;
        }
        told = version;
        if !complete {
            say(writer, &ToLeader::Complete {}).await?;
            complete = true;
        }
        tokio::select! {
            // The outbox outlives this.
            _ = newest.changed() => sleep(DEBOUNCE).await,
            () = sleep(ALIVE_INTERVAL) => say(writer, &ToLeader::Alive {}).await?,
        }
    }
}

async fn say(writer: &Writer, message: &ToLeader) -> Result<(), SessionError> {
    Ok(writer.write(wire::encode(message)?).await?)
}
