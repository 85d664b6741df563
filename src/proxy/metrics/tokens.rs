//! Verdicts about tokens, by issuer: of the issuers that the policy names, never of a token's own
//! words.

use super::cell::{Cell, row};
use crate::policy::verdict::Reason;

/// Numbers of one issuer.
#[derive(Debug)]
pub(in crate::proxy) struct ProviderCells {
    /// Tokens that passed.
    pub(in crate::proxy) verified: Cell,
    refused: [Cell; Reason::ALL.len()],
}

impl ProviderCells {
    pub(super) fn refused(&self, reason: Reason) {
        if let Some(cell) = self.refused.get(reason as usize) {
            cell.add(1);
        }
    }

    /// Each verdict that was given, with how often.
    pub(super) fn verdicts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let refused = Reason::ALL.iter().zip(&self.refused);
        std::iter::once(("Verified", self.verified.read()))
            .chain(refused.map(|(reason, cell)| (reason.as_str(), cell.read())))
            .filter(|(_, count)| *count > 0)
    }
}

impl Default for ProviderCells {
    fn default() -> Self {
        Self {
            verified: Cell::default(),
            refused: row(),
        }
    }
}
