//! What a pod's annotations ask for, checked.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::values::{is_port_name, is_resource_name, shortened};
use super::{
    AnnotationError, CAPTURE, CaptureMode, LogLevel, MAX_PORTS, PORTS, PREFIX, SERVICE, SIDECAR,
    SIDECAR_CPU_LIMIT, SIDECAR_CPU_REQUEST, SIDECAR_LOG_LEVEL, SIDECAR_MEMORY_LIMIT,
    SIDECAR_MEMORY_REQUEST, STATUS, SidecarKind, USER_KEYS,
};
use crate::api::quantity;

/// The least memory that the sidecar can work with. `400m`, four tenths of a byte, is the classic slip.
const LEAST_MEMORY: &str = "16Mi";
/// The finest that the kernel's scheduler knows.
const LEAST_CPU: &str = "1m";
/// Longer than any quantity is.
const MAX_QUANTITY: usize = 32;

type Annotations = BTreeMap<String, String>;

/// What a pod's annotations ask for, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectionRequest {
    /// The EndpointsService, in the pod's namespace.
    pub service: String,
    /// The ports to protect; empty when the choice is left to the injector.
    pub ports: Vec<PortReference>,
    /// How requests come to the sidecar.
    pub capture: CaptureMode,
    /// Which form the sidecar's container takes.
    pub sidecar: SidecarKind,
    /// What the sidecar is to be given.
    pub resources: SidecarResources,
    /// How much the sidecar logs.
    pub log_level: Option<LogLevel>,
}

/// A port as a user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortReference {
    /// By the name that the pod declares.
    Name(String),
    /// By its number.
    Number(u16),
}

/// The sidecar's resources as far as the pod says, as quantities; a request is at most its limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SidecarResources {
    /// CPU reserved.
    pub cpu_request: Option<String>,
    /// The most CPU.
    pub cpu_limit: Option<String>,
    /// Memory reserved.
    pub memory_request: Option<String>,
    /// The most memory.
    pub memory_limit: Option<String>,
}

impl InjectionRequest {
    /// Reads a pod's annotations; `None` when none of them is ours.
    ///
    /// # Errors
    /// An unknown key under our prefix, one of ours without the service, or a value out of form.
    pub fn read(annotations: &Annotations) -> Result<Option<Self>, AnnotationError> {
        let mut ours = annotations
            .keys()
            .filter(|key| key.starts_with(PREFIX))
            .peekable();
        let Some(&first) = ours.peek() else {
            return Ok(None);
        };
        if let Some(key) = ours.find(|key| *key != STATUS && !USER_KEYS.contains(&key.as_str())) {
            return Err(AnnotationError::UnknownKey {
                key: shortened(key),
            });
        }
        let Some(service) = annotations.get(SERVICE) else {
            return Err(AnnotationError::WithoutService { key: first.clone() });
        };
        if !is_resource_name(service) {
            return Err(AnnotationError::Service {
                value: shortened(service),
            });
        }
        let ports = annotations
            .get(PORTS)
            .map(|list| read_ports(list))
            .transpose()?;
        let capture = one_of(annotations, CAPTURE, CaptureMode::NAMES, CaptureMode::read)?;
        let sidecar = one_of(annotations, SIDECAR, SidecarKind::NAMES, SidecarKind::read)?;
        Ok(Some(Self {
            service: service.clone(),
            ports: ports.unwrap_or_default(),
            capture: capture.unwrap_or_default(),
            sidecar: sidecar.unwrap_or_default(),
            resources: SidecarResources::read(annotations)?,
            log_level: one_of(
                annotations,
                SIDECAR_LOG_LEVEL,
                LogLevel::NAMES,
                LogLevel::read,
            )?,
        }))
    }
}

impl SidecarResources {
    fn read(annotations: &Annotations) -> Result<Self, AnnotationError> {
        let cpu = |key| amount(annotations, key, LEAST_CPU, "100m");
        let memory = |key| amount(annotations, key, LEAST_MEMORY, "64Mi");
        let resources = Self {
            cpu_request: cpu(SIDECAR_CPU_REQUEST)?,
            cpu_limit: cpu(SIDECAR_CPU_LIMIT)?,
            memory_request: memory(SIDECAR_MEMORY_REQUEST)?,
            memory_limit: memory(SIDECAR_MEMORY_LIMIT)?,
        };
        for (request_key, request, limit_key, limit) in [
            (
                SIDECAR_CPU_REQUEST,
                &resources.cpu_request,
                SIDECAR_CPU_LIMIT,
                &resources.cpu_limit,
            ),
            (
                SIDECAR_MEMORY_REQUEST,
                &resources.memory_request,
                SIDECAR_MEMORY_LIMIT,
                &resources.memory_limit,
            ),
        ] {
            if let (Some(request), Some(limit)) = (request, limit)
                && quantity::compare(request, limit) == Some(Ordering::Greater)
            {
                return Err(AnnotationError::RequestOverLimit {
                    request_key,
                    request: request.clone(),
                    limit_key,
                    limit: limit.clone(),
                });
            }
        }
        Ok(resources)
    }
}

fn one_of<T>(
    annotations: &Annotations,
    key: &'static str,
    known: &'static [&'static str],
    read: fn(&str) -> Option<T>,
) -> Result<Option<T>, AnnotationError> {
    let Some(value) = annotations.get(key) else {
        return Ok(None);
    };
    match read(value) {
        Some(read) => Ok(Some(read)),
        None => Err(AnnotationError::Value {
            key,
            value: shortened(value),
            known,
        }),
    }
}

fn amount(
    annotations: &Annotations,
    key: &'static str,
    least: &'static str,
    example: &'static str,
) -> Result<Option<String>, AnnotationError> {
    let Some(value) = annotations.get(key) else {
        return Ok(None);
    };
    let compared = match value.len() {
        ..=MAX_QUANTITY => quantity::compare(value, least),
        _ => None,
    };
    match compared {
        None => Err(AnnotationError::Quantity {
            key,
            value: shortened(value),
            example,
        }),
        Some(Ordering::Less) => Err(AnnotationError::TooLittle {
            key,
            value: shortened(value),
            least,
        }),
        Some(_) => Ok(Some(value.clone())),
    }
}

fn read_ports(list: &str) -> Result<Vec<PortReference>, AnnotationError> {
    let count = list.split(',').count();
    if count > MAX_PORTS {
        return Err(AnnotationError::TooManyPorts { count });
    }
    list.split(',')
        .map(|entry| read_port(entry.trim()))
        .collect()
}

fn read_port(entry: &str) -> Result<PortReference, AnnotationError> {
    if is_port_name(entry) {
        return Ok(PortReference::Name(entry.to_owned()));
    }
    match entry.parse() {
        Ok(number) if number != 0 && entry.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(PortReference::Number(number))
        }
        _ => Err(AnnotationError::Port {
            value: shortened(entry),
        }),
    }
}
