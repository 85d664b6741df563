//! What an operation demands, made ready: alternatives (OR) of requirements (AND).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::claims::canonical_audience;
use super::locations::Location;
use super::{MAX_TOKENS, PreparedProvider};
use crate::policy::format;

/// The most bytes of scopes that `WWW-Authenticate` names.
const MAX_SCOPE_BYTES: usize = 1024;

/// What an operation demands of the tokens of a request. By default nothing: it is open.
#[derive(Debug, Default)]
pub struct Security {
    /// Where tokens of its schemes are looked for, each place once.
    pub(super) locations: Vec<Location>,
    /// In the order of the document. Empty: open.
    pub(in crate::policy) alternatives: Vec<Vec<PreparedRequirement>>,
}

impl Security {
    /// Whether no token is ever looked at.
    pub fn is_open(&self) -> bool {
        self.alternatives.is_empty()
    }
}

/// One token that is demanded.
#[derive(Debug)]
pub(in crate::policy) struct PreparedRequirement {
    /// Place in [`super::Prepared::providers`].
    pub(in crate::policy) provider: usize,
    /// Places in [`Security::locations`].
    pub(super) locations: Vec<usize>,
    /// Canonical; in place of the provider's.
    pub(super) audiences: Option<BTreeSet<String>>,
    pub(super) scopes: BTreeSet<String>,
    /// The scopes for `WWW-Authenticate`, separated by spaces.
    pub(super) scope: Arc<str>,
}

impl Security {
    /// Makes alternatives of a policy ready.
    ///
    /// # Errors
    /// A provider that the policy lacks, or more tokens at once than are looked at. Never open by
    /// mistake: that is no policy, not one alternative less.
    pub fn new(
        alternatives: &[format::Alternative],
        providers: &[PreparedProvider],
    ) -> Result<Self, String> {
        let mut security = Self::default();
        for format::Alternative(written) in alternatives {
            if written.len() > MAX_TOKENS {
                return Err(format!("more than {MAX_TOKENS} tokens at once"));
            }
            let requirements = written
                .iter()
                .map(|requirement| security.requirement(requirement, providers))
                .collect::<Result<_, _>>()?;
            security.alternatives.push(requirements);
        }
        Ok(security)
    }

    fn requirement(
        &mut self,
        written: &format::Requirement,
        providers: &[PreparedProvider],
    ) -> Result<PreparedRequirement, String> {
        let name = &written.provider;
        let provider = providers
            .iter()
            .find(|provider| provider.name == *name)
            .ok_or_else(|| format!("it asks for `{name}`, which is no provider"))?;
        let mut scope = String::new();
        for own in &written.scopes {
            if scope.len() + own.len() < MAX_SCOPE_BYTES {
                if !scope.is_empty() {
                    scope.push(' ');
                }
                scope.push_str(own);
            }
        }
        let canonical = |audience: &String| canonical_audience(audience).to_owned();
        let audiences = written.audiences.as_ref();
        Ok(PreparedRequirement {
            provider: provider.index,
            locations: provider
                .locations
                .iter()
                .map(|location| self.place(location))
                .collect(),
            audiences: audiences.map(|list| list.iter().map(canonical).collect()),
            scopes: written.scopes.clone(),
            scope: scope.into(),
        })
    }

    fn place(&mut self, location: &Location) -> usize {
        let known = self.locations.iter().position(|own| own == location);
        known.unwrap_or_else(|| {
            self.locations.push(location.clone());
            self.locations.len() - 1
        })
    }
}
