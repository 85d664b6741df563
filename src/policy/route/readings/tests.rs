use super::*;

fn paths(path: &str) -> Vec<String> {
    let readings = all(path, false).expect("readings");
    readings.into_iter().map(|reading| reading.path).collect()
}

#[test]
fn steps_lead_to_the_same_paths_in_every_order() {
    for (path, also) in [
        ("/a/b", &[][..]),
        // Dots, then slashes; and the other way round, as nginx.
        ("/x%2F%2F../admin", &["/x/admin", "/admin"]),
        ("/x//../admin", &["/x/admin", "/admin"]),
        // A backslash is a slash, or a character.
        ("/admin%2Fa%5Cb", &["/admin/a/b", "/admin/a%5Cb"]),
        ("/=%5C/..%2Fadmin", &["/=/admin", "/admin"]),
        // Parameters are cut off before, or after.
        ("/admin;a=%2Fx/5", &["/admin/5", "/admin/x/5"]),
        ("/x/..;%2Fadmin", &["/admin", "/"]),
        // A slash stays escaped where other characters do not.
        ("/a%2Fb%40c", &["/a%2Fb@c", "/a/b@c"]),
    ] {
        let found = paths(path);
        assert_eq!(found[0], path);
        for reading in also {
            assert!(found.iter().any(|it| it == reading), "{reading} {found:?}");
        }
    }
    assert_eq!(paths("/a/b%20c"), ["/a/b%20c"]);
}

#[test]
fn a_path_that_leaves_its_root_in_one_reading_is_doubtful() {
    for path in ["/..%2Fa", "/a//../../b", "/a%2F%2F..%2F..%2Fb", "/..;/a"] {
        assert_eq!(all(path, false), Err(Doubtful), "{path}");
    }
}

#[test]
fn how_many_readings_a_path_has_is_bounded() {
    let long = format!("/{}", "a;%2F..%5C//x%2Fb;".repeat(400));
    assert_eq!(all(&long, true), Err(Doubtful));
    // What is long for good reasons has few.
    let long = format!("/files/{}", "name%20of%40".repeat(600));
    assert!(all(&long, false).is_ok());
}
