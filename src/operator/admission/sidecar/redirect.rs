//! The init container of `capture: redirect`.

use k8s_openapi::api::core::v1::{Capabilities, Container, SecurityContext};

use super::{Plan, container, environment, volumes};
use crate::api::annotations::REDIRECT_CONTAINER;

/// Programs the pod's network and ends. The kernel's rules stay as long as the pod's sandbox, whatever
/// containers do.
pub(super) fn container(plan: &Plan<'_>) -> Container {
    Container {
        name: REDIRECT_CONTAINER.to_owned(),
        image: Some(plan.config.image.clone()),
        image_pull_policy: plan.config.image_pull_policy.clone(),
        args: Some(vec!["redirect".to_owned()]),
        env: Some(vec![environment::listeners(plan.taken)]),
        security_context: Some(SecurityContext {
            // Capabilities that are added come into effect for root only.
            run_as_user: Some(0),
            run_as_group: Some(0),
            run_as_non_root: Some(false),
            capabilities: Some(Capabilities {
                add: Some(vec!["NET_ADMIN".to_owned()]),
                drop: Some(vec!["ALL".to_owned()]),
            }),
            ..container::restricted()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![volumes::no_api_token()]),
        ..Container::default()
    }
}
