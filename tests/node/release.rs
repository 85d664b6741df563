//! A release of the chart that one test installs, upgrades and takes away, by one of the Helms.

use std::time::Duration;

use serde_json::Value;

use crate::cluster::{
    Helm, Outcome, eventually, get, image, kubectl, try_helm, try_kubectl, variable,
};
use crate::installation::{self, print_logs};

/// The chart as it is.
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/endpoints-operator");
/// The chart of the version before, as it was packaged.
pub(crate) const PREVIOUS_CHART: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/node/previous/endpoints-operator-0.1.0.tgz"
);

/// It stays when a release goes.
const DEFINITION: &str = "endpointsservices.endpoints.dev";

/// A release; when a test fails, it goes without asking.
pub(crate) struct Release {
    helm: Helm,
    name: &'static str,
    pub(crate) namespace: &'static str,
}

impl Release {
    /// The one of the README; nothing is installed yet.
    pub(crate) fn new(helm: Helm) -> Self {
        Self::named(helm, installation::RELEASE, installation::NAMESPACE)
    }

    /// One with another name, or in another namespace.
    pub(crate) fn named(helm: Helm, name: &'static str, namespace: &'static str) -> Self {
        Self {
            helm,
            name,
            namespace,
        }
    }

    /// `helm install`; the caller looks at how it ended.
    pub(crate) fn try_install(&self, chart: &str, image: &str, more: &[&str]) -> Outcome {
        self.bring(&["install", "--create-namespace"], chart, image, more)
    }

    /// Installs the chart as it is.
    pub(crate) fn install(&self, more: &[&str]) {
        self.try_install(CHART, &image(), more).expect_success();
    }

    /// `helm upgrade` to the chart as it is.
    pub(crate) fn upgrade(&self, more: &[&str]) {
        self.bring(&["upgrade"], CHART, &image(), more)
            .expect_success();
    }

    /// Waits until no operator is left but those of the newest revision: Helm waits only until these are
    /// ready.
    pub(crate) fn wait_for_the_old(&self) {
        let selector = format!("--selector=app.kubernetes.io/instance={}", self.name);
        let pods = ["pods", "--namespace", self.namespace, &selector];
        eventually("the old operators end", Duration::from_secs(60), || {
            let pods = get(&pods);
            let ending = |pod: &&Value| !pod["metadata"]["deletionTimestamp"].is_null();
            match items(&pods).filter(ending).count() {
                0 => Ok(()),
                ending => Err(format!("{ending} pods")),
            }
        });
    }

    fn bring(&self, command: &[&str], chart: &str, image: &str, more: &[&str]) -> Outcome {
        let (repository, tag) = image.rsplit_once(':').expect("an image has a tag");
        let (repository, tag) = (
            format!("image.repository={repository}"),
            format!("image.tag={tag}"),
        );
        let place = [self.name, chart, "--namespace", self.namespace];
        let settings = [
            "--wait",
            "--timeout=120s",
            "--set",
            &repository,
            "--set",
            &tag,
        ];
        try_helm(self.helm, &[command, &place, &settings, more].concat())
    }

    /// `helm test`: what it printed.
    pub(crate) fn test(&self) -> String {
        let arguments = ["test", self.name, "--namespace", self.namespace];
        let outcome = try_helm(self.helm, &arguments);
        // Helm 4 tells what a hook said on stderr.
        let said = outcome.stderr.clone();
        outcome.expect_success() + &said
    }

    /// Says that it may go although pods have sidecars, as docs/operations.md does.
    pub(crate) fn force_uninstallation(&self) {
        let deployment = format!("deployment/{}", installation::RELEASE);
        let annotation = "endpoints.dev/uninstall=force";
        let place = ["--namespace", self.namespace];
        kubectl(&[&["annotate", &*deployment, annotation][..], &place].concat());
    }

    /// Whether the definition is there, and this release's.
    pub(crate) fn has_left_the_definition(&self) -> bool {
        let outcome = try_kubectl(&["get", "crd", DEFINITION, "--output=json"], "");
        let definition: Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
        let annotations = &definition["metadata"]["annotations"];
        annotations["meta.helm.sh/release-name"] == self.name
            && annotations["meta.helm.sh/release-namespace"] == self.namespace
    }

    /// Gives the definition that another release left to this one.
    pub(crate) fn own_the_definition(&self) {
        let name = format!("meta.helm.sh/release-name={}", self.name);
        let namespace = format!("meta.helm.sh/release-namespace={}", self.namespace);
        let annotate = ["annotate", "crd", DEFINITION, "--overwrite"];
        kubectl(&[&annotate[..], &[&*name, &*namespace]].concat());
    }

    /// Kinds of the objects that could refuse pods and were deleted since then, in this order.
    pub(crate) fn removed_since(&self, version: &str) -> Vec<String> {
        let mut removed = Vec::new();
        for kind in [
            "validatingadmissionpolicybindings",
            "validatingadmissionpolicies",
            "mutatingwebhookconfigurations",
        ] {
            let query = format!("watch=true&resourceVersion={version}&timeoutSeconds=1");
            let path = format!("/apis/admissionregistration.k8s.io/v1/{kind}?{query}");
            let events = kubectl(&["get", "--raw", &path]);
            for line in events.lines() {
                let event: Value = serde_json::from_str(line).expect("an event a line");
                let object = &event["object"];
                if event["type"] == "DELETED" && object["metadata"]["name"] == self.name {
                    let when = object["metadata"]["resourceVersion"].as_str();
                    let when: Option<u64> = when.and_then(|version| version.parse().ok());
                    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
                    removed.push((when.expect("versions are numbers"), kind));
                }
            }
        }
        removed.sort();
        removed.into_iter().map(|(_, kind)| kind).collect()
    }

    /// After an uninstallation that was refused Helm takes no upgrade, but this: the newest revision
    /// again, as docs/operations.md says.
    pub(crate) fn take_back_uninstallation(&self) {
        let status = self.status(&["--output=json"]);
        let status: Value = serde_json::from_str(&status).expect("Helm prints JSON");
        assert_eq!(status["info"]["status"], "uninstalling", "{status:#}");
        let revision = status["version"].to_string();
        let place = [self.name, &revision, "--namespace", self.namespace];
        let arguments = [&["rollback"][..], &place, &["--wait", "--timeout=120s"]].concat();
        try_helm(self.helm, &arguments).expect_success();
        let status = self.status(&[]);
        assert!(status.contains("STATUS: deployed"), "{status}");
    }

    fn status(&self, more: &[&str]) -> String {
        let place = ["status", self.name, "--namespace", self.namespace];
        try_helm(self.helm, &[&place[..], more].concat()).expect_success()
    }

    /// `helm uninstall`; the caller looks at how it ended.
    pub(crate) fn try_uninstall(&self) -> Outcome {
        let arguments = ["uninstall", self.name, "--namespace", self.namespace];
        try_helm(
            self.helm,
            &[&arguments[..], &["--wait", "--timeout=120s"]].concat(),
        )
    }

    /// Names and kinds of what is left of it, in its namespace and in the cluster.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let own = "deployments,replicasets,pods,services,endpointslices,serviceaccounts,secrets,\
                   configmaps,leases,roles,rolebindings,networkpolicies,poddisruptionbudgets,jobs";
        let everywhere = "mutatingwebhookconfigurations,validatingwebhookconfigurations,\
                          validatingadmissionpolicies,validatingadmissionpolicybindings,\
                          clusterroles,clusterrolebindings";
        let in_namespace = get(&[own, "--namespace", self.namespace]);
        let in_cluster = get(&[everywhere]);
        let mut left: Vec<_> = items(&in_namespace)
            // Kubernetes' own of each namespace.
            .filter(|item| {
                let name = item["metadata"]["name"].as_str().unwrap_or_default();
                name != "default" && name != "kube-root-ca.crt"
            })
            .map(describe)
            .collect();
        let ours = items(&in_cluster).filter(|item| {
            let text = item.to_string();
            text.contains("endpoints.dev") || text.contains(self.name)
        });
        left.extend(ours.map(describe));
        left
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        if std::thread::panicking() {
            print_logs();
            let place = ["uninstall", self.name, "--namespace", self.namespace];
            let force = ["--no-hooks", "--wait", "--ignore-not-found"];
            try_helm(self.helm, &[&place[..], &force].concat());
        }
    }
}

/// The image of the version before, if the nodes have it.
pub(crate) fn previous_image() -> Option<String> {
    let image = variable("E2E_PREVIOUS_IMAGE");
    if image.is_empty() {
        eprintln!("E2E_PREVIOUS_IMAGE names no image of the version before: upgrading to the same");
        return None;
    }
    Some(image)
}

/// What the cluster holds now, for [`Release::removed_since`].
pub(crate) fn version_of_everything() -> String {
    let namespaces = kubectl(&["get", "--raw", "/api/v1/namespaces?limit=1"]);
    let namespaces: Value = serde_json::from_str(&namespaces).expect("a list");
    let version = namespaces["metadata"]["resourceVersion"].as_str();
    version.expect("a list has a version").to_owned()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

fn describe(item: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{} {}",
        text(&item["kind"]),
        text(&item["metadata"]["name"])
    )
}
