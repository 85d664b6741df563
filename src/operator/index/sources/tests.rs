use super::*;

#[test]
fn a_source_is_called_by_what_the_user_wrote_without_secrets() {
    let url = "https://me:secret@keys.example/jwks?token=secret#x".to_owned();
    assert_eq!(name(&KeySource::Url(url)), "https://keys.example/jwks?…");
    let discovered = KeySource::Discovery {
        url: "https://issuer.example/.well-known/openid-configuration?key=secret".to_owned(),
        issuer: "https://me:secret@issuer.example".to_owned(),
    };
    let name = name(&discovered);
    assert_eq!(
        name,
        "https://issuer.example/ (discovered by \
         https://issuer.example/.well-known/openid-configuration?…)"
    );
}
