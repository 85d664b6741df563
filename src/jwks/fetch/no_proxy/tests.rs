use url::Url;

use super::*;

fn exempts(list: &str, url: &str) -> bool {
    let url = Url::parse(url).unwrap();
    NoProxy::parse(list).exempts(&url.host().unwrap(), url.port_or_known_default().unwrap())
}

/// The cases of Go's `httpproxy` tests, reworded, and some more.
#[test]
fn hosts_are_exempt_as_in_go() {
    for (list, url, exempt) in [
        ("", "https://a.example/", false),
        ("*", "https://a.example/", true),
        ("other.example, *", "https://192.0.2.1/", true),
        ("a.example", "https://a.example/", true),
        ("a.example", "https://A.Example./", true),
        (" A.EXAMPLE ", "https://a.example/", true),
        ("a.example", "https://x.y.a.example/", true),
        ("a.example", "https://ba.example/", false),
        (".a.example", "https://a.example/", false),
        (".a.example", "https://x.a.example/", true),
        ("*.a.example", "https://a.example/", false),
        ("*.a.example", "https://x.a.example/", true),
        ("*a.example", "https://xa.example/", false),
        ("a.example:443", "https://a.example/", true),
        ("a.example:8443", "https://a.example/", false),
        ("a.example:8443", "https://x.a.example:8443/", true),
        (".a.example:8443", "https://x.a.example:8443/", true),
        ("a.example:", "https://a.example:1/", true),
        ("a.example:https", "https://a.example/", false),
        ("bücher.example", "https://www.bücher.example/", true),
        ("192.0.2.1", "https://192.0.2.1/", true),
        ("192.0.2.1", "https://192.0.2.10/", false),
        ("192.0.2.1:443", "https://192.0.2.1/", true),
        ("192.0.2.1:80", "https://192.0.2.1/", false),
        ("192.0.2.1", "https://[::ffff:192.0.2.1]/", true),
        ("192.0.2.0/24", "https://192.0.2.77/", true),
        ("192.0.2.9/24", "https://192.0.2.77/", true),
        ("192.0.2.0/24", "https://192.0.3.1/", false),
        ("10.0.0.0/8", "https://10.example/", false),
        ("2001:db8::1", "https://[2001:db8::1]/", true),
        ("[2001:db8::1]", "https://[2001:db8::1]/", true),
        ("[2001:db8::1]:443", "https://[2001:db8::1]/", true),
        ("[2001:db8::1]:80", "https://[2001:db8::1]/", false),
        ("2001:db8::/32", "https://[2001:db8:1::1]/", true),
        (",, ,", "https://a.example/", false),
        (":443", "https://a.example/", false),
        (".", "https://a.example/", false),
    ] {
        assert_eq!(exempts(list, url), exempt, "{list:?} {url}");
    }
}

#[test]
fn this_host_is_always_exempt() {
    for host in [
        "localhost",
        "localhost.",
        "a.localhost",
        "127.0.0.1",
        "127.1.2.3",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        assert!(exempts("", &format!("https://{host}:1234/")), "{host}");
    }
    assert!(!exempts("", "https://localhost.example/"));
}
