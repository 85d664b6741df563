use super::*;

const V2: &str = "/securityDefinitions/s/x-google-audiences";
const V3: &str = "/components/securitySchemes/s/x-google-auth/audiences";

fn flat(value: &str) -> String {
    v2_scheme(&format!("x-google-issuer: i, x-google-audiences: {value}"))
}

fn auth(value: &str) -> String {
    v3_scheme(&format!("x-google-auth: {{issuer: i, audiences: {value}}}"))
}

#[test]
fn one_text_with_commas_is_trimmed() {
    let read = scheme(&flat("' web , mobile,,\thttps://api/ '"));
    assert_eq!(read.audiences, ["web", "mobile", "https://api/"]);
    assert_eq!(read.audiences_place.pointer, V2);
    let block = "swagger: '2.0'
securityDefinitions:
  s:
    type: oauth2
    x-google-issuer: i
    x-google-audiences: |
      web,
      mobile
paths: {}
";
    assert_eq!(scheme(block).audiences, ["web", "mobile"]);
    assert_eq!(scheme(&flat("','")).audiences, Vec::<String>::new());
}

#[test]
fn a_list_is_understood_with_a_warning() {
    let text = flat("[web, mobile]");
    let help = "write `x-google-audiences: \"web,mobile\"`";
    assert_found(&text, "audiences-as-list", V2, "is a list", help);
    let (read, _) = read_text(&text).unwrap();
    assert_eq!(read.jwt_scheme("s").unwrap().audiences, ["web", "mobile"]);
}

#[test]
fn in_3_x_it_is_a_list() {
    let read = scheme(&auth("[web, mobile]"));
    assert_eq!(read.audiences, ["web", "mobile"]);
    assert_eq!(read.audiences_place.pointer, V3);
    assert_eq!(scheme(&auth("[]")).audiences, Vec::<String>::new());
    assert_invalid(
        &auth("'web,mobile'"),
        V3,
        "must be a list",
        "`audiences: [web,mobile]`",
    );
}

#[test]
fn wrong_kinds_and_sizes_are_refused() {
    assert_invalid(&flat("{a: b}"), V2, "must be text", "commas between");
    assert_invalid(&flat("7"), V2, "must be text", "in quotes");
    assert_invalid(&flat("\"a\\r\\nb\""), V2, "control character", "one line");
    assert_invalid(
        &flat(&"a".repeat(4097)),
        V2,
        "longer than 4096 bytes",
        "shorten",
    );
    assert_invalid(
        &flat(&format!("'{}'", "a,".repeat(257))),
        V2,
        "more than 256",
        "shorten",
    );
    for (value, below, words, help) in [
        ("[[a]]", "/0", "must be text", "one text"),
        ("[7]", "/0", "must be text", "\"7\""),
        ("['']", "/0", "not one audience", "an item"),
        (
            "['a,b']",
            "/0",
            "`a,b` is not one audience",
            "without commas",
        ),
        ("[a, \"b\\0\"]", "/1", "control character", "one line"),
    ] {
        assert_invalid(&auth(value), &format!("{V3}{below}"), words, help);
        assert_invalid(&flat(value), &format!("{V2}{below}"), words, help);
    }
    let many = format!("[{}]", "a,".repeat(257));
    assert_invalid(&auth(&many), V3, "more than 256 items", "shorten");
    let large = format!("[{}]", format!("{},", "a".repeat(4000)).repeat(5));
    assert_invalid(&auth(&large), V3, "longer than 16384 bytes", "shorten");
}
