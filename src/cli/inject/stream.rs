//! Several documents in one text, and back: what did not change is printed as it was written.

use anyhow::Context;
use serde_json::Value;

use super::yaml;

/// How the text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Yaml,
    Json,
}

/// One document of a text.
#[derive(Debug)]
pub(super) struct Document {
    /// As it was written.
    text: String,
    pub(super) value: Value,
    pub(super) changed: bool,
}

/// Reads JSON (what begins with a brace or bracket), one value after another, or YAML.
///
/// # Errors
/// A document that is neither.
pub(super) fn read(text: &str) -> anyhow::Result<(Form, Vec<Document>)> {
    // Editors of some systems put a mark before all that there is.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with(['{', '['])
        && let Ok(documents) = json(text)
    {
        return Ok((Form::Json, documents));
    }
    Ok((Form::Yaml, documents(text)?))
}

/// All documents, in their form.
///
/// # Errors
/// One cannot be written: a defect of ours.
pub(super) fn write(form: Form, documents: &[Document]) -> anyhow::Result<String> {
    let mut written = String::new();
    for (index, document) in documents.iter().enumerate() {
        let text = match (document.changed, form) {
            (false, _) => document.text.clone(),
            (true, Form::Yaml) => yaml::to_string(&document.value),
            (true, Form::Json) => serde_json::to_string_pretty(&document.value)?,
        };
        if form == Form::Yaml && index > 0 {
            written.push_str("---\n");
        }
        written.push_str(&text);
        if !written.ends_with('\n') {
            written.push('\n');
        }
    }
    Ok(written)
}

fn json(text: &str) -> serde_json::Result<Vec<Document>> {
    let mut documents = Vec::new();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut begin = 0;
    while let Some(value) = values.next() {
        let end = values.byte_offset();
        documents.push(Document {
            text: text[begin..end].trim().to_owned(),
            value: value?,
            changed: false,
        });
        begin = end;
    }
    Ok(documents)
}

/// A line that begins with `---` begins a document, wherever it stands: YAML allows it inside no scalar.
fn documents(text: &str) -> anyhow::Result<Vec<Document>> {
    let mut texts = vec![String::new()];
    for line in text.split_inclusive('\n') {
        let marker = line.strip_prefix("---");
        let rest =
            marker.filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        match rest {
            // What follows on the line belongs to the document.
            Some(rest) => texts.push(rest.trim_start().to_owned()),
            None => {
                if let Some(text) = texts.last_mut() {
                    text.push_str(line);
                }
            }
        }
    }
    let mut documents = Vec::new();
    for (index, text) in texts.into_iter().enumerate() {
        let mut value: Value = serde_yaml::from_str(&text)
            .with_context(|| format!("document {} is not YAML", index + 1))?;
        yaml::read_as_kubectl(&mut value);
        // Nothing but comments before the first marker.
        if !(value.is_null() && text.trim().is_empty()) {
            documents.push(Document {
                text,
                value,
                changed: false,
            });
        }
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_do_not_change_are_printed_as_they_were() {
        let text = "# first\na: 1 # one\n---\n# second\nb: |\n  --- no marker\n---\nc: [1,   2]\n";
        let (form, documents) = read(text).unwrap();
        assert_eq!((form, documents.len()), (Form::Yaml, 3));
        assert_eq!(documents[1].value["b"], "--- no marker\n");
        assert_eq!(write(form, &documents).unwrap(), text);
    }

    #[test]
    fn empty_documents_and_markers_with_something_behind_them_are_read() {
        let (_, documents) =
            read("---\n\n---\na: 1\n--- # comment\nb: 1\n--- {c: 1}\n---\n").unwrap();
        let values: Vec<_> = documents
            .iter()
            .map(|document| document.value.to_string())
            .collect();
        assert_eq!(values, [r#"{"a":1}"#, r#"{"b":1}"#, r#"{"c":1}"#]);
    }

    #[test]
    fn a_mark_of_the_byte_order_is_no_part_of_the_text() {
        let (form, documents) = read("\u{feff}---\na: 1\n").unwrap();
        assert_eq!((form, documents.len()), (Form::Yaml, 1));
        assert_eq!(documents[0].value["a"], 1);
        assert_eq!(read("\u{feff}{\"a\": 1}").unwrap().0, Form::Json);
    }

    #[test]
    fn json_stays_json() {
        let (form, mut documents) = read(" {\"a\":1}\n{\"b\": 2} ").unwrap();
        assert_eq!((form, documents.len()), (Form::Json, 2));
        documents[1].changed = true;
        assert_eq!(
            write(form, &documents).unwrap(),
            "{\"a\":1}\n{\n  \"b\": 2\n}\n"
        );
        // YAML that begins so is YAML all the same.
        assert_eq!(read("{a: 1}").unwrap().0, Form::Yaml);
    }

    #[test]
    fn what_is_neither_is_an_error_that_names_the_document() {
        let error = read("a: 1\n---\n b: [\n").unwrap_err();
        assert!(error.to_string().contains("document 2"), "{error}");
    }
}
