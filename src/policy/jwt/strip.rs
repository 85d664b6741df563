//! Tokens taken out of a request that they let in (`jwt.stripToken`).

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::alternatives::concerns_us;
use super::locations::{Location, after};
use super::{PreparedProvider, Security};

impl Security {
    /// Takes the tokens out of the headers wherever this looks for them; what else stands there stays
    /// (`Authorization: Basic …`), and so does an assertion of Identity-Aware Proxy that is not for us.
    pub(super) fn strip_headers(&self, headers: &mut HeaderMap, providers: &[PreparedProvider]) {
        for location in &self.locations {
            let Location::Header {
                name,
                prefix,
                apart,
            } = location
            else {
                continue;
            };
            let is_token = |value: &http::HeaderValue| {
                after(value.as_bytes(), prefix, *apart).is_some_and(|text| {
                    let text = String::from_utf8_lossy(text);
                    !text.is_empty() && (!location.is_assertion() || concerns_us(&text, providers))
                })
            };
            if !headers.get_all(name).iter().any(is_token) {
                continue;
            }
            let others: Vec<_> = headers
                .get_all(name)
                .iter()
                .filter(|value| !is_token(value))
                .cloned()
                .collect();
            headers.remove(name);
            for other in others {
                headers.append(name, other);
            }
        }
    }

    /// The query without the parameters in which this looks for tokens; `None`: it has none of them.
    pub(super) fn strip_query(&self, query: &str) -> Option<String> {
        let is_token = |pair: &str| {
            let name = pair.split('=').next().unwrap_or_default();
            let name = percent_decode_str(name).decode_utf8_lossy();
            self.locations
                .iter()
                .any(|location| matches!(location, Location::Query(own) if *own == name))
        };
        if !query.split('&').any(is_token) {
            return None;
        }
        let kept: Vec<_> = query.split('&').filter(|pair| !is_token(pair)).collect();
        Some(kept.join("&"))
    }
}
