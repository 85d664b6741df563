//! What to write instead.

use serde_json::Value;

use crate::api::endpoints_service::spec_schema;
use crate::openapi::diagnostic::quote;
use crate::openapi::nearest;
use crate::openapi::source::{Cursor, Kind};

/// The most fields that a remedy lists.
const MAX_LISTED: usize = 16;
/// How deep fields are looked for that stand in the wrong place.
const MAX_DEPTH: usize = 8;

/// For a value of the wrong type, where more can be said than what type it must have.
pub(super) fn wrong_type(pointer: &str, at: &Cursor<'_>, schema: &Value) -> Option<String> {
    let help = match (pointer, at.kind()) {
        ("/spec", Kind::Null) => {
            "write the fields of the spec below it, indented: at least `openapi:`"
        }
        ("/spec/openapi", Kind::String(_)) => {
            "write `inline: |` on a line of its own below `openapi:`, and the document below that, indented deeper"
        }
        ("/spec/openapi", Kind::Null) => {
            "write `inline: |` below it, indented, and the document below that, indented deeper"
        }
        ("/spec/openapi/inline", Kind::Mapping(_)) => {
            "write `document:` in the place of `inline:`, or `inline: |` to have it taken as text"
        }
        ("/spec/openapi/document", Kind::String(_)) => {
            "write `inline:` in the place of `document:`: it takes the document as text"
        }
        (_, Kind::Sequence(_)) if schema["type"] == "object" => {
            "remove the `- `: write its fields below it, indented, `name: value` on each line"
        }
        (_, found) => return of_fields(schema).or_else(|| of_scalar(found, schema)),
    };
    Some(help.to_owned())
}

fn of_fields(schema: &Value) -> Option<String> {
    let fields = schema["properties"].as_object()?.keys();
    let fields = listed(fields.map(String::as_str));
    Some(format!(
        "write below it, indented, `name: value` for each field that you need: {fields}"
    ))
}

fn of_scalar(found: &Kind, schema: &Value) -> Option<String> {
    // Durations, and nothing else, are bounded by 32 characters.
    let is_duration = schema["maxLength"] == 32;
    match (schema["type"].as_str()?, found) {
        ("string", Kind::Number(number)) if is_duration => Some(format!(
            "write a duration with its unit: {}",
            quote(&format!("{number}s"))
        )),
        ("boolean", Kind::String(text)) => {
            let right = match text.value.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "true" => "true",
                "no" | "off" | "n" | "false" => "false",
                _ => return None,
            };
            Some(match text.value.as_str() == right {
                true => format!("write `{right}` without quotes"),
                false => format!(
                    "write `{right}`: {} is text here, as in YAML 1.2",
                    quote(&text.value)
                ),
            })
        }
        ("integer" | "number", Kind::String(text)) if text.value.parse::<f64>().is_ok() => {
            Some(format!("write it without quotes: {}", quote(&text.value)))
        }
        ("array", Kind::String(_) | Kind::Number(_)) => Some(String::from(
            "write it below the key, after `- `, as an item of the list",
        )),
        _ => None,
    }
}

/// For a field that is missing.
pub(super) fn missing(field: &str, schema: &Value) -> Option<String> {
    if field == "openapi" {
        return Some(String::from(
            "add `openapi:`, below it `inline: |`, and below that the OpenAPI document, indented deeper each time",
        ));
    }
    let description = description(schema);
    let what = description.split(". ").next().unwrap_or_default();
    Some(match what.trim_end_matches('.') {
        "" => format!("add {}", quote(&format!("{field}:"))),
        what => format!(
            "add {} with what it is for: {what}",
            quote(&format!("{field}:"))
        ),
    })
}

/// For a field that is not known below `parent`, which has `fields`.
pub(super) fn unknown<'f>(
    key: &str,
    parent: &str,
    fields: impl Iterator<Item = &'f str> + Clone,
) -> String {
    if let Some(near) = nearest(key, fields.clone()) {
        return format!("did you mean `{near}`?");
    }
    let mut homes = Vec::new();
    look_for(key, "spec", spec_schema(), MAX_DEPTH, &mut homes);
    match &homes[..] {
        [home] => return format!("move it: it belongs directly below `{home}`"),
        [] => {}
        // The shortest way is what was meant more often than not.
        [first, ..] if homes.len() <= 3 => {
            let rest = homes[1..].join("` or `");
            return format!("move it: it belongs directly below `{first}` or `{rest}`");
        }
        _ => {}
    }
    format!("remove it: {} may have {}", quote(parent), listed(fields))
}

/// Names for people, as many as fit.
fn listed<'f>(fields: impl Iterator<Item = &'f str> + Clone) -> String {
    let mut listed: Vec<_> = fields.clone().take(MAX_LISTED).map(quote).collect();
    if fields.count() > MAX_LISTED {
        listed.push(String::from("…"));
    }
    listed.join(", ")
}

fn look_for(key: &str, path: &str, schema: &Value, depth: usize, homes: &mut Vec<String>) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    if schema["items"].is_object() {
        return look_for(key, &format!("{path}[]"), &schema["items"], depth, homes);
    }
    let fields = schema["properties"].as_object().into_iter().flatten();
    for (name, schema) in fields {
        if name == key {
            homes.push(path.to_owned());
        }
        look_for(key, &format!("{path}.{name}"), schema, depth, homes);
    }
}

fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.replace('\n', " ")
}
