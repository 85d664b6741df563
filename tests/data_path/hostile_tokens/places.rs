//! Where tokens stand, and how many there are.

use super::*;

pub fn cases() -> Vec<Case> {
    let good = ec().token(&good_claims());
    let other = ed().token(&good_claims());
    let bad = ec().token(&with("exp", serde_json::json!(1)));
    let mut cases = Vec::new();
    for (name, value, expected) in [
        ("any case", format!("bEaReR {good}"), Passes),
        ("upper case", format!("BEARER {good}"), Passes),
        ("many spaces", format!("Bearer    {good}   "), Passes),
        ("a tab", format!("Bearer\t{good}"), Passes),
        ("no token", "Bearer".to_owned(), MISSING),
        ("spaces for a token", "Bearer    ".to_owned(), MISSING),
        ("no space", format!("Bearer{good}"), MISSING),
        ("a colon", format!("Bearer:{good}"), MISSING),
        ("another scheme", format!("Basic {good}"), MISSING),
        ("no scheme", good.clone(), MISSING),
        ("a longer scheme", format!("BearerX {good}"), MISSING),
        ("a scheme before", format!("X Bearer {good}"), MISSING),
        ("nothing", String::new(), MISSING),
        (
            "two in one",
            format!("Bearer {good}, Bearer {good}"),
            NOT_THREE,
        ),
        ("two words", format!("Bearer {good} {good}"), NOT_THREE),
        ("in quotes", format!("Bearer \"{good}\""), HEADER_BASE64),
        (
            "as a parameter",
            format!("Bearer token={good}"),
            HEADER_BASE64,
        ),
    ] {
        let header = format!("Authorization: {value}\r\n");
        cases.push(request(
            format!("authorization: {name}"),
            "/shelves",
            header,
            &*good,
            expected,
        ));
    }
    let header = |value: &str| format!("Authorization: Bearer {value}\r\n");
    let iap = |value: &str| format!("X-Goog-IAP-JWT-Assertion: {value}\r\n");
    let foreign = ec().token(&with(
        "iss",
        serde_json::json!("https://cloud.google.com/iap"),
    ));
    for (name, headers, expected) in [
        (
            "the same twice",
            [header(&good), header(&good)].concat(),
            Passes,
        ),
        (
            "two good ones",
            [header(&good), header(&other)].concat(),
            Passes,
        ),
        (
            "a bad one first",
            [header(&bad), header(&good)].concat(),
            EXPIRED,
        ),
        (
            "a bad one last",
            [header(&good), header(&bad)].concat(),
            EXPIRED,
        ),
        (
            "another scheme beside",
            ["Authorization: Basic YQ==\r\n", &header(&good)].concat(),
            Passes,
        ),
        ("as assertion", iap(&good), Passes),
        (
            "a bad one as assertion",
            [header(&good), iap(&bad)].concat(),
            EXPIRED,
        ),
        (
            "a foreign assertion beside",
            [header(&good), iap(&foreign)].concat(),
            Passes,
        ),
        ("a foreign assertion alone", iap(&foreign), MISSING),
        (
            "an assertion that is none",
            [header(&good), iap("garbage")].concat(),
            NOT_THREE,
        ),
        (
            "in a cookie",
            format!("Cookie: access_token={good}\r\n"),
            MISSING,
        ),
        (
            "in a header of another name",
            format!("X-Access-Token: {good}\r\n"),
            MISSING,
        ),
        (
            "in Proxy-Authorization",
            format!("Proxy-Authorization: Bearer {good}\r\n"),
            MISSING,
        ),
        (
            "said to be verified",
            "X-Endpoint-API-UserInfo: eyJzdWIiOiJyb290In0\r\n".to_owned(),
            MISSING,
        ),
    ] {
        cases.push(request(name, "/shelves", headers, &*good, expected));
    }
    let nine: String = (0..9)
        .map(|n| header(&ed().token(&with("n", serde_json::json!(n)))))
        .collect();
    let too_many = Refused(401, "TokenMalformed", "more tokens than are looked at");
    cases.push(request("nine tokens", "/shelves", nine, &*good, too_many));
    let escaped = good.replace('.', "%2E");
    for (name, query, expected) in [
        ("in the query", format!("access_token={good}"), Passes),
        ("with escapes", format!("access%5Ftoken={escaped}"), Passes),
        (
            "behind others",
            format!("a=1&b&c=%20&access_token={good}"),
            Passes,
        ),
        (
            "the same twice",
            format!("access_token={good}&access_token={good}"),
            Passes,
        ),
        (
            "a bad one beside",
            format!("access_token={good}&access_token={bad}"),
            EXPIRED,
        ),
        (
            "a bad one before",
            format!("access_token={bad}&access_token={good}"),
            EXPIRED,
        ),
        ("in another case", format!("Access_Token={good}"), MISSING),
        ("by another name", format!("token={good}"), MISSING),
        ("empty", "access_token=".to_owned(), MISSING),
        ("no value", "access_token".to_owned(), MISSING),
        (
            "with a space",
            format!("access_token=%20{good}"),
            HEADER_BASE64,
        ),
        (
            "with a plus",
            format!("access_token=+{good}"),
            HEADER_BASE64,
        ),
        (
            "not UTF-8",
            format!("access_token=%ff{good}"),
            HEADER_BASE64,
        ),
        (
            "with a null byte",
            format!("access_token={good}%00"),
            SIGNATURE_BASE64,
        ),
        (
            "behind a semicolon",
            format!("a=1;access_token={good}"),
            MISSING,
        ),
        (
            "as Bearer",
            format!("access_token=Bearer%20{good}"),
            HEADER_BASE64,
        ),
    ] {
        let target = format!("/shelves?{query}");
        cases.push(request(
            format!("query: {name}"),
            &target,
            "",
            &*good,
            expected,
        ));
    }
    let raw = [
        b"Authorization: Bearer \xff\xfe".as_slice(),
        good.as_bytes(),
        b"\r\n",
    ]
    .concat();
    cases.push(request(
        "bytes that are no text",
        "/shelves",
        raw,
        &*good,
        HEADER_BASE64,
    ));
    cases
}
