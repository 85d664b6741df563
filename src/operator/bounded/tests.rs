use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use tokio::net::TcpListener;

use super::*;

/// Sixteen statuses that waited for a lost server would have been the last that were written.
#[tokio::test(start_paused = true)]
async fn a_server_that_takes_a_request_and_never_answers_is_not_waited_for() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
    let api = Api::<ConfigMap>::namespaced(client, "shop");
    let _lost = tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Ok(connection) = server.accept().await {
            taken.push(connection);
        }
    });
    let day = Duration::from_secs(24 * 60 * 60);
    let by_kube = timeout(day, api.get("docs")).await;
    assert!(by_kube.is_err(), "kube has a bound of its own: {by_kube:?}");
    let given_up = timeout(day, bounded(api.get("docs"))).await.unwrap();
    assert!(
        matches!(given_up, Err(kube::Error::Service(_))),
        "{given_up:?}"
    );
}
