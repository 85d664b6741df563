//! `endpoints inject`: what the webhook would make of manifests, with no cluster.
//!
//! ```text
//! text ──stream──► documents ──operator::admission::inject_object──► documents ──► stdout
//!                                          └─► reports ──► stderr, exit code
//! ```

mod reports;
mod stream;
mod yaml;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use ipnet::IpNet;
use serde_json::Value;

use self::reports::Reports;
use self::stream::Document;
use crate::api::EndpointsServiceSpec;
use crate::jwks::AddressRule;
use crate::operator::admission::{InjectorConfig, SidecarSettings, inject_object};
use crate::push::wire::ServiceKey;

/// The most text that is read.
const MAX_TEXT: u64 = 32 * 1024 * 1024;

/// What `--help` ends with.
const HELP: &str = "\
Examples:
  endpoints inject -f deployment.yaml                    what the pods will look like
  kustomize build . | endpoints inject -f - | kubectl apply -f -
  kubectl get deployment shop -o yaml | endpoints inject -f - > /dev/null   would it be denied?

A cluster's webhook does the same to every pod, so this is for looking at, for tests, and for tools
that want the whole pod; what was injected here is replaced there. EndpointsServices in FILE are
read for what they say of their sidecars (workers, TLS Secrets).

Exit code: 0 done, 1 something was denied or could not be read (it is printed as it was), 2 wrong
arguments.";

/// Arguments of `endpoints inject`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Manifests, YAML or JSON, any number of them; `-` is standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    filename: PathBuf,
    /// Namespace of what names none
    #[arg(short = 'n', long, value_name = "NAME", default_value = "default")]
    namespace: String,
    /// Image of the sidecar
    #[arg(
        long,
        value_name = "IMAGE",
        default_value = concat!("endpoints-operator:", env!("CARGO_PKG_VERSION"))
    )]
    sidecar_image: String,
    /// When kubelet pulls it [default: as Kubernetes decides by the tag]
    #[arg(long, value_parser = ["Always", "IfNotPresent", "Never"])]
    sidecar_image_pull_policy: Option<String>,
    /// Whether sidecars run as user 65532 where the pod's own user would be root
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    sidecar_run_as_user: bool,
    /// Whether endpoints.dev/sidecar: auto is native, as from Kubernetes 1.34 on
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    native_sidecars: bool,
    /// Network that the operator may fetch key sets from although its addresses are refused otherwise;
    /// repeatable
    #[arg(long, value_name = "CIDR")]
    jwks_allow: Vec<IpNet>,
    /// The operator fetches key sets over http:, too
    #[arg(long)]
    jwks_allow_http: bool,
    /// Where sidecars dial for their policy
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "endpoints-operator.endpoints-system.svc:9444"
    )]
    operator_address: String,
    /// File with the certificates (PEM) that sidecars recognise the operator by
    #[arg(long, value_name = "FILE")]
    trust_bundle: Option<PathBuf>,
}

/// Runs the sub-command.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let text = read(&args.filename)?;
    let config = args.config()?;
    let name = args.filename.display();
    let (form, mut documents) = stream::read(&text).with_context(|| name.to_string())?;
    let known = services(&documents, &args.namespace);
    let mut reports = Reports::default();
    for document in &mut documents {
        let settings = |key: &ServiceKey| known.get(key).cloned().unwrap_or_default();
        let told = inject_object(&mut document.value, &config, &args.namespace, &settings);
        document.changed = reports.take(told, |key| known.contains_key(key));
    }
    let mut out = std::io::stdout().lock();
    out.write_all(stream::write(form, &documents)?.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot write")?;
    let mut notes = std::io::stderr().lock();
    reports
        .print(&mut notes, args.trust_bundle.is_some())
        .context("cannot write")?;
    Ok(match reports.failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

impl Args {
    fn config(&self) -> anyhow::Result<InjectorConfig> {
        let trust_bundle = self.trust_bundle.as_deref().map(read).transpose()?;
        Ok(InjectorConfig {
            image: self.sidecar_image.clone(),
            image_pull_policy: self.sidecar_image_pull_policy.clone(),
            operator_address: self.operator_address.clone(),
            operator_fallback: None,
            key_addresses: AddressRule {
                allow_http: self.jwks_allow_http,
                ..AddressRule::strict(self.jwks_allow.clone())
            },
            trust_bundle: Arc::from(trust_bundle.unwrap_or_default()),
            native_sidecars: self.native_sidecars,
            set_run_as_user: self.sidecar_run_as_user,
        })
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .take(MAX_TEXT + 1)
            .read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MAX_TEXT + 1).read_to_string(&mut text))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    if text.len() as u64 > MAX_TEXT {
        bail!("{} has more than {MAX_TEXT} bytes", path.display());
    }
    Ok(text)
}

/// What the EndpointsServices among the documents say of their sidecars.
fn services(documents: &[Document], namespace: &str) -> BTreeMap<ServiceKey, SidecarSettings> {
    let mut known = BTreeMap::new();
    for document in documents {
        let items = document.value["items"].as_array();
        for object in items.into_iter().flatten().chain([&document.value]) {
            if let Some((key, settings)) = service(object, namespace) {
                known.insert(key, settings);
            }
        }
    }
    known
}

fn service(object: &Value, namespace: &str) -> Option<(ServiceKey, SidecarSettings)> {
    let ours = object["apiVersion"].as_str()?.starts_with("endpoints.dev/")
        && object["kind"] == "EndpointsService";
    if !ours {
        return None;
    }
    let spec: EndpointsServiceSpec = serde_json::from_value(object["spec"].clone()).ok()?;
    let metadata = &object["metadata"];
    let key = ServiceKey {
        namespace: metadata["namespace"]
            .as_str()
            .unwrap_or(namespace)
            .to_owned(),
        name: metadata["name"].as_str()?.to_owned(),
    };
    Some((key, SidecarSettings::of(&spec)))
}
