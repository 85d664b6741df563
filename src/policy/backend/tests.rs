use proptest::prelude::*;

use super::*;

fn append(path: &str) -> PathTranslation {
    PathTranslation::new(&PathRule::Append(path.to_owned()), "/").expect("a good rule")
}

fn constant(path: &str, template: &str) -> PathTranslation {
    PathTranslation::new(&PathRule::Constant(path.to_owned()), template).expect("a good rule")
}

#[test]
fn an_appended_path_keeps_its_query_and_its_last_slash() {
    for (address, path, query, target) in [
        ("/base", "/a/b", None, "/base/a/b"),
        ("/base", "/a/", Some("x=1&y"), "/base/a/?x=1&y"),
        ("/base", "/", None, "/base/"),
        ("", "/a", Some(""), "/a?"),
        ("/b%20c", "/a%2Fb", None, "/b%20c/a%2Fb"),
    ] {
        assert_eq!(append(address).apply(path, query), target);
    }
}

#[test]
fn a_constant_path_gets_the_query_first_and_then_the_variables() {
    for (template, path, query, target) in [
        ("/a/b", "/a/b", None, "/run"),
        ("/a/b", "/a/b", Some("x=1"), "/run?x=1"),
        ("/a/{b}", "/a/7", None, "/run?b=7"),
        ("/a/{b}/{c}", "/a/7/8/", Some("x=1"), "/run?x=1&b=7&c=8"),
        ("/a/{b}", "/a/7", Some(""), "/run?&b=7"),
        ("/{b.c.d}/*", "/7/8", None, "/run?b.c.d=7"),
        ("/a/{b=**}", "/a/x/y%2Fz", None, "/run?b=x/y%2Fz"),
        ("/{b=x/*}/y", "/x/7/y", None, "/run?b=x/7"),
        ("/{s}.{t}", "/a.b.c", None, "/run?s=a&t=b.c"),
        ("/a/{b}:v", "/a/7:v", None, "/run?b=7"),
        ("/a/{\u{e9}&}", "/a/7", None, "/run?%C3%A9%26=7"),
    ] {
        assert_eq!(
            constant("/run", template).apply(path, query),
            target,
            "{template}"
        );
    }
    assert_eq!(constant("", "/a").apply("/a", None), "/");
}

#[test]
fn a_variable_adds_no_parameter() {
    let translation = constant("/run", "/users/{id}");
    for (path, target) in [
        ("/users/x&admin=1", "/run?id=x%26admin=1"),
        ("/users/x;admin=1", "/run?id=x%3Badmin=1"),
        ("/users/a+b%26c", "/run?id=a%2Bb%26c"),
    ] {
        assert_eq!(translation.apply(path, None), target);
    }
}

#[test]
fn rules_that_no_compiler_writes_are_refused() {
    for rule in [
        PathRule::Append("base".to_owned()),
        PathRule::Append("/base/".to_owned()),
        PathRule::Append("/base/../x".to_owned()),
        PathRule::Constant("/a?b".to_owned()),
        PathRule::Constant("a".to_owned()),
        PathRule::Constant("/a\r\nb".to_owned()),
    ] {
        assert!(PathTranslation::new(&rule, "/").is_err(), "{rule:?}");
    }
    let rule = PathRule::Constant("/a".to_owned());
    assert!(PathTranslation::new(&rule, "/{a").is_err());
}

proptest! {
    #[test]
    fn no_request_leaves_the_path_of_the_address(path in "/[a./%2Fe;&]{0,20}") {
        let Ok(NormalisedPath(path)) = normalise(&path) else { return Ok(()) };
        let target = append("/base").apply(&path, None);
        let normal = normalise(&target).expect("it was normalised");
        prop_assert!(normal.0.starts_with("/base/"), "{}", target);
        let target = constant("/base", "/{x=**}").apply(&path, Some("q"));
        prop_assert!(target.starts_with("/base?q&x="), "{}", target);
    }
}
