//! A cheap, unverified look at a token: refuses what cannot be right, and proves nothing.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::api::annotations::PUSH_AUDIENCE;
use crate::push::wire::PodRef;

#[cfg(test)]
mod tests;

/// The longest token that is looked at; projected ones take about 1.2 KiB.
const MAX_TOKEN: usize = 8 * 1024;

/// What a token says of itself.
#[derive(Debug)]
pub(super) struct Claims {
    /// When it expires.
    pub(super) expires: SystemTime,
    binding: Binding,
}

/// The payload of a projected service account token (KEP-1205).
#[derive(Deserialize)]
struct Payload {
    aud: Audience,
    exp: u64,
    #[serde(rename = "kubernetes.io")]
    binding: Binding,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize, Debug)]
struct Binding {
    namespace: String,
    pod: Object,
}

#[derive(Deserialize, Debug)]
struct Object {
    name: String,
    uid: String,
}

impl Claims {
    /// Reads a token's payload.
    ///
    /// # Errors
    /// It is not a token of ours that is valid at `now`; which, without quoting it.
    pub(super) fn read(token: &str, now: SystemTime) -> Result<Self, &'static str> {
        let payload = payload(token).ok_or("the token is not one of a pod")?;
        let ours = match &payload.aud {
            Audience::One(audience) => audience == PUSH_AUDIENCE,
            Audience::Many(audiences) => audiences.iter().any(|one| one == PUSH_AUDIENCE),
        };
        if !ours {
            return Err("the token is for another audience");
        }
        let expires = SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_secs(payload.exp))
            .ok_or("the token's expiry is out of range")?;
        if expires <= now {
            return Err("the token has expired");
        }
        Ok(Self {
            expires,
            binding: payload.binding,
        })
    }

    /// Whether it says that it is bound to `pod`.
    ///
    /// # Errors
    /// It says something else.
    pub(super) fn name_pod(&self, pod: &PodRef) -> Result<(), &'static str> {
        if self.binding.namespace != pod.namespace {
            return Err("the token is of another namespace");
        }
        if self.binding.pod.name != pod.name || self.binding.pod.uid != pod.uid {
            return Err("the token is bound to another pod");
        }
        Ok(())
    }
}

fn payload(token: &str) -> Option<Payload> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
