//! The leader's side: one replica's stream.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body::Body;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Heard, MAX_SIDECARS, ReplicaHello, ReplicaPort, Said, ToLeader};
use crate::push::body::{ReadError, Reader};
use crate::push::server::stream::lifetime;
use crate::shutdown::Shutdown;

/// A replica that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);

/// Streams are numbered by the process that hears them.
static SESSIONS: AtomicU64 = AtomicU64::new(1);

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("it closed it")]
    Closed,
    #[error("it says nothing")]
    Silent,
    #[error("it says what nobody asked")]
    Unasked,
    // What was told of pods that are gone goes with it.
    #[error("it is old enough, or its token expired")]
    Lifetime,
    #[error("this replica leads no more")]
    NotLeading,
    #[error("the operator stops")]
    Shutdown,
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Hears an authenticated replica until one side ends it, and logs why.
pub(in crate::push) async fn run<B>(
    port: ReplicaPort,
    hello: ReplicaHello,
    mut reader: Reader<B>,
    expires: SystemTime,
    mut shutdown: Shutdown,
) where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    let session = SESSIONS.fetch_add(1, Ordering::Relaxed);
    let replica = hello.replica;
    tracing::info!(%replica, "a replica reports");
    let end = Instant::now() + lifetime(expires, SystemTime::now());
    let mut leads = port.leads.clone();
    let hearing = async {
        let hear = async |said| {
            let heard = Heard {
                replica: replica.uid.clone(),
                session,
                said,
            };
            // Without a receiver the operator is ending.
            port.heard.send(heard).await.map_err(|_| End::Shutdown)
        };
        hear(Said::Hello).await?;
        loop {
            let message = timeout(SILENCE, reader.next()).await;
            let message = message.map_err(|_| End::Silent)??;
            let said = match message.ok_or(End::Closed)? {
                ToLeader::Sidecars { sidecars } if sidecars.len() <= MAX_SIDECARS => {
                    Said::Sidecars(sidecars)
                }
                ToLeader::Complete {} => Said::Complete,
                ToLeader::Alive {} => Said::Alive,
                ToLeader::Hello(_) | ToLeader::Sidecars { .. } => return Err(End::Unasked),
            };
            hear(said).await?;
        }
    };
    let ended: Result<std::convert::Infallible, End> = tokio::select! {
        ended = hearing => ended,
        () = sleep_until(end) => Err(End::Lifetime),
        // A sender that is gone leads no more, either.
        _ = leads.wait_for(|leads| !leads) => Err(End::NotLeading),
        () = shutdown.wait() => Err(End::Shutdown),
    };
    let Err(end) = ended;
    tracing::info!(%replica, reason = %end, "a replica's reports ended");
}
