use super::*;

#[test]
fn a_spare_is_the_request_again() {
    let mut request = Request::new(RequestBody::Empty);
    *request.method_mut() = Method::PUT;
    *request.uri_mut() = "/a/b?c=d".parse().unwrap();
    let headers = request.headers_mut();
    headers.append("host", HeaderValue::from_static("a"));
    headers.append("x-own", HeaderValue::from_static(""));
    headers.append("x-own", HeaderValue::from_bytes(b"caf\xc3\xa9").unwrap());
    let mut secret = HeaderValue::from_static("secret");
    secret.set_sensitive(true);
    headers.append("authorization", secret);

    let spare = Spare::of(&request).unwrap().into_request();
    assert_eq!(spare.method(), request.method());
    assert_eq!(spare.uri(), request.uri());
    assert_eq!(spare.headers(), request.headers());
    assert!(spare.headers()["authorization"].is_sensitive());
    assert!(!spare.headers()["host"].is_sensitive());
}

#[test]
fn what_does_something_each_time_has_no_spare() {
    for method in [Method::POST, Method::PATCH] {
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = method;
        assert!(Spare::of(&request).is_none());
    }
}
