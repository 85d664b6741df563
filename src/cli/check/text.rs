//! For people: findings one after the other, then one line that sums them up.

use super::Run;
use super::cluster::{Scope, Suggestion};
use crate::cli::report::{self, Tally};

/// The findings of all files.
pub(super) fn findings(run: &Run, color: bool) -> String {
    run.checked
        .iter()
        .map(|checked| report::render(&checked.file, &checked.findings, color))
        .collect()
}

/// Manifests that would close what was found, each as YAML that can be applied.
pub(super) fn suggestions(run: &Run) -> String {
    run.suggestions
        .iter()
        .map(|suggestion| {
            let Suggestion { purpose, manifest } = suggestion;
            format!("---\n# {}\n{manifest}\n", report::one_line(purpose))
        })
        .collect()
}

/// `2 errors, 1 warning in 3 services; 4 Kubernetes objects of other kinds passed over`.
pub(super) fn summary(run: &Run) -> String {
    let Tally { errors, warnings } = run.tally();
    let where_to = place(run);
    let found = match (errors, warnings) {
        (0, 0) if run.services == 0 && run.cluster.is_none() => {
            String::from("nothing to check: no OpenAPI document and no EndpointsService")
        }
        (0, 0) => format!("nothing found in {where_to}"),
        _ => {
            let parts = [(errors, "error"), (warnings, "warning")];
            let parts: Vec<_> = parts
                .into_iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, what)| count(number, what))
                .collect();
            format!("{} in {where_to}", parts.join(", "))
        }
    };
    match run.others() {
        0 => format!("{found}\n"),
        others => format!(
            "{found}; {} of other kinds passed over\n",
            count(others, "Kubernetes object")
        ),
    }
}

/// What was looked at.
fn place(run: &Run) -> String {
    let Some(Scope { namespace, pods }) = &run.cluster else {
        return count(run.services, "service");
    };
    let services = count(run.services, "EndpointsService");
    let pods = count(*pods, "pod");
    match namespace {
        Some(namespace) => format!("namespace {namespace} ({services}, {pods} with a sidecar)"),
        None => format!("all namespaces ({services}, {pods} with a sidecar)"),
    }
}

/// Where there is more about findings, if there are any.
pub(super) fn more(run: &Run) -> String {
    let findings = || run.checked.iter().flat_map(|checked| &checked.findings);
    // What refuses a document is asked about first.
    findings()
        .find(|located| located.finding.is_error())
        .or_else(|| findings().next())
        .map(|located| located.finding.code)
        .map(|name| format!("more about a finding: endpoints check --explain {name}\n"))
        .unwrap_or_default()
}

/// What could not be read, a line each.
pub(super) fn unread(run: &Run) -> String {
    run.unread
        .iter()
        .map(|unread| {
            let path = report::one_line(&unread.path);
            format!(
                "endpoints: cannot read {path}: {}\n",
                report::one_line(&unread.why)
            )
        })
        .collect()
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
