use super::*;

#[test]
fn a_backend_address_is_read_and_shown() {
    for (text, shown) in [
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://app.shop.svc", "app.shop.svc:80"),
        ("http://app.shop.svc/", "app.shop.svc:80"),
        ("http://[::1]:9000", "[::1]:9000"),
    ] {
        let address: BackendAddress = text.parse().expect(text);
        assert_eq!(address.to_string(), shown, "{text}");
    }
}

#[test]
fn what_is_not_a_backend_address_is_refused() {
    for text in [
        "",
        "127.0.0.1:8080",
        "https://app",
        "http://",
        "http://:80",
        "http://app:0",
        "http://app:70000",
        "http://app/v1",
        "http://app?x",
        "http://user@app",
    ] {
        assert!(text.parse::<BackendAddress>().is_err(), "{text}");
    }
}
