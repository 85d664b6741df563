//! A real etcd and kube-apiserver for a test binary, and our real operator beside them.
//!
//! Both are started once a process, on free ports, and end with it, however it ends: a shell holds
//! them, and kills them when the pipe from this process closes.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Client, Config};
use serde_json::json;
use tokio::time::Instant;

/// How long a program may take to start. Generous: test machines are busy.
const START: Duration = Duration::from_secs(90);
/// How long something that is bound to happen may take.
pub const SOON: Duration = Duration::from_secs(30);
/// The issuer of the cluster's service account tokens.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// Where the shared operator runs, as far as the API server knows.
pub const SYSTEM: &str = "endpoints-system";

/// An API server of our own.
pub struct Cluster {
    pub kubeconfig: PathBuf,
    pub tools: PathBuf,
    folder: PathBuf,
    /// Takes [`Order`]s; closing it ends everything.
    guard: Mutex<ChildStdin>,
}

/// What can be done to an API server of one's own.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// The API server is killed.
    Kill,
    /// It is started again.
    Start,
    /// It is stopped where it is, connections open,
    Freeze,
    /// and goes on.
    Thaw,
    /// The store is copied as it is now (both are started anew).
    Save,
    /// The store is again as it was when it was copied.
    Restore,
}

/// A client, and a namespace of its own for a test.
pub struct Test {
    pub client: Client,
    pub namespace: String,
    pub cluster: &'static Cluster,
}

impl Cluster {
    /// An API server for one test; it ends with the process.
    pub fn own() -> &'static Self {
        Box::leak(Box::new(beside(|| Self::start(""))))
    }

    /// The same, and it writes down what `user` asks of it: see [`Self::audited`].
    pub fn auditing(user: &str) -> &'static Self {
        Box::leak(Box::new(beside(|| Self::start(user))))
    }

    /// What the audited user asked for so far, one `audit.k8s.io/v1` Event each.
    pub fn audited(&self) -> Vec<serde_json::Value> {
        let log = std::fs::read_to_string(self.folder.join("audit.log")).unwrap();
        // The last line may be half written.
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The process's API server, with our CRD installed.
    pub fn shared() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| beside(|| Self::start("")))
    }

    fn start(audited: &str) -> Self {
        let mut last = String::new();
        // A port that was free a moment ago may be taken by now.
        for _ in 0..3 {
            match Self::try_start(audited) {
                Ok(cluster) => return cluster,
                Err(error) => last = error,
            }
        }
        panic!("no API server: {last}");
    }

    fn try_start(audited: &str) -> Result<Self, String> {
        endpoints::tls::install_crypto_provider();
        let tools = tools();
        let folder = tempfile::Builder::new()
            .prefix("endpoints-api-")
            .tempdir()
            .unwrap()
            .keep();
        let [client, peer, secure] = free_ports();
        write_service_account_key(&folder);
        std::fs::write(
            folder.join("tokens.csv"),
            "admin-token,admin,admin,system:masters\n",
        )
        .unwrap();
        let audit = json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
            "rules": [{ "level": "Metadata", "users": [audited] }, { "level": "None" }]
        });
        std::fs::write(folder.join("audit.json"), audit.to_string()).unwrap();
        let script = r#"
            cd "$1"
            store() {
            "$2/etcd" --data-dir etcd --unsafe-no-fsync --log-level error \
              --listen-client-urls "http://127.0.0.1:$3" --advertise-client-urls "http://127.0.0.1:$3" \
              --listen-peer-urls "http://127.0.0.1:$4" --initial-advertise-peer-urls "http://127.0.0.1:$4" \
              --initial-cluster "default=http://127.0.0.1:$4" >etcd.log 2>&1 &
            etcd=$!
            }
            api() {
            "$2/kube-apiserver" --etcd-servers "http://127.0.0.1:$3" --secure-port "$5" \
              --bind-address 127.0.0.1 --cert-dir certificates --authorization-mode Node,RBAC \
              --enable-admission-plugins NodeRestriction --allow-privileged \
              --service-account-issuer "$6" --service-account-signing-key-file sa.key \
              --service-account-key-file sa.key --service-cluster-ip-range 10.96.0.0/16 \
              --token-auth-file tokens.csv \
              --audit-policy-file audit.json --audit-log-path audit.log >apiserver.log 2>&1 &
            api=$!
            }
            end() { kill -9 "$@"; wait "$@"; }
            store "$@"; api "$@"
            while read -r order; do
              case $order in
                Kill) end $api ;;
                Start) api "$@" ;;
                Freeze) kill -STOP $api ;;
                Thaw) kill -CONT $api ;;
                Save) end $api $etcd; cp -r etcd saved; store "$@"; api "$@" ;;
                Restore) end $api $etcd; rm -rf etcd; mv saved etcd; store "$@"; api "$@" ;;
              esac
              : >done
            done
            kill -9 $api $etcd
            wait
            rm -rf "$1"
        "#;
        let mut guard = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&folder)
            .arg(&tools)
            .args([client, peer, secure].map(|port| port.to_string()))
            .arg(ISSUER)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for the tests; the shell then cleans up by itself.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_text(&folder, secure)).unwrap();
        let cluster = Self {
            kubeconfig,
            tools,
            folder,
            guard: Mutex::new(guard.stdin.take().unwrap()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(cluster.become_ready())?;
        Ok(cluster)
    }

    async fn become_ready(&self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        let client = loop {
            if let Some(client) = self.reachable().await {
                break client;
            }
            let log =
                std::fs::read_to_string(self.folder.join("apiserver.log")).unwrap_or_default();
            if log.contains("address already in use") || Instant::now() > deadline {
                let tail: Vec<_> = log.lines().rev().take(5).collect();
                return Err(format!("it did not become ready: {}", tail.join("\n")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let text = std::fs::read_to_string(manifest("crds/endpoints.dev_endpointsservices.yaml"));
        let crd: CustomResourceDefinition = serde_yaml::from_str(&text.unwrap()).unwrap();
        let name = crd.metadata.name.clone().unwrap();
        let api = Api::<CustomResourceDefinition>::all(client.clone());
        let apply = PatchParams::apply("tests");
        api.patch(&name, &apply, &Patch::Apply(&crd))
            .await
            .map_err(|error| error.to_string())?;
        let established = await_condition(api, &name, is_crd_established());
        tokio::time::timeout(SOON, established)
            .await
            .map_err(|_| "the CRD is not established".to_owned())?
            .map_err(|error| error.to_string())?;
        Ok(())
    }

    async fn reachable(&self) -> Option<Client> {
        if !self.folder.join("certificates/apiserver.crt").exists() {
            return None;
        }
        let client = self.client().await;
        let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
        client.request_text(request).await.ok().map(|_| client)
    }

    /// Does something to it; returns when it is done.
    pub async fn order(&self, order: Order) {
        use std::io::Write as _;
        writeln!(self.guard.lock().unwrap(), "{order:?}").unwrap();
        let done = self.folder.join("done");
        eventually(|| async {
            std::fs::remove_file(&done).map_err(|_| format!("{order:?} is under way"))
        })
        .await;
    }

    /// The API server's address, as kubeconfigs have it.
    pub fn address(&self) -> std::net::SocketAddr {
        let config = kube::config::Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let cluster = config.clusters[0].cluster.clone().unwrap();
        let server = cluster.server.unwrap();
        server.strip_prefix("https://").unwrap().parse().unwrap()
    }

    /// Waits until it serves again.
    pub async fn serves(&self) {
        eventually(|| async { self.reachable().await.ok_or("it does not serve".to_owned()) }).await;
    }

    /// A client with every right.
    pub async fn client(&self) -> Client {
        let kubeconfig = kube::config::Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default())
            .await
            .unwrap();
        Client::try_from(config).unwrap()
    }

    /// The process's operator, ready, with its webhook configured.
    pub fn operator(&'static self) -> &'static Operator {
        static OPERATOR: OnceLock<Operator> = OnceLock::new();
        OPERATOR.get_or_init(|| beside(move || Operator::start(self)))
    }

    /// Runs kubectl; whatever else the test does goes on meanwhile.
    pub async fn kubectl(&self, arguments: &[&str]) -> std::process::Output {
        self.run("kubectl", arguments).await
    }

    /// The chart, rendered with these further arguments of `helm template`.
    pub async fn render(&self, arguments: &[&str]) -> String {
        let chart = manifest("charts/endpoints-operator");
        let fixed = ["template", "endpoints-operator", chart.to_str().unwrap()];
        let output = self
            .run("helm", &[&fixed[..], &["-n", SYSTEM], arguments].concat())
            .await;
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A program of the tools' folder, else of the path.
    async fn run(&self, program: &str, arguments: &[&str]) -> std::process::Output {
        let own = self.tools.join(program);
        let path = if own.exists() {
            own
        } else {
            PathBuf::from(program)
        };
        tokio::process::Command::new(path)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .output()
            .await
            .unwrap_or_else(|error| panic!("{program}: {error}"))
    }
}

impl Test {
    /// A namespace on the shared API server, without an operator.
    pub async fn without_operator() -> Self {
        Self::on(Cluster::shared()).await
    }

    /// A namespace on this API server.
    pub async fn on(cluster: &'static Cluster) -> Self {
        let client = cluster.client().await;
        let namespace = create_namespace(&client, &unique_name("test")).await;
        Self {
            client,
            namespace,
            cluster,
        }
    }

    /// A namespace on the shared API server, looked after by the shared operator.
    pub async fn start() -> Self {
        Cluster::shared().operator();
        Self::without_operator().await
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates an object from JSON.
    pub async fn create<K>(&self, object: serde_json::Value) -> Result<K, kube::Error>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + serde::de::DeserializeOwned
            + serde::Serialize
            + Clone
            + std::fmt::Debug,
    {
        let api: Api<kube::api::DynamicObject> = Api::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &kube::api::ApiResource::erase::<K>(&()),
        );
        let mut object = object;
        object["apiVersion"] = json!(K::api_version(&()));
        object["kind"] = json!(K::kind(&()));
        let object = serde_json::from_value(object).unwrap();
        let created = api.create(&PostParams::default(), &object).await?;
        Ok(created.try_parse().unwrap())
    }
}

/// Our real binary, as the chart runs it, but for its ports and the way to it.
pub struct Operator {
    pub webhook_port: u16,
    pub push_port: u16,
    pub admin_port: u16,
    process: Guarded,
}

impl Operator {
    fn start(cluster: &'static Cluster) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            create_namespace(&cluster.client().await, SYSTEM).await;
            let operator = Self::install(cluster).await;
            install_policy(&cluster.client().await).await;
            operator
        })
    }

    /// As [`Self::install`], one of several: as this pod, with its token for the others.
    pub async fn install_replica(cluster: &Cluster, pod: &str) -> Self {
        let kubeconfig = install_rights(cluster).await;
        let (uid, token) = replica_token(cluster, pod).await;
        let path = cluster.folder.join(format!("token-{pod}"));
        std::fs::write(&path, token).unwrap();
        let path = path.to_str().unwrap();
        let arguments = [
            ["--pod-name", pod],
            ["--pod-uid", &uid],
            ["--pod-ip", "127.0.0.1"],
            ["--replica-token-file", path],
        ];
        let operator = Self::spawn(&kubeconfig, &arguments.concat());
        install_webhook(&cluster.client().await, operator.webhook_port).await;
        operator.wait_until_ready();
        wait_until_injecting(&cluster.client().await).await;
        operator
    }

    /// Starts one, and leads the webhook configuration to it; returns when it is ready.
    pub async fn install(cluster: &Cluster) -> Self {
        Self::install_with(cluster, &[]).await
    }

    /// The same, with more arguments.
    pub async fn install_with(cluster: &Cluster, more: &[&str]) -> Self {
        let kubeconfig = install_rights(cluster).await;
        Self::install_by(cluster, &kubeconfig, more).await
    }

    /// The same, by this kubeconfig.
    pub async fn install_by(cluster: &Cluster, kubeconfig: &Path, more: &[&str]) -> Self {
        let operator = Self::spawn(kubeconfig, more);
        install_webhook(&cluster.client().await, operator.webhook_port).await;
        operator.wait_until_ready();
        wait_until_injecting(&cluster.client().await).await;
        operator
    }

    /// Starts the binary and learns its ports from its log.
    pub fn spawn(kubeconfig: &Path, more: &[&str]) -> Self {
        let process = Guarded::spawn(
            Path::new(env!("CARGO_BIN_EXE_endpoints")),
            &[
                &[
                    "operator",
                    "--namespace",
                    SYSTEM,
                    "--sidecar-image",
                    "endpoints-operator:test",
                ],
                &[
                    "--webhook-port",
                    "0",
                    "--push-port",
                    "0",
                    "--admin-port",
                    "0",
                ][..],
                // No pod of these tests has an address; key sets come from loopback.
                &["--check-peer-address", "false"],
                &["--jwks-allow", "127.0.0.0/8", "--jwks-allow-http"],
                more,
            ]
            .concat(),
            kubeconfig,
        );
        let port = |what: &str| {
            process.wait_for_line(|line| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                (line["message"] == "listening" && line["what"] == what)
                    .then(|| u16::try_from(line["port"].as_u64().unwrap()).unwrap())
            })
        };
        let webhook_port = port("webhook");
        let push_port = port("policy stream");
        let admin_port = port("admin");
        Self {
            webhook_port,
            push_port,
            admin_port,
            process,
        }
    }

    /// Status and text of one of the admin port's pages.
    pub fn admin(&self, path: &str) -> (u16, String) {
        get(self.admin_port, path)
    }

    pub fn wait_until_ready(&self) {
        let deadline = Instant::now() + START;
        loop {
            let (status, text) = self.admin("/readyz");
            if status == 200 {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "not ready: {text}\n{}",
                self.process.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until it has logged this; longer than for what happens at once.
    pub async fn wait_for_log(&self, text: &str) {
        let deadline = Instant::now() + START;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "no `{text}`:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// One of its metrics, by name and labels as they are printed; nothing printed is nothing counted.
    pub fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.admin("/metrics");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// SIGTERM; its exit code and its log.
    pub fn stop(self) -> (i32, String) {
        self.process.stop()
    }

    /// SIGKILL.
    pub fn kill(self) {
        self.process.kill();
    }
}

/// Uid and token of a pod that runs as the operator.
async fn replica_token(cluster: &Cluster, name: &str) -> (String, String) {
    use k8s_openapi::api::authentication::v1::{
        BoundObjectReference, TokenRequest, TokenRequestSpec,
    };
    let client = cluster.client().await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": {
            "serviceAccountName": "endpoints-operator",
            "containers": [{ "name": "operator", "image": "endpoints-operator:test" }],
        }
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let pods = Api::<Pod>::namespaced(client.clone(), SYSTEM);
    let pod = pods.create(&PostParams::default(), &pod).await.unwrap();
    let uid = pod.metadata.uid.unwrap();
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![endpoints::api::annotations::PUSH_AUDIENCE.to_owned()],
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: Some(name.to_owned()),
                uid: Some(uid.clone()),
            }),
            expiration_seconds: Some(3600),
        },
        ..TokenRequest::default()
    };
    let accounts = Api::<ServiceAccount>::namespaced(client, SYSTEM);
    let token = accounts
        .create_token_request("endpoints-operator", &PostParams::default(), &request)
        .await
        .unwrap();
    (uid, token.status.unwrap().token)
}

/// Status and body of a page on loopback.
pub fn get(port: u16, path: &str) -> (u16, String) {
    let (status, answer) = ask(port, "GET", path, &[]);
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// Status and whole answer to a request on loopback.
pub fn ask(port: u16, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all((head + "\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap();
    (status, answer)
}

/// A child that ends when this process does.
pub struct Guarded {
    child: Child,
    lines: Mutex<mpsc::Receiver<String>>,
    log: Arc<Mutex<String>>,
}

impl Guarded {
    /// Runs a program; its stderr is kept.
    pub fn spawn(program: &Path, arguments: &[&str], kubeconfig: &Path) -> Self {
        let script = r#""$0" "$@" <&- & p=$!; read -r how; case "$how" in wait) ;; kill) kill -9 $p ;; *) kill $p 2>/dev/null ;; esac; wait $p"#;
        let mut child = Command::new("sh")
            .args(["-c", script])
            .arg(program)
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("sh runs");
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = mpsc::channel();
        let log = Arc::new(Mutex::new(String::new()));
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                writeln!(kept.lock().unwrap(), "{line}").unwrap();
                // Nobody listens any more; the log is still kept.
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            lines: Mutex::new(lines),
            log,
        }
    }

    /// Waits for a line that `find` accepts.
    pub fn wait_for_line<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + START;
        let lines = self.lines.lock().unwrap();
        while let Ok(line) = lines.recv_timeout(deadline - Instant::now()) {
            if let Some(found) = find(&line) {
                return found;
            }
        }
        panic!("the line did not come:\n{}", self.log());
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The exit code of a program that ends by itself: a signal could come before its end.
    pub fn ended(self) -> i32 {
        use std::io::Write as _;
        let told = self
            .child
            .stdin
            .as_ref()
            .map(|mut stdin| stdin.write_all(b"wait\n"));
        told.expect("stdin is a pipe").unwrap();
        self.stop().0
    }

    /// SIGKILL (by way of the shell); returns when it is gone.
    pub fn kill(self) {
        use std::io::Write as _;
        let told = self
            .child
            .stdin
            .as_ref()
            .map(|mut stdin| stdin.write_all(b"kill\n"));
        told.expect("stdin is a pipe").unwrap();
        self.stop();
    }

    /// SIGTERM (by way of the shell); the exit code and the log.
    pub fn stop(mut self) -> (i32, String) {
        drop(self.child.stdin.take());
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        // The reader ends with the pipe.
        let lines = self.lines.lock().unwrap();
        while lines.recv_timeout(SOON).is_ok() {}
        drop(lines);
        (code, self.log())
    }
}

/// The operator's rights as the chart grants them, and a kubeconfig that has these and no others.
pub async fn install_rights(cluster: &Cluster) -> PathBuf {
    let text = std::fs::read_to_string(manifest("deploy/endpoints-operator.yaml")).unwrap();
    install_rights_of(cluster, &text).await
}

/// The same, of this rendering of the chart.
pub async fn install_rights_of(cluster: &Cluster, rendering: &str) -> PathBuf {
    use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
    use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};

    let client = cluster.client().await;
    let kinds = [
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<ClusterRole>(&()),
        ApiResource::erase::<ClusterRoleBinding>(&()),
        ApiResource::erase::<Role>(&()),
        ApiResource::erase::<RoleBinding>(&()),
    ];
    install_of(&client, rendering, &kinds, |_| ()).await;

    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(3600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let accounts = Api::<ServiceAccount>::namespaced(client, SYSTEM);
    let token = accounts
        .create_token_request("endpoints-operator", &PostParams::default(), &request)
        .await
        .unwrap();
    let admin = std::fs::read_to_string(&cluster.kubeconfig).unwrap();
    let path = cluster.folder.join("kubeconfig-operator");
    std::fs::write(
        &path,
        admin.replace("admin-token", &token.status.unwrap().token),
    )
    .unwrap();
    path
}

/// The webhook configurations of the chart, but for the way to it. The Service is an ExternalName:
/// the API server dials localhost, and verifies the name of the Service, as in a real cluster.
pub async fn install_webhook(client: &Client, port: u16) {
    let apply = PatchParams::apply("tests").force();
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "endpoints-operator" },
        "spec": { "type": "ExternalName", "externalName": "localhost" }
    });
    Api::<k8s_openapi::api::core::v1::Service>::namespaced(client.clone(), SYSTEM)
        .patch("endpoints-operator", &apply, &Patch::Apply(service))
        .await
        .unwrap();
    let kinds = [
        ApiResource::erase::<MutatingWebhookConfiguration>(&()),
        ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
    ];
    install(client, &kinds, |configuration| {
        configuration.data["webhooks"][0]["clientConfig"]["service"]["port"] = json!(port);
    })
    .await;
}

/// The API server learns of a webhook, and of its CA, by a watch of its own.
pub async fn wait_until_injecting(client: &Client) {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "probe", "annotations": { "endpoints.dev/service": "probe" } },
        "spec": { "containers": [{
            "name": "app", "image": "app", "ports": [{ "name": "http", "containerPort": 8080 }]
        }] }
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let pods = Api::<Pod>::namespaced(client.clone(), SYSTEM);
    eventually(|| async {
        match pods.create(&dry_run, &pod).await {
            Ok(pod) if pod.metadata.labels.is_some() => Ok(()),
            Ok(_) => Err("pods are let through untouched".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
}

/// The chart's admission policy and its binding.
pub async fn install_policy(client: &Client) {
    let kinds = [
        ApiResource::erase::<ValidatingAdmissionPolicy>(&()),
        ApiResource::erase::<ValidatingAdmissionPolicyBinding>(&()),
    ];
    install(client, &kinds, |_| ()).await;
}

/// Applies the objects of these kinds as `deploy/` has them, one of each, but for `change`.
async fn install(client: &Client, kinds: &[ApiResource], change: impl Fn(&mut DynamicObject)) {
    let text = std::fs::read_to_string(manifest("deploy/endpoints-operator.yaml")).unwrap();
    install_of(client, &text, kinds, change).await;
}

async fn install_of(
    client: &Client,
    text: &str,
    kinds: &[ApiResource],
    change: impl Fn(&mut DynamicObject),
) {
    let mut installed = 0;
    for document in serde_yaml::Deserializer::from_str(text) {
        let Ok(mut object) = <DynamicObject as serde::Deserialize>::deserialize(document) else {
            continue;
        };
        let kind = object.types.as_ref().map(|types| types.kind.clone());
        let Some(kind) = kinds
            .iter()
            .find(|known| Some(&known.kind) == kind.as_ref())
        else {
            continue;
        };
        change(&mut object);
        let api: Api<DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, kind),
            None => Api::all_with(client.clone(), kind),
        };
        let name = object.metadata.name.clone().unwrap();
        let apply = PatchParams::apply("tests").force();
        api.patch(&name, &apply, &Patch::Apply(&object))
            .await
            .unwrap();
        installed += 1;
    }
    assert_eq!(installed, kinds.len(), "deploy/ has {kinds:?}");
}

/// A namespace with the service account that the controller manager would make.
pub async fn create_namespace(client: &Client, name: &str) -> String {
    let metadata = || ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    };
    let namespace = Namespace {
        metadata: metadata(),
        ..Namespace::default()
    };
    Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    let account = ServiceAccount {
        metadata: ObjectMeta {
            name: Some("default".to_owned()),
            ..ObjectMeta::default()
        },
        ..ServiceAccount::default()
    };
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), name);
    accounts
        .create(&PostParams::default(), &account)
        .await
        .unwrap();
    name.to_owned()
}

pub fn unique_name(prefix: &str) -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}-{}", LAST.fetch_add(1, Ordering::Relaxed))
}

/// Repeats `check` until it gives something.
pub async fn eventually<T, F: Future<Output = Result<T, String>>>(
    mut check: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        match check().await {
            Ok(found) => return found,
            Err(state) => assert!(Instant::now() < deadline, "never came: {state}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Runs a starter on a thread of its own: tests call from inside a runtime.
fn beside<T: Send>(start: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(start).join().unwrap())
}

/// The folder with etcd and kube-apiserver. Without them there is no such tier: a failure, never a
/// silent pass.
fn tools() -> PathBuf {
    let named = ["ENDPOINTS_API_TOOLS", "KUBEBUILDER_ASSETS"]
        .into_iter()
        .find_map(std::env::var_os);
    if let Some(folder) = named {
        return PathBuf::from(folder);
    }
    let output = Command::new(manifest("tests/cluster/tools"))
        .arg("api")
        .output();
    let output = output.expect("tests/cluster/tools runs");
    assert!(
        output.status.success(),
        "the API server tier needs etcd and kube-apiserver (KUBEBUILDER_ASSETS, or Go):\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn kubeconfig_text(folder: &Path, port: u16) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{ "name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "certificate-authority": folder.join("certificates/apiserver.crt")
        } }],
        "users": [{ "name": "admin", "user": { "token": "admin-token" } }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "admin" } }]
    })
    .to_string()
}

/// One key to sign service account tokens with; the API server derives the public half.
fn write_service_account_key(folder: &Path) {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use base64::Engine;
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in text.as_bytes().chunks(64) {
        writeln!(pem, "{}", std::str::from_utf8(line).unwrap()).unwrap();
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    std::fs::write(folder.join("sa.key"), pem).unwrap();
}
