use super::*;

#[test]
fn the_time_to_all_sidecars_is_that_of_the_last_answer() {
    let start = Instant::now();
    let at = |milliseconds| start + Duration::from_millis(milliseconds);
    let mut convergence = Convergence::default();
    convergence.published(&key(), "h1", start);
    let taken = convergence.applied(&key(), "h1", at(30));
    assert_eq!(taken, Some(Duration::from_millis(30)));
    assert_eq!(
        convergence.applied(&key(), "h0", at(40)),
        None,
        "an older one"
    );
    convergence.applied(&key(), "h1", at(70));
    assert_eq!(convergence.converged(&key(), "h0"), None);
    let taken = convergence.converged(&key(), "h1");
    assert_eq!(taken, Some(Duration::from_millis(70)));
    assert_eq!(convergence.converged(&key(), "h1"), None, "once");
    assert_eq!(convergence.applied(&key(), "h1", at(90)), None, "a new pod");
}

#[test]
fn an_edit_that_was_overtaken_is_not_told() {
    let start = Instant::now();
    let mut convergence = Convergence::default();
    convergence.published(&key(), "h1", start);
    convergence.applied(&key(), "h1", start);
    convergence.published(&key(), "h2", start);
    assert_eq!(convergence.converged(&key(), "h1"), None);
    convergence.forget(&key());
    assert_eq!(convergence.applied(&key(), "h2", start), None);
}

/// After a restart sidecars say that they have it already.
#[test]
fn a_policy_that_nobody_lacked_took_no_time_to_tell() {
    let mut convergence = Convergence::default();
    convergence.published(&key(), "h1", Instant::now());
    assert_eq!(convergence.converged(&key(), "h1"), None);
}

fn key() -> ServiceKey {
    ServiceKey {
        namespace: "shop".into(),
        name: "bookstore".into(),
    }
}
