//! What `security` demands and nothing enforces, gathered over all operations.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::openapi::diagnostic::Severity;
use crate::openapi::{Diagnostic, Findings, lints};

/// The most places that a finding shows besides its own and that of the scheme.
const MAX_RELATED: usize = 3;

/// One finding for each severity, message and remedy, wherever it is demanded.
#[derive(Default)]
pub(super) struct Unenforced(BTreeMap<(Severity, String, Option<Box<str>>), Demanded>);

/// A finding, and how often what it is about is demanded.
struct Demanded {
    finding: Diagnostic,
    times: usize,
}

impl Unenforced {
    /// Adds what one `security` demands.
    pub(super) fn push(&mut self, finding: Diagnostic) {
        let key = (
            finding.severity,
            finding.message.clone(),
            finding.help.clone(),
        );
        match self.0.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(Demanded { finding, times: 1 });
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                known.times += 1;
                if known.times <= MAX_RELATED + 1 {
                    let too = (finding.place, Box::from("demanded here, too"));
                    known.finding.related.push(too);
                }
            }
        }
    }

    /// Says all of it.
    pub(super) fn finish(self, findings: &mut Findings) {
        for Demanded { mut finding, times } in self.0.into_values() {
            if times > 1 {
                let times = format!(" (demanded in {times} places)");
                finding.message.push_str(&times);
            }
            findings.push(finding);
        }
    }
}

/// The warning that an alternative is not offered. `remedy_holds`: that of the error helps here, too.
pub(super) fn left_out(error: Diagnostic, remedy_holds: bool) -> Diagnostic {
    let warning = Diagnostic::warning(
        lints::ALTERNATIVE_LEFT_OUT,
        error.place,
        format!(
            "this alternative is left out, so that only the others let a request in: {}",
            error.message
        ),
    );
    Diagnostic {
        help: match remedy_holds {
            true => error.help,
            // `security: []` would let everybody in.
            false => Some(Box::from("remove this alternative: the others stay")),
        },
        related: error.related,
        ..warning
    }
}
