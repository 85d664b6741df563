use super::*;

#[test]
fn a_broken_document_is_taken_out_and_every_line_keeps_its_number() {
    let text = "a: 1\n---\nb: [\nc: 2\n--- # third\nd: 3\n";
    for line in [3, 4] {
        let parts = part(text, line).unwrap();
        assert_eq!(parts.others, "a: 1\n---\n\n\n--- # third\nd: 3\n", "{line}");
        assert_eq!(parts.broken, "\n---\nb: [\nc: 2\n\n\n", "{line}");
    }
    let parts = part(text, 1).unwrap();
    assert_eq!(parts.others, text.replace("a: 1", ""));
    let parts = part(text, 99).unwrap();
    assert_eq!(parts.others, "a: 1\n---\nb: [\nc: 2\n---\n\n");
}

#[test]
fn what_a_document_left_open_is_its_own_fault() {
    let parts = part("a: [\n---\nb: 1\n", 2).unwrap();
    assert_eq!(parts.others, "\n---\nb: 1\n");
}

#[test]
fn one_document_alone_has_no_others() {
    assert_eq!(part("a: [\n---x\n", 1), None);
    assert_eq!(part("", 1), None);
    assert_eq!(part("\n---\nb: 1\n", 1), None);
}
