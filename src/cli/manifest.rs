//! From a file's text to the services in it: EndpointsService manifests (each YAML document a
//! manifest, or a `List` of them) and bare OpenAPI documents.
//!
//! `endpoints dev` and `endpoints check` read files by this, so that both say the same of one.

mod config_maps;
mod indentation;
mod looks;
mod resource;
mod value;

use std::path::Path;

use self::value::Budget;
use crate::api::endpoints_service::{CorsSpec, EndpointsServiceSpec, OpenApiSource};
use crate::cli::report::Home;
use crate::openapi::Diagnostic;
use crate::openapi::source::{Cursor, PointerIndex};
use crate::policy::{self, Compiled, ConfigMapTexts, ServiceIdentity};

pub(super) use self::config_maps::ConfigMaps;
use self::looks::Looks;
pub(super) use self::looks::claims_to_be_ours;

#[cfg(test)]
mod tests;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Its services, in their order.
    pub(super) services: Vec<Entry>,
    /// How many Kubernetes objects of other kinds there are, lists among them.
    pub(super) others: usize,
    /// What its other documents look like.
    pub(super) strangers: Vec<String>,
    /// Its ConfigMaps, which count as others, too.
    pub(super) config_maps: ConfigMaps,
}

/// One service of a file.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where it stands.
    pub(super) home: Home,
    /// The resource's name and namespace; a bare document is named by its file.
    pub(super) identity: ServiceIdentity,
    /// The spec; what is wrong around it.
    pub(super) spec: Result<EndpointsServiceSpec, Vec<Diagnostic>>,
    /// What the ConfigMaps hold that the spec names, as far as they are known.
    texts: ConfigMapTexts,
}

/// The name of a file without its folder and its ending.
pub(super) fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str());
    stem.to_string_lossy().into_owned()
}

/// Understands a file. `stem`: what names a bare document; `index`: the places of the text's values.
/// ConfigMaps that its services name are looked for in it.
pub(super) fn read(stem: &str, text: &str, index: &PointerIndex) -> Contents {
    let mut contents = read_alone(stem, text, index);
    contents.resolve();
    contents
}

fn read_alone(stem: &str, text: &str, index: &PointerIndex) -> Contents {
    let roots: Vec<_> = (0..index.documents())
        .filter_map(|document| Some((document, index.root(document)?)))
        .filter(|(_, root)| !matches!(looks::looks(root), Looks::Nothing))
        .collect();
    if let [(_, only)] = &roots[..]
        && matches!(looks::looks(only), Looks::OpenApi)
    {
        return Contents {
            services: vec![bare(stem, text)],
            ..Contents::default()
        };
    }
    let mut contents = Contents::default();
    let mut budget = Budget::default();
    for (document, root) in roots {
        match looks::looks(&root) {
            Looks::OpenApi if !budget.is_spent() => contents.services.push(Entry {
                home: Home::Document(document),
                identity: identity_of(stem),
                spec: value::value(&root, &mut budget)
                    .map(|structure| spec_of(None, Some(structure)))
                    .map_err(|finding| vec![finding]),
                texts: ConfigMapTexts::default(),
            }),
            _ => read_objects(document, &root, &mut budget, &mut contents),
        }
    }
    contents
}

/// A file that is an OpenAPI document, whole.
pub(super) fn bare(stem: &str, text: &str) -> Entry {
    Entry {
        home: Home::File,
        identity: identity_of(stem),
        spec: Ok(spec_of(Some(text.to_owned()), None)),
        texts: ConfigMapTexts::default(),
    }
}

/// A Kubernetes object, or a list of them.
fn read_objects(
    document: usize,
    object: &Cursor<'_>,
    budget: &mut Budget,
    contents: &mut Contents,
) {
    match looks::looks(object) {
        _ if budget.is_spent() => {}
        Looks::Nothing => {}
        Looks::List => {
            // An empty one is still no mistake.
            if object
                .get("items")
                .is_none_or(|items| items.items().next().is_none())
            {
                contents.others += 1;
            }
            for item in object.get("items").iter().flat_map(Cursor::items) {
                read_objects(document, &item, budget, contents);
            }
        }
        Looks::EndpointsService => contents
            .services
            .push(resource::read(document, object, budget)),
        Looks::Kubernetes => {
            contents.config_maps.read(document, object);
            contents.others += 1;
        }
        Looks::OpenApi => contents
            .strangers
            .push(String::from("an OpenAPI document inside a list")),
        Looks::Other(what) => contents.strangers.push(what),
    }
}

fn identity_of(stem: &str) -> ServiceIdentity {
    ServiceIdentity {
        name: stem.to_owned(),
        namespace: String::from("default"),
    }
}

/// The spec of a bare document: all defaults.
fn spec_of(inline: Option<String>, document: Option<serde_json::Value>) -> EndpointsServiceSpec {
    EndpointsServiceSpec {
        openapi: OpenApiSource {
            inline,
            document,
            config_map_key_ref: None,
        },
        service_name: None,
        cors: None,
        jwt: None,
        backend: None,
        routing: None,
        ..EndpointsServiceSpec::default()
    }
}

impl Contents {
    /// Whether nothing is left in it that asks to be looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
            && self.others == self.config_maps.count()
            && self.strangers.is_empty()
    }

    /// Takes the ConfigMaps of other files, too.
    pub(super) fn resolve_with(&mut self, others: &ConfigMaps) {
        self.config_maps.add(others);
        self.resolve();
    }

    /// Gives the services the texts of the ConfigMaps that they name.
    fn resolve(&mut self) {
        for entry in &mut self.services {
            let Ok(spec) = &entry.spec else { continue };
            let namespace = &entry.identity.namespace;
            entry.texts = self.config_maps.texts(namespace, spec);
            if let Home::Resource { text, .. } = &mut entry.home {
                *text = self.config_maps.document_place(namespace, spec);
            }
        }
    }
}

impl Entry {
    /// Whether it is an EndpointsService, not a bare document.
    pub(super) fn is_manifest(&self) -> bool {
        matches!(self.home, Home::Resource { .. })
    }

    /// Compiles it: the policy unless a finding is an error, and the findings.
    pub(super) fn compile(&self) -> (Option<Compiled>, Vec<Diagnostic>) {
        let result = match &self.spec {
            Ok(spec) => policy::compile_with(spec, &self.texts, &self.identity),
            Err(findings) => Err(findings.clone()),
        };
        match result {
            Ok(compiled) => {
                let warnings = compiled.warnings.clone();
                (Some(compiled), warnings)
            }
            Err(findings) => (None, findings),
        }
    }

    /// Whether it names ConfigMaps that are not known.
    pub(super) fn is_unresolved(&self) -> bool {
        self.spec.as_ref().is_ok_and(|spec| {
            let mut references = spec.config_map_references().into_iter();
            references.any(|reference| self.texts.get(reference).is_none())
        })
    }

    /// The proxy answers for CORS, any origin: `cors: {}`.
    pub(super) fn with_cors(mut self) -> Self {
        if let Ok(spec) = &mut self.spec {
            spec.cors = Some(CorsSpec::default());
        }
        self
    }
}
