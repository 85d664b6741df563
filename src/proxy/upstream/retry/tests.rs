use super::*;
use crate::policy::format::UpstreamSettings;
use crate::proxy::Limits;
use crate::proxy::upstream::options::Options;

const NAMES: [&str; 3] = ["connect-failure", "reset", "refused-stream"];

fn retries(on: &[&str], num: u8) -> Retries {
    let settings = serde_json::json!({ "retries": { "on": on, "num": num } });
    let settings: UpstreamSettings = serde_json::from_value(settings).expect("settings");
    Options::new(&settings, &Limits::default()).retries
}

fn all(num: u8) -> Retries {
    retries(&NAMES, num)
}

const NOBODY: Cause = Cause::Connect { absent: true };
const RESET: Cause = Cause::Reset { kept: false };

#[tokio::test(start_paused = true)]
async fn only_what_is_asked_for_is_sent_again_and_only_so_often() {
    let causes = [NOBODY, RESET, Cause::Refused];
    for (name, its) in NAMES.into_iter().zip(causes) {
        for cause in causes {
            let next = Course::new().next(cause, &retries(&[name], 1), &Budget::new());
            assert_eq!(next != Next::Over, cause == its, "{name:?} {cause:?}");
        }
    }
    let budget = Budget::new();
    for num in 0..=3 {
        let mut course = Course::new();
        let times = (0..10)
            .take_while(|_| course.next(RESET, &all(num), &budget) != Next::Over)
            .count();
        assert_eq!(times, usize::from(num).min(3));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let next = Course::new().next(Cause::Final, &all(10), &budget);
    assert_eq!(next, Next::Over);
}

#[tokio::test(start_paused = true)]
async fn pauses_are_up_to_a_bound_that_doubles() {
    let budget = Budget::new();
    (0..500).for_each(|_| budget.earn());
    let mut longest = [Duration::ZERO; 6];
    for _ in 0..16 {
        let mut course = Course::new();
        for longest in &mut longest {
            let Next::Again { pause, .. } = course.next(RESET, &all(10), &budget) else {
                panic!("there is budget for it");
            };
            *longest = pause.max(*longest);
        }
    }
    for (longest, most) in longest.into_iter().zip([25, 50, 100, 200, 250, 250]) {
        let most = Duration::from_millis(most);
        assert!(longest < most && longest > most / 4, "{longest:?} {most:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fifth_of_the_requests_may_be_sent_again_and_a_few_whatever_the_traffic() {
    let budget = Budget::new();
    let spent = || {
        (0..1000)
            .take_while(|_| Course::new().next(RESET, &all(1), &budget) != Next::OverBudget)
            .count()
    };
    assert_eq!(spent(), 3, "from the start");
    assert_eq!(spent(), 0);
    (0..50).for_each(|_| budget.earn());
    assert_eq!(spent(), 10);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(spent(), 3, "however long nothing came");
    (0..100_000).for_each(|_| budget.earn());
    assert_eq!(spent(), 100, "however much came before");
}

/// Nothing is lost while a backend restarts: neither count nor budget stops what was never sent.
#[tokio::test(start_paused = true)]
async fn a_backend_that_was_there_is_waited_for_but_not_for_long() {
    let budget = Budget::new();
    budget.note_gone();
    let mut course = Course::new();
    assert_ne!(course.next(NOBODY, &all(1), &budget), Next::Over);
    assert_eq!(
        course.next(NOBODY, &all(1), &budget),
        Next::Over,
        "it never was there"
    );
    budget.note_there();
    budget.note_gone();
    let mut course = Course::new();
    for _ in 0..100 {
        let next = course.next(NOBODY, &all(1), &budget);
        assert!(matches!(next, Next::Again { .. }), "{next:?}");
    }
    assert!(!course.has_retried());
    let next = Course::new().next(NOBODY, &all(0), &budget);
    assert_eq!(next, Next::Over, "unless nothing is to be sent again");
    tokio::time::advance(RESTARTS_WITHIN).await;
    budget.note_gone();
    assert_ne!(course.next(NOBODY, &all(1), &budget), Next::Over);
    assert_eq!(course.next(NOBODY, &all(1), &budget), Next::Over);
}

#[tokio::test(start_paused = true)]
async fn what_the_backend_never_saw_moves_on_without_a_count() {
    let budget = Budget::new();
    let mut course = Course::new();
    for _ in 0..MOST_MOVES {
        let moved = Next::Again {
            pause: Duration::ZERO,
            fresh: true,
        };
        assert_eq!(course.next(Cause::Moved, &all(0), &budget), moved);
    }
    assert_eq!(course.next(Cause::Moved, &all(0), &budget), Next::Over);
    assert!(!course.has_retried());
}
