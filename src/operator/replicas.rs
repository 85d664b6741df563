//! Tells the leader how this replica's sidecars are, whoever leads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::lease::{Leader, random};
use crate::push::client::tls_config;
use crate::push::replica::{self, Config, Outbox};
use crate::shutdown::Shutdown;

/// After a stream that ended, and up to twice that.
const PAUSE: Duration = Duration::from_millis(500);

/// What a replica needs to report.
pub struct Reporter {
    /// Who it is in the Lease.
    pub identity: String,
    /// Who leads.
    pub leader: watch::Receiver<Option<Leader>>,
    /// Who it is to the leader.
    pub config: Config,
    /// The authorities (PEM) that the leader's certificate is by.
    pub trust: watch::Receiver<Arc<str>>,
    /// How its sidecars are.
    pub outbox: Outbox,
}

impl Reporter {
    /// Reports to whoever leads until `shutdown`.
    pub async fn run(mut self, mut shutdown: Shutdown) {
        loop {
            let leader = self.leader.borrow_and_update().clone();
            let session = self.report(leader);
            tokio::select! {
                () = session => {}
                () = shutdown.wait() => return,
            }
        }
    }

    /// One stream to this leader; ends when it ends, or somebody else leads.
    async fn report(&mut self, leader: Option<Leader>) {
        let Self {
            identity,
            leader: current,
            config,
            trust,
            outbox,
        } = self;
        let address = leader
            .filter(|leader| leader.identity != *identity)
            .and_then(|leader| leader.address);
        let bundle = trust.borrow().clone();
        let session = async {
            let Some(address) = address else {
                return std::future::pending().await;
            };
            if let Err(error) = stream(&address, &bundle, config, outbox).await {
                tracing::warn!(leader = address, %error, "the leader is not told of this replica's sidecars");
            }
            sleep(PAUSE.mul_f64(1.0 + random())).await;
        };
        tokio::select! {
            () = session => {}
            // Without a sender the operator is ending.
            Ok(()) = current.changed() => {}
        }
    }
}

async fn stream(
    address: &str,
    bundle: &str,
    config: &Config,
    outbox: &Outbox,
) -> Result<(), String> {
    // What stands in a Lease is not dialled as a name.
    if address.parse::<SocketAddr>().is_err() {
        return Err(format!("{address:?} in the Lease is not IP:PORT"));
    }
    let tls = tls_config(bundle).map_err(|error| error.to_string())?;
    let stream = replica::report(address, Arc::new(tls), config, outbox);
    stream.await.map_err(|error| error.to_string())
}
