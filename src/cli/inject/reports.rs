//! What people are told on stderr.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use crate::api::annotations::InjectionStatus;
use crate::operator::admission::{Fate, Report};
use crate::push::wire::ServiceKey;

/// How many kinds are told by name.
const MOST_KINDS: usize = 16;

/// Lines about all objects.
#[derive(Debug, Default)]
pub(super) struct Reports {
    lines: Vec<String>,
    /// Services that sidecars belong to and that nobody described.
    unknown: BTreeSet<ServiceKey>,
    /// Objects that were left as they are because no pods of their kinds are known here, by kind.
    others: BTreeMap<String, usize>,
    injected: usize,
    /// Something would be refused, or was not understood.
    pub(super) failed: bool,
}

impl Reports {
    /// Takes what became of a document's objects; whether any was changed.
    pub(super) fn take(
        &mut self,
        reports: Vec<Report>,
        is_known: impl Fn(&ServiceKey) -> bool,
    ) -> bool {
        let mut changed = false;
        for Report { object, fate } in reports {
            match fate {
                Fate::Injected {
                    status,
                    service,
                    warnings,
                } => {
                    changed = true;
                    self.injected += 1;
                    self.lines
                        .push(format!("{object}: injected, {}", described(&status)));
                    for warning in warnings {
                        self.lines.push(format!("{object}: warning: {warning}"));
                    }
                    if !is_known(&service) {
                        self.unknown.insert(service);
                    }
                }
                Fate::NotAsked => self
                    .lines
                    .push(format!("{object}: not injected: it does not ask for it")),
                Fate::Misplaced => {
                    self.failed = true;
                    self.lines.push(format!(
                        "{object}: not injected: its annotations of endpoints.dev are on the object, where \
                         nothing reads them; they belong on the pod template"
                    ));
                }
                Fate::Denied(denial) => {
                    self.failed = true;
                    self.lines.push(format!("{object}: denied: {denial}"));
                }
                Fate::Unreadable(reason) => {
                    self.failed = true;
                    self.lines
                        .push(format!("{object}: cannot be read: {reason}"));
                }
                Fate::UnknownKind { kind, asks: true } => self.lines.push(format!(
                    "{object}: printed as written: where a {kind} has its pods is not known here; the \
                     cluster's webhook injects into them when they are created"
                )),
                Fate::UnknownKind { kind, asks: false } => {
                    *self.others.entry(kind).or_default() += 1;
                }
            }
        }
        changed
    }

    /// Prints them, and what could not be known here.
    pub(super) fn print(&self, out: &mut impl Write, has_trust: bool) -> io::Result<()> {
        let unknown = self.unknown.iter().map(|service| {
            format!(
                "note: EndpointsService {}/{} is not in the input: what it says of its sidecars (workers, \
                 TLS Secrets) is left out",
                service.namespace, service.name
            )
        });
        let without_trust = (self.injected > 0 && !has_trust).then(|| {
            "note: no --trust-bundle: these sidecars could not recognise the operator (the cluster's own \
             webhook fills it in when the pods are created)"
                .to_owned()
        });
        for line in self
            .lines
            .iter()
            .cloned()
            .chain(self.others())
            .chain(unknown)
            .chain(without_trust)
        {
            // What files hold is nobody's to colour a terminal with.
            let line: String = line
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

impl Reports {
    /// What was passed through without a look.
    fn others(&self) -> Option<String> {
        let kinds = self.others.iter().take(MOST_KINDS);
        let kinds: Vec<_> = kinds
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let more = match self.others.len().saturating_sub(MOST_KINDS) {
            0 => String::new(),
            more => format!(" and {more} kinds more"),
        };
        (!kinds.is_empty()).then(|| {
            format!(
                "note: printed as written, no pods of theirs being known here: {}{more}",
                kinds.join(", ")
            )
        })
    }
}

/// `capture redirect, 8080 behind 14080`.
fn described(status: &InjectionStatus) -> String {
    let ports = status.ports.iter().map(|port| {
        let name = port.name.as_ref().map(|name| format!("{name} "));
        format!(
            "{}({} behind {})",
            name.unwrap_or_default(),
            port.app,
            port.listen
        )
    });
    let ports: Vec<_> = ports.collect();
    format!("capture {}: {}", status.capture.name(), ports.join(", "))
}
