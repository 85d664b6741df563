//! From facts to findings. No I/O: a table of objects in, a list of findings out.

mod around;
mod entries;
mod network;
mod pods;

use std::collections::BTreeMap;

use super::Suggestion;
use super::facts::Facts;
use crate::cli::check::file::Checked;
use crate::cli::report::{Home, Source};
use crate::openapi::Diagnostic;
use crate::operator::pod::{InjectedPod, Workload};

/// The most findings; a cluster where everything is wrong is told so by the first ones.
const MAX_FINDINGS: usize = 1000;

/// What there is to say of a cluster.
pub(super) struct Judgement {
    /// An object each, by namespace, kind and name.
    pub(super) checked: Vec<Checked>,
    /// Manifests that would close what was found.
    pub(super) suggestions: Vec<Suggestion>,
}

/// What is found, by object.
#[derive(Default)]
struct Found {
    findings: BTreeMap<String, Vec<Diagnostic>>,
    count: usize,
    suggestions: Vec<Suggestion>,
}

/// Judges everything.
pub(super) fn judge(facts: &Facts) -> Judgement {
    let mut found = Found::default();
    for (name, namespace) in &facts.namespaces {
        entries::judge(name, namespace, facts.seen, &mut found);
        pods::judge(name, namespace, facts, &mut found);
        around::judge(name, namespace, facts.seen, &mut found);
        network::judge(name, namespace, facts.seen, &mut found);
    }
    let checked = found.findings.into_iter().map(|(file, findings)| {
        let findings = Source::new("", None).locate(&Home::File, findings);
        Checked::of_object(file, findings)
    });
    Judgement {
        checked: checked.collect(),
        suggestions: found.suggestions,
    }
}

impl Found {
    /// Adds a finding about an object (`service/bookstore`).
    fn push(&mut self, namespace: &str, object: &str, finding: Diagnostic) {
        self.count += 1;
        if self.count <= MAX_FINDINGS {
            let file = format!("{namespace}/{object}");
            self.findings.entry(file).or_default().push(finding);
        }
    }

    fn suggest(&mut self, suggestion: Suggestion) {
        if self.suggestions.len() < MAX_FINDINGS && !self.suggestions.contains(&suggestion) {
            self.suggestions.push(suggestion);
        }
    }
}

/// Pods by EndpointsService and by what they belong to.
fn groups<'p>(
    pods: impl Iterator<Item = &'p InjectedPod>,
) -> BTreeMap<(&'p str, String), Vec<&'p InjectedPod>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for pod in pods {
        let key = (&*pod.service, object(pod.workload.as_ref(), &pod.name));
        groups.entry(key).or_default().push(pod);
    }
    groups
}

/// What people act on: the workload, else the pod.
fn object(workload: Option<&Workload>, pod: &str) -> String {
    match workload {
        Some(workload) => format!("{}/{}", workload.kind.resource(), workload.name),
        None => format!("pod/{pod}"),
    }
}

/// How pods get made anew.
fn restart(namespace: &str, workload: Option<&Workload>) -> String {
    match workload {
        Some(Workload { kind, name }) => format!(
            "kubectl rollout restart {} {name} -n {namespace}",
            kind.resource()
        ),
        None => "delete the pod, and create it again".to_owned(),
    }
}

/// `a`, or `a and 2 more`.
fn several(first: &str, count: usize) -> String {
    match count {
        0 | 1 => first.to_owned(),
        _ => format!("{first} and {} more", count - 1),
    }
}
