//! Where the fields of a block stand: the same rules speak of `spec.cors` and of a document's
//! `x-endpoints-cors`.

use crate::openapi::diagnostic::{Origin, code};
use crate::openapi::{Diagnostic, Place};

/// A block of fields, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'p>(pub(super) &'p Place);

impl Block<'_> {
    /// The place of a field below it (`allowOrigins/0`); its line is the block's.
    pub(super) fn at(self, field: &str) -> Place {
        Place {
            pointer: format!("{}/{field}", self.0.pointer),
            ..self.0.clone()
        }
    }

    /// A finding about a field below it.
    pub(super) fn invalid(self, field: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.code(), self.at(field), message)
    }

    /// A finding about all of it.
    pub(super) fn invalid_itself(self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.code(), self.0.clone(), message)
    }

    fn code(self) -> &'static str {
        match self.0.origin {
            Origin::Document => code::INVALID_OPENAPI,
            Origin::Resource => code::INVALID_SPEC,
        }
    }
}
