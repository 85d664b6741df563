//! What tags say of a node.

use granit_parser::{ScalarStyle, Tag};

use super::super::{Kind, Text, scalar};

/// Whether it is a tag of the core schema (YAML 1.2, section 10.3).
pub(super) fn is_core(tag: &Tag, suffix: &str) -> bool {
    // `!` alone (the non-specific tag) says only: not by its looks.
    let is_non_specific = [tag.handle(), tag.suffix()].concat() == "!";
    is_non_specific || tag.is_yaml_core_schema_tag(suffix)
}

/// What a scalar is, by its tag, else by its looks.
pub(super) fn scalar_kind(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Kind {
    let as_text = || {
        Kind::String(Text {
            value: text.to_owned(),
            literal: style == ScalarStyle::Literal,
        })
    };
    match tag {
        None if style == ScalarStyle::Plain => scalar::resolve(text),
        None => as_text(),
        Some(tag) if is_core(tag, "str") => as_text(),
        Some(tag)
            if ["null", "bool", "int", "float"]
                .iter()
                .any(|core| is_core(tag, core)) =>
        {
            scalar::resolve(text)
        }
        Some(tag) => Kind::Tagged(tag.to_string()),
    }
}
