use super::*;

fn read(variables: &[(&str, &str)]) -> Result<ProxySettings, ProxyError> {
    ProxySettings::read(|name| {
        let found = variables.iter().find(|(given, _)| *given == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

/// `host:port` of the proxy for a URL.
fn proxy(variables: &[(&str, &str)], url: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    let port = url.port_or_known_default().unwrap();
    let settings = read(variables).unwrap();
    let proxy = settings.proxy(url.scheme(), &url.host().unwrap(), port)?;
    Some(format!("{}:{}", proxy.host, proxy.port))
}

fn https(value: &str) -> Result<ProxySettings, ProxyError> {
    read(&[("HTTPS_PROXY", value)])
}

#[test]
fn each_scheme_has_its_proxy() {
    let both = [
        ("https_proxy", "http://s.example:3128"),
        ("HTTP_PROXY", "http://p.example:3128/"),
    ];
    assert_eq!(proxy(&both, "https://a.example").unwrap(), "s.example:3128");
    assert_eq!(proxy(&both, "http://a.example").unwrap(), "p.example:3128");
    assert_eq!(proxy(&both[1..], "https://a.example"), None);
    assert_eq!(proxy(&[], "https://a.example"), None);
}

#[test]
fn upper_case_wins_and_empty_is_not_there() {
    let url = "https://a.example";
    let upper = [("HTTPS_PROXY", "http://u:1"), ("https_proxy", "http://l:1")];
    assert_eq!(proxy(&upper, url).unwrap(), "u:1");
    let empty = [("HTTPS_PROXY", " "), ("https_proxy", "http://l:1")];
    assert_eq!(proxy(&empty, url).unwrap(), "l:1");
    assert_eq!(proxy(&[("HTTPS_PROXY", "")], url), None);
}

#[test]
fn exempt_hosts_have_no_proxy() {
    let variables = [("HTTPS_PROXY", "http://p:1"), ("no_proxy", ".a.example")];
    assert_eq!(proxy(&variables, "https://x.a.example"), None);
    assert!(proxy(&variables, "https://a.example").is_some());
    assert_eq!(proxy(&variables, "https://localhost"), None);
}

#[test]
fn a_scheme_and_a_port_may_be_left_out() {
    for (value, expected) in [
        ("p.example:3128", "p.example:3128"),
        ("p.example", "p.example:80"),
        ("http://[2001:db8::1]:3128", "2001:db8::1:3128"),
        ("10.0.0.1:3128", "10.0.0.1:3128"),
    ] {
        let found = proxy(&[("HTTPS_PROXY", value)], "https://a.example");
        assert_eq!(found.unwrap(), expected, "{value}");
    }
}

#[test]
fn credentials_are_decoded_and_encoded_as_basic() {
    let settings = https("http://us%65r:p%40ss:w@p.example:3128").unwrap();
    let value = settings.https.unwrap().authorization.clone().unwrap();
    let expected = format!("Basic {}", STANDARD.encode("user:p@ss:w"));
    assert_eq!(value.to_str().unwrap(), expected);
    assert!(value.is_sensitive());
    let plain = https("http://p.example:3128").unwrap().https.unwrap();
    assert_eq!(plain.authorization, None);
}

#[test]
fn other_proxies_are_errors_that_do_not_tell_the_password() {
    for value in [
        "https://user:s3cret@p.example:3128",
        "socks5://user:s3cret@p.example:1080",
        "http://user:s3cret@p.example:3128/path",
        "http://user:s3cret@p.example:3128?query",
        "http://user:s3/cret@p.example:3128",
        "http://us%3Aer:s3cret@p.example:3128",
        "http://user:s3cret@",
        "http://user:s3cret@p.example:99999",
    ] {
        let error = https(value).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("HTTPS_PROXY"), "{text}");
        assert!(!text.contains("s3") && !text.contains("user:"), "{text}");
    }
}

#[test]
fn credentials_are_not_in_debug_output() {
    let settings = https("http://user:s3cret@p.example:3128").unwrap();
    let text = format!("{settings:?}");
    assert!(text.contains("p.example"), "{text}");
    let encoded = STANDARD.encode("user:s3cret");
    assert!(!text.contains("s3cret") && !text.contains("user"), "{text}");
    assert!(!text.contains(&encoded), "{text}");
}
