//! The pods that still have sidecars, told to people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many pods are told by name, and how many namespaces by their counts.
const TOLD: usize = 20;

/// Pods counted by namespace; the first few by name.
#[derive(Debug, Default)]
pub(super) struct Remaining {
    named: Vec<(String, String)>,
    by_namespace: BTreeMap<String, usize>,
    total: usize,
}

impl Remaining {
    /// One more.
    pub(super) fn add(&mut self, namespace: String, pod: String) {
        self.total += 1;
        *self.by_namespace.entry(namespace.clone()).or_default() += 1;
        if self.named.len() < TOLD {
            self.named.push((namespace, pod));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The list, bounded.
    pub(super) fn describe(&self) -> String {
        let pods = if self.total == 1 {
            "pod has"
        } else {
            "pods have"
        };
        let mut text = format!("{} {pods} a sidecar that this operator serves:", self.total);
        for (namespace, pod) in &self.named {
            let _ = write!(text, "\n  {namespace}/{pod}");
        }
        if self.total > self.named.len() {
            let _ = write!(
                text,
                "\n  and {} more. By namespace:",
                self.total - self.named.len()
            );
            for (namespace, count) in self.by_namespace.iter().take(TOLD) {
                let _ = write!(text, "\n  {namespace}: {count}");
            }
            let further = self.by_namespace.len().saturating_sub(TOLD);
            if further > 0 {
                let _ = write!(text, "\n  and {further} more namespaces");
            }
        }
        text
    }
}

/// What to do about them.
pub(super) fn remedy(namespace: &str, deployment: &str, annotation: &str) -> String {
    format!(
        "Nothing was removed. Take the annotations of endpoints.dev off their pod templates, wait until the pods \
         are replaced, and uninstall again. Without the operator these pods would keep their last policy, and \
         annotated pods that come after them would have none, and be open. To uninstall all the same:\n  \
         kubectl -n {namespace} annotate deployment {deployment} {annotation}=force"
    )
}

#[cfg(test)]
mod tests;
