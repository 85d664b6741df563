use super::*;

#[test]
fn sums_keep_a_readable_form() {
    for (left, right, expected) in [
        ("1", "10m", "1010m"),
        ("1", "1", "2"),
        ("0.5", "200m", "700m"),
        ("1Gi", "16Mi", "1040Mi"),
        ("1G", "1", "1000000001"),
        ("1e3", "24", "1Ki"),
        ("1E3", "1", "1001"),
        ("100n", "1u", "1100n"),
        ("0", "0", "0"),
        ("1E", "1", "1000000000000000001"),
    ] {
        assert_eq!(
            sum(left, right).as_deref(),
            Some(expected),
            "{left} + {right}"
        );
    }
}

#[test]
fn equal_amounts_are_equal_in_any_spelling() {
    assert!(are_equal("1000m", "1"));
    assert!(are_equal("1024Mi", "1Gi"));
    assert!(are_equal("0.1", "100m"));
    assert!(!are_equal("1G", "1Gi"));
}

#[test]
fn amounts_compare_in_any_spelling() {
    assert_eq!(compare("1Gi", "1G"), Some(Ordering::Greater));
    assert_eq!(compare("400m", "16Mi"), Some(Ordering::Less));
    assert_eq!(compare("1000m", "1"), Some(Ordering::Equal));
    assert_eq!(compare("much", "1"), None);
}

#[test]
fn what_is_not_a_quantity_is_none() {
    for text in [
        "",
        ".",
        "m",
        "-1",
        "1 ",
        "1.2.3",
        "1mi",
        "1e99",
        "1e",
        "9".repeat(40).as_str(),
        "1Kib",
    ] {
        assert_eq!(parse(text), None, "{text:?}");
    }
}
