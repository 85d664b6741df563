use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::runtime::watcher::{self, watcher};

use super::*;

/// A watch begins with a listing, which kube itself would wait for for ever.
#[tokio::test(start_paused = true)]
async fn a_listing_of_a_server_that_is_lost_is_begun_anew() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let _lost = tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Ok(connection) = server.accept().await {
            taken.push(connection);
        }
    });
    let listing = async |config: kube::Config| {
        let api = Api::<ConfigMap>::all(Client::try_from(config).unwrap());
        let events = watcher(api, watcher::Config::default());
        let errors = events.filter(|event| std::future::ready(event.is_err()));
        let mut errors = std::pin::pin!(errors);
        let day = Duration::from_secs(24 * 60 * 60);
        tokio::time::timeout(day, errors.next()).await.is_ok()
    };
    let unbound = kube::Config::new(url.parse().unwrap());
    let mut bound = unbound.clone();
    super::bound(&mut bound);
    assert!(!listing(unbound).await, "kube has a bound of its own");
    assert!(listing(bound).await);
}
