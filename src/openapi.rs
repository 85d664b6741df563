//! Reads an OpenAPI document into one [`Description`], with a place for every finding.
//!
//! Pure: no I/O, no Kubernetes. `source` turns text (or structure) into a tree with places; the
//! version readers turn the tree into the description; `google` reads the `x-google-*` extensions.

mod base_path;
pub mod description;
pub mod diagnostic;
mod dialect;
mod fields;
mod google;
mod host;
mod indentation;
pub mod lints;
mod paths;
mod references;
mod schemes;
mod security;
mod servers;
pub mod source;
mod v2;
mod v3;
mod version;

pub use description::Description;
pub use diagnostic::{Diagnostic, Findings, Place, Severity};
pub(crate) use fields::nearest;
pub(crate) use indentation::{finding as lost_indentation, lost_in_text};

use dialect::Version;
use source::{Cursor, Node};

#[cfg(test)]
mod tests;

/// Reads a document given as text, YAML or JSON.
///
/// # Errors
/// All findings, at least one of them an error, in document order.
pub fn read_text(text: &str) -> Result<(Description, Vec<Diagnostic>), Vec<Diagnostic>> {
    let root = source::parse(text).map_err(|finding| {
        let lost = indentation::lost_in_text(text, &finding);
        vec![lost.unwrap_or(finding)]
    })?;
    read(&root)
}

/// Reads a document given as structure (`openapi.document`): places are pointers only.
///
/// # Errors
/// All findings, at least one of them an error, in document order.
pub fn read_value(
    document: &serde_json::Value,
) -> Result<(Description, Vec<Diagnostic>), Vec<Diagnostic>> {
    let root = source::from_value(document).map_err(|finding| vec![finding])?;
    read(&root)
}

fn read(root: &Node) -> Result<(Description, Vec<Diagnostic>), Vec<Diagnostic>> {
    let root = Cursor::root(root);
    let dialect = version::recognise(&root).map_err(|finding| vec![finding])?;
    if let Some(finding) = indentation::lost(&root) {
        return Err(vec![finding]);
    }
    let mut findings = Findings::default();
    let description = match dialect.version {
        Version::V2 => v2::read(&root, dialect, &mut findings),
        Version::V3_0 | Version::V3_1 => v3::read(&root, dialect, &mut findings),
    };
    if findings.has_errors() {
        return Err(findings.into_vec());
    }
    Ok((description, findings.into_vec()))
}
