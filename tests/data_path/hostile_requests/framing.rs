//! Where a body ends: lengths, codings, chunks, trailers.

use super::{Case, run};

const LINE: &str = "POST /shelves HTTP/1.1";

fn post(fields: &str, body: &str) -> String {
    format!("{LINE}\r\nHost: a\r\n{fields}\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

#[tokio::test]
async fn a_length_is_one_number() {
    let mut cases = vec![
        Case::forwarded("none", post("", ""), LINE).body(b""),
        Case::forwarded("0", post("Content-Length: 0\r\n", ""), LINE).body(b""),
        Case::forwarded("3", post("Content-Length: 3\r\n", "abc"), LINE).body(b"abc"),
        Case::forwarded(
            "spaces around",
            post("Content-Length: \t 3 \t\r\n", "abc"),
            LINE,
        )
        .saw("content-length", &["3"])
        .body(b"abc"),
        Case::forwarded("zeros first", post("Content-Length: 003\r\n", "abc"), LINE)
            .saw("content-length", &["3"])
            .body(b"abc"),
        Case::forwarded("zeros only", post("Content-Length: 000\r\n", ""), LINE)
            .saw("content-length", &["0"]),
        Case::forwarded(
            "no octal",
            post("Content-Length: 010\r\n", "0123456789"),
            LINE,
        )
        .saw("content-length", &["10"])
        .body(b"0123456789"),
        Case::forwarded(
            "case of the name",
            post("cOnTeNt-LeNgTh: 3\r\n", "abc"),
            LINE,
        )
        .body(b"abc"),
    ];
    for value in [
        "",
        "-1",
        "+3",
        "-0",
        "3.0",
        "3e0",
        "0x3",
        "3 ,3",
        "3, 3",
        "3,3",
        "3;",
        "3 3",
        "three",
        "\u{663}",
        "\"3\"",
        "3\0",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
        "3\t3",
        "0b11",
        "NaN",
        "3_0",
        ",3",
        "3,",
    ] {
        let request = post(&format!("Content-Length: {value}\r\n"), "abc");
        cases.push(Case::refused(format!("length {value:?}"), request, 400, "BadFraming").closes());
    }
    for (first, second) in [
        ("3", "3"),
        ("3", "4"),
        ("0", "3"),
        ("3", "0"),
        ("3", ""),
        ("", "3"),
        ("3", "03"),
    ] {
        let fields = format!("Content-Length: {first}\r\nContent-Length: {second}\r\n");
        let name = format!("lengths {first:?} and {second:?}");
        cases.push(Case::refused(name, post(&fields, "abc"), 400, "BadFraming").closes());
    }
    run(40, cases).await;
}

#[tokio::test]
async fn a_coding_is_chunked_and_alone() {
    const BODY: &str = "3\r\nabc\r\n0\r\n\r\n";
    let mut cases = Vec::new();
    for field in [
        "Transfer-Encoding: chunked",
        "transfer-encoding: Chunked",
        "TRANSFER-ENCODING:\tCHUNKED ",
    ] {
        let request = post(&format!("{field}\r\n"), BODY);
        cases.push(
            Case::forwarded(field, request, LINE)
                .saw("transfer-encoding", &["chunked"])
                .saw("content-length", &[])
                .body(b"abc"),
        );
    }
    for value in [
        "",
        "identity",
        "gzip",
        "deflate",
        "compress",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "chunked;q=1",
        "chunked; foo",
        "xchunked",
        "chunkedx",
        "\"chunked\"",
        "chunked\0",
        "chunked identity",
        "chunked\u{b}",
        "\u{b}chunked",
        "chunKed\u{212a}",
        "cow",
        "chunked, identity",
        "identity, chunked",
        "trailers",
    ] {
        let request = post(&format!("Transfer-Encoding: {value}\r\n"), BODY);
        cases.push(Case::refused(format!("coding {value:?}"), request, 400, "BadFraming").closes());
    }
    for (name, fields) in [
        (
            "twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "and identity",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        ),
        (
            "and gzip before it",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "and an empty one",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n",
        ),
        (
            "and a length",
            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        ),
        (
            "behind a length",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "behind a length of none",
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "spoilt, and a length",
            "Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n",
        ),
        (
            "in another case, and a length",
            "tRANSFER-eNCODING: cHUNKED\r\ncONTENT-lENGTH: 13\r\n",
        ),
    ] {
        cases.push(
            Case::refused(
                format!("coding {name}"),
                post(fields, BODY),
                400,
                "BadFraming",
            )
            .closes(),
        );
    }
    let old = post("Transfer-Encoding: chunked\r\n", BODY).replace("HTTP/1.1", "HTTP/1.0");
    cases.push(Case::refused("coding in HTTP/1.0", old, 400, "BadFraming").closes());
    // Named as ending at this hop, it frames the body all the same.
    cases.push(
        Case::forwarded(
            "coding named by Connection",
            post(
                "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
                BODY,
            ),
            LINE,
        )
        .body(b"abc"),
    );
    cases.push(
        Case::forwarded(
            "length named by Connection",
            post("Connection: content-length\r\nContent-Length: 3\r\n", "abc"),
            LINE,
        )
        .saw("content-length", &["3"])
        .body(b"abc"),
    );
    run(35, cases).await;
}

#[tokio::test]
async fn chunks_are_as_the_grammar_has_them() {
    let mut cases = Vec::new();
    for (name, body, read) in [
        ("one", "3\r\nabc\r\n0\r\n\r\n", "abc"),
        ("two", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"),
        ("upper case", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("lower case", "a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("zeros first", "0003\r\nabc\r\n000\r\n\r\n", "abc"),
        ("an extension", "3;a=b\r\nabc\r\n0;c\r\n\r\n", "abc"),
        (
            "an extension in quotes",
            "3;a=\"b;c\"\r\nabc\r\n0\r\n\r\n",
            "abc",
        ),
        ("none", "0\r\n\r\n", ""),
        (
            "a chunk that looks like a last one",
            "5\r\n0\r\n\r\n\r\n0\r\n\r\n",
            "0\r\n\r\n",
        ),
        ("a trailer", "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", "abc"),
    ] {
        let case = Case::forwarded(format!("chunks: {name}"), chunked(body), LINE);
        cases.push(case.body(read.as_bytes()));
    }
    for (name, body) in [
        ("no number", "x\r\nabc\r\n0\r\n\r\n"),
        ("no size", "\r\nabc\r\n0\r\n\r\n"),
        ("a sign", "+3\r\nabc\r\n0\r\n\r\n"),
        ("a minus", "-3\r\nabc\r\n0\r\n\r\n"),
        ("0x", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("a space first", " 3\r\nabc\r\n0\r\n\r\n"),
        ("a space behind", "3 \r\nabc\r\n0\r\n\r\n"),
        ("an underscore", "0_3\r\nabc\r\n0\r\n\r\n"),
        ("a comma", "3,\r\nabc\r\n0\r\n\r\n"),
        ("a NUL", "3\0\r\nabc\r\n0\r\n\r\n"),
        ("a full stop", "3.\r\nabc\r\n0\r\n\r\n"),
        (
            "a size over 64 bits",
            "10000000000000003\r\nabc\r\n0\r\n\r\n",
        ),
        ("a size at 64 bits", "ffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        (
            "a size of many zeros",
            "00000000000000000000003\r\nabc\r\n0\r\n\r\n",
        ),
        ("a bare LF behind the size", "3\nabc\r\n0\r\n\r\n"),
        ("a bare CR behind the size", "3\rabc\r\n0\r\n\r\n"),
        ("a bare LF in an extension", "3;a\nabc\r\n0\r\n\r\n"),
        ("a bare CR in an extension", "3;a\rb\r\nabc\r\n0\r\n\r\n"),
        ("a bare LF behind the data", "3\r\nabc\n0\r\n\r\n"),
        ("nothing behind the data", "3\r\nabc0\r\n\r\n"),
        ("more data than said", "2\r\nabc\r\n0\r\n\r\n"),
        ("less data than said", "4\r\nabc\r\n0\r\n\r\nx"),
        ("a bare LF at the end", "3\r\nabc\r\n0\r\n\n"),
        ("a bare LF behind the last size", "3\r\nabc\r\n0\n\r\n"),
        (
            "a trailer without a colon",
            "3\r\nabc\r\n0\r\nX-Sum\r\n\r\n",
        ),
        ("a trailer without a name", "3\r\nabc\r\n0\r\n: 1\r\n\r\n"),
        (
            "a trailer with a space before its colon",
            "3\r\nabc\r\n0\r\nX-Sum : 1\r\n\r\n",
        ),
        (
            "a trailer, folded",
            "3\r\nabc\r\n0\r\nX-Sum: 1\r\n 2\r\n\r\n",
        ),
        (
            "a trailer with a bare LF",
            "3\r\nabc\r\n0\r\nX-Sum: 1\n\r\n",
        ),
        ("a trailer with a NUL", "3\r\nabc\r\n0\r\nX-Sum: \0\r\n\r\n"),
        (
            "a request for a trailer",
            "3\r\nabc\r\n0\r\nGET /admin/users HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
    ] {
        cases.push(Case::refused(
            format!("chunks: {name}"),
            chunked(body),
            400,
            "BadBody",
        ));
    }
    let long = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(20_000));
    cases.push(Case::refused(
        "chunks: a long extension",
        chunked(&long),
        400,
        "BadBody",
    ));
    let many = "1;xxxxxxxxxxxxxxxx\r\na\r\n".repeat(2_000) + "0\r\n\r\n";
    cases.push(Case::refused(
        "chunks: many extensions",
        chunked(&many),
        400,
        "BadBody",
    ));
    let trailers = format!("0\r\n{}\r\n", "X-A: b\r\n".repeat(3_000));
    cases.push(Case::refused(
        "chunks: many trailers",
        chunked(&trailers),
        400,
        "BadBody",
    ));
    run(40, cases).await;
}

#[tokio::test]
async fn methods_do_not_change_where_a_body_ends() {
    let mut cases = Vec::new();
    for (method, path) in [
        ("GET", "/shelves"),
        ("PUT", "/shelves"),
        ("DELETE", "/shelves/1"),
    ] {
        let line = format!("{method} {path} HTTP/1.1");
        let length = format!("{line}\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        cases.push(
            Case::forwarded(format!("{method}, a length"), length, line.clone()).body(b"abc"),
        );
        let chunks =
            format!("{line}\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        cases.push(Case::forwarded(format!("{method}, chunks"), chunks, line).body(b"abc"));
    }
    // Refused before the body: what follows is no request.
    let smuggled = "GET /admin/users HTTP/1.1\r\nHost: a\r\n\r\n";
    let request = format!(
        "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    );
    cases.push(Case::refused(
        "a refused request's body",
        request,
        404,
        "RouteNotFound",
    ));
    let request = format!(
        "POST /nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n",
        smuggled.len()
    );
    cases.push(Case::refused(
        "a refused request's chunks",
        request,
        404,
        "RouteNotFound",
    ));
    for expectation in [
        "200-ok",
        "100-continue, 100-continue",
        "100-continued",
        "",
        "x; 100-continue",
    ] {
        let fields = format!("Expect: {expectation}\r\nContent-Length: 3\r\n");
        cases.push(Case::refused(
            format!("Expect: {expectation}"),
            post(&fields, "abc"),
            417,
            "BadExpect",
        ));
    }
    let twice = post(
        "Expect: 100-continue\r\nExpect: other\r\nContent-Length: 3\r\n",
        "abc",
    );
    cases.push(Case::refused("Expect twice", twice, 417, "BadExpect"));
    run(14, cases).await;
}
