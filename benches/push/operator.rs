//! The operator as it ships, as a process whose memory and time are read from /proc.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use crate::api_server::{
    Cluster, SYSTEM, create_namespace, free_ports, get, install_webhook, wait_until_injecting,
};

/// Of the kernel: a hundredth of a second.
const TICK: Duration = Duration::from_millis(10);

pub struct Operator {
    pub webhook_port: u16,
    pub push_port: u16,
    admin_port: u16,
    cluster: &'static Cluster,
    child: Child,
}

impl Operator {
    pub async fn start(cluster: &'static Cluster) -> Self {
        let client = cluster.client().await;
        create_namespace(&client, SYSTEM).await;
        let [webhook_port, push_port, admin_port] = free_ports();
        install_webhook(&client, webhook_port).await;
        let child = spawn(cluster, [webhook_port, push_port, admin_port]);
        let operator = Self {
            webhook_port,
            push_port,
            admin_port,
            cluster,
            child,
        };
        operator.ready().await;
        wait_until_injecting(&client).await;
        operator
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Another process at the same ports; when it took streams.
    pub async fn restart(&mut self) -> Instant {
        let ports = [self.webhook_port, self.push_port, self.admin_port];
        self.child = spawn(self.cluster, ports);
        self.ready().await;
        Instant::now()
    }

    async fn ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let address = ("127.0.0.1", self.admin_port);
        loop {
            if std::net::TcpStream::connect(address).is_ok() && self.admin("/readyz").0 == 200 {
                return;
            }
            assert!(Instant::now() < deadline, "the operator is not ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn admin(&self, path: &str) -> (u16, String) {
        get(self.admin_port, path)
    }

    /// A counter of its metrics.
    pub fn counter(&self, name: &str) -> f64 {
        let metrics = self.admin("/metrics").1;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or_else(|| panic!("no {name}"))
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

    /// Resident memory, KiB.
    pub fn rss(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
        let line = line.unwrap().trim_end_matches("kB").trim();
        line.parse().unwrap()
    }

    /// Time on a processor since it started.
    pub fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        let fields: Vec<_> = fields.collect();
        let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
        TICK * ticks
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(cluster: &Cluster, [webhook, push, admin]: [u16; 3]) -> Child {
    let binary = std::env::var_os("ENDPOINTS_BINARY").expect("benches/push/run says which binary");
    let log = std::fs::File::create(std::env::temp_dir().join("endpoints-push-operator.log"));
    Command::new(binary)
        .args([
            "operator",
            "--namespace",
            SYSTEM,
            "--sidecar-image",
            "endpoints-operator",
        ])
        .args(["--webhook-port", &webhook.to_string()])
        .args(["--push-port", &push.to_string()])
        .args(["--admin-port", &admin.to_string()])
        .args(["--check-peer-address", "false", "--log", "warn"])
        .env("KUBECONFIG", &cluster.kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.unwrap())
        .spawn()
        .unwrap()
}
