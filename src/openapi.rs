//! Reads an OpenAPI document into one [`Description`], with a place for every finding.
//!
//! Pure: no I/O, no Kubernetes. `source` turns text (or structure) into a tree with places; the
//! version readers turn the tree into the description; `google` reads the `x-google-*` extensions.

pub mod description;
pub mod diagnostic;

pub use description::Description;
pub use diagnostic::{Diagnostic, Place, Severity};

/// Reads a document given as text, YAML or JSON.
///
/// # Errors
/// All findings, at least one of them an error, in document order.
pub fn read_text(_text: &str) -> Result<(Description, Vec<Diagnostic>), Vec<Diagnostic>> {
    todo!("openapi helper")
}

/// Reads a document given as structure (`openapi.document`): places are pointers only.
///
/// # Errors
/// All findings, at least one of them an error, in document order.
pub fn read_value(
    _document: &serde_json::Value,
) -> Result<(Description, Vec<Diagnostic>), Vec<Diagnostic>> {
    todo!("openapi helper")
}
