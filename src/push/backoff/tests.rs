use super::*;

#[test]
fn bound_doubles_from_100_ms_to_30_s_and_stays_there() {
    let bounds: Vec<_> = [0, 1, 2, 8, 9, 10, u32::MAX]
        .map(|n| bound(n).as_millis())
        .into();
    assert_eq!(bounds, [100, 200, 400, 25_600, 30_000, 30_000, 30_000]);
}

#[test]
fn waits_are_spread_over_the_whole_bound() {
    let waits: Vec<_> = (0..200).map(|_| Backoff { attempt: 20 }.next()).collect();
    assert!(waits.iter().all(|wait| *wait < LAST));
    assert!(waits.iter().any(|wait| *wait < LAST / 4));
    assert!(waits.iter().any(|wait| *wait > LAST * 3 / 4));
}

#[test]
fn success_starts_over() {
    let mut backoff = Backoff { attempt: 20 };
    backoff.reset();
    assert!(backoff.next() < FIRST);
    assert!(backoff.next() < FIRST * 2);
}
