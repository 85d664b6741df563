//! References to Secrets of the resource's namespace.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A Secret in the namespace of the resource. Only pods of that namespace read it: it is mounted into
/// them, and never leaves the node.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Its name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
}
