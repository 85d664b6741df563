//! What the keys of ConfigMaps hold: text that comes from beside the resource.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::invalid;
use crate::api::endpoints_service::ConfigMapKeyReference;
use crate::openapi::Diagnostic;

/// The texts of the keys of ConfigMaps that a spec names, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Entry>", into = "Vec<Entry>")]
pub struct ConfigMapTexts(BTreeMap<ConfigMapKeyReference, Arc<str>>);

/// As it is written down: JSON has no keys that are structures.
#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    reference: ConfigMapKeyReference,
    text: String,
}

impl ConfigMapTexts {
    /// The text of a key.
    pub fn get(&self, reference: &ConfigMapKeyReference) -> Option<&str> {
        self.0.get(reference).map(|text| &**text)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigMapKeyReference, &str)> {
        self.0.iter().map(|(reference, text)| (reference, &**text))
    }
}

impl FromIterator<(ConfigMapKeyReference, Arc<str>)> for ConfigMapTexts {
    fn from_iter<I: IntoIterator<Item = (ConfigMapKeyReference, Arc<str>)>>(texts: I) -> Self {
        Self(texts.into_iter().collect())
    }
}

impl From<Vec<Entry>> for ConfigMapTexts {
    fn from(entries: Vec<Entry>) -> Self {
        let entries = entries.into_iter();
        entries
            .map(|entry| (entry.reference, entry.text.into()))
            .collect()
    }
}

impl From<ConfigMapTexts> for Vec<Entry> {
    fn from(texts: ConfigMapTexts) -> Self {
        let texts = texts.0.into_iter();
        texts
            .map(|(reference, text)| Entry {
                reference,
                text: String::from(&*text),
            })
            .collect()
    }
}

/// A reference that leads nowhere. A cluster says so in `ResolvedRefs` and does not get here.
pub(super) fn missing(pointer: &str, reference: &ConfigMapKeyReference) -> Diagnostic {
    invalid(pointer, format!("the {reference} is not there"))
        .help("put the ConfigMap's manifest into the same files")
}
