//! A way to the API server that hides when it goes away: connections that it cut stay open towards the
//! client until they are let go, as a load balancer may do.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on; it ends when it is dropped.
pub struct Relay {
    server: SocketAddr,
    address: SocketAddr,
    holding: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (holding, held) = watch::channel(false);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(pass_on(client, server, held.clone()));
            }
        });
        Self {
            server,
            address,
            holding,
            task,
        }
    }

    /// Writes a kubeconfig like this one, by way of the relay; it lies beside it.
    pub fn kubeconfig(&self, like: &Path) -> PathBuf {
        let text = std::fs::read_to_string(like).unwrap();
        let relayed = text.replace(&self.server.to_string(), &self.address.to_string());
        assert_ne!(relayed, text);
        let path = like.with_extension("relayed");
        std::fs::write(&path, relayed).unwrap();
        path
    }

    /// From now on, clients do not see that connections end.
    pub fn hold(&self) {
        self.holding.send_replace(true);
    }

    /// They see it now, all at once.
    pub fn let_go(&self) {
        self.holding.send_replace(false);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(mut client: TcpStream, server: SocketAddr, mut held: watch::Receiver<bool>) {
    if let Ok(mut server) = TcpStream::connect(server).await {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        // An error is an end, too.
        let _ = tokio::select! {
            ended = copy(&mut from_client, &mut to_server) => ended,
            ended = copy(&mut from_server, &mut to_client) => ended,
        };
    }
    // Without a sender the test is over.
    let _ = held.wait_for(|held| !held).await;
}
