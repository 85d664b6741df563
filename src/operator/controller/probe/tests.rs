use super::*;

#[test]
fn only_an_earlier_version_is_one_of_the_past() {
    let mut version = StoreVersion::default();
    let seen = [5, 5, 9, 8, 8, 10];
    let back = seen.map(|seen| version.went_back(seen));
    assert_eq!(back, [false, false, false, true, false, false]);
}

/// Each row: what is stored and what the index has, at one look after the other, and which look shows
/// that the watches are deaf.
#[test]
fn what_stays_unheard_for_two_looks_shows_that_watches_are_deaf() {
    for (story, looks, deaf) in [
        ("nothing happens", vec![("a1", "a1"), ("a1", "a1")], None),
        (
            "an edit is under way",
            vec![("a2", "a1"), ("a2", "a2")],
            None,
        ),
        (
            "the listing was older",
            vec![("a1", "a2"), ("a2", "a2")],
            None,
        ),
        (
            "edits again and again",
            vec![("a2", "a1"), ("a4", "a3")],
            None,
        ),
        (
            "one that came",
            vec![("a1 b1", "a1"), ("a1 b1", "a1 b1")],
            None,
        ),
        ("one that went", vec![("a1", "a1 b1"), ("a1", "a1")], None),
        (
            "an edit is not heard",
            vec![("a2", "a1"), ("a2", "a1")],
            Some(1),
        ),
        (
            "nor is any of many",
            vec![("a2", "a1"), ("a3", "a1")],
            Some(1),
        ),
        (
            "nor one that came back",
            vec![("a1 b1", "a1"), ("a1 b1", "a1")],
            Some(1),
        ),
        (
            "nor one that is gone",
            vec![("a1", "a1 b1"), ("a1", "a1 b1")],
            Some(1),
        ),
        (
            "all is told again first",
            vec![("a2", "a1"), ("a2", "?"), ("a2", "a1")],
            None,
        ),
        (
            "between two that are heard",
            vec![("a2", "a1"), ("a2", "a2"), ("a3", "a2")],
            None,
        ),
    ] {
        let mut unheard = Unheard::default();
        let heard = looks.iter().position(|(stored, known)| {
            let known = (*known != "?").then(|| versions(known));
            unheard.compare(&versions(stored), known.as_ref())
        });
        assert_eq!(heard, deaf, "{story}");
    }
}

#[test]
fn everything_is_listed_anew_once_in_two_looks_at_most() {
    let mut unheard = Unheard::default();
    let (stored, known) = (versions("a2"), versions("a1"));
    let deaf = [(); 4].map(|()| unheard.compare(&stored, Some(&known)));
    assert_eq!(deaf, [false, true, false, true]);
}

/// `a1 b2`: service `a` in version 1, `b` in version 2.
fn versions(text: &str) -> Versions {
    let services = text.split_whitespace().map(|it| it.split_at(1));
    let stored = |version: &str| ("uid".to_owned(), version.to_owned());
    services
        .map(|(name, version)| (("shop".to_owned(), name.to_owned()), stored(version)))
        .collect()
}
