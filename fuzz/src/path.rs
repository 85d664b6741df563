//! The path of a request, normalised.

use endpoints::policy::path::normalise;

/// A path is normalised once and for all, and then holds nothing that two readers read differently.
pub fn run(data: &[u8]) {
    let Ok(raw) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(path) = normalise(raw) else {
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
