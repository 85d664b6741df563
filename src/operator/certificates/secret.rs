//! The Secret that holds the CA: read, else created; the loser of a race adopts the winner's.

use std::collections::BTreeMap;
use std::time::SystemTime;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::authority::AuthorityError;
use super::stored::Authorities;
use crate::operator::bounded::bounded;

/// Asks for a new CA, whatever its value: taken away again when the next CA is published.
pub const ROTATE: &str = "endpoints.dev/rotate";

/// Why the CA cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The API server refuses or is away.
    #[error("cannot {action} Secret {namespace}/{name}")]
    Api {
        /// What was tried.
        action: &'static str,
        /// The Secret's namespace.
        namespace: String,
        /// The Secret's name.
        name: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// The Secret holds something else. It is left as it is: sidecars may trust what it was.
    #[error(
        "Secret {namespace}/{name} holds no usable CA; delete it to have a new one made (pods that \
         were injected before then need a restart to trust it)"
    )]
    Broken {
        /// The Secret's namespace.
        namespace: String,
        /// The Secret's name.
        name: String,
        /// What is wrong with it.
        source: AuthorityError,
    },
    /// A new CA cannot be made.
    #[error("cannot make a CA")]
    Generate(#[source] AuthorityError),
}

/// Reads the CA from the Secret, or makes one and creates the Secret. Nothing is ever overwritten.
///
/// # Errors
/// See [`SecretError`].
pub async fn load_or_create(
    client: Client,
    namespace: &str,
    name: &str,
    now: SystemTime,
) -> Result<Authorities, SecretError> {
    let api = Api::<Secret>::namespaced(client, namespace);
    let failed = |action, source| SecretError::Api {
        action,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        source: Box::new(source),
    };
    let read = |secret: Secret| {
        let data = secret.data.unwrap_or_default();
        let (authorities, spoilt) =
            Authorities::read(&data, now).map_err(|source| SecretError::Broken {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                source,
            })?;
        if spoilt {
            tracing::warn!(secret = %name, "the next CA, or what is left of earlier ones, is spoilt; the CA itself is good");
        }
        Ok(authorities)
    };
    if let Some(secret) = bounded(api.get_opt(name))
        .await
        .map_err(|error| failed("read", error))?
    {
        return read(secret);
    }
    let authorities = Authorities::generate(now).map_err(SecretError::Generate)?;
    match create(&api, name, &authorities).await {
        Ok(()) => {
            tracing::info!(secret = %name, "made a new CA");
            Ok(authorities)
        }
        Err(kube::Error::Api(status)) if status.code == 409 => {
            // Another operator was first; its CA is everybody's.
            read(
                bounded(api.get(name))
                    .await
                    .map_err(|error| failed("read", error))?,
            )
        }
        Err(error) => Err(failed("create", error)),
    }
}

/// Creates the Secret.
pub(super) async fn create(
    api: &Api<Secret>,
    name: &str,
    authorities: &Authorities,
) -> Result<(), kube::Error> {
    let label = |name: &str| {
        (
            format!("app.kubernetes.io/{name}"),
            "endpoints-operator".to_owned(),
        )
    };
    let mut data = BTreeMap::new();
    authorities.write(&mut data);
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some([label("name"), label("managed-by")].into()),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(data),
        ..Secret::default()
    };
    bounded(api.create(&PostParams::default(), &secret))
        .await
        .map(drop)
}

/// Writes into the Secret that was seen; refused (409) when it has changed since.
pub(super) async fn replace(
    api: &Api<Secret>,
    seen: &Secret,
    authorities: &Authorities,
    answered: bool,
) -> Result<(), kube::Error> {
    let mut secret = seen.clone();
    authorities.write(secret.data.get_or_insert_default());
    if answered && let Some(annotations) = &mut secret.metadata.annotations {
        annotations.remove(ROTATE);
    }
    let name = seen.metadata.name.clone().unwrap_or_default();
    bounded(api.replace(&name, &PostParams::default(), &secret))
        .await
        .map(drop)
}

/// Whether somebody asks for a new CA.
pub(super) fn rotation_requested(secret: &Secret) -> bool {
    let annotations = secret.metadata.annotations.as_ref();
    annotations.is_some_and(|annotations| annotations.contains_key(ROTATE))
}
