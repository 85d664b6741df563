//! What ends at this hop, what only the proxy may say, and methods that headers ask for.

use super::{Case, OPERATION, run};

const LINE: &str = "GET /shelves HTTP/1.1";

fn get(fields: &str) -> String {
    format!("{LINE}\r\nHost: a\r\n{fields}\r\n")
}

#[tokio::test]
async fn nothing_of_this_hop_arrives() {
    let mut cases = Vec::new();
    for (field, name) in [
        ("Keep-Alive: timeout=5", "keep-alive"),
        ("Proxy-Connection: keep-alive", "proxy-connection"),
        ("Proxy-Authorization: Basic eDp5", "proxy-authorization"),
        ("Proxy-Authenticate: Basic", "proxy-authenticate"),
        ("TE: gzip", "te"),
        ("Connection: keep-alive", "connection"),
        ("Connection: ,,, ,", "connection"),
        ("HTTP2-Settings: AAMAAABkAAQAAP__", "http2-settings"),
        ("Upgrade: h2c", "upgrade"),
    ] {
        cases.push(Case::forwarded(field, get(&format!("{field}\r\n")), LINE).saw(name, &[]));
    }
    for (name, connection, others, gone) in [
        ("one", "x-a", "X-A: 1\r\n", "x-a"),
        ("in another case", "X-a", "x-A: 1\r\n", "x-a"),
        ("in a list", "close, x-a , keep-alive", "X-A: 1\r\n", "x-a"),
        ("twice", "x-a, x-a", "X-A: 1\r\nX-A: 2\r\n", "x-a"),
        ("itself", "connection", "X-B: 1\r\n", "connection"),
        ("cookie", "cookie", "Cookie: a=b\r\n", "cookie"),
        (
            "authorization",
            "authorization",
            "Authorization: Bearer x\r\n",
            "authorization",
        ),
    ] {
        let request = get(&format!("Connection: {connection}\r\n{others}"));
        cases.push(
            Case::forwarded(format!("Connection names {name}"), request, LINE).saw(gone, &[]),
        );
    }
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "a"),
        (OPERATION, "list"),
    ] {
        let request = get(&format!("Connection: {name}, close\r\n"));
        cases.push(
            Case::forwarded(format!("Connection names {name}"), request, LINE).saw(name, &[value]),
        );
    }
    for connection in ["a b", "\"x\"", "(x)", "x;y", "@", "x=1"] {
        let request = get(&format!("Connection: {connection}\r\nX: 1\r\n"));
        cases.push(
            Case::forwarded(format!("Connection: {connection}"), request, LINE)
                .saw("connection", &[])
                .saw("x", &["1"]),
        );
    }
    let trailers = "TE: trailers\r\nConnection: TE\r\nTrailer: X-Sum\r\n";
    cases.push(
        Case::forwarded("trailers are understood", get(trailers), LINE)
            .saw("te", &["trailers"])
            .saw("trailer", &["X-Sum"]),
    );
    cases.push(
        Case::forwarded(
            "TE in a list",
            get("TE: gzip, trailers;q=1\r\nTE: deflate\r\n"),
            LINE,
        )
        .saw("te", &["trailers"]),
    );
    run(28, cases).await;
}

#[tokio::test]
async fn nobody_speaks_for_the_proxy() {
    let mut cases = Vec::new();
    for name in [
        "X-Endpoint-API-UserInfo",
        "x-endpoint-api-userinfo",
        "X-ENDPOINT-API-USERINFO",
        "X-Endpoint-API-Consumer-Type",
        "X-Endpoint-API-Consumer-Number",
        "X-Endpoint-API-Project-ID",
        "X-Endpoint-Anything",
        "X-Endpoint-",
        "X-Forwarded-Authorization",
    ] {
        let case = Case::forwarded(
            name,
            get(&format!("{name}: forged\r\n{name}: again\r\n")),
            LINE,
        );
        let lower: &'static str = name.to_ascii_lowercase().leak();
        cases.push(case.saw(lower, &[]));
    }
    cases.push(
        Case::forwarded(
            "the operation's name",
            get("X-Endpoint-API-Operation-Name: users\r\n"),
            LINE,
        )
        .saw(OPERATION, &["list"]),
    );
    // Theirs, however much alike.
    for name in [
        "x-endpoints",
        "x-endpoint",
        "xx-endpoint-a",
        "x-forwarded-authorization-x",
        "x-forwarded-user",
    ] {
        cases.push(
            Case::forwarded(name, get(&format!("{name}: kept\r\n")), LINE).saw(name, &["kept"]),
        );
    }
    cases.push(
        Case::forwarded(
            "the way so far",
            get("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For:\r\n"),
            LINE,
        )
        .saw("x-forwarded-for", &["6.6.6.6, 127.0.0.1"]),
    );
    cases.push(
        Case::forwarded(
            "trailers that forge",
            "POST /shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Endpoint-API-UserInfo: forged\r\n\
             Authorization: Bearer x\r\nHost: b\r\nContent-Length: 7\r\nX_A: b\r\nX-HTTP-Method: PUT\r\n\r\n",
            "POST /shelves HTTP/1.1",
        )
        .saw("host", &["a"])
        .body(b""),
    );
    run(17, cases).await;
}

#[tokio::test]
async fn a_method_is_overridden_from_post_to_what_is_harmless() {
    let post = |fields: &str| {
        format!("POST /shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{fields}\r\n")
    };
    let mut cases = vec![
        Case::forwarded("to PUT", post("X-HTTP-Method-Override: PUT\r\n"), "PUT /shelves HTTP/1.1")
            .saw(OPERATION, &["replace"])
            .saw("x-http-method-override", &[]),
        Case::forwarded("to GET", post("x-http-METHOD-override: GET\r\n"), LINE).saw(OPERATION, &["list"]),
        Case::refused("to DELETE, undeclared here", post("X-HTTP-Method-Override: DELETE\r\n"), 405, "MethodNotAllowed"),
        Case::forwarded(
            "to DELETE, declared",
            "POST /shelves/1 HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n",
            "DELETE /shelves/1 HTTP/1.1",
        )
        .saw(OPERATION, &["delete"]),
        Case::forwarded("named by Connection", post("Connection: x-http-method-override\r\nX-HTTP-Method-Override: PUT\r\n"), "PUT /shelves HTTP/1.1"),
    ];
    for value in [
        "",
        "put",
        "Put",
        "POST",
        "HEAD",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "PURGE",
        "PUT,GET",
        "PUT GET",
        "PUT;",
        "\"PUT\"",
        "*",
        "PUT\u{e9}",
        "PUT /admin/users HTTP/1.1",
        "GET\0",
    ] {
        let reason = if value.contains('\0') {
            "BadFraming"
        } else {
            "BadMethodOverride"
        };
        let request = post(&format!("X-HTTP-Method-Override: {value}\r\n"));
        cases.push(Case::refused(format!("to {value:?}"), request, 400, reason));
    }
    for (name, fields) in [
        (
            "the same twice",
            "X-HTTP-Method-Override: PUT\r\nX-HTTP-Method-Override: PUT\r\n",
        ),
        (
            "two",
            "X-HTTP-Method-Override: PUT\r\nx-http-method-override: GET\r\n",
        ),
        (
            "one and an empty one",
            "X-HTTP-Method-Override: PUT\r\nX-HTTP-Method-Override:\r\n",
        ),
    ] {
        cases.push(Case::refused(name, post(fields), 400, "BadMethodOverride"));
    }
    for method in ["GET", "PUT", "HEAD", "DELETE", "OPTIONS"] {
        let request =
            format!("{method} /shelves HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: GET\r\n\r\n");
        // Of an answer to HEAD only the status arrives.
        cases.push(match method {
            "HEAD" => Case::answered(format!("from {method}"), request, 400),
            _ => Case::refused(format!("from {method}"), request, 400, "BadMethodOverride"),
        });
    }
    for name in ["X-HTTP-Method", "X-Method-Override"] {
        let request = post(&format!("{name}: DELETE\r\n"));
        let lower: &'static str = name.to_ascii_lowercase().leak();
        cases.push(
            Case::forwarded(name, request, "POST /shelves HTTP/1.1")
                .saw(lower, &[])
                .saw(OPERATION, &["create"]),
        );
    }
    run(30, cases).await;
}
