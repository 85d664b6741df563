//! An EndpointsService: what is wrong around its document, and its spec.

use kube::Resource as _;
use serde_json::Value;

use super::value::{self, Budget};
use super::{Entry, indentation};
use crate::api::endpoints_service::{EndpointsService, EndpointsServiceSpec};
use crate::cli::report::{self, Home};
use crate::openapi::diagnostic::{Place, code, quote};
use crate::openapi::source::{Cursor, Kind};
use crate::openapi::{self, Diagnostic, nearest};
use crate::policy::{self, ConfigMapTexts, ServiceIdentity, spec_form};

/// What an EndpointsService has.
const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// What to write for its name.
const NAME_HELP: &str = "write `metadata:`, and below it, indented, `name: NAME`";

/// Understands an EndpointsService. With something wrong around it, what is wrong in its OpenAPI
/// document is found all the same, as far as that can be read.
pub(super) fn read(document: usize, object: &Cursor<'_>, budget: &mut Budget) -> Entry {
    // Pointers begin at the resource, wherever that stands.
    let object_alone = Cursor::root(object.node());
    let (identity, mut findings) = identify(&object_alone);
    let mut spec = None;
    match (indentation::lost(&object_alone), object_alone.get("spec")) {
        // Whatever else is found follows from that.
        (Some(finding), _) => findings = vec![finding],
        (None, None) => findings.push(finding("/spec", "the EndpointsService has no spec").help(
            "add `spec:`, below it `openapi:` and `inline: |`, and below that the OpenAPI document",
        )),
        (None, Some(at)) => {
            let (read, found) = read_spec(&at, budget);
            let is_sound = found.is_empty();
            findings.extend(found);
            match read.filter(|_| is_sound) {
                Some(read) if findings.is_empty() || !read.config_map_references().is_empty() => {
                    spec = Some(read);
                }
                Some(read) => findings.extend(of_spec(&read, &identity)),
                None => findings.extend(of_document(&at, budget, &findings)),
            }
        }
    }
    Entry {
        home: Home::Resource {
            document,
            pointer: object.pointer().to_owned(),
            text: None,
        },
        identity,
        spec: match spec {
            Some(spec) if findings.is_empty() => Ok(spec),
            _ => Err(findings),
        },
        texts: ConfigMapTexts::default(),
    }
}

/// Its name, and what is wrong beside the spec.
fn identify(object: &Cursor<'_>) -> (ServiceIdentity, Vec<Diagnostic>) {
    let mut findings = wrong_kind(object);
    findings.extend(object.entries().filter_map(|(key, value)| {
        (!FIELDS.contains(&key)).then(|| {
            let message = format!("no such field: {}", report::one_line(key));
            let place = Place {
                position: value.key_place().position,
                ..Place::resource(value.pointer())
            };
            Diagnostic::error(code::INVALID_SPEC, place, message).help(misplaced(key))
        })
    }));
    let metadata = object.get("metadata");
    if let Some(wrong) = metadata
        .as_ref()
        .filter(|at| !matches!(at.kind(), Kind::Mapping(_)))
    {
        let message = format!("metadata must be a mapping, but is {}", wrong.kind_name());
        findings.push(finding("/metadata", message).help(NAME_HELP));
    }
    let mut text = |field: &str| {
        let value = metadata.as_ref()?.get(field)?;
        if value.string().is_none() {
            let right = match value.kind() {
                Kind::Number(number) => {
                    format!("write it in quotes: {}", quote(&format!("\"{number}\"")))
                }
                _ => String::from("write text in its place: letters, digits and `-`"),
            };
            let message = format!(
                "metadata.{field} must be text, but is {}",
                value.kind_name()
            );
            findings.push(finding(&format!("/metadata/{field}"), message).help(right));
        }
        value.string().map(str::to_owned)
    };
    let name = text("name");
    let namespace = text("namespace").filter(|namespace| !namespace.is_empty());
    if name.as_deref().is_none_or(str::is_empty)
        && findings
            .iter()
            .all(|f| !f.place.pointer.starts_with("/metadata"))
    {
        let finding = finding("/metadata/name", "the EndpointsService has no name");
        findings.push(finding.help(NAME_HELP));
    }
    let identity = ServiceIdentity {
        name: name.unwrap_or_default(),
        namespace: namespace.unwrap_or_else(|| String::from("default")),
    };
    (identity, findings)
}

/// What to do about a key beside `spec` that is none of ours there.
fn misplaced(key: &str) -> String {
    if indentation::DOCUMENT_KEYS.contains(&key) {
        return String::from(
            "it belongs into the OpenAPI document: indent it like the lines of that",
        );
    }
    if spec_form::fields("").any(|field| field == key) {
        return String::from("move it below `spec:`, indented");
    }
    match nearest(key, FIELDS.into_iter()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => String::from("remove it, or indent it if it belongs below the line above it"),
    }
}

/// The spec if it has its form; what is wrong with that.
fn read_spec(
    spec: &Cursor<'_>,
    budget: &mut Budget,
) -> (Option<EndpointsServiceSpec>, Vec<Diagnostic>) {
    let mut findings = spec_form::findings(spec);
    let value = match value::value(spec, budget) {
        Ok(value) => value,
        Err(mut broken) => {
            broken.place = Place::resource(broken.place.pointer);
            if findings
                .iter()
                .all(|f| f.place.pointer != broken.place.pointer)
            {
                findings.push(broken);
            }
            return (None, findings);
        }
    };
    if !findings.is_empty() {
        return (None, findings);
    }
    match deserialized(value) {
        Ok(spec) => (Some(spec), findings),
        Err(finding) => (None, vec![finding]),
    }
}

fn deserialized(value: Value) -> Result<EndpointsServiceSpec, Diagnostic> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let error_text = report::one_line(&error.inner().to_string());
        spec_form::other(&failed(error.path()), &error_text)
    })
}

/// What the compiler finds in a spec whose resource is wrong elsewhere.
fn of_spec(spec: &EndpointsServiceSpec, identity: &ServiceIdentity) -> Vec<Diagnostic> {
    match policy::compile(spec, identity) {
        Ok(compiled) => compiled.warnings,
        Err(findings) => findings,
    }
}

/// What is wrong in the document of a spec that cannot be compiled, if the document itself is where it
/// belongs.
fn of_document(spec: &Cursor<'_>, budget: &mut Budget, known: &[Diagnostic]) -> Vec<Diagnostic> {
    if budget.is_spent()
        || known
            .iter()
            .any(|f| f.place.pointer.starts_with("/spec/openapi"))
    {
        return Vec::new();
    }
    let of = |name: &str| spec.get("openapi").and_then(|openapi| openapi.get(name));
    let result = match (of("inline"), of("document")) {
        (Some(inline), None) => inline.string().map(openapi::read_text),
        (None, Some(document)) => {
            let value = value::value(&document, budget).ok();
            value.map(|value| openapi::read_value(&value))
        }
        _ => None,
    };
    match result {
        Some(Ok((_, warnings))) => warnings,
        Some(Err(findings)) => findings,
        None => Vec::new(),
    }
}

/// A cluster takes no other kind and version, however alike the rest is.
fn wrong_kind(object: &Cursor<'_>) -> Vec<Diagnostic> {
    [
        ("apiVersion", EndpointsService::api_version(&())),
        ("kind", EndpointsService::kind(&())),
    ]
    .into_iter()
    .filter_map(|(field, right)| {
        let written = object.get(field);
        let (message, help) = match written.as_ref() {
            None => (
                format!("the EndpointsService has no {field}"),
                format!("add the line {}", quote(&format!("{field}: {right}"))),
            ),
            Some(at) if at.string() == Some(&right) => return None,
            Some(at) => {
                let found = at.text().map_or_else(|| at.kind_name().to_owned(), quote);
                (
                    format!("{field} is not {right}"),
                    format!("write `{right}` instead of {found}"),
                )
            }
        };
        Some(finding(&format!("/{field}"), message).help(help))
    })
    .collect()
}

/// A finding about a field of the manifest.
fn finding(pointer: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code::INVALID_SPEC, Place::resource(pointer), message)
}

/// The JSON pointer, from the spec, of the value that has the wrong form.
fn failed(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .fold(String::new(), |pointer, segment| match segment {
            Segment::Seq { index } => format!("{pointer}/{index}"),
            Segment::Map { key } => {
                format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Enum { .. } | Segment::Unknown => pointer,
        })
}
