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
        Block(&self.at(field)).invalid_itself(message)
    }

    /// A finding about all of it.
    pub(super) fn invalid_itself(self, message: impl Into<String>) -> Diagnostic {
        let place = self.0.clone();
        match place.origin {
            Origin::Document => Diagnostic::error(code::INVALID_OPENAPI, place, message),
            Origin::Resource => Diagnostic::error(code::INVALID_SPEC, place, message),
        }
    }
}
