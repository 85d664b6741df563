//! Where tokens are looked for: ESPv2's defaults, or what a scheme names instead of them.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header};
use percent_encoding::percent_decode_str;

use crate::policy::format::TokenLocation;

/// Identity-Aware Proxy's header.
const IAP_ASSERTION: HeaderName = HeaderName::from_static("x-goog-iap-jwt-assertion");

/// One place, made ready. A repeated header or parameter counts each time: whichever of them a
/// backend reads, it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    Header {
        name: HeaderName,
        /// What stands at the beginning of the value, in any case.
        prefix: String,
        /// White space must follow the prefix.
        apart: bool,
    },
    /// A parameter, by its decoded name.
    Query(String),
}

impl Location {
    /// Makes a place of a policy ready. A prefix must stand at the beginning of the value. It is
    /// compared in any case, as schemes are (RFC 9110 section 11.1); where it ends in white space, a
    /// tab is as good as a space: it is none by the grammar, but a backend may think so, and what it
    /// would read was checked.
    ///
    /// # Errors
    /// A header name that is none.
    pub(super) fn new(written: &TokenLocation) -> Result<Self, String> {
        match written {
            TokenLocation::Header { name, value_prefix } => {
                let prefix = value_prefix.trim_ascii_end();
                Ok(Self::Header {
                    name: HeaderName::from_bytes(name.as_bytes())
                        .map_err(|_| format!("`{name}` is not the name of a header"))?,
                    prefix: prefix.to_owned(),
                    apart: prefix.len() < value_prefix.len(),
                })
            }
            TokenLocation::Query(name) => Ok(Self::Query(name.clone())),
        }
    }

    /// ESPv2's, in its order; the query's is that of RFC 6750 section 2.3.
    pub(super) fn defaults() -> Vec<Self> {
        vec![
            Self::Header {
                name: header::AUTHORIZATION,
                prefix: "Bearer".to_owned(),
                apart: true,
            },
            Self::Header {
                name: IAP_ASSERTION,
                prefix: String::new(),
                apart: false,
            },
            Self::Query("access_token".to_owned()),
        ]
    }

    /// The header's name, if it is one.
    pub(super) fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header { name, .. } => Some(name),
            Self::Query(_) => None,
        }
    }

    /// Whether it is a parameter of the query.
    pub(super) fn is_query(&self) -> bool {
        matches!(self, Self::Query(_))
    }

    /// Identity-Aware Proxy's header, where a token of an issuer that the document does not name
    /// says nothing to us: the proxy in front put it there for itself.
    pub(super) fn is_assertion(&self) -> bool {
        self.header() == Some(&IAP_ASSERTION)
    }

    /// Gives `each` the texts found here, in order.
    pub(super) fn find<'r>(
        &self,
        headers: &'r HeaderMap,
        query: Option<&'r str>,
        mut each: impl FnMut(Cow<'r, str>),
    ) {
        let mut found = |text: Cow<'r, str>| {
            if !text.is_empty() {
                each(text);
            }
        };
        match self {
            Self::Header {
                name,
                prefix,
                apart,
            } => {
                for value in headers.get_all(name) {
                    if let Some(text) = after(value.as_bytes(), prefix, *apart) {
                        found(match std::str::from_utf8(text) {
                            Ok(text) => Cow::Borrowed(text),
                            // No token either: the replacement character is in no alphabet of ours.
                            Err(_) => String::from_utf8_lossy(text),
                        });
                    }
                }
            }
            Self::Query(name) => {
                for pair in query.into_iter().flat_map(|query| query.split('&')) {
                    if let Some((written, value)) = pair.split_once('=')
                        && percent_decode_str(written).decode_utf8_lossy() == *name
                    {
                        found(percent_decode_str(value).decode_utf8_lossy());
                    }
                }
            }
        }
    }
}

/// What follows the prefix, without the white space around it.
pub(super) fn after<'v>(value: &'v [u8], prefix: &str, apart: bool) -> Option<&'v [u8]> {
    let (start, token) = value.split_at_checked(prefix.len())?;
    let fits = start.eq_ignore_ascii_case(prefix.as_bytes())
        && (!apart || matches!(token.first(), Some(b' ' | b'\t')));
    fits.then(|| token.trim_ascii())
}
