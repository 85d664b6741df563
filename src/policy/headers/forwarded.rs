//! Where a request came from: told to the backend, and read from what proxies in front say.

use core::net::{IpAddr, SocketAddr};

use http::header::Entry;
use http::{HeaderMap, HeaderValue};

use super::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO};
use crate::policy::format::ForwardedMode;

/// A peer's address as `X-Forwarded-For` has it; made once per connection. An IPv4 client of an IPv6
/// socket is an IPv4 client.
pub fn forwarded_peer(peer: IpAddr) -> HeaderValue {
    HeaderValue::try_from(peer.to_canonical().to_string()).expect("an IP address is visible ASCII")
}

/// The client's address, where so many proxies in front are believed: of the addresses in
/// `X-Forwarded-For` with the peer behind them, the one with `hops` behind it. The peer, if that is
/// no address, or there are not so many.
pub fn client_address(headers: &HeaderMap, peer: IpAddr, hops: u8) -> IpAddr {
    let peer = peer.to_canonical();
    let Some(before) = usize::from(hops).checked_sub(1) else {
        return peer;
    };
    let values: Vec<_> = headers.get_all(&FORWARDED_FOR).iter().collect();
    values
        .iter()
        .rev()
        .flat_map(|value| value.as_bytes().rsplit(|&byte| byte == b','))
        .nth(before)
        .and_then(|entry| address(entry.trim_ascii()))
        .unwrap_or(peer)
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?;
    let bare = || text.parse::<IpAddr>().ok();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let address = bare().or_else(bracketed).or_else(with_port)?;
    Some(address.to_canonical())
}

/// Tells the backend where the request came from. `peer`: [`forwarded_peer`]; `host`: what the client
/// asked for (HTTP/1.0 may leave it out).
pub(super) fn forward(
    headers: &mut HeaderMap,
    mode: ForwardedMode,
    peer: &HeaderValue,
    proto: HeaderValue,
    host: Option<&HeaderValue>,
) {
    match mode {
        ForwardedMode::Off => {}
        ForwardedMode::Set => {
            headers.insert(FORWARDED_FOR, peer.clone());
            headers.insert(FORWARDED_PROTO, proto);
            match host {
                Some(host) => headers.insert(FORWARDED_HOST, host.clone()),
                None => headers.remove(FORWARDED_HOST),
            };
        }
        ForwardedMode::Append => {
            append(headers, peer);
            headers.entry(FORWARDED_PROTO).or_insert(proto);
            if let Some(host) = host {
                headers
                    .entry(FORWARDED_HOST)
                    .or_insert_with(|| host.clone());
            }
        }
    }
}

fn append(headers: &mut HeaderMap, peer: &HeaderValue) {
    if let Entry::Vacant(none) = headers.entry(FORWARDED_FOR) {
        none.insert(peer.clone());
        return;
    }
    let mut way = Vec::with_capacity(64);
    for value in headers.get_all(&FORWARDED_FOR) {
        if !value.is_empty() {
            way.extend_from_slice(value.as_bytes());
            way.extend_from_slice(b", ");
        }
    }
    way.extend_from_slice(peer.as_bytes());
    // Made of values and an address: always a value.
    if let Ok(way) = HeaderValue::try_from(way) {
        headers.insert(FORWARDED_FOR, way);
    }
}
