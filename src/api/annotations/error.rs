//! Annotations that cannot be followed, in words.

use thiserror::Error;

use super::{MAX_PORTS, PORTS, SERVICE};

/// An annotation that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnnotationError {
    /// A key under our prefix that means nothing.
    #[error("annotation {key} is unknown")]
    UnknownKey {
        /// The key as written, shortened.
        key: String,
    },
    /// An annotation of ours on a pod that names no service.
    #[error("annotation {key} has no effect without {SERVICE}: add it, or remove {key}")]
    WithoutService {
        /// The key as written.
        key: String,
    },
    /// The service is not a resource name.
    #[error(
        "annotation {SERVICE}: {value:?} is not the name of an EndpointsService \
         (lower-case letters, digits, '-' and '.', at most 253)"
    )]
    Service {
        /// The value, shortened.
        value: String,
    },
    /// An entry of the list of ports is neither a name nor a number.
    #[error(
        "annotation {PORTS}: {value:?} is neither a port name (at most 15 of a-z, 0-9 and '-', one of \
         them a letter) nor a number from 1 to 65535"
    )]
    Port {
        /// The entry, shortened.
        value: String,
    },
    /// The list of ports is too long.
    #[error("annotation {PORTS}: at most {MAX_PORTS} ports, not {count}")]
    TooManyPorts {
        /// Entries found.
        count: usize,
    },
    /// A value that is none of those there are.
    #[error("annotation {key}: {value:?} is none of {}", known.join(", "))]
    Value {
        /// The annotation.
        key: &'static str,
        /// The value, shortened.
        value: String,
        /// What may be written.
        known: &'static [&'static str],
    },
    /// An amount of CPU or memory out of form.
    #[error("annotation {key}: {value:?} is not a quantity: write it as {example}")]
    Quantity {
        /// The annotation.
        key: &'static str,
        /// The value, shortened.
        value: String,
        /// A good one.
        example: &'static str,
    },
    /// An amount with which the sidecar cannot work.
    #[error("annotation {key}: {value:?} is less than the sidecar needs, {least}")]
    TooLittle {
        /// The annotation.
        key: &'static str,
        /// The value, shortened.
        value: String,
        /// What it needs.
        least: &'static str,
    },
    /// More is reserved than may be used.
    #[error("annotation {request_key}: {request} is more than {limit}, the limit of {limit_key}")]
    RequestOverLimit {
        /// The annotation with the request.
        request_key: &'static str,
        /// The request, shortened.
        request: String,
        /// The annotation with the limit.
        limit_key: &'static str,
        /// The limit, shortened.
        limit: String,
    },
}
