use super::*;

fn unknown(key: &str) -> String {
    Denial::from(AnnotationError::UnknownKey {
        key: key.to_owned(),
    })
    .to_string()
}

#[test]
fn a_mistyped_key_names_the_nearest_right_one() {
    assert_eq!(
        unknown("endpoints.dev/servce"),
        "annotation endpoints.dev/servce is unknown; did you mean endpoints.dev/service?"
    );
    assert_eq!(
        unknown("endpoints.dev/port"),
        "annotation endpoints.dev/port is unknown; did you mean endpoints.dev/ports?"
    );
}

#[test]
fn a_key_like_none_of_ours_lists_them() {
    assert_eq!(
        unknown("endpoints.dev/replicas-of-it"),
        "annotation endpoints.dev/replicas-of-it is unknown; known are endpoints.dev/service, \
         endpoints.dev/ports, endpoints.dev/capture, endpoints.dev/sidecar, endpoints.dev/sidecar-log-level, \
         endpoints.dev/sidecar-cpu-request, endpoints.dev/sidecar-cpu-limit, \
         endpoints.dev/sidecar-memory-request, endpoints.dev/sidecar-memory-limit"
    );
}

#[test]
fn a_short_name_is_not_near_everything() {
    assert_eq!(nearest("xyz", ["web", "api"]), "");
    assert_eq!(nearest("htp", ["web", "http"]), "; did you mean http?");
}
