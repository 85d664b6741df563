//! The sidecar as a process: our binary, started with what the injector wrote into a pod, as kubelet
//! would, but for addresses.

use std::io::Write;
use std::path::Path;

use k8s_openapi::api::core::v1::{EnvVar, Pod};
use serde_json::json;

use crate::api_server::{Guarded, Test, eventually, free_ports, get};
use crate::objects::{create_pod, create_service, document, edit, wait_for};
use crate::sidecars::token_of;

const BINARY: &str = env!("CARGO_BIN_EXE_endpoints");

#[tokio::test]
async fn a_sidecar_as_injected_waits_for_its_policy_follows_its_edits_and_ends_in_order() {
    let test = Test::start().await;
    let (backend, app) = backend(&test);
    let pod = create_pod(&test, "a", "bookstore").await;
    let token = token_file(&test, &pod).await;
    let [traffic, admin] = free_ports();
    let sidecar = start(
        &test,
        &pod,
        token.path(),
        &format!("{traffic}={app}"),
        admin,
    );

    sidecar.wait_for_line(|line| line.contains("the sidecar listens").then_some(()));
    assert_eq!(get(admin, "/livez").0, 200);
    let (status, reason) = get(admin, "/readyz");
    assert_eq!(status, 503, "{reason}");
    assert!(reason.contains("policy"), "{reason}");
    assert_eq!(get(traffic, "/books").0, 503, "closed without a policy");

    create_service(&test, "bookstore", &document(&[])).await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
    assert_eq!(get(admin, "/readyz"), (200, "ok\n".to_owned()));
    let (status, answer) = get(traffic, "/books");
    assert_eq!(status, 200, "{answer}");
    assert!(
        answer.contains("\"path\": \"/books\""),
        "the backend's: {answer}"
    );
    assert_eq!(get(traffic, "/shelves").0, 404);

    let spec = json!({ "openapi": { "inline": document(&["/shelves"]) } });
    edit(&test, "bookstore", spec).await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
    assert_eq!(
        get(traffic, "/shelves").0,
        200,
        "live when the status says so"
    );

    let (code, log) = sidecar.stop();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("the sidecar drains"), "{log}");
    drop(backend);
}

/// With another pod's token: it goes on asking, and says why.
#[tokio::test]
async fn a_sidecar_that_is_refused_stays_unready_and_says_why() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    let pod = create_pod(&test, "a", "bookstore").await;
    let other = create_pod(&test, "b", "bookstore").await;
    let token = token_file(&test, &other).await;
    let [traffic, admin] = free_ports();
    let sidecar = start(&test, &pod, token.path(), &format!("{traffic}=9"), admin);
    let line = sidecar.wait_for_line(|line| line.contains("another pod").then(|| line.to_owned()));
    assert!(line.contains("the token is bound to another pod"), "{line}");
    assert_eq!(get(admin, "/readyz").0, 503);

    // The right one is read without a restart.
    std::fs::write(token.path(), token_of(&test, &pod).await).unwrap();
    eventually(|| async {
        match get(admin, "/readyz") {
            (200, _) => Ok(()),
            (_, reason) => Err(reason),
        }
    })
    .await;
    let log = sidecar.stop().1;
    assert!(!log.contains("eyJ"), "no token is logged: {log}");
}

/// The stand-in backend, and its port.
pub fn backend(test: &Test) -> (Guarded, u16) {
    let arguments = ["echo", "--listen", "127.0.0.1:0"];
    let backend = Guarded::spawn(Path::new(BINARY), &arguments, &test.cluster.kubeconfig);
    let port = backend.wait_for_line(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line["address"].as_str()?.rsplit_once(':')?.1.parse().ok()
    });
    (backend, port)
}

pub async fn token_file(test: &Test, pod: &Pod) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(token_of(test, pod).await.as_bytes())
        .unwrap();
    file
}

/// Runs what the pod's sidecar container runs, in its environment, but where this host differs.
pub fn start(test: &Test, pod: &Pod, token: &Path, listeners: &str, admin: u16) -> Guarded {
    start_with(test, pod, token, listeners, admin, &[])
}

/// The same with further variables (`NAME=VALUE`), which come last.
pub fn start_with(
    test: &Test,
    pod: &Pod,
    token: &Path,
    listeners: &str,
    admin: u16,
    variables: &[String],
) -> Guarded {
    let containers = pod.spec.as_ref().unwrap();
    let mut containers = containers
        .init_containers
        .iter()
        .flatten()
        .chain(&containers.containers);
    let sidecar = containers
        .find(|container| container.name == "endpoints-proxy")
        .unwrap();
    let mut arguments: Vec<_> = sidecar
        .env
        .iter()
        .flatten()
        .map(|env| variable(pod, env))
        .collect();
    arguments.extend([
        format!(
            "ENDPOINTS_OPERATOR_ADDRESS=127.0.0.1:{}",
            test.cluster.operator().push_port
        ),
        format!("ENDPOINTS_LISTENERS={listeners}"),
        format!("ENDPOINTS_ADMIN_PORT={admin}"),
        format!("ENDPOINTS_TOKEN_FILE={}", token.display()),
    ]);
    arguments.extend(variables.iter().cloned());
    arguments.push(BINARY.to_owned());
    arguments.extend(sidecar.args.clone().unwrap_or_default());
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    Guarded::spawn(Path::new("env"), &arguments, &test.cluster.kubeconfig)
}

/// `NAME=VALUE`, with the pod's own fields filled in.
fn variable(pod: &Pod, variable: &EnvVar) -> String {
    let field = variable
        .value_from
        .as_ref()
        .and_then(|from| from.field_ref.as_ref());
    let value = match field.map(|field| field.field_path.as_str()) {
        None => variable.value.clone(),
        Some("metadata.name") => pod.metadata.name.clone(),
        Some("metadata.namespace") => pod.metadata.namespace.clone(),
        Some("metadata.uid") => pod.metadata.uid.clone(),
        Some(other) => panic!("{other} is not known here"),
    };
    format!("{}={}", variable.name, value.unwrap_or_default())
}
