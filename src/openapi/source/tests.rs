use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The tree as JSON, to compare with.
fn plain(node: &Node) -> serde_json::Value {
    match &node.kind {
        Kind::Null => json!(null),
        Kind::Bool(value) => json!(value),
        Kind::Number(number) => {
            serde_json::from_str(number).unwrap_or_else(|_| json!({ "number": number }))
        }
        Kind::String(text) => json!(text.value),
        Kind::Sequence(items) => items.iter().map(|item| plain(item)).collect(),
        Kind::Mapping(entries) => serde_json::Value::Object(
            entries
                .iter()
                .map(|entry| (entry.key.clone(), plain(&entry.value)))
                .collect(),
        ),
        Kind::Tagged(tag) => json!({ "tag": tag }),
    }
}

fn read(text: &str) -> serde_json::Value {
    plain(&parse(text).unwrap_or_else(|finding| panic!("{text:?}: {finding}")))
}

/// Line, column and message of the finding that refuses a text.
fn refused(text: &str) -> (usize, usize, String) {
    let finding = parse(text)
        .err()
        .unwrap_or_else(|| panic!("{text:?} is read"));
    assert_eq!(finding.code, code::INVALID_OPENAPI);
    let position = finding
        .place
        .position
        .unwrap_or(Position { line: 0, column: 0 });
    (position.line, position.column, finding.message)
}

fn assert_refused(text: &str, line: usize, column: usize, message: &str) {
    let refused = refused(text);
    assert_eq!(
        (refused.0, refused.1),
        (line, column),
        "{text:?}: {}",
        refused.2
    );
    assert!(refused.2.contains(message), "{text:?}: {}", refused.2);
}

#[test]
fn plain_scalars_are_what_the_core_schema_says() {
    for (text, value) in [
        ("~", json!(null)),
        ("", json!(null)),
        ("NULL", json!(null)),
        ("true", json!(true)),
        ("False", json!(false)),
        ("yes", json!("yes")),
        ("on", json!("on")),
        ("2.0", json!(2.0)),
        ("-12", json!(-12)),
        ("1e3", json!(1e3)),
        ("0o14", json!({"number": "0o14"})),
        ("0xfF", json!({"number": "0xfF"})),
        (".5", json!({"number": ".5"})),
        ("-.inf", json!({"number": "-.inf"})),
        ("1.2.3", json!("1.2.3")),
        ("1e", json!("1e")),
        (".", json!(".")),
        ("12:30", json!("12:30")),
        ("2001-01-01", json!("2001-01-01")),
        ("\"2.0\"", json!("2.0")),
        ("'true'", json!("true")),
        ("!!str 2.0", json!("2.0")),
        ("! 12", json!("12")),
        ("!!int 12", json!(12)),
        ("!include x", json!({"tag": "!include"})),
    ] {
        assert_eq!(read(&format!("a: {text}\n")), json!({"a": value}), "{text}");
    }
}

#[test]
fn json_is_read_to_the_letter() {
    let text = "\u{feff}\n\t{\"a\":\t\"\\uD83D\\uDE00\\u00e9\\/\\n\\\"\", \"b\" : [1, -2.5E+3,true ,null,{}],\r\n\"<<\": {\"x\": 1}}\t";
    assert_eq!(
        read(text),
        json!({"a": "😀é/\n\"", "b": [1, -2.5e3, true, null, {}], "<<": {"x": 1}})
    );
    // A key that no YAML parser takes for one: too long.
    let key = "k".repeat(5000);
    assert_eq!(read(&format!("{{\"{key}\": 1}}")), json!({ key: 1 }));
}

#[test]
fn broken_json_names_the_place() {
    assert_refused("{\"a\": \"\\uD83D\"}", 1, 8, "`\\u` escape");
    assert_refused("{\"a\": \"\\uDE00\"}", 1, 8, "`\\u` escape");
    assert_refused("{\n  \"a\": 1\n  \"b\": 2\n}", 3, 3, "expected `,` or `}`");
    assert_refused("{\"a\": 1", 1, 8, "ends in the middle");
    assert_refused("{\"a\": [1, 2}", 1, 12, "expected `,` or `]`");
    assert_refused("{\"a\": 1} x", 1, 10, "something follows");
    assert_refused("{\"a\": tru]", 1, 7, "expected a value");
}

#[test]
fn flow_style_yaml_is_no_broken_json() {
    assert_eq!(
        read("{swagger: '2.0', paths: {/a: {get: {}}}, # comment\n tags: [a, b,],}"),
        json!({"swagger": "2.0", "paths": {"/a": {"get": {}}}, "tags": ["a", "b"]})
    );
}

#[test]
fn a_key_written_twice_is_refused_with_both_places() {
    assert_refused(
        "a: 1\nb: 2\na: 3\n",
        3,
        1,
        "`a` is written twice in one mapping: first at line 1, column 1",
    );
    assert_refused("{\"a\": 1,\n \"a\": 2}", 2, 2, "first at line 1, column 2");
    assert_refused(
        "{\"a\": 1,\n \"\\u0061\": 2}",
        2,
        2,
        "first at line 1, column 2",
    );
    assert_refused(
        "r:\n  200: a\n  \"200\": b\n",
        3,
        3,
        "`200` is written twice",
    );
    assert_refused(
        "a: &x {b: 1}\nc:\n  <<: *x\n  <<: *x\n",
        4,
        3,
        "`<<` is written twice",
    );
}

#[test]
fn aliases_stand_for_their_values_and_merge_keys_yield() {
    let text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nuse: *b\nmerged:\n  <<: *b\n  y: 9\nmany:\n  <<: [*o, *b]\nquoted: {\"<<\": 1}\n";
    assert_eq!(
        read(text),
        json!({
            "base": {"x": 1, "y": 2}, "other": {"y": 3, "z": 4}, "use": {"x": 1, "y": 2},
            "merged": {"y": 9, "x": 1}, "many": {"y": 3, "z": 4, "x": 1}, "quoted": {"<<": 1}
        })
    );
    assert_eq!(
        read("&k a: 1\nb: *k\n*k : 2\n".replace("*k :", "c:").as_str()),
        json!({"a": 1, "b": "a", "c": 2})
    );
    assert_refused("a: 1\nb:\n  <<: 5\n", 3, 7, "`<<` merges a mapping");
}

#[test]
fn an_alias_that_never_ends_and_one_of_nothing_are_refused() {
    assert_refused("a: &x [1, *x]\n", 1, 11, "never ends");
    assert!(refused("a: *nobody\n").2.contains("not valid YAML"));
}

#[test]
fn expanding_aliases_is_bounded() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let below = level - 1;
        let aliases = vec![format!("*a{below}"); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(refused(&bomb).2.contains("more than 250000 values"));
    let mut merges = String::from("m0: &m0 {k: [x, x, x, x, x, x, x, x, x, x]}\n");
    for level in 1..9 {
        let below = level - 1;
        let aliases: Vec<_> = (0..10)
            .map(|copy| format!("k{copy}: {{<<: *m{below}}}"))
            .collect();
        merges.push_str(&format!("m{level}: &m{level} {{{}}}\n", aliases.join(", ")));
    }
    assert!(refused(&merges).2.contains("more than 250000 values"));
    // Depth too: each level is one alias deeper.
    let mut deep = String::from("d0: &d0 [x]\n");
    for level in 1..200 {
        deep.push_str(&format!("d{level}: &d{level} [*d{}]\n", level - 1));
    }
    assert!(refused(&deep).2.contains("128 levels"));
}

#[test]
fn depth_is_bounded_in_every_notation() {
    for text in [
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "{a: ".repeat(100_000),
        (0..1000)
            .map(|depth| format!("{}a:\n", " ".repeat(depth)))
            .collect(),
        "- ".repeat(100_000),
        format!("a: {}", "[".repeat(100_000)),
    ] {
        let (_, _, message) = refused(&text);
        assert!(message.contains("128 levels"), "{}: {message}", &text[..20]);
    }
    let mut value = json!(1);
    for _ in 0..200 {
        value = json!([value]);
    }
    assert!(
        from_value(&value)
            .unwrap_err()
            .message
            .contains("128 levels")
    );
    assert!(
        from_value(&json!(vec![1; MAX_NODES]))
            .unwrap_err()
            .message
            .contains("values")
    );
}

#[test]
fn size_is_bounded() {
    let text = format!("a: {}", "x".repeat(MAX_TEXT_BYTES));
    assert!(refused(&text).2.contains("at most 1048576"));
    assert!(parse(&text[..MAX_TEXT_BYTES]).is_ok());
}

#[test]
fn exactly_one_document_is_read() {
    assert_refused("a: 1\n---\nb: 2\n", 3, 1, "more than one YAML document");
    assert!(refused("").2.contains("empty"));
    assert!(refused("# only a comment\n").2.contains("empty"));
    assert_eq!(read("---\na: 1\n...\n"), json!({"a": 1}));
}

#[test]
fn what_is_no_yaml_has_its_place_and_a_remedy() {
    for (text, line, column, remedy) in [
        ("a:\n\tb: 1\n", 2, 2, "indent with spaces"),
        ("a: 1\nb: c: d\n", 2, 5, "a line of its own"),
        ("a: \0\n", 1, 4, "remove the character"),
        ("a: \"b\n", 2, 1, "look at the indentation"),
    ] {
        let finding = parse(text).unwrap_err();
        let help = finding.help.as_deref().unwrap();
        assert!(help.contains(remedy), "{text:?}: {finding}");
        let position = finding.place.position;
        assert_eq!(
            position,
            Some(Position { line, column }),
            "{text:?}: {finding}"
        );
    }
}

#[test]
fn a_byte_order_mark_and_all_line_ends_are_fine() {
    let plain_text = "a: 1\nb:\n  c: 2\n";
    for text in [
        format!("\u{feff}{plain_text}"),
        plain_text.replace('\n', "\r\n"),
        plain_text.replace('\n', "\r"),
    ] {
        assert_eq!(read(&text), read(plain_text), "{text:?}");
    }
}

#[test]
fn a_key_is_text() {
    assert_refused("? [a]\n: 1\n", 1, 3, "a key must be text");
    assert_refused("? {a: 1}\n: 1\n", 1, 3, "a key must be text");
}

#[test]
fn quoted_text_may_go_on_flush_with_its_key() {
    // libyaml reads this, YAML 1.2.2 (6.3, s-flow-line-prefix) does not.
    let text = "info:\n  title: \"Shop,\n  and\n  more\"\n  b: 'x\n  y'\nc: d\n";
    assert_eq!(
        read(text),
        json!({"info": {"title": "Shop, and more", "b": "x y"}, "c": "d"})
    );
    let root = parse(text).unwrap();
    let c = Cursor::root(&root).get("c").unwrap();
    assert_eq!(
        c.key_place().position,
        Some(Position { line: 7, column: 1 })
    );
    // An error behind a repaired line keeps its own place.
    assert_refused("a: \"b\nc\" d\n", 2, 4, "trailing content");
}

#[test]
fn repairs_are_bounded() {
    let lines = "flush\n".repeat(100_000);
    let text = format!("a: \"{lines}\"\n");
    assert!(refused(&text).2.contains("indentation"));
}

#[test]
fn places_count_lines_and_characters_from_one() {
    let root = parse("é: 1\r\n'ü': {b: [x, y]}\r\n").unwrap();
    let root = Cursor::root(&root);
    let found = root.follow("/ü/b/1").unwrap();
    assert_eq!(
        found.place().position,
        Some(Position {
            line: 2,
            column: 14
        })
    );
    assert_eq!(found.pointer(), "/ü/b/1");
    let b = root.follow("/ü/b").unwrap();
    assert_eq!(b.place().position, Some(Position { line: 2, column: 7 }));
    assert!(root.follow("/ü/b/2").is_none() && root.follow("/ü/b/x").is_none());
}

#[test]
fn pointers_escape_slashes_and_tildes() {
    let root = parse("/a~b: {x: 1}\n").unwrap();
    let x = Cursor::root(&root).get("/a~b").unwrap().get("x").unwrap();
    assert_eq!(x.pointer(), "/~1a~0b/x");
    assert!(Cursor::root(&root).follow("/~1a~0b/x").is_some());
}

#[test]
fn a_missing_field_is_located_at_its_nearest_ancestor() {
    let index = positions("kind: X\n---\nspec:\n  cors: {}\n").unwrap();
    assert_eq!(index.documents(), 2);
    assert_eq!(
        index.locate(1, "/spec/cors/maxAge"),
        Some(Position { line: 4, column: 3 })
    );
    assert_eq!(
        index.locate(0, "/kind"),
        Some(Position { line: 1, column: 7 })
    );
    assert_eq!(index.locate(2, "/kind"), None);
}

#[test]
fn lines_of_a_literal_block_are_lines_of_the_text() {
    let text = "a:\n  b: |+2\n\n\n      x: 1\n    y: 2\n  c: >\n    z\n";
    let index = positions(text).unwrap();
    let block = index.block(0, "/a/b").unwrap();
    let inner = Position { line: 4, column: 1 };
    assert_eq!(block.outer(inner), Position { line: 6, column: 5 });
    assert_eq!(index.block(0, "/a/c"), None);
    assert_eq!(index.block(0, "/a"), None);
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        "\\PC{0,12}".prop_map(|text| json!(text)),
        any::<String>().prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| json!(items)),
            prop::collection::hash_map("\\PC{0,8}", inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn json_survives(value in json_value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        prop_assert_eq!(json::parse(&text.unwrap()).map(|root| plain(&root)), Ok(value.clone()));
        prop_assert_eq!(from_value(&value).map(|root| plain(&root)), Ok(value));
    }

    #[test]
    fn yaml_of_a_value_is_that_value(value in json_value()) {
        let value = json!({ "root": value });
        let text = serde_yaml::to_string(&value).unwrap();
        // A key `<<`, which that writer leaves bare, merges.
        prop_assume!(!text.contains("<<"));
        // Line breaks of YAML 1.1, which that writer still thinks in, but not of 1.2.
        prop_assume!(!text.contains(['\u{85}', '\u{2028}', '\u{2029}']));
        prop_assert_eq!(parse(&text).map(|root| plain(&root)), Ok(value), "{}", text);
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn no_yaml_like_text_panics(text in "[-?:,\\[\\]{}#&*!|>'\"%@`~<a0. \n\t\r\\\\é]{0,60}") {
        let _ = parse(&text);
        let _ = positions(&text);
    }
}
