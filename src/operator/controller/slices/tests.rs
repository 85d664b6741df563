use super::*;

#[test]
fn one_watch_has_many_names_and_further_ones_get_another() {
    let mut plan = Plan::default();
    for number in 0..CHUNK {
        plan.add(&format!("s{number}"));
    }
    assert_eq!(std::mem::take(&mut plan.stale), [0].into());
    plan.add("more");
    assert_eq!(
        std::mem::take(&mut plan.stale),
        [1].into(),
        "the first goes on"
    );
    plan.remove("s3");
    assert_eq!(plan.stale, [].into(), "the others of its watch go on");
    plan.add("new");
    assert_eq!(std::mem::take(&mut plan.stale), [0].into(), "there is room");
}

#[test]
fn name_of_a_second_namespace_is_listed_again_and_stays_until_both_are_gone() {
    let mut plan = Plan::default();
    plan.add("web");
    plan.stale.clear();
    plan.add("web");
    assert_eq!(std::mem::take(&mut plan.stale), [0].into());
    plan.remove("web");
    assert_eq!(plan.watches.len(), 1);
    plan.remove("web");
    assert!(plan.watches.is_empty() && plan.watch_of.is_empty() && plan.wanted.is_empty());
    assert_eq!(plan.stale, [0].into(), "it is to be stopped");
    plan.remove("web");
}
