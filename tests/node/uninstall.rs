//! `helm uninstall`.

use crate::cluster::{get, kubectl};
use crate::installation;

/// A webhook without its operator would keep every annotated pod out.
#[test]
fn uninstall_leaves_no_webhook_policy_or_binding_behind() {
    let installation = installation::alone();
    assert!(
        ours(&kinds()) >= 4,
        "two webhooks, a policy and its binding are there before"
    );
    installation.uninstall();
    assert_eq!(ours(&kinds()), 0);
    for kind in ["clusterroles", "clusterrolebindings"] {
        assert_eq!(ours(kind), 0, "{kind}");
    }
    // The resources are the users': they stay, and so does their kind.
    kubectl(&["get", "crd", "endpointsservices.endpoints.dev"]);
}

fn kinds() -> String {
    "mutatingwebhookconfigurations,validatingwebhookconfigurations,\
     validatingadmissionpolicies,validatingadmissionpolicybindings"
        .to_owned()
}

/// How many objects of these kinds have anything of ours in their names or rules.
fn ours(kinds: &str) -> usize {
    let list = get(&[kinds]);
    let items = list["items"].as_array().expect("a list");
    items
        .iter()
        .filter(|item| {
            item.to_string().contains("endpoints.dev")
                || item.to_string().contains(installation::RELEASE)
        })
        .count()
}
