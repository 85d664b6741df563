//! `endpoints uninstall` and `endpoints install-check`, as the chart's hooks run them.

use std::process::Output;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use crate::api_server::{Cluster, Test};

const NAME: &str = "endpoints-operator";

#[tokio::test]
async fn uninstall_touches_nothing_while_pods_have_sidecars_unless_forced() {
    let installed = Installed::new().await;
    installed.create_injected_pod("web-1", "Running").await;
    installed.create_injected_pod("job-1", "Succeeded").await;

    let refused = installed.uninstall().await;
    let text = String::from_utf8_lossy(&refused.stdout);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let namespace = &installed.test.namespace;
    assert!(text.starts_with("1 pod has a sidecar"), "{text}");
    assert!(text.contains(&format!("{namespace}/web-1")), "{text}");
    assert!(
        !text.contains("job-1"),
        "one that has ended needs nobody: {text}"
    );
    assert_eq!(installed.left().await, ALL);
    assert_eq!(installed.replicas().await, Some(2));

    // The line that it tells to paste.
    let line = text.lines().last().unwrap_or_default().trim();
    let arguments: Vec<_> = line.split(' ').skip(1).collect();
    let annotated = installed.test.cluster.kubectl(&arguments).await;
    assert!(annotated.status.success(), "{line}: {annotated:?}");
    let forced = installed.uninstall().await;
    assert!(forced.status.success(), "{forced:?}");
    assert_eq!(installed.left().await, NOTHING);
}

#[tokio::test]
async fn uninstall_removes_what_could_refuse_pods_first_and_can_be_repeated() {
    let installed = Installed::new().await;
    let done = installed.uninstall().await;
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8_lossy(&done.stdout);
    let order: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("Removed ")?.split(' ').next())
        .collect();
    assert_eq!(
        order,
        [
            "ValidatingAdmissionPolicyBinding",
            "ValidatingAdmissionPolicy",
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
            "Secret",
            "Lease"
        ]
    );
    assert_eq!(installed.left().await, NOTHING);
    assert_eq!(
        installed.replicas().await,
        Some(0),
        "it would make the Secret again"
    );

    let again = installed.uninstall().await;
    assert!(again.status.success(), "{again:?}");
}

/// Anybody who may create a pod may put a label on it: no sidecar, and nothing to take off.
#[tokio::test]
async fn uninstall_is_not_held_up_by_a_pod_that_merely_carries_the_label() {
    let installed = Installed::new().await;
    for value in ["true", "no"] {
        let labels = json!({ "endpoints.dev/injected": value });
        let name = format!("labelled-{value}");
        installed.create_pod(&name, labels, "Running").await;
    }
    let done = installed.uninstall().await;
    assert!(done.status.success(), "{done:?}");
    assert_eq!(installed.left().await, NOTHING);
}

/// A hook that Helm gives up on must not have removed the Secret that operators still use.
#[tokio::test]
async fn uninstall_keeps_the_secret_while_an_operator_does_not_end() {
    let installed = Installed::new().await;
    let labels = json!({ "app": NAME });
    installed.create_pod("stuck", labels, "Running").await;
    let failed = installed.uninstall().await;
    let text = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(text.contains("did not end within 1 seconds"), "{text}");
    assert_eq!(installed.left().await, (0, 2));
}

#[tokio::test]
async fn install_check_tells_whether_an_annotated_pod_gets_its_sidecar() {
    let test = Test::start().await;
    let namespace = test.namespace.clone();
    let good = run(&test, &["install-check", "--namespace", &namespace]).await;
    assert!(good.status.success(), "{good:?}");
    let pods = test.api::<Pod>().list(&Default::default()).await.unwrap();
    assert!(pods.items.is_empty(), "nothing is stored");

    let absent = Test::on(Cluster::own()).await;
    let namespace = absent.namespace.clone();
    let bad = run(&absent, &["install-check", "--namespace", &namespace]).await;
    let text = String::from_utf8_lossy(&bad.stderr);
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");
    assert!(text.contains("comes without a sidecar"), "{text}");
}

/// How many cluster-wide objects and how many namespaced ones an installation has that the hook
/// removes.
const ALL: (usize, usize) = (4, 2);
const NOTHING: (usize, usize) = (0, 0);

/// What the chart and the operator make, as far as the hook looks at it, on an API server of its own.
struct Installed {
    test: Test,
}

impl Installed {
    async fn new() -> Self {
        let test = Test::on(Cluster::own()).await;
        let installed = Self { test };
        // Empty ones: what they say is no matter here.
        installed
            .create_global::<MutatingWebhookConfiguration>(json!({}))
            .await;
        installed
            .create_global::<ValidatingWebhookConfiguration>(json!({}))
            .await;
        let policy = json!({ "spec": {
            "matchConstraints": { "resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": ["configmaps"]
            }] },
            "validations": [{ "expression": "true" }]
        } });
        installed
            .create_global::<ValidatingAdmissionPolicy>(policy)
            .await;
        let binding = json!({ "spec": { "policyName": NAME, "validationActions": ["Deny"] } });
        installed
            .create_global::<ValidatingAdmissionPolicyBinding>(binding)
            .await;
        let test = &installed.test;
        let secret = json!({ "metadata": { "name": "ca" } });
        test.create::<Secret>(secret).await.unwrap();
        let lease = json!({ "metadata": { "name": "leader" } });
        test.create::<Lease>(lease).await.unwrap();
        let deployment = json!({
            "metadata": { "name": NAME },
            "spec": {
                "replicas": 2,
                "selector": { "matchLabels": { "app": NAME } },
                "template": {
                    "metadata": { "labels": { "app": NAME } },
                    "spec": { "containers": [{ "name": "operator", "image": "x" }] }
                }
            }
        });
        test.create::<Deployment>(deployment).await.unwrap();
        installed
    }

    async fn create_global<K>(&self, mut object: Value)
    where
        K: Resource<Scope = k8s_openapi::ClusterResourceScope, DynamicType = ()>,
    {
        object["apiVersion"] = json!(K::api_version(&()));
        object["kind"] = json!(K::kind(&()));
        object["metadata"] = json!({ "name": NAME });
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let resource = kube::api::ApiResource::erase::<K>(&());
        Api::<DynamicObject>::all_with(self.test.client.clone(), &resource)
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
    }

    async fn create_injected_pod(&self, name: &str, phase: &str) {
        let pod = json!({
            "metadata": {
                "name": name, "labels": { "endpoints.dev/injected": "true" },
                "annotations": { "endpoints.dev/service": "shop" }
            },
            "spec": { "containers": [
                { "name": "endpoints-proxy", "image": "proxy" }, { "name": "app", "image": "app" }
            ] }
        });
        self.create(name, pod, phase).await;
    }

    async fn create_pod(&self, name: &str, labels: Value, phase: &str) {
        let pod = json!({
            "metadata": { "name": name, "labels": labels },
            "spec": { "containers": [{ "name": "app", "image": "app" }] }
        });
        self.create(name, pod, phase).await;
    }

    async fn create(&self, name: &str, pod: Value, phase: &str) {
        self.test.create::<Pod>(pod).await.unwrap();
        let status = Patch::Merge(json!({ "status": { "phase": phase } }));
        self.test
            .api::<Pod>()
            .patch_status(name, &PatchParams::default(), &status)
            .await
            .unwrap();
    }

    async fn uninstall(&self) -> Output {
        let namespace = &self.test.namespace;
        let arguments = [
            "uninstall",
            "--namespace",
            namespace,
            "--secret",
            "ca",
            "--lease",
            "leader",
            "--timeout",
            "1",
        ];
        run(&self.test, &arguments).await
    }

    async fn replicas(&self) -> Option<i32> {
        let deployment = self.test.api::<Deployment>().get(NAME).await.unwrap();
        deployment.spec.and_then(|spec| spec.replicas)
    }

    /// How many of the objects are left: of the cluster, of the namespace.
    async fn left(&self) -> (usize, usize) {
        let client = &self.test.client;
        let cluster = count(
            Api::<MutatingWebhookConfiguration>::all(client.clone()),
            NAME,
        )
        .await
            + count(
                Api::<ValidatingWebhookConfiguration>::all(client.clone()),
                NAME,
            )
            .await
            + count(Api::<ValidatingAdmissionPolicy>::all(client.clone()), NAME).await
            + count(
                Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()),
                NAME,
            )
            .await;
        let own = count(self.test.api::<Secret>(), "ca").await
            + count(self.test.api::<Lease>(), "leader").await;
        (cluster, own)
    }
}

async fn count<K>(api: Api<K>, name: &str) -> usize
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + ResourceExt,
{
    let found = api.get_metadata_opt(name).await.unwrap();
    usize::from(found.is_some())
}

async fn run(test: &Test, arguments: &[&str]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_endpoints"))
        .args(arguments)
        .env("KUBECONFIG", &test.cluster.kubeconfig)
        .output()
        .await
        .expect("our binary runs")
}
