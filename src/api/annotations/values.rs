//! What annotations may say, word by word.

use serde::{Deserialize, Serialize};

/// How requests come to the sidecar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CaptureMode {
    /// The sidecar takes the port's name, and Services that use the name as targetPort follow.
    #[default]
    Named,
    /// The kernel hands what arrives at the app's number to the sidecar (an init container with
    /// NET_ADMIN programs it): for numeric targetPorts and headless Services.
    Redirect,
    /// Nothing is steered: the sidecar listens, and whoever wants it dials its own port.
    None,
}

/// Which form the sidecar's container takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SidecarKind {
    /// What the cluster's version calls for.
    #[default]
    Auto,
    /// An init container that stays (`restartPolicy: Always`).
    Native,
    /// A container like the app's, first in order.
    Classic,
}

/// How much the sidecar logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// And what may fail.
    Warn,
    /// And what happened.
    Info,
    /// And how.
    Debug,
    /// Everything.
    Trace,
}

impl CaptureMode {
    /// What may be written.
    pub const NAMES: &'static [&'static str] = &["named", "redirect", "none"];

    /// Reads the annotation's value.
    pub(super) fn read(value: &str) -> Option<Self> {
        match value {
            "named" => Some(Self::Named),
            "redirect" => Some(Self::Redirect),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// As the annotation has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Redirect => "redirect",
            Self::None => "none",
        }
    }
}

impl SidecarKind {
    /// What may be written.
    pub const NAMES: &'static [&'static str] = &["auto", "native", "classic"];

    /// Reads the annotation's value.
    pub(super) fn read(value: &str) -> Option<Self> {
        match value {
            "auto" => Some(Self::Auto),
            "native" => Some(Self::Native),
            "classic" => Some(Self::Classic),
            _ => None,
        }
    }
}

impl LogLevel {
    /// What may be written.
    pub const NAMES: &'static [&'static str] = &["error", "warn", "info", "debug", "trace"];

    /// Reads the annotation's value.
    pub(super) fn read(value: &str) -> Option<Self> {
        match value {
            "error" => Some(Self::Error),
            "warn" => Some(Self::Warn),
            "info" => Some(Self::Info),
            "debug" => Some(Self::Debug),
            "trace" => Some(Self::Trace),
            _ => None,
        }
    }

    /// As the annotation has it, and as the sidecar's filter of log lines reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// DNS-1123 subdomain, the form of a custom resource's name, and of a Secret's.
pub fn is_resource_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            let inner =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !label.is_empty()
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// IANA service name (RFC 6335 section 5.1) in lower case, as Kubernetes wants port names.
pub(super) fn is_port_name(name: &str) -> bool {
    name.len() <= 15
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

/// Enough of a value to recognise it by.
pub(super) fn shortened(value: &str) -> String {
    const MOST: usize = 80;
    let mut characters = value.chars();
    let mut short: String = characters.by_ref().take(MOST).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}
