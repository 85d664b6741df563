//! ConfigMaps beside the EndpointsServices that name them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::EndpointsServiceSpec;
use crate::api::endpoints_service::ConfigMapKeyReference;
use crate::openapi::source::Cursor;
use crate::policy::ConfigMapTexts;

/// The most text of ConfigMaps that is kept of one file, in bytes. A file has less; aliases could make
/// it more, and what is beyond it counts as not there.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// ConfigMaps, by namespace and name.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct ConfigMaps {
    texts: BTreeMap<(String, String), BTreeMap<String, Text>>,
    bytes: usize,
    read: usize,
}

/// What a key holds.
#[derive(Clone, Debug)]
struct Text {
    text: Arc<str>,
    /// Which YAML document of the file, and the pointer in it.
    place: Option<(usize, String)>,
}

impl ConfigMaps {
    /// Takes a ConfigMap; false: it is something else.
    pub(super) fn read(&mut self, document: usize, object: &Cursor<'_>) -> bool {
        let string = |parent: &Cursor<'_>, field: &str| {
            let value = parent.get(field)?;
            value.string().map(str::to_owned)
        };
        let is = |field, expected| string(object, field).as_deref() == Some(expected);
        if !is("kind", "ConfigMap") || !is("apiVersion", "v1") {
            return false;
        }
        self.read += 1;
        let metadata = object.get("metadata");
        let meta = |field| string(metadata.as_ref()?, field).filter(|text| !text.is_empty());
        let (Some(name), Some(data)) = (meta("name"), object.get("data")) else {
            return true;
        };
        let namespace = meta("namespace").unwrap_or_else(|| String::from("default"));
        let mut texts = BTreeMap::new();
        for (key, value) in data.entries() {
            let Some(text) = value.string() else { continue };
            self.bytes += text.len();
            if self.bytes > MAX_BYTES {
                break;
            }
            let text = Text {
                text: text.into(),
                place: Some((document, value.pointer().to_owned())),
            };
            texts.insert(key.to_owned(), text);
        }
        self.texts.insert((namespace, name), texts);
        true
    }

    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.read
    }

    /// Adds those of another file, whose places mean nothing here. What is there already stays.
    pub(in crate::cli) fn add(&mut self, others: &Self) {
        for (name, texts) in &others.texts {
            self.texts.entry(name.clone()).or_insert_with(|| {
                let without = |text: &Text| Text {
                    place: None,
                    ..text.clone()
                };
                texts
                    .iter()
                    .map(|(key, text)| (key.clone(), without(text)))
                    .collect()
            });
        }
    }

    /// Whether there are none.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The texts that a spec of this namespace names, as far as they are here.
    pub(super) fn texts(&self, namespace: &str, spec: &EndpointsServiceSpec) -> ConfigMapTexts {
        let references = spec.config_map_references();
        references
            .into_iter()
            .filter_map(|reference| {
                let text = self.text(namespace, reference)?;
                Some((reference.clone(), text.text.clone()))
            })
            .collect()
    }

    /// Where the document of a spec stands in this file, if it is a ConfigMap's.
    pub(super) fn document_place(
        &self,
        namespace: &str,
        spec: &EndpointsServiceSpec,
    ) -> Option<(usize, String)> {
        let reference = spec.openapi.config_map_key_ref.as_ref()?;
        self.text(namespace, reference)?.place.clone()
    }

    fn text(&self, namespace: &str, reference: &ConfigMapKeyReference) -> Option<&Text> {
        let name = (namespace.to_owned(), reference.name.clone());
        self.texts.get(&name)?.get(&reference.key)
    }
}
