//! What a YAML document is, by its looks.

use kube::Resource as _;

use crate::api::endpoints_service::EndpointsService;
use crate::openapi::diagnostic::quote;
use crate::openapi::source::{Cursor, Kind};

/// How much of a text is looked at, in bytes, to guess what it wanted to be.
const LOOKED_AT: usize = 64 * 1024;

/// What a document is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Looks {
    /// Nothing at all: the end of a stream, or only comments.
    Nothing,
    /// An OpenAPI document, or something that the reader of those knows by name.
    OpenApi,
    /// An EndpointsService, or something that claims our API group.
    EndpointsService,
    /// A list of Kubernetes objects.
    List,
    /// A Kubernetes object of another kind.
    Kubernetes,
    /// Something else: what, for people.
    Other(String),
}

/// What a document is.
pub(super) fn looks(root: &Cursor<'_>) -> Looks {
    let entries = match root.kind() {
        Kind::Null => return Looks::Nothing,
        Kind::Mapping(entries) => entries,
        _ => return Looks::Other(root.kind_name().to_owned()),
    };
    let text = |key: &str| root.get(key).and_then(|value| value.string());
    let is_version = |key: &str| {
        root.get(key)
            .is_some_and(|value| value.text().is_some() || *value.kind() == Kind::Null)
    };
    let has = |key: &str| root.get(key).is_some();
    let kind = text("kind");
    let group = text("apiVersion").and_then(|version| version.split_once('/'));
    let is_ours = group.is_some_and(|(group, _)| group == EndpointsService::group(&()));
    // A manifest that lost its indentation has the document's keys beside its own.
    let is_manifest = is_ours || kind == Some(&*EndpointsService::kind(&()));
    if !is_manifest
        && (is_version("swagger")
            || is_version("openapi")
            || text("type") == Some("google.api.Service")
            || (has("info") && has("paths")))
    {
        return Looks::OpenApi;
    }
    match (kind, text("apiVersion")) {
        (Some("List"), Some("v1")) => Looks::List,
        (Some("EndpointsServiceList"), Some(_)) if is_ours => Looks::List,
        _ if is_manifest => Looks::EndpointsService,
        (Some(_), Some(_)) => Looks::Kubernetes,
        _ => Looks::Other(match entries.first() {
            None => String::from("an empty mapping"),
            Some(_) if has("asyncapi") => String::from("an AsyncAPI document"),
            Some(_) if has("$schema") => {
                String::from("a JSON Schema, or a document that follows one")
            }
            Some(_) if has("paths") => {
                String::from("a part of an OpenAPI document, without `swagger` or `openapi`")
            }
            Some(first) => format!("a mapping that starts with {}", quote(&first.key)),
        }),
    }
}

/// Whether text that does not parse wanted to be an OpenAPI document or an EndpointsService: what is
/// neither may have any form.
pub(in crate::cli) fn claims_to_be_ours(text: &str) -> bool {
    let end = (0..=LOOKED_AT.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let head = text.get(..end).unwrap_or(text);
    let group = EndpointsService::group(&());
    head.split(['\n', '\r', '{', ',']).any(|piece| {
        let is_nested = piece.starts_with([' ', '\t']) && !head.trim_start().starts_with('{');
        let piece = piece.trim_start().trim_start_matches(['"', '\'']);
        ["swagger", "openapi"].iter().any(|key| {
            !is_nested
                && piece.strip_prefix(key).is_some_and(|rest| {
                    rest.trim_start_matches(['"', '\''])
                        .trim_start()
                        .starts_with(':')
                })
        }) || (piece.starts_with("apiVersion") && piece.contains(&*group))
    })
}
