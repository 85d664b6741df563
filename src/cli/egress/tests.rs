use std::io::Write as _;

use super::*;

fn with(variables: &[(&str, &str)]) -> anyhow::Result<HttpFetcher> {
    fetcher(AddressRule::strict(Vec::new()), |name| {
        let found = variables.iter().find(|(given, _)| *given == name);
        found.map(|(_, value)| OsString::from(value))
    })
}

#[test]
fn an_empty_environment_is_enough() {
    with(&[]).unwrap();
    with(&[("SSL_CERT_FILE", ""), ("HTTPS_PROXY", "")]).unwrap();
}

#[test]
fn the_file_of_roots_is_read() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"no certificate").unwrap();
    let path = file.path().to_str().unwrap();
    let error = with(&[("SSL_CERT_FILE", path)]).unwrap_err();
    assert!(error.to_string().contains(path), "{error:#}");
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error_that_names_its_variable() {
    let error = with(&[("https_proxy", "socks5://user:s3cret@p.example")]).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.starts_with("https_proxy "), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
    let fetcher = with(&[("HTTPS_PROXY", "http://p.example:3128")]).unwrap();
    assert!(format!("{fetcher:?}").contains("p.example"));
}
