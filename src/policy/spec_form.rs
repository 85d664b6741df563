//! Whether a spec has the form that the CRD's schema gives it: all that departs from it at once, in
//! words for people, where deserialising stops at the first.

use serde_json::Value;

use crate::api::endpoints_service::spec_schema;
use crate::openapi::diagnostic::{Place, code, quote};
use crate::openapi::source::{self, Cursor, Kind};
use crate::openapi::{Diagnostic, Findings, nearest};

mod remedy;
#[cfg(test)]
mod tests;

/// The findings about the form of a spec: wrong types, unknown fields, missing ones. Places are
/// pointers from the resource (`/spec/cors/maxAge`), with a position where the tree has one.
pub fn findings(spec: &Cursor<'_>) -> Vec<Diagnostic> {
    let mut walk = Walk {
        base: spec.pointer().len(),
        findings: Findings::default(),
    };
    walk.value(spec, "spec", spec_schema());
    walk.findings.into_vec()
}

/// The same of structure, which has no positions.
pub fn findings_of(spec: &Value) -> Vec<Diagnostic> {
    match source::from_value(spec) {
        Ok(root) => findings(&Cursor::root(&root)),
        Err(finding) => vec![finding],
    }
}

/// The finding for what has its type and could not be deserialised all the same: `error` is why, and
/// `pointer` the way from the spec.
pub fn other(pointer: &str, error: &str) -> Diagnostic {
    let place = Place::resource(format!("/spec{pointer}"));
    let name = pointer.rsplit('/').next().filter(|name| !name.is_empty());
    let name = name.unwrap_or("spec");
    let rule = at(pointer).and_then(|schema| {
        let rule = &schema["x-kubernetes-validations"][0]["message"];
        let number = || format!("give {}", whole_number(schema));
        let rule = rule.as_str().map(str::to_owned);
        rule.or_else(|| (schema["type"] == "integer").then(number))
    });
    let finding = |message| Diagnostic::error(code::INVALID_SPEC, place, message);
    match rule {
        Some(rule) => {
            finding(format!("{} has a value that it cannot have", quote(name))).help(rule)
        }
        None => finding(format!("{} cannot be read: {error}", quote(name))).help(
            "correct it, or remove it: `kubectl explain endpointsservice.spec` tells its form",
        ),
    }
}

/// The fields below a pointer of the spec, empty where none are known.
pub fn fields(pointer: &str) -> impl Iterator<Item = &'static str> + Clone {
    let properties = at(pointer).and_then(|schema| schema["properties"].as_object());
    properties
        .into_iter()
        .flat_map(|fields| fields.keys().map(String::as_str))
}

/// The schema of the value at a pointer of the spec.
fn at(pointer: &str) -> Option<&'static Value> {
    let mut tokens = pointer.split('/').skip(1);
    tokens.try_fold(spec_schema(), |schema, token| match schema.get("items") {
        Some(items) => Some(items),
        None => schema.get("properties")?.get(token),
    })
}

struct Walk {
    /// How long the pointer of the spec itself is.
    base: usize,
    findings: Findings,
}

impl Walk {
    fn value(&mut self, at: &Cursor<'_>, name: &str, schema: &Value) {
        let is = |keyword: &str| schema[keyword] == Value::Bool(true);
        let expected = match (schema["type"].as_str(), at.kind()) {
            (_, Kind::Null) if is("nullable") => return,
            _ if is("x-kubernetes-int-or-string") => match at.kind() {
                Kind::Number(_) | Kind::String(_) => return,
                _ => String::from("a number or text"),
            },
            (Some("object"), Kind::Mapping(_)) if is("x-kubernetes-preserve-unknown-fields") => {
                return;
            }
            (Some("object"), Kind::Mapping(_)) => return self.mapping(at, name, schema),
            (Some("object"), _) => String::from("a mapping"),
            (Some("array"), Kind::Sequence(_)) => {
                for (index, item) in at.items().enumerate() {
                    self.value(&item, &format!("{name}[{index}]"), &schema["items"]);
                }
                return;
            }
            (Some("array"), _) => String::from("a list"),
            (Some("string"), found) => match schema["enum"].as_array() {
                Some(values) if at.string().is_none_or(|text| !holds(values, text)) => {
                    return self.none_of(at, name, values);
                }
                None if !matches!(found, Kind::String(_)) => String::from("text"),
                _ => return,
            },
            (Some("boolean"), Kind::Bool(_)) => return,
            (Some("boolean"), _) => String::from("`true` or `false`"),
            (Some("number"), Kind::Number(_)) => return,
            (Some("number"), _) => String::from("a number"),
            (Some("integer"), Kind::Number(number)) if fits(number, schema) => return,
            (Some("integer"), _) => whole_number(schema),
            _ => return,
        };
        let mut finding = at.wrong_kind(name, &expected);
        if let Kind::Number(number) = at.kind() {
            finding.message = format!(
                "{} must be {expected}, but is the number {}",
                quote(name),
                quote(number)
            );
        }
        let help = remedy::wrong_type(&self.pointer(at), at, schema);
        self.push(
            at,
            match help {
                Some(help) => finding.help(help),
                None => finding,
            },
        );
    }

    fn mapping(&mut self, at: &Cursor<'_>, name: &str, schema: &Value) {
        let Some(fields) = schema["properties"].as_object() else {
            return;
        };
        let pointer = self.pointer(at);
        let required = schema["required"].as_array().into_iter().flatten();
        for field in required.filter_map(Value::as_str) {
            if at.get(field).is_none() {
                let message = format!("{} has no {}, which it needs", quote(name), quote(field));
                let mut finding = self.finding(&pointer, at.key_place(), message);
                finding.help = remedy::missing(field, &fields[field]).map(String::into_boxed_str);
                self.findings.push(finding);
            }
        }
        if let Some(finding) = self.bare_document(at, &pointer) {
            return self.findings.push(finding);
        }
        for (key, value) in at.entries() {
            if let Some(schema) = fields.get(key) {
                self.value(&value, key, schema);
                continue;
            }
            let pointer = self.pointer(&value);
            let message = format!("no such field: {}", shown(key));
            let help = remedy::unknown(key, name, fields.keys().map(String::as_str));
            let finding = self.finding(&pointer, value.key_place(), message);
            self.findings.push(finding.help(help));
        }
    }

    /// The OpenAPI document directly below `openapi`.
    fn bare_document(&self, at: &Cursor<'_>, pointer: &str) -> Option<Diagnostic> {
        let is_document = ["swagger", "openapi", "paths"]
            .iter()
            .any(|key| at.get(key).is_some());
        let (key, first) = at.entries().next()?;
        let is_source = fields("/openapi").any(|field| at.get(field).is_some());
        (pointer == "/spec/openapi" && is_document && !is_source).then(|| {
            let message = format!(
                "the OpenAPI document, here {}, stands directly below `openapi`",
                quote(key)
            );
            self.finding(pointer, first.key_place(), message).help(
                "write `document:` above it, and put two spaces more in front of each of its lines",
            )
        })
    }

    fn none_of(&mut self, at: &Cursor<'_>, name: &str, values: &[Value]) {
        let values = || values.iter().filter_map(Value::as_str);
        let list: Vec<_> = values().map(quote).collect();
        let found = at.text().map_or_else(|| at.kind_name().to_owned(), quote);
        let list = list.join(", ");
        let message = format!("{} must be one of {list}, but is {found}", quote(name));
        let finding = self.finding(&self.pointer(at), at.place(), message);
        let near = at.text().and_then(|text| nearest(text, values()));
        self.findings.push(finding.help(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => String::from("write one of them, or leave the field out"),
        }));
    }

    fn push(&mut self, at: &Cursor<'_>, mut finding: Diagnostic) {
        finding.code = code::INVALID_SPEC;
        finding.place = resource(self.pointer(at), &finding.place);
        self.findings.push(finding);
    }

    fn finding(&self, pointer: &str, place: Place, message: String) -> Diagnostic {
        let place = resource(pointer.to_owned(), &place);
        Diagnostic::error(code::INVALID_SPEC, place, message)
    }

    /// The way from the resource.
    fn pointer(&self, at: &Cursor<'_>) -> String {
        let below = at.pointer().get(self.base..).unwrap_or_default();
        format!("/spec{below}")
    }
}

fn resource(pointer: String, place: &Place) -> Place {
    Place {
        position: place.position,
        ..Place::resource(pointer)
    }
}

/// A key as part of a message, without quotes around it.
fn shown(key: &str) -> String {
    quote(key).trim_matches('`').to_owned()
}

fn holds(values: &[Value], text: &str) -> bool {
    values.iter().any(|value| value.as_str() == Some(text))
}

/// Whether a number, as spelled, is a whole one that its field can hold; whether it is within the
/// field's own bounds is the compiler's to say.
fn fits(spelled: &str, schema: &Value) -> bool {
    let unsigned = spelled.strip_prefix('+').unwrap_or(spelled);
    let number = match (unsigned.strip_prefix("0x"), unsigned.strip_prefix("0o")) {
        (Some(digits), _) => i64::from_str_radix(digits, 16),
        (_, Some(digits)) => i64::from_str_radix(digits, 8),
        _ => unsigned.parse(),
    };
    number.is_ok_and(|number| schema["format"] != "int32" || i32::try_from(number).is_ok())
}

fn whole_number(schema: &Value) -> String {
    match (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
        (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
        _ => String::from("a whole number"),
    }
}
