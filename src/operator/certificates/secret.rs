//! The Secret that holds the CA: read, else created; the loser of a race adopts the winner's.

use std::time::SystemTime;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::authority::{Authority, AuthorityError};

/// Keys in the Secret's data.
const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";

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
) -> Result<Authority, SecretError> {
    let api = Api::<Secret>::namespaced(client, namespace);
    let failed = |action, source| SecretError::Api {
        action,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        source: Box::new(source),
    };
    let read = |secret: Secret| {
        let data = secret.data.unwrap_or_default();
        let part = |key: &str| data.get(key).map_or(&[][..], |bytes| &bytes.0);
        Authority::read(part(CERTIFICATE), part(KEY), now).map_err(|source| SecretError::Broken {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            source,
        })
    };
    if let Some(secret) = api
        .get_opt(name)
        .await
        .map_err(|error| failed("read", error))?
    {
        return read(secret);
    }
    let (authority, key) = Authority::generate(now).map_err(SecretError::Generate)?;
    match api
        .create(&PostParams::default(), &secret(name, &authority, key))
        .await
    {
        Ok(_) => {
            tracing::info!(secret = %name, "made a new CA");
            Ok(authority)
        }
        Err(kube::Error::Api(status)) if status.code == 409 => {
            // Another operator was first; its CA is everybody's.
            read(api.get(name).await.map_err(|error| failed("read", error))?)
        }
        Err(error) => Err(failed("create", error)),
    }
}

fn secret(name: &str, authority: &Authority, key: String) -> Secret {
    let label = |name: &str| {
        (
            format!("app.kubernetes.io/{name}"),
            "endpoints-operator".to_owned(),
        )
    };
    let certificate = authority.certificate_pem().as_bytes().to_vec();
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some([label("name"), label("managed-by")].into()),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(
            [
                (CERTIFICATE.to_owned(), ByteString(certificate)),
                (KEY.to_owned(), ByteString(key.into_bytes())),
            ]
            .into(),
        ),
        ..Secret::default()
    }
}
