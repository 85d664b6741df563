use super::*;
use crate::api::EndpointsServiceSpec;
use crate::policy::{ServiceIdentity, compile};

fn policy(yaml: &str) -> Policy {
    let spec: EndpointsServiceSpec = serde_yaml::from_str(yaml).unwrap();
    let identity = ServiceIdentity {
        name: "a".to_owned(),
        namespace: "b".to_owned(),
    };
    compile(&spec, &identity).unwrap().policy
}

fn document(paths: &str, cors: &str) -> Policy {
    policy(&format!(
        "{cors}\nopenapi:\n  document:\n    swagger: '2.0'\n    paths: {{{paths}}}\n"
    ))
}

#[test]
fn the_easiest_operation_is_called() {
    let policy = document("'/a/{x}': {get: {}}, /b: {post: {}}, /c: {get: {}}", "");
    let commands: Vec<_> = hints(&policy, None)
        .into_iter()
        .map(|hint| hint.command)
        .collect();
    assert_eq!(commands, ["curl -i \"${ENDPOINTS_HOST}/c\""]);
}

#[test]
fn variables_are_filled_in() {
    for (template, path) in [
        ("/a/{x}/b", "/a/1/b"),
        ("/a/{x=**}", "/a/1"),
        ("/a/**", "/a/1"),
        ("/a/{x=b/*}:verb", "/a/1:verb"),
        ("/", "/"),
    ] {
        assert_eq!(sample(template), path);
    }
}

/// The document may be a stranger's, and its lines are made to be pasted into a shell.
#[test]
fn a_path_that_a_shell_would_run_is_not_printed() {
    let policy = document(
        "'/$(reboot)': {get: {}}, '/`reboot`': {get: {}}, '/\"x': {get: {}}",
        "",
    );
    assert_eq!(hints(&policy, None), []);
}

#[test]
fn an_origin_that_matches_is_shown() {
    for (cors, origin) in [
        ("cors: {}", Some("https://app.example.com")),
        (
            "cors: {allowOrigins: ['null', 'https://x.example']}",
            Some("https://x.example"),
        ),
        ("cors: {allowOriginRegex: 'https://.*[.]example'}", None),
        ("", None),
    ] {
        let shown = hints(&document("/a: {get: {}}", cors), None);
        let preflight = shown
            .iter()
            .find(|hint| hint.title == "a browser's preflight");
        assert_eq!(preflight.is_some(), origin.is_some(), "{cors}");
        if let (Some(hint), Some(origin)) = (preflight, origin) {
            assert!(
                hint.command.contains(&format!("'Origin: {origin}'")),
                "{}",
                hint.command
            );
        }
    }
}

#[test]
fn colour_is_for_terminals() {
    let policy = document("/a: {get: {}}", "");
    let shown = hints(&policy, None);
    assert!(render("http://h", &shown, None, true).contains('\x1b'));
    assert!(!render("http://h", &shown, None, false).contains('\x1b'));
}
