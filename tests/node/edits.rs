//! Edits of a resource whose sidecars serve.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::cluster::busybox;
use crate::http::Request;
use crate::installation;
use crate::namespace::{Namespace, RESTRICTED_CONTEXT};
use crate::shop::{AUDIENCE, ORIGIN, Shop};
use crate::tokens::{self, Signer};

const NEW_ORIGIN: &str = "https://new.example.com";

#[test]
fn an_edit_is_live_in_every_sidecar_within_5_seconds_without_a_restart() {
    let _installation = installation::shared();
    let shop = Shop::new("edit", 3);
    let before = shop.sidecars();
    let preflight = Request::preflight("/v1/shelves", NEW_ORIGIN, "POST", "content-type");
    for sidecar in &before {
        let response = shop
            .namespace
            .send_to(&preflight, &sidecar.address, sidecar.port);
        assert_eq!(response.status, 400, "{response:#?}");
    }

    let edited = Instant::now();
    shop.patch_spec(&json!({ "cors": { "allowOrigins": [NEW_ORIGIN] } }));
    shop.wait_programmed();
    assert!(
        edited.elapsed() < Duration::from_secs(5),
        "{:?}",
        edited.elapsed()
    );

    let resource = shop.resource();
    let generation = &resource["metadata"]["generation"];
    assert_eq!(*generation, json!(2));
    assert_eq!(resource["status"]["observedGeneration"], *generation);
    assert_eq!(resource["status"]["policy"]["sourceVersion"], *generation);
    assert_eq!(resource["status"]["sidecars"]["summary"], "3/3");
    // What the status says is true of each: no second chance here.
    let old = Request::preflight("/v1/shelves", ORIGIN, "POST", "content-type");
    for sidecar in &before {
        let response = shop
            .namespace
            .send_to(&preflight, &sidecar.address, sidecar.port);
        assert_eq!(response.status, 200, "{response:#?}");
        assert_eq!(
            response.header("Access-Control-Allow-Origin"),
            Some(NEW_ORIGIN)
        );
        let response = shop.namespace.send_to(&old, &sidecar.address, sidecar.port);
        assert_eq!(response.status, 400, "{response:#?}");
    }
    assert_eq!(shop.sidecars(), before, "the same pods, not restarted");
}

#[test]
fn a_token_is_refused_after_its_audience_was_removed() {
    let _installation = installation::shared();
    let shop = Shop::new("audience", 1);
    let token = shop.namespace.token(AUDIENCE);
    let request = Request::get("/v1/me").bearer(&token);
    // Twice: the second time from the cache of verified tokens.
    for _ in 0..2 {
        assert_eq!(shop.send(&request).status, 200);
    }
    shop.edit_document(
        "x-google-audiences: bookstore-clients",
        "x-google-audiences: others",
    );
    shop.wait_programmed();
    let response = shop.send(&request);
    assert_eq!(response.status, 403, "{response:#?}");
    let other = Request::get("/v1/me").bearer(&shop.namespace.token("others"));
    assert_eq!(shop.send(&other).status, 200);
}

/// The key set is another one from the moment the policy names it, whatever was verified before.
#[test]
fn a_token_is_refused_after_the_key_that_signed_it_was_removed() {
    const ISSUER: &str = "https://issuer.example.com";
    let _installation = installation::shared();
    let shop = Shop::new("keys", 1);
    let (leaving, staying) = (
        Signer::new("ES256", "leaving"),
        Signer::new("ES256", "staying"),
    );
    serve_keys(
        &shop.namespace,
        &[
            ("both.json", tokens::key_set(&[&leaving, &staying])),
            ("one.json", tokens::key_set(&[&staying])),
        ],
    );
    let cluster = "https://kubernetes.default.svc.cluster.local";
    shop.edit_document(
        &format!("x-google-issuer: {cluster}"),
        &format!("x-google-issuer: {ISSUER}"),
    );
    let keys_from = |file: &str| {
        let uri = format!("http://keys.{}.svc/{file}", shop.namespace.name);
        shop.patch_spec(&json!({"jwt": {"issuers": [{"issuer": ISSUER, "jwksUri": uri}]}}));
        shop.wait_condition("ResolvedRefs", "True");
        shop.wait_programmed();
    };
    let request = |signer: &Signer| {
        let claims = json!({"iss": ISSUER, "sub": "me", "aud": AUDIENCE, "exp": 4_000_000_000_u64});
        Request::get("/v1/me").bearer(&signer.token(&claims))
    };

    keys_from("both.json");
    let (leaving, staying) = (request(&leaving), request(&staying));
    // Twice: the second time from the cache of verified tokens.
    for _ in 0..2 {
        assert_eq!(shop.send(&leaving).status, 200);
        assert_eq!(shop.send(&staying).status, 200);
    }
    keys_from("one.json");
    let response = shop.send(&leaving);
    assert_eq!(response.status, 401, "{response:#?}");
    assert_eq!(response.json()["reason"], "TokenKeyUnknown");
    assert_eq!(shop.send(&staying).status, 200);
}

#[test]
fn a_broken_edit_is_told_with_its_place_and_the_last_policy_goes_on() {
    let _installation = installation::shared();
    let shop = Shop::new("broken", 1);
    shop.edit_document("paths:\n", "paths: [\n");
    let accepted = shop.wait_condition("Accepted", "False");
    assert_eq!(accepted["reason"], "InvalidOpenAPI", "{accepted:#}");
    let message = accepted["message"].as_str().expect("a text");
    assert!(message.contains("line 18"), "the place is told: {message}");
    shop.wait_condition("Ready", "False");
    assert_eq!(shop.send(&Request::get("/v1/shelves")).status, 200);
    assert_eq!(shop.send(&Request::get("/v1/me")).status, 401);

    // One that reads well but would leave operations open says what to write instead.
    shop.edit_document("paths: [\n", "paths:\n");
    shop.wait_condition("Accepted", "True");
    shop.edit_document("- cluster: []", "- clusters: []");
    let accepted = shop.wait_condition("Accepted", "False");
    assert_eq!(accepted["reason"], "UnsupportedSecurity", "{accepted:#}");
    let message = accepted["message"].as_str().expect("a text");
    for part in [
        "openapi#/security/0/clusters (line ",
        "there is no security scheme `clusters`",
        "use one that is: `cluster`",
        "The last good policy stays in force",
    ] {
        assert!(message.contains(part), "{part:?} in {message}");
    }
    assert_eq!(shop.send(&Request::get("/v1/me")).status, 401);

    // Mended, it is as before.
    shop.edit_document("- clusters: []", "- cluster: []");
    shop.wait_condition("Ready", "True");
}

/// Serves these files at `http://keys`.
fn serve_keys(namespace: &Namespace, files: &[(&str, String)]) {
    let data: serde_json::Map<_, _> = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), json!(text)))
        .collect();
    let data = json!(data);
    let image = busybox();
    namespace.apply(&format!(
        "apiVersion: v1
kind: ConfigMap
metadata: {{name: keys}}
data: {data}
---
apiVersion: v1
kind: Service
metadata: {{name: keys}}
spec:
  selector: {{app: keys}}
  ports: [{{port: 80, targetPort: 8080}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: keys, labels: {{app: keys}}}}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{{name: keys, configMap: {{name: keys}}}}]
  containers:
  - name: keys
    image: {image}
    command: [httpd, -f, -p, '8080', -h, /keys]
    volumeMounts: [{{name: keys, mountPath: /keys}}]
    readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
    securityContext: {RESTRICTED_CONTEXT}
"
    ));
    namespace.wait("condition=Ready", "pod/keys", 60);
}
