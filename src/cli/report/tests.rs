use super::*;
use crate::cli::manifest;
use crate::openapi::Diagnostic;
use crate::openapi::source::positions;

const BLOCK: &str = r#"# comment
apiVersion: v1
kind: ConfigMap
---
apiVersion: endpoints.dev/v1alpha1
kind: EndpointsService
metadata:
  name: shop
spec:
  cors:
    allowOrigins:
    - https://ok.example.com
    - https://shop.example.com/
  openapi:
    inline: |

      swagger: "2.0"
      info: {title: Shop, version: "1"}
      paths:
        /books:
          get:
            security:
            - nobody: []
            responses: {200: {description: ok}}
"#;

fn findings(file: &str) -> Vec<Located> {
    let index = positions(file).unwrap();
    let source = Source::new(file, Some(&index));
    let contents = manifest::read("stem", file, &index);
    let entries = contents.services.iter();
    entries
        .flat_map(|entry| source.locate(&entry.home, entry.compile().1))
        .collect()
}

fn places(findings: &[Located]) -> Vec<(usize, usize)> {
    findings
        .iter()
        .map(|located| located.spot.position.unwrap())
        .map(|Position { line, column }| (line, column))
        .collect()
}

fn one(text: &str, column: usize) -> Vec<Located> {
    let position = Some(Position { line: 1, column });
    let finding = Diagnostic::warning("test", Place::document("", position), "here");
    Source::new(text, None).locate(&Home::File, vec![finding])
}

/// The underlined piece of the first line of a text.
fn underlined(text: &str, column: usize) -> String {
    let located = one(text, column).remove(0);
    let excerpt = located.spot.excerpt.unwrap();
    excerpt.text[excerpt.span].to_owned()
}

#[test]
fn a_finding_in_a_block_of_text_is_placed_in_the_file_around_it() {
    assert_eq!(places(&findings(BLOCK)), [(13, 7), (23, 15)]);
}

#[test]
fn a_finding_in_structure_is_placed_in_the_file_around_it() {
    let structure = BLOCK.replace("inline: |\n", "document:\n");
    assert_eq!(places(&findings(&structure)), [(13, 7), (23, 15)]);
}

#[test]
fn a_finding_of_the_second_of_two_services_is_placed_there() {
    let lines = BLOCK.lines().count();
    let twice = format!("{BLOCK}---\n{BLOCK}");
    let second = lines + 1;
    assert_eq!(
        places(&findings(&twice)),
        [(13, 7), (23, 15), (second + 13, 7), (second + 23, 15)]
    );
}

#[test]
fn a_finding_in_quoted_text_names_both_places_and_shows_the_documents_line() {
    let quoted = r#"apiVersion: endpoints.dev/v1alpha1
kind: EndpointsService
metadata: {name: x}
spec: {openapi: {inline: "swagger: '2.0'\npaths:\n  x: {}\n"}}
"#;
    let rendered = render("f", &findings(quoted), false);
    assert_eq!(
        rendered.lines().skip(1).take(5).collect::<Vec<_>>(),
        [" --> f:4:26", "  |", "3 |   x: {}", "  |   ^", "  |",],
        "{rendered}"
    );
    assert!(
        rendered.contains("= at: /paths/x (line 3, column 3 of the document)"),
        "{rendered}"
    );
}

#[test]
fn a_finding_shows_place_line_underline_and_remedy() {
    assert_eq!(
        render("shop.yaml", &findings(BLOCK), false),
        r"error[InvalidSpec]: `https://shop.example.com/` is not an origin: it ends with a slash
  --> shop.yaml:13:7
   |
13 |     - https://shop.example.com/
   |       ^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = at: /spec/cors/allowOrigins/1
   = help: write `https://shop.example.com`

error[UnsupportedSecurity]: there is no security scheme `nobody`
  --> shop.yaml:23:15
   |
23 |             - nobody: []
   |               ^^^^^^
   |
   = at: /paths/~1books/get/security/0/nobody (line 8, column 9 of the document)
   = help: define it: the document has no security schemes

"
    );
}

#[test]
fn a_related_place_is_shown_with_what_it_is() {
    let place = |line| Place::document("", Some(Position { line, column: 1 }));
    let finding = Diagnostic::error("Test", place(2), "twice").related(place(1), "first here");
    let located = Source::new("a: 1\na: 2\n", None).locate(&Home::File, vec![finding]);
    assert_eq!(
        render("f", &located, false),
        "error[Test]: twice\n --> f:2:1\n  |\n2 | a: 2\n  | ^\n  |\nnote: first here\n --> f:1:1\n  \
         |\n1 | a: 1\n  | -\n\n"
    );
}

#[test]
fn what_is_underlined_is_the_key_or_value_that_starts_there() {
    for (text, column, expected) in [
        ("  key: value # why", 3, "key"),
        ("  key: value # why", 8, "value"),
        ("key: https://a.example/x#y", 6, "https://a.example/x#y"),
        (r#"{"a": "x, \" y", "b": 1}"#, 7, r#""x, \" y""#),
        ("{a: x, b: 1}", 5, "x"),
        ("  /items/{id}:", 3, "/items/{id}"),
        ("a: one, two", 4, "one, two"),
        ("a: {", 4, "{"),
        ("a: 'never ends", 4, "'"),
        ("日本: x", 5, "x"),
        ("a:", 3, ""),
        ("a:", 300, ""),
    ] {
        assert_eq!(underlined(text, column), expected, "{text} at {column}");
    }
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let line = format!("{}X{}", " ".repeat(5000), "é".repeat(5000));
    let rendered = render("f", &one(&line, 5001), false);
    let lines: Vec<_> = rendered.lines().collect();
    let caret = lines[4].chars().position(|c| c == '^').unwrap();
    assert_eq!(lines[3].chars().nth(caret), Some('X'), "{rendered}");
    assert!(lines.iter().all(|line| line.chars().count() < 120));
    assert_eq!(lines[1], " --> f:1:5001");
}

#[test]
fn lines_end_where_yaml_ends_them() {
    assert_eq!(excerpt::lines("\u{feff}a\r\nb\rc\n"), ["a", "b", "c", ""]);
}

#[test]
fn what_could_play_with_a_terminal_is_not_shown() {
    let hostile = "a: \u{1b}[2J\u{9b}\u{202e}x\u{7}";
    let mut located = one(hostile, 1);
    located[0].finding = Diagnostic::error("Test", Place::document(hostile, None), hostile)
        .help(hostile)
        .related(Place::document("", None), hostile);
    located[0].related.push(Spot::default());
    let rendered = render("f\u{1b}\nx", &located, false);
    let bad = rendered
        .chars()
        .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
    assert_eq!(bad, None, "{rendered}");
    assert_eq!(rendered.lines().count(), 11, "{rendered}");
}

#[test]
fn without_colour_there_are_no_escapes_and_with_it_the_name_is_red() {
    assert!(!render("f", &one("a", 1), false).contains('\x1b'));
    assert!(render("f", &one("a", 1), true).contains("\x1b[33mwarning[test]"));
}

#[test]
fn a_finding_in_a_config_maps_text_is_placed_there() {
    let file = "apiVersion: endpoints.dev/v1alpha1
kind: EndpointsService
metadata: {name: x}
spec: {openapi: {configMapKeyRef: {name: docs, key: a.yaml}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: docs}
data:
  a.yaml: |
    swagger: '2.0'
    paths:
      x: {}
";
    assert_eq!(places(&findings(file)), [(13, 7)]);
    // One of another file, at the reference.
    let (service, other) = file.split_once("---\n").unwrap();
    let index = positions(service).unwrap();
    let mut contents = manifest::read("stem", service, &index);
    contents.resolve_with(&manifest::read("stem", other, &positions(other).unwrap()).config_maps);
    let entry = &contents.services[0];
    let source = Source::new(service, Some(&index));
    let located = source.locate(&entry.home, entry.compile().1);
    assert_eq!(located[0].spot.position.unwrap().line, 4);
    assert_eq!(located[0].spot.inner.unwrap().line, 3);
}
