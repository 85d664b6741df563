//! FILE: an EndpointsService manifest or a bare OpenAPI document, read whole at each change.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::cli::manifest::{self, Entry};
use crate::cli::report::{Home, Located, Source};
use crate::openapi::Diagnostic;
use crate::openapi::diagnostic::{Place, code};
use crate::openapi::source::positions;
use crate::policy::Compiled;

/// The most a FILE may hold, in bytes: a document of 1 MiB, indented into a manifest.
const MAX_FILE_BYTES: u64 = 2 * 1024 * 1024;

/// What FILE comes to.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Whether it is a manifest, with the document inside.
    pub(super) manifest: bool,
    /// The policy, unless a finding is an error.
    pub(super) compiled: Option<Compiled>,
    /// The findings, placed in the file.
    pub(super) findings: Vec<Located>,
}

/// Reads FILE's text.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        bail!(
            "{} is larger than 2 MiB: no EndpointsService may be",
            path.display()
        );
    }
    Ok(text)
}

/// Understands and compiles FILE's text. `cors`: `--cors`, for a bare document.
pub(super) fn compile(path: &Path, text: &str, cors: bool) -> Outcome {
    let index = positions(text).ok();
    let source = Source::new(text, index.as_ref());
    let stem = manifest::stem(path);
    let mut contents = index
        .as_ref()
        .map(|index| manifest::read(&stem, text, index))
        .unwrap_or_default();
    let has_manifest = contents.services.iter().any(Entry::is_manifest);
    let entry = match contents.services.pop() {
        Some(only) if contents.is_empty() => only,
        _ if has_manifest => {
            let place = Place::document("", index.as_ref().and_then(|index| index.locate(1, "")));
            let finding = Diagnostic::error(
                code::INVALID_SPEC,
                place,
                "the file holds several YAML documents",
            )
            .help("put the EndpointsService into a file of its own");
            return Outcome {
                manifest: true,
                compiled: None,
                findings: source.locate(&Home::File, vec![finding]),
            };
        }
        // Whatever it is, the reader of documents says where and why it is none.
        _ => manifest::bare(&stem, text),
    };
    let entry = match entry.is_manifest() {
        false if cors => entry.with_cors(),
        _ => entry,
    };
    let (compiled, findings) = entry.compile();
    Outcome {
        manifest: entry.is_manifest(),
        compiled,
        findings: source.locate(&entry.home, findings),
    }
}
