use super::*;

#[test]
fn only_the_first_readiness_is_withheld() {
    let readiness = Readiness::new();
    readiness.withhold(Some("why"));
    assert_eq!(readiness.withheld().as_deref(), Some("why"));
    readiness.withhold(None);
    assert_eq!(readiness.withheld(), None);
    readiness.withhold(Some("why"));
    readiness.reach();
    assert_eq!(readiness.withheld(), None);
    readiness.withhold(Some("another"));
    assert_eq!(readiness.withheld(), None, "it was ready once");
    assert!(readiness.reached());
}
