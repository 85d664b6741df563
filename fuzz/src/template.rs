//! Path templates, and the lookup of paths among them.

use endpoints::policy::format::Operation;
use endpoints::policy::path::normalise;
use endpoints::policy::route::{RouteMatch, Router, shape};

/// Lines: templates, an empty line, paths. What is a template alone is one among others, and a
/// lookup finds nothing that is not there.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (templates, paths) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut seen = std::collections::BTreeSet::new();
    let operations: Vec<_> = templates
        .lines()
        .filter(|template| match shape(template) {
            Ok(shape) => {
                assert!(Router::new(&[operation(template)]).is_ok(), "{template:?}");
                seen.insert(shape)
            }
            Err(why) => {
                assert!(!why.contains(char::is_control), "{why:?}");
                assert!(Router::new(&[operation(template)]).is_err(), "{template:?}");
                false
            }
        })
        .map(operation)
        .collect();
    let router = Router::new(&operations).expect("templates, each with a shape of its own");
    for path in paths.lines().chain(templates.lines()) {
        let Ok(path) = normalise(path) else { continue };
        if let RouteMatch::Operation(found) = router.find("GET", &path.0) {
            assert!(found < operations.len());
        }
        assert!(!matches!(
            router.find("PUT", &path.0),
            RouteMatch::Operation(_)
        ));
    }
}

fn operation(template: &str) -> Operation {
    Operation {
        method: String::from("GET"),
        path: template.to_owned(),
        name: String::from("name"),
        security: Vec::new(),
        backend: None,
        cors: None,
    }
}
