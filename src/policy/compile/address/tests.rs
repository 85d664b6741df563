use super::*;

fn origin(written: &str) -> String {
    Address::parse(written).unwrap().origin()
}

#[test]
fn scheme_and_port_have_defaults() {
    for (written, expected) in [
        ("http://B.example", "http://b.example:80"),
        ("https://b.example", "https://b.example:443"),
        ("GRPC://b:50051", "grpc://b:50051"),
        ("grpcs://b", "grpcs://b:443"),
        ("grpc://b", "grpc://b:80"),
        ("b.example", "https://b.example:443"),
        ("b:8080/x", "https://b:8080"),
        ("http://127.1:81", "http://127.0.0.1:81"),
        ("http://[::1]", "http://[::1]:80"),
        (
            "http://b_c.svc.cluster.local.",
            "http://b_c.svc.cluster.local.:80",
        ),
        ("https://b:443", "https://b:443"),
        ("https://b:80", "https://b:80"),
    ] {
        assert_eq!(origin(written), expected, "{written}");
    }
}

#[test]
fn the_path_is_brought_to_its_one_spelling() {
    for (written, expected) in [
        ("b", ""),
        ("b/", ""),
        ("b//", ""),
        ("b/v1/", "/v1"),
        ("b/%76%31", "/v1"),
        ("b/a/../c", "/c"),
        ("b/a%2fb", "/a%2Fb"),
    ] {
        let address = Address::parse(written).unwrap();
        assert_eq!(address.path, expected, "{written}");
        assert!(!address.has_query);
    }
    assert!(Address::parse("b/v1?x").unwrap().has_query);
    assert!(Address::parse("b?x/y").unwrap().has_query);
}

#[test]
fn what_is_no_address_is_refused_and_says_why() {
    for (written, why) in [
        ("", "empty"),
        ("ftp://b", "scheme"),
        ("unix:///b", "scheme"),
        ("://b", "scheme"),
        ("http:/b", "not followed"),
        ("http:b", "port"),
        ("b:", "port"),
        ("//b", "no host"),
        ("http://", "no host"),
        ("http:///x", "no host"),
        ("http://b:0", "port is 0"),
        ("http://b:65536", "port"),
        ("http://b:x", "port"),
        ("http://me:secret@b", "credentials"),
        ("http://b@c/x", "credentials"),
        ("http://b#x", "fragment"),
        ("http://b/{id}", "variable"),
        ("http://b\\c", "character"),
        ("http://b c", "character"),
        ("http://b\r\nX: y", "character"),
        ("http://b/\u{0}", "character"),
        ("http://b\u{fc}cher.example", "character"),
        ("http://b/../c", "leaves its root"),
        ("http://b/%zz", "broken escape"),
        ("http://b/%00", "broken escape"),
        ("http://b..c", "host"),
        ("http://.b", "host"),
        ("http://b*", "host"),
        ("http://-b", "host"),
        ("https://b-.example", "host"),
        ("http://%62%00", "domain"),
        ("http://256.1.1.1", "IPv4"),
        ("http://[::1", "IPv6"),
    ] {
        let bad = Address::parse(written).unwrap_err();
        assert!(bad.why.contains(why), "{written}: {bad:?}");
        assert!(!bad.help.is_empty());
    }
    assert!(Address::parse(&"b".repeat(3000)).is_err());
    assert!(Address::parse(&format!("{}.example", "b".repeat(64))).is_err());
}

/// Whoever may write an EndpointsService must not reach the credentials of the node.
#[test]
fn metadata_is_not_a_backend_in_any_spelling() {
    for host in [
        "169.254.169.254",
        "169.254.0.1",
        "0xa9fea9fe",
        "2852039166",
        "0251.0376.0251.0376",
        "169.16689662",
        "169.254.169.254.",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[fd00:ec2::254]",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "metadata",
    ] {
        let bad = Address::parse(&format!("http://{host}/latest")).unwrap_err();
        assert!(bad.why.contains("metadata"), "{host}: {bad:?}");
        assert!(is_metadata(host), "{host}");
    }
    for host in [
        "127.0.0.1",
        "10.0.0.1",
        "[::1]",
        "metadata.example",
        "169.253.1.1",
    ] {
        assert!(Address::parse(host).is_ok(), "{host}");
        assert!(!is_metadata(host), "{host}");
    }
}
