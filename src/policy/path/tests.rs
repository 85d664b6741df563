use proptest::prelude::*;

use super::*;

fn normal(raw: &str) -> String {
    normalise(raw).expect("accepted").0.into_owned()
}

#[test]
fn a_normal_path_is_borrowed() {
    for path in [
        "/",
        "/a/b",
        "/a/b/",
        "/v1/shelves/1:merge",
        "/a;x=1/b,c",
        "/.well-known/x",
        "/%2F",
        "/a...b/..c/...",
    ] {
        assert_eq!(normalise(path), Ok(NormalisedPath(Cow::Borrowed(path))));
        assert!(matches!(
            normalise(path),
            Ok(NormalisedPath(Cow::Borrowed(_)))
        ));
    }
}

#[test]
fn every_spelling_becomes_one() {
    for (raw, path) in [
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/%2e%2e/b", "/b"),
        ("/a/.%2E/b", "/b"),
        ("/a/%2e/b", "/a/b"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("/.", "/"),
        ("/./", "/"),
        ("//", "/"),
        ("///a////b//", "/a/b/"),
        ("/a//../b", "/a/b"),
        ("/a//.//../b", "/a/b"),
        ("//../b", "/b"),
        ("/a/..//b", "/b"),
        ("/%41%7a%2D%5f%7E", "/Az-_~"),
        ("/%2f%5c%3a", "/%2F%5C%3A"),
        ("/a/..%2fb", "/a/..%2Fb"),
        ("/a/%252e%252e/b", "/a/%252e%252e/b"),
        ("/a/..;/b", "/a/..;/b"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/%c3%a9", "/%C3%A9"),
        ("/{x}|\"", "/%7Bx%7D%7C%22"),
        ("/a/%0d%0a", "/a/%0D%0A"),
    ] {
        assert_eq!(normal(raw), path, "{raw}");
    }
}

#[test]
fn what_is_no_path_is_refused() {
    for (raw, error) in [
        ("", PathError::NotAPath),
        ("*", PathError::NotAPath),
        ("a/b", PathError::NotAPath),
        ("/..", PathError::AboveRoot),
        ("/a/../..", PathError::AboveRoot),
        ("/%2e%2e/etc", PathError::AboveRoot),
        ("/a/../../b", PathError::AboveRoot),
        ("/%", PathError::BadEscape),
        ("/%4", PathError::BadEscape),
        ("/%4/b", PathError::BadEscape),
        ("/%zz", PathError::BadEscape),
        ("/%+1", PathError::BadEscape),
        ("/a%00", PathError::BadEscape),
        ("/a\\b", PathError::BadCharacter),
        ("/a\u{1}", PathError::BadCharacter),
        ("/a\u{7f}", PathError::BadCharacter),
        ("/a\tb", PathError::BadCharacter),
        ("/a?b", PathError::BadCharacter),
        ("/a#b", PathError::Fragment),
    ] {
        assert_eq!(normalise(raw), Err(error), "{raw}");
    }
}

/// Paths made of what makes trouble.
fn hostile_path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%2F", "%5c", "%25", "2e", "a", "b", "%41",
        "%61", ";", ":", "\u{e9}", "%C3", " ", "{", "~", "%7e", "*",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn never_panics(raw in "\\PC*") {
        let _ = normalise(&raw);
        let _ = normalise(&format!("/{raw}"));
    }

    #[test]
    fn normalising_twice_changes_nothing(raw in prop_oneof![hostile_path(), "/\\PC*"]) {
        if let Ok(NormalisedPath(once)) = normalise(&raw) {
            let twice = normalise(&once);
            prop_assert_eq!(&twice, &Ok(NormalisedPath(Cow::Borrowed(&*once))));
            prop_assert!(matches!(twice, Ok(NormalisedPath(Cow::Borrowed(_)))));
        }
    }

    #[test]
    fn a_normal_path_has_no_second_spelling_of_anything(raw in hostile_path()) {
        if let Ok(NormalisedPath(path)) = normalise(&raw) {
            prop_assert!(path.is_ascii());
            prop_assert!(!path.contains("//"));
            prop_assert!(path[1..].split('/').all(|segment| segment != "." && segment != ".."));
            for (at, _) in path.match_indices('%') {
                let digits = &path[at + 1..at + 3];
                prop_assert_eq!(digits, digits.to_ascii_uppercase());
                let byte = u8::from_str_radix(digits, 16).unwrap();
                prop_assert!(!is_unreserved(byte));
            }
        }
    }

    /// RFC 3986 section 5.2.4, literally, then slashes merged.
    #[test]
    fn dot_segments_go_as_the_rfc_says(segments in prop::collection::vec(
        prop::sample::select(vec!["", ".", "..", "a", "b"]), 0..12))
    {
        let raw = format!("/{}", segments.join("/"));
        let mut stack = Vec::new();
        let mut above = false;
        for segment in &segments {
            match *segment {
                "." => {}
                ".." => above |= stack.pop().is_none(),
                segment => stack.push(segment),
            }
        }
        if matches!(segments.last(), Some(&"." | &"..")) {
            stack.push("");
        }
        let mut expected = format!("/{}", stack.join("/"));
        while expected.contains("//") {
            expected = expected.replace("//", "/");
        }
        let found = normalise(&raw).map(|path| path.0.into_owned());
        prop_assert_eq!(found, if above { Err(PathError::AboveRoot) } else { Ok(expected) });
    }
}

#[test]
fn merging_alone_makes_no_path_that_leads_above_the_root() {
    let merged = Steps {
        resolve: false,
        merge: true,
    };
    for raw in ["///..", "/a//../..//..", "//%2e%2e"] {
        assert_eq!(read(raw, merged), Err(PathError::AboveRoot), "{raw}");
    }
    assert_eq!(read("/a//../b", merged).unwrap().0, "/a/../b");
    // By itself it stays what it was: two empty segments, one of which goes.
    assert_eq!(normalise("///..").unwrap().0, "/");
}
