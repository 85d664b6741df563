use super::*;

pub(super) fn identity() -> ServiceIdentity {
    ServiceIdentity {
        name: String::from("bookstore"),
        namespace: String::from("shop"),
    }
}

pub(super) fn spec(yaml: &str) -> EndpointsServiceSpec {
    serde_yaml::from_str(yaml).expect("the test's spec parses")
}

const BOOKSTORE: &str = r#"
swagger: "2.0"
info: {title: Bookstore, version: "1"}
host: bookstore.example.com
basePath: /v1
securityDefinitions:
  google:
    type: oauth2
    authorizationUrl: ""
    flow: implicit
    x-google-issuer: https://accounts.google.com
    x-google-jwks_uri: https://www.googleapis.com/oauth2/v3/certs
    x-google-audiences: "a.example.com, https://b.example.com/"
security:
- google: []
paths:
  /shelves:
    get: {operationId: ListShelves, security: [], responses: {200: {description: ok}}}
    post: {operationId: CreateShelf, responses: {200: {description: ok}}}
  /shelves/{shelf}:
    get: {responses: {200: {description: ok}}}
"#;

fn inline(document: &str) -> EndpointsServiceSpec {
    EndpointsServiceSpec {
        openapi: OpenApiSource {
            inline: Some(document.to_owned()),
            document: None,
        },
        service_name: None,
        cors: None,
        jwt: None,
        backend: None,
        routing: None,
    }
}

#[test]
fn a_document_becomes_a_policy() {
    let compiled = compile(&inline(BOOKSTORE), &identity()).unwrap();
    assert_eq!(compiled.warnings, []);
    let policy = compiled.policy;
    assert_eq!(policy.service, "bookstore.example.com");
    let operations: Vec<_> = policy
        .operations
        .iter()
        .map(|o| {
            (
                o.method.as_str(),
                o.path.as_str(),
                o.name.as_str(),
                o.security.len(),
            )
        })
        .collect();
    assert_eq!(
        operations,
        [
            ("GET", "/v1/shelves", "ListShelves", 0),
            ("POST", "/v1/shelves", "CreateShelf", 1),
            ("GET", "/v1/shelves/{shelf}", "get_v1_shelves__shelf_", 1),
        ]
    );
    let audiences = policy.providers["google"].audiences.clone().unwrap();
    assert_eq!(
        audiences.into_iter().collect::<Vec<_>>(),
        ["a.example.com", "b.example.com", "bookstore.example.com"]
    );
}
