//! For people: findings one after the other, then one line that sums them up.

use super::Run;
use crate::cli::report::{self, Tally};

/// The findings of all files.
pub(super) fn findings(run: &Run, color: bool) -> String {
    run.checked
        .iter()
        .map(|checked| report::render(&checked.file, &checked.findings, color))
        .collect()
}

/// `2 errors, 1 warning in 3 services; 4 Kubernetes objects of other kinds passed over`.
pub(super) fn summary(run: &Run) -> String {
    let Tally { errors, warnings } = run.tally();
    let services = run.services();
    let found = match (errors, warnings) {
        (0, 0) if services == 0 => {
            String::from("nothing to check: no OpenAPI document and no EndpointsService")
        }
        (0, 0) => format!("nothing found in {}", count(services, "service")),
        _ => {
            let parts = [(errors, "error"), (warnings, "warning")];
            let parts: Vec<_> = parts
                .into_iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, what)| count(number, what))
                .collect();
            format!("{} in {}", parts.join(", "), count(services, "service"))
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

/// Where there is more about findings, if there are any.
pub(super) fn more(run: &Run) -> String {
    run.checked
        .iter()
        .flat_map(|checked| &checked.findings)
        .next()
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
