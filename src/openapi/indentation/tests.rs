use super::super::diagnostic::code;
use super::super::tests::findings;

/// Asserts that the one finding says that indentation was lost, at this line, and that this key belongs
/// into that.
fn assert_lost(text: &str, line: usize, words: &str) {
    let findings = findings(text);
    assert_eq!(findings.len(), 1, "{text}: {findings:#?}");
    let finding = &findings[0];
    assert_eq!(finding.code, code::INVALID_OPENAPI);
    assert!(
        finding
            .message
            .contains("indentation of this document was lost"),
        "{finding}"
    );
    assert!(finding.message.contains(words), "{finding}");
    assert_eq!(finding.place.position.unwrap().line, line, "{finding}");
    assert!(finding.help.is_some());
}

#[test]
fn a_scheme_that_stands_flush_is_named() {
    let document = "swagger: '2.0'
securityDefinitions:
customers:
authorizationUrl: ''
flow: implicit
type: oauth2
x-google-issuer: https://customers.example.com
paths: {}
";
    assert_lost(
        document,
        4,
        "`authorizationUrl` belongs into a security scheme",
    );
    let nested = document
        .replace("customers:\n", "  customers:\n")
        .replace("authorizationUrl", "  authorizationUrl")
        .replace("flow", "  flow")
        .replace("type", "  type")
        .replace("x-google-issuer", "  x-google-issuer");
    assert_lost(&nested, 4, "`authorizationUrl` belongs into `customers`");
    let three = nested
        .replace("swagger: '2.0'", "openapi: 3.0.3")
        .replace("securityDefinitions:", "components:\n securitySchemes:");
    assert_lost(&three, 5, "`authorizationUrl` belongs into `customers`");
}

#[test]
fn whatever_lost_its_parent_is_named() {
    for (text, line, words) in [
        (
            "swagger: '2.0'\npaths:\n/a:\nget: {}\n",
            3,
            "`/a` belongs into `paths`",
        ),
        (
            "swagger: '2.0'\ninfo:\ntitle: T\nversion: '1'\npaths: {}\n",
            3,
            "`title` belongs into `info`",
        ),
        (
            "openapi: 3.0.3\ncomponents:\nsecuritySchemes:\n  a: {}\npaths: {}\n",
            3,
            "`securitySchemes` belongs into `components`",
        ),
        (
            "swagger: '2.0'\nx-google-endpoints:\n- name: a.example.com\nallowCors: true\npaths: {}\n",
            4,
            "`allowCors` belongs into `x-google-endpoints`",
        ),
    ] {
        assert_lost(text, line, words);
    }
}

#[test]
fn text_that_does_not_even_parse_is_looked_at_too() {
    for (text, line, words) in [
        // One space is left in front of what had two.
        (
            "swagger: '2.0'\nx-google-endpoints:\n- name: a.example.com\n allowCors: True\npaths: {}\n",
            4,
            "`allowCors` belongs into `x-google-endpoints`",
        ),
        // Keys that come twice at the top, for nothing stands below anything.
        (
            "swagger: '2.0'\nsecurityDefinitions:\none:\ntype: oauth2\ntwo:\ntype: oauth2\n",
            4,
            "`type` belongs into `securityDefinitions`",
        ),
        (
            "swagger: '2.0'\n securityDefinitions:\n one:\n authorizationUrl: ''\n type: oauth2\n",
            4,
            "`authorizationUrl` belongs into `securityDefinitions`",
        ),
    ] {
        assert_lost(text, line, words);
    }
}

#[test]
fn other_mistakes_are_not_taken_for_lost_indentation() {
    for text in [
        "swagger: '2.0'\npaths:\n  /a: {get: }\n",
        "swagger: '2.0'\ntype: oauth2\npaths: {}\n",
        "swagger: '2.0'\npaths: {}\nhost: [\n",
        "swagger: '2.0'\nsecurityDefinitions:\n  one:\npaths: {}\n",
        "swagger: '2.0'\ninfo:\n  title: T\n  title: T\npaths: {}\n",
    ] {
        let findings = findings(text);
        assert_eq!(findings.len(), 1, "{text}: {findings:?}");
        assert!(
            !findings[0].message.contains("indentation"),
            "{}",
            findings[0]
        );
    }
}

#[test]
fn a_manifest_that_does_not_even_parse_is_told_what_belongs_where() {
    let head = "apiVersion: endpoints.dev/v1alpha1\nkind: EndpointsService\n";
    for (rest, line, words) in [
        (
            "metadata:\nname: a\nspec: [\n",
            4,
            "`name` belongs into `metadata`",
        ),
        (
            "spec:\nopenapi:\n\tinline: x\n",
            4,
            "`openapi` belongs into `spec`",
        ),
        (
            "spec:\n  openapi:\n  inline: |\n   x\n y\n",
            5,
            "`inline` belongs into `openapi`",
        ),
        (
            "spec:\n  openapi:\n    inline: |-\nswagger: '2.0'\ninfo: {a: 1}\ninfo: {}\n",
            6,
            "`swagger` belongs into `inline`",
        ),
    ] {
        let text = format!("{head}{rest}");
        let syntax = super::super::source::positions(&text).unwrap_err();
        let found = super::lost_in_text(&text, &syntax).unwrap();
        assert!(found.message.contains(words), "{found}");
        assert_eq!(found.place.position.unwrap().line, line, "{found}");
    }
}
