//! Origins, as browsers write them.

/// An origin as browsers send it (RFC 6454 section 6.2), or what is wrong and what to write.
pub(in crate::policy) fn canonical_origin(written: &str) -> Result<String, (&'static str, String)> {
    const EXAMPLE: &str = "write it like `https://shop.example.com`";
    if written == "null" {
        return Ok(written.to_owned());
    }
    let corrected = |origin: &str| match canonical_origin(origin) {
        Ok(origin) => format!("write `{origin}`"),
        Err(_) => EXAMPLE.to_owned(),
    };
    let Some((scheme, rest)) = written.split_once("://") else {
        return Err(("it has no scheme", corrected_without_scheme(written)));
    };
    let scheme_fits = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !scheme_fits {
        return Err(("its scheme is none", EXAMPLE.to_owned()));
    }
    if let Some(end) = rest.find(['/', '?', '#']) {
        let why = if &rest[end..] == "/" {
            "it ends with a slash"
        } else {
            "it has a path"
        };
        return Err((why, corrected(&format!("{scheme}://{}", &rest[..end]))));
    }
    if let Some((_, host)) = rest.rsplit_once('@') {
        return Err((
            "it has a user name",
            corrected(&format!("{scheme}://{host}")),
        ));
    }
    if rest.contains('*') {
        let pattern = rest.replace('.', "\\.").replace('*', ".+");
        return Err((
            "`*` stands only for every origin",
            format!("use `allowOriginRegex: {scheme}://{pattern}`"),
        ));
    }
    let (host, port) = split_port(rest).ok_or(("its port is none", EXAMPLE.to_owned()))?;
    let scheme = scheme.to_ascii_lowercase();
    let host = host.to_ascii_lowercase();
    if !is_host(&host) {
        let ascii = url::Url::parse(&format!("https://{host}")).ok();
        let help = ascii
            .as_ref()
            .and_then(url::Url::host_str)
            .filter(|ascii| is_host(ascii) && !host.is_ascii())
            .map_or_else(
                || EXAMPLE.to_owned(),
                |ascii| format!("write it as browsers send it: `{scheme}://{ascii}`"),
            );
        return Err(("its host is none", help));
    }
    Ok(match (scheme.as_str(), port) {
        (_, None) | ("https", Some(443)) | ("http", Some(80)) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    })
}

/// What to write for `shop.example.com/`.
fn corrected_without_scheme(written: &str) -> String {
    let host = written.split(['/', '?', '#']).next().unwrap_or_default();
    match canonical_origin(&format!("https://{host}")) {
        Ok(origin) => format!("write `{origin}`"),
        Err((_, help)) => help,
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after_address..].rfind(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let (host, port) = authority.split_at(after_address + colon);
            let digits = &port[1..];
            let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
            is_number
                .then_some(())
                .and(digits.parse().ok())
                .map(|port| (host, Some(port)))
        }
    }
}

/// A name, or an IPv6 address in brackets. Extension schemes have names of their own kind, so only
/// characters are checked.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|address| {
            address.contains(':')
                && address
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
        });
    }
    !host.is_empty()
        && !host.starts_with('.')
        && !host.contains("..")
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}
