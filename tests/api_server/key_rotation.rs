//! An issuer that changes its keys: how long until a token by the new one passes at the sidecar.

use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::time::Instant;

use crate::api_server::{Test, ask, eventually, free_ports};
use crate::objects::{create_pod, create_service, protected_document, wait_for};
use crate::serve::KeyServer;
use crate::sidecar_process::{backend, start, token_file};
use crate::tokens::{Signer, key_set};

const ISSUER: &str = "https://issuer.example";
/// The operator fetches a source at most once in so long, whoever asks.
const APART: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_new_key_of_the_issuer_is_followed_within_about_a_second() {
    let test = Test::start().await;
    let (old, new) = (Signer::new("ES256", "old"), Signer::new("ES256", "new"));
    let issuer = KeyServer::start(key_set(&[&old]));
    let document = protected_document(ISSUER, Some(&issuer.uri));
    create_service(&test, "bookstore", &document).await;
    let pod = create_pod(&test, "a", "bookstore").await;
    let token = token_file(&test, &pod).await;
    let (_backend, app) = backend(&test);
    let [traffic, admin] = free_ports();
    let listeners = format!("{traffic}={app}");
    let _sidecar = start(&test, &pod, token.path(), &listeners, admin);
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
    assert_eq!(books(traffic, &old), 200);
    assert_eq!(books(traffic, &new), 401, "nobody vouches for it yet");

    // What was asked for in vain a moment ago is asked again when the bounds allow: be past that.
    let fetches = issuer.asked().len();
    tokio::time::sleep(2 * APART + Duration::from_secs(1)).await;
    assert!(
        issuer.asked().len() <= fetches + 1,
        "made-up keys cost little"
    );
    issuer.rotate(key_set(&[&new]));
    let rotated = Instant::now();
    let status = eventually(|| async {
        match books(traffic, &new) {
            200 => Ok(200),
            status => Err(status.to_string()),
        }
    })
    .await;
    let took = rotated.elapsed();
    assert_eq!(status, 200);
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(books(traffic, &old), 401, "the old key is no more");
}

fn books(port: u16, signer: &Signer) -> u16 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let expires = now.unwrap().as_secs() + 600;
    let claims = json!({ "iss": ISSUER, "aud": "https://books.example", "exp": expires });
    let bearer = format!("Bearer {}", signer.token(&claims));
    ask(port, "GET", "/books", &[("authorization", &bearer)]).0
}
