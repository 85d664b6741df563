//! The path of a request, normalised.

use endpoints::policy::path::{Steps, normalise, read};

/// A path is normalised once and for all, and then holds nothing that two readers read differently.
/// One that is read with fewer steps is as good or bad, and comes to the same in the end.
pub fn run(data: &[u8]) {
    let Ok(raw) = std::str::from_utf8(data) else {
        return;
    };
    let normal = normalise(raw);
    for (resolve, merge) in [(false, false), (false, true), (true, false)] {
        let few = read(raw, Steps { resolve, merge });
        // Merged before it is resolved, `///..` leads above the root.
        let stricter = merge && !resolve;
        assert!(
            few.is_ok() == normal.is_ok() || (stricter && normal.is_ok()),
            "{raw:?}"
        );
        if let (Ok(few), Ok(normal)) = (few, &normal) {
            let again = read(&few.0, Steps { resolve, merge }).expect("it is a path");
            assert_eq!(again.0, few.0, "{raw:?}");
            // Merged before dot segments are resolved, `//..` is another place: `find_as_it_came`
            // asks both.
            if !merge {
                assert_eq!(
                    normalise(&few.0).expect("it is a path").0,
                    normal.0,
                    "{raw:?}"
                );
            }
        }
    }
    let Ok(path) = normal else {
        return;
    };
    let path = path.0;
    assert!(path.starts_with('/') && path.is_ascii(), "{path:?}");
    assert!(
        !path.contains("//") && !path.contains(['\\', '?', '#']),
        "{path:?}"
    );
    assert!(
        !path.bytes().any(|byte| byte <= b' ' || byte == 0x7f),
        "{path:?}"
    );
    assert!(
        !path.split('/').any(|segment| matches!(segment, "." | "..")),
        "{path:?}"
    );
    assert_eq!(normalise(&path).expect("it is a path").0, path);
}
