//! Objects as YAML that every reader takes for the same: kubectl reads YAML 1.1, where `yes` is no
//! text and `0440` an octal number. So only what no version could mistake stands without quotes.

use serde_json::{Map, Value};

/// The key whose value's entries are the mapping's own.
const MERGE: &str = "<<";
/// Fields whose value is a file mode.
const MODES: [&str; 2] = ["defaultMode", "mode"];
/// Fields of pods, and of what makes them, whose value is true or false.
const BOOLEANS: [&str; 22] = [
    "allowPrivilegeEscalation",
    "automountServiceAccountToken",
    "blockOwnerDeletion",
    "controller",
    "enableServiceLinks",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostProcess",
    "hostUsers",
    "optional",
    "paused",
    "privileged",
    "readOnly",
    "readOnlyRootFilesystem",
    "runAsNonRoot",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "stdin",
    "stdinOnce",
    "suspend",
    "tty",
];

/// An object as a document in block style.
pub(super) fn to_string(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

/// Reads as YAML 1.1 does, by which kubectl goes, what people write in it: merge keys, file modes
/// (`0440` is octal), and `yes`, `no`, `on`, `off` where true or false belongs. (Our reader knows YAML
/// 1.2, to which it is all text.)
pub(super) fn read_as_kubectl(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(read_as_kubectl);
            merge(fields);
            for (name, value) in fields {
                if let Some(meant) = value.as_str().and_then(|text| meant(name, text)) {
                    *value = meant;
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(read_as_kubectl),
        _ => {}
    }
}

/// Takes in what a merge key brings, a mapping or several: what the mapping says itself goes before
/// it, and the first of several before the others.
fn merge(fields: &mut Map<String, Value>) {
    let is_merge = match fields.get(MERGE) {
        Some(Value::Array(several)) => several.iter().all(Value::is_object),
        Some(one) => one.is_object(),
        None => false,
    };
    if !is_merge {
        return;
    }
    let brought = match fields.remove(MERGE) {
        Some(Value::Array(several)) => several,
        one => Vec::from_iter(one),
    };
    for mapping in brought {
        if let Value::Object(mapping) = mapping {
            for (name, value) in mapping {
                fields.entry(name).or_insert(value);
            }
        }
    }
}

/// What a field's text means to YAML 1.1, if it is not text to it.
fn meant(field: &str, text: &str) -> Option<Value> {
    if MODES.contains(&field) {
        let mode = u16::from_str_radix(text.strip_prefix('0')?, 8).ok()?;
        return Some(mode.into());
    }
    if !BOOLEANS.contains(&field) {
        return None;
    }
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true.into()),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false.into()),
        _ => None,
    }
}

fn write(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (index, (name, value)) in fields.iter().enumerate() {
                // The first stands behind the dash of its list, or where the document begins.
                if index > 0 {
                    pad(indent, text);
                }
                text.push_str(&scalar(name, None));
                text.push(':');
                match value {
                    Value::Object(fields) if !fields.is_empty() => {
                        text.push('\n');
                        pad(indent + 2, text);
                        write(value, indent + 2, text);
                    }
                    Value::Array(elements) if !elements.is_empty() => {
                        text.push('\n');
                        pad(indent, text);
                        write(value, indent, text);
                    }
                    _ => {
                        text.push(' ');
                        write(value, indent + 2, text);
                    }
                }
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    pad(indent, text);
                }
                text.push_str("- ");
                write(element, indent + 2, text);
            }
        }
        Value::String(string) => {
            text.push_str(&scalar(string, Some(indent)));
            text.push('\n');
        }
        // Empty ones, numbers, true, false and null are as in JSON.
        other => {
            text.push_str(&other.to_string());
            text.push('\n');
        }
    }
}

fn pad(indent: usize, text: &mut String) {
    text.extend(std::iter::repeat_n(' ', indent));
}

/// `block`: where a block of lines would be indented to; none for keys.
fn scalar(string: &str, block: Option<usize>) -> String {
    if is_plain(string) {
        return string.to_owned();
    }
    match block {
        Some(indent) if is_block(string) => literal(string, indent),
        // JSON's quotes and escapes are YAML's, too.
        _ => Value::from(string).to_string(),
    }
}

/// Whether it can stand without quotes, in any version of YAML.
fn is_plain(string: &str) -> bool {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let begins = |c: char| c.is_ascii_alphabetic() || c == '/';
    let inside = |c: char| c.is_ascii_alphanumeric() || "_./@:=-".contains(c);
    string.starts_with(begins)
        && string.chars().all(inside)
        && !string.ends_with(':')
        && !words.contains(&string.to_ascii_lowercase().as_str())
}

/// Several lines that a literal block keeps as they are.
fn is_block(string: &str) -> bool {
    string.trim_end_matches('\n').contains('\n')
        && !string.starts_with([' ', '\n'])
        && !string.ends_with("\n\n")
        && !string.contains(" \n")
        && string
            .chars()
            .all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic())
}

fn literal(string: &str, indent: usize) -> String {
    let mut text = match string.ends_with('\n') {
        true => "|".to_owned(),
        false => "|-".to_owned(),
    };
    for line in string.trim_end_matches('\n').split('\n') {
        text.push('\n');
        if !line.is_empty() {
            pad(indent, &mut text);
            text.push_str(line);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn words_that_some_yaml_reads_otherwise_are_quoted() {
        for word in [
            "yes",
            "No",
            "ON",
            "off",
            "y",
            "N",
            "true",
            "Null",
            "~",
            "0440",
            "1_000",
            "0x1F",
            "1e3",
            "2001-01-01",
            "12:30:45",
            ".5",
            "=",
            "<<",
            "+1",
            "-",
            "- a",
            "",
            " a",
            "a ",
            "a: b",
            "a:",
            "#a",
            "a #b",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "\"a",
            "'a",
            "a\tb",
            "ä",
        ] {
            assert_eq!(
                to_string(&json!({ "k": word })),
                format!("k: {}\n", json!(word))
            );
        }
        for word in [
            "a",
            "endpoints.dev/service",
            "registry.example/a:1",
            "/bin/sh",
            "a=b",
            "ISTIO_META",
        ] {
            assert_eq!(to_string(&json!({ "k": word })), format!("k: {word}\n"));
        }
    }

    #[test]
    fn objects_look_as_people_write_them() {
        let value = json!({
            "args": ["a", 1, null], "empty": {}, "list": [],
            "metadata": { "labels": { "a": "b" } },
            "spec": [{ "name": "x", "ports": [{ "port": 1 }] }, [["deep"]]],
            "text": "one\n\n  two\n", "unended": "one\ntwo"
        });
        assert_eq!(
            to_string(&value),
            "args:\n- a\n- 1\n- null\nempty: {}\nlist: []\nmetadata:\n  labels:\n    a: b\nspec:\n- name: x\n  \
             ports:\n  - port: 1\n- - - deep\ntext: |\n  one\n\n    two\nunended: |-\n  one\n  two\n"
        );
    }

    #[test]
    fn file_modes_are_octal() {
        let mut value = json!({ "defaultMode": "0440", "items": [{ "mode": "0777" }, { "mode": "0o17" }, { "mode": 7 }],
                                "other": "0440" });
        read_as_kubectl(&mut value);
        assert_eq!(
            value,
            json!({ "defaultMode": 288, "items": [{ "mode": 511 }, { "mode": "0o17" }, { "mode": 7 }], "other": "0440" })
        );
    }

    #[test]
    fn yes_and_no_are_booleans_where_those_belong() {
        let mut value =
            json!({ "readOnly": "yes", "hostNetwork": "Off", "tty": "maybe", "value": "yes" });
        read_as_kubectl(&mut value);
        assert_eq!(
            value,
            json!({ "readOnly": true, "hostNetwork": false, "tty": "maybe", "value": "yes" })
        );
    }

    #[test]
    fn merge_keys_bring_what_is_not_said() {
        let mut value = json!({
            "containers": [
                { "<<": { "<<": { "image": "deepest" }, "image": "base", "tty": "yes" }, "name": "own" },
                { "<<": [{ "a": 1 }, { "a": 2, "b": 2 }] }
            ],
            "<<": "a text"
        });
        read_as_kubectl(&mut value);
        assert_eq!(
            value,
            json!({
                "containers": [{ "name": "own", "image": "base", "tty": true }, { "a": 1, "b": 2 }],
                "<<": "a text"
            })
        );
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~\n]{0,12}".prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,8}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read_as_it_was(value in any_value()) {
            let text = to_string(&json!({ "value": value }));
            let read: Value = serde_yaml::from_str(&text).unwrap();
            prop_assert_eq!(&read["value"], &value, "{}", text);
        }
    }
}
