//! References to ConfigMaps of the resource's namespace.

use std::collections::BTreeSet;
use std::fmt;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::EndpointsServiceSpec;

/// A key of a ConfigMap in the namespace of the resource; its text (`data`, not `binaryData`) counts,
/// and a later edit of it, too.
#[derive(
    Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, KubeSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyReference {
    /// The ConfigMap's name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// The key in its `data`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

impl fmt::Display for ConfigMapKeyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key `{}` of ConfigMap `{}`", self.key, self.name)
    }
}

impl EndpointsServiceSpec {
    /// The keys of ConfigMaps that the spec needs to be compiled.
    pub fn config_map_references(&self) -> BTreeSet<&ConfigMapKeyReference> {
        let issuers = self.jwt.iter().flat_map(|jwt| jwt.issuers.iter().flatten());
        self.openapi
            .config_map_key_ref
            .iter()
            .chain(issuers.filter_map(|issuer| issuer.jwks_config_map_key_ref.as_ref()))
            .collect()
    }
}
