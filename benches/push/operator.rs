//! The operator as it ships, as a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::time::{Instant, sleep};

use crate::api_server::{
    Cluster, SYSTEM, create_namespace, free_ports, get, install_rights, install_webhook,
    wait_until_injecting,
};
use crate::process;

/// In a second: a hundred reviews take less.
const CALM: Duration = Duration::from_millis(120);

pub struct Operator {
    pub webhook_port: u16,
    pub push_port: u16,
    admin_port: u16,
    /// With its rights and no others.
    kubeconfig: PathBuf,
    child: Child,
}

/// How many reviews of pods it answered, and how many of them within 5 ms, by its own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answered {
    pub all: f64,
    pub in_time: f64,
}

impl Operator {
    pub async fn start(cluster: &'static Cluster) -> Self {
        let client = cluster.client().await;
        create_namespace(&client, SYSTEM).await;
        let [webhook_port, push_port, admin_port] = free_ports();
        install_webhook(&client, webhook_port).await;
        let kubeconfig = install_rights(cluster).await;
        let child = spawn(&kubeconfig, [webhook_port, push_port, admin_port]);
        let operator = Self {
            webhook_port,
            push_port,
            admin_port,
            kubeconfig,
            child,
        };
        operator.ready().await;
        wait_until_injecting(&client).await;
        operator
    }

    /// Kills it and starts another process at the same ports; returns when that one is ready.
    pub async fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let ports = [self.webhook_port, self.push_port, self.admin_port];
        self.child = spawn(&self.kubeconfig, ports);
        self.ready().await;
    }

    /// Waits until it has done what there was to do.
    pub async fn calm(&self) {
        for _ in 0..60 {
            let cpu = self.cpu();
            sleep(Duration::from_secs(1)).await;
            if self.cpu() - cpu < CALM {
                return;
            }
        }
        eprintln!("the operator does not come to rest");
    }

    async fn ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let address = ("127.0.0.1", self.admin_port);
        loop {
            if std::net::TcpStream::connect(address).is_ok() && self.admin("/readyz").0 == 200 {
                return;
            }
            assert!(Instant::now() < deadline, "the operator is not ready");
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn admin(&self, path: &str) -> (u16, String) {
        get(self.admin_port, path)
    }

    /// How many statuses it wrote.
    pub fn status_writes(&self) -> f64 {
        metric(
            &self.admin("/metrics").1,
            "endpoints_operator_status_writes_total",
        )
    }

    pub fn answered(&self) -> Answered {
        let metrics = self.admin("/metrics").1;
        let name = "endpoints_admission_review_duration_seconds";
        Answered {
            all: metric(&metrics, &format!("{name}_count")),
            in_time: metric(&metrics, &format!("{name}_bucket{{le=\"0.005\"}}")),
        }
    }

    /// The name in its certificate.
    pub fn webhook_name(&self) -> String {
        format!("endpoints-operator.{SYSTEM}.svc")
    }

    /// What its certificate is by.
    pub async fn bundle(&self, client: &Client) -> String {
        let secrets = Api::<Secret>::namespaced(client.clone(), SYSTEM);
        let secret = secrets.get("endpoints-operator-ca").await.unwrap();
        String::from_utf8(secret.data.unwrap()["ca.crt"].0.clone()).unwrap()
    }

    /// MiB now.
    pub fn resident(&self) -> f64 {
        process::resident(self.child.id())
    }

    /// MiB at most, so far.
    pub fn peak(&self) -> f64 {
        process::peak(self.child.id())
    }

    /// Time on a processor since it started.
    pub fn cpu(&self) -> Duration {
        process::cpu(self.child.id())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn metric(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok())
        .unwrap_or_else(|| panic!("no {name}"))
}

fn spawn(kubeconfig: &Path, [webhook, push, admin]: [u16; 3]) -> Child {
    let log = std::env::temp_dir().join("endpoints-push-operator.log");
    let log = std::fs::File::options().create(true).append(true).open(log);
    let built = || env!("CARGO_BIN_EXE_endpoints").into();
    let binary = std::env::var_os("ENDPOINTS_BINARY").unwrap_or_else(built);
    Command::new(binary)
        .args([
            "operator",
            "--namespace",
            SYSTEM,
            "--sidecar-image",
            "endpoints-operator",
            "--webhook-port",
            &webhook.to_string(),
            "--push-port",
            &push.to_string(),
            "--admin-port",
            &admin.to_string(),
            // Thousands of streams that break together are told of line by line otherwise.
            "--log",
            "warn",
        ])
        .env("KUBECONFIG", kubeconfig)
        // As in the chart.
        .env("MALLOC_ARENA_MAX", "2")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.unwrap())
        .spawn()
        .unwrap()
}
