use super::*;

#[test]
fn a_backend_address_is_read_and_shown() {
    for (text, shown, authority) in [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://app.shop.svc", "app.shop.svc:80", "app.shop.svc"),
        ("http://APP.shop.svc/", "app.shop.svc:80", "app.shop.svc"),
        ("http://app:443", "app:443", "app:443"),
        ("http://[::1]:9000", "[::1]:9000", "[::1]:9000"),
        ("http://[::1]", "[::1]:80", "[::1]"),
        ("https://app", "https://app:443", "app"),
        ("https://app:80", "https://app:80", "app:80"),
        ("https://10.0.0.1", "https://10.0.0.1:443", "10.0.0.1"),
        ("grpc://app:50051", "grpc://app:50051", "app:50051"),
        ("grpc://app", "grpc://app:80", "app"),
        ("grpcs://app", "grpcs://app:443", "app"),
        ("unix:/run/App.sock", "unix:/run/App.sock", "localhost"),
        ("unix:@app", "unix:@app", "localhost"),
    ] {
        let address: BackendAddress = text.parse().expect(text);
        assert_eq!(address.to_string(), shown, "{text}");
        assert_eq!(address.authority(), authority, "{text}");
    }
}

#[test]
fn addresses_that_are_spoken_to_alike_are_equal() {
    let read = |text: &str| text.parse::<BackendAddress>().expect(text);
    assert_eq!(read("http://app"), read("http://App:80/"));
    assert_eq!(read("https://app").over_http2(), read("grpcs://app"));
    assert_ne!(read("http://app:443"), read("https://app"));
    assert_ne!(read("http://app"), read("grpc://app"));
}

#[test]
fn what_is_not_a_backend_address_is_refused() {
    for text in [
        "",
        "127.0.0.1:8080",
        "http://",
        "http://:80",
        "http://app:0",
        "http://app:70000",
        "http://app/v1",
        "http://app?x",
        "http://user@app",
        "ftp://app",
        "HTTPS//app",
        "https://a..b",
        "grpcs://-",
        "unix:",
        "unix:/",
        "unix:@",
        "unix:app",
        "unix:/a\0b",
        &format!("unix:/{}", "a".repeat(107)),
    ] {
        assert!(text.parse::<BackendAddress>().is_err(), "{text}");
    }
}
