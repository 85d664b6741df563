//! What `endpoints operator` is told when it is started.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::certificates;
use crate::cli::egress;
use crate::jwks::AddressRule;

/// Arguments of `endpoints operator`.
#[derive(Debug, clap::Args)]
#[command(after_help = egress::HELP)]
pub(in crate::cli) struct Args {
    /// Namespace the operator runs in
    #[arg(long, env = "POD_NAMESPACE", default_value = "endpoints-system")]
    pub(super) namespace: String,
    /// Name of the Service in front of the operator: API server and sidecars dial it
    #[arg(long, default_value = "endpoints-operator")]
    pub(super) service_name: String,
    /// Name of the MutatingWebhookConfiguration whose caBundle is kept current
    #[arg(long, default_value = "endpoints-operator")]
    pub(super) webhook_configuration: String,
    /// Name of the Lease by which replicas agree who writes statuses; made if absent
    #[arg(long, default_value = "endpoints-operator")]
    pub(super) lease: String,
    /// Name of the pod this runs in
    #[arg(long, env = "POD_NAME", default_value = "endpoints-operator")]
    pub(super) pod_name: String,
    /// Address of the pod this runs in: the other replicas dial it while this one leads
    #[arg(long, env = "POD_IP")]
    pub(super) pod_ip: Option<IpAddr>,
    /// Uid of the pod this runs in
    #[arg(long, env = "POD_UID", default_value = "")]
    pub(super) pod_uid: String,
    /// Name of the service account this runs as: the other replicas' is the same
    #[arg(
        long,
        env = "POD_SERVICE_ACCOUNT",
        default_value = "endpoints-operator"
    )]
    pub(super) service_account: String,
    /// File with this pod's token for the policy port of the replica that leads
    #[arg(long, default_value = "/var/run/secrets/endpoints.dev/replica/token")]
    pub(super) replica_token_file: PathBuf,
    /// Name of the Secret that holds the CA; made if absent
    #[arg(long, default_value = "endpoints-operator-ca")]
    pub(super) ca_secret: String,
    /// How long a new CA is trusted by everybody before it signs anything (below 1h: for tests)
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = certificates::overlap)]
    pub(super) ca_overlap: Duration,
    /// Folder with tls.crt, tls.key and ca.crt (as cert-manager writes them into a Secret) to present
    /// in the place of a CA of our own; whoever writes them also keeps the webhooks' caBundle
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["ca_secret", "ca_overlap"])]
    pub(super) certificate_folder: Option<PathBuf>,
    /// Port of the admission webhook (HTTPS)
    #[arg(long, default_value_t = 9443)]
    pub(super) webhook_port: u16,
    /// Port of the policy stream (TLS); the Service has it under the same number
    #[arg(long, default_value_t = 9444)]
    pub(super) push_port: u16,
    /// Port of /livez, /readyz and /metrics (HTTP)
    #[arg(long, default_value_t = 9445)]
    pub(super) admin_port: u16,
    /// Image of the sidecar
    #[arg(long, env = "ENDPOINTS_SIDECAR_IMAGE")]
    pub(super) sidecar_image: String,
    /// When kubelet pulls it [default: as Kubernetes decides by the tag]
    #[arg(long, value_parser = ["Always", "IfNotPresent", "Never"])]
    pub(super) sidecar_image_pull_policy: Option<String>,
    /// Whether sidecars run as user 65532 where the pod's own user would be root (off on OpenShift,
    /// which assigns users itself)
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub(super) sidecar_run_as_user: bool,
    /// Whether a sidecar must connect from one of its pod's addresses (off only where a network
    /// translates addresses between pods)
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub(super) check_peer_address: bool,
    /// Network that key sets may be fetched from although its addresses are refused otherwise
    /// (loopback, link-local, metadata); repeatable
    #[arg(long, value_name = "CIDR")]
    pub(super) jwks_allow: Vec<IpNet>,
    /// Fetch key sets over http:, too
    #[arg(long)]
    pub(super) jwks_allow_http: bool,
    /// Whether ConfigMaps that EndpointsServices name are read
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub(super) read_config_maps: bool,
    /// What is logged, as in RUST_LOG
    #[arg(long, env = "ENDPOINTS_LOG", default_value = "info")]
    pub(super) log: String,
}

impl Args {
    /// Which addresses key sets may be fetched from.
    pub(super) fn key_addresses(&self) -> AddressRule {
        AddressRule {
            allow_http: self.jwks_allow_http,
            ..AddressRule::strict(self.jwks_allow.clone())
        }
    }
}
