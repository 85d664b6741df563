//! `x-endpoints-cors`: CORS rules of operations.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::super::block::Block;
use crate::api::endpoints_service::CorsSpec;
use crate::openapi::description::CorsOverride;
use crate::openapi::diagnostic::code;
use crate::openapi::{Diagnostic, Findings};
use crate::policy::format::CorsMode;

/// The most different rules in a document: a sidecar keeps an expression of each.
const MAX_RULES: usize = 100;

/// Judges each override once, however many operations share it and however often it is written.
pub(in super::super) struct Overrides<'d> {
    /// What the service does without them: an override that says the same is none.
    service: &'d CorsMode,
    judged: HashMap<*const CorsOverride, Option<Rc<CorsMode>>>,
    rules: Vec<(&'d Option<CorsSpec>, Option<Rc<CorsMode>>)>,
    too_many: bool,
}

impl<'d> Overrides<'d> {
    pub(in super::super) fn new(service: &'d CorsMode) -> Self {
        Self {
            service,
            judged: HashMap::new(),
            rules: Vec::new(),
            too_many: false,
        }
    }

    /// The rule of an operation; `None`: that of the service, or a finding was made.
    pub(in super::super) fn rule(
        &mut self,
        written: Option<&'d Arc<CorsOverride>>,
        findings: &mut Findings,
    ) -> Option<Rc<CorsMode>> {
        let written = written?;
        if let Some(known) = self.judged.get(&Arc::as_ptr(written)) {
            return known.clone();
        }
        let rule = self.judge(written, findings);
        self.judged.insert(Arc::as_ptr(written), rule.clone());
        rule
    }

    fn judge(
        &mut self,
        written: &'d CorsOverride,
        findings: &mut Findings,
    ) -> Option<Rc<CorsMode>> {
        let same = self
            .rules
            .iter()
            .find(|(rules, _)| **rules == written.rules);
        if let Some((_, known)) = same {
            return known.clone();
        }
        if self.rules.len() == MAX_RULES {
            if !self.too_many {
                self.too_many = true;
                findings.push(
                    Diagnostic::error(
                        code::INVALID_OPENAPI,
                        written.place.clone(),
                        format!("there are more than {MAX_RULES} different `x-endpoints-cors`"),
                    )
                    .help("let operations share their rules, or write one for the path"),
                );
            }
            return None;
        }
        let mode = match &written.rules {
            None => Some(CorsMode::Off),
            Some(rules) => {
                super::compile(rules, Block(&written.place), findings).map(CorsMode::Owned)
            }
        };
        let rule = mode.filter(|mode| mode != self.service).map(Rc::new);
        self.rules.push((&written.rules, rule.clone()));
        rule
    }
}
