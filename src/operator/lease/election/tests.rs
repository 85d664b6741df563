use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn first_candidate_creates_the_lease_and_leads_once_it_is_stored() {
    let now = Instant::now();
    let mut election = candidate("a", now);
    assert_eq!(election.next(now, clock(0)), Step::Read);
    let Step::Create(record) = election.read(None, now, clock(0)) else {
        panic!("an absent lease is created");
    };
    assert_eq!(record.holder.as_deref(), Some("a"));
    assert!(!election.leads(now), "not before it is stored");
    election.written(Written::Done(seen(record, "1")), now, now);
    assert!(election.leads(now));
    assert!(election.leads(now + RENEW_DEADLINE - SECOND));
    assert!(
        !election.leads(now + RENEW_DEADLINE),
        "before others may take it"
    );
}

/// Clocks may be hours apart: what counts is for how long a record did not change as seen from here.
#[test]
fn a_holder_is_gone_when_its_record_stood_still_for_the_duration_whatever_its_times_say() {
    for written_at in [-1_000_000, 0, 1_000_000] {
        let now = Instant::now();
        let mut election = candidate("b", now);
        let held = seen(record("a", written_at), "7");
        let look = |election: &mut Election, after: Duration| {
            let at = now + after;
            assert_eq!(election.next(at, clock(0)), Step::Read);
            election.read(Some(held.clone()), at, clock(0))
        };
        assert_eq!(look(&mut election, Duration::ZERO), Step::Wait);
        assert_eq!(look(&mut election, LEASE_DURATION - SECOND), Step::Wait);
        let Step::Replace(taken, version) = look(&mut election, LEASE_DURATION) else {
            panic!("it is taken over");
        };
        assert_eq!((taken.transitions, version.as_str()), (5, "7"));
        assert_eq!(taken.acquired, Some(clock(0)));
    }
}

#[test]
fn a_renewal_starts_the_wait_anew_and_an_edit_of_something_else_does_not() {
    let now = Instant::now();
    let mut election = candidate("b", now);
    let wait = |election: &mut Election, after: u32, found: Seen| {
        let at = now + SECOND * after;
        election.read(Some(found), at, clock(0))
    };
    assert_eq!(
        wait(&mut election, 0, seen(record("a", 0), "1")),
        Step::Wait
    );
    // Labelled by somebody: another version of the same record.
    assert_eq!(
        wait(&mut election, 10, seen(record("a", 0), "2")),
        Step::Wait
    );
    // Renewed.
    assert_eq!(
        wait(&mut election, 14, seen(record("a", 9), "3")),
        Step::Wait
    );
    assert_eq!(
        wait(&mut election, 28, seen(record("a", 9), "4")),
        Step::Wait
    );
    let taken = wait(&mut election, 29, seen(record("a", 9), "5"));
    assert!(matches!(taken, Step::Replace(_, version) if version == "5"));
}

#[test]
fn a_lease_that_was_given_up_is_taken_at_once() {
    let now = Instant::now();
    let mut a = leader("a", now);
    let Some(Step::Replace(released, version)) = a.release(clock(1)) else {
        panic!("there is something to give up");
    };
    assert_eq!((released.holder.clone(), version.as_str()), (None, "1"));
    assert!(!a.leads(now));
    assert_eq!(a.release(clock(1)), None, "once");
    let mut b = candidate("b", now);
    let step = b.read(Some(seen(released, "2")), now, clock(1));
    assert!(matches!(step, Step::Replace(_, version) if version == "2"));
}

#[test]
fn a_renewal_whose_answer_was_lost_is_found_and_the_holder_leads_on() {
    let now = Instant::now();
    let mut election = leader("a", now);
    let Step::Replace(renewal, version) = election.next(now, clock(2)) else {
        panic!("a holder renews without looking");
    };
    assert_eq!(version, "1");
    election.written(Written::Unknown, now, now);
    assert!(election.leads(now));
    assert_eq!(
        election.next(now, clock(4)),
        Step::Read,
        "its version is not known"
    );
    let step = election.read(Some(seen(renewal.clone(), "2")), now, clock(4));
    let Step::Replace(again, version) = step else {
        panic!("it renews");
    };
    assert_eq!(version, "2");
    assert_eq!(again.transitions, renewal.transitions, "the same holder");
    assert_eq!(again.acquired, renewal.acquired);
}

#[test]
fn a_holder_that_finds_another_one_stops_at_once() {
    let now = Instant::now();
    let mut election = leader("a", now);
    election.written(Written::Conflict, now, now);
    assert_eq!(election.next(now, clock(0)), Step::Read);
    let step = election.read(Some(seen(record("b", 0), "9")), now, clock(0));
    assert_eq!(step, Step::Wait);
    assert!(!election.leads(now));
    assert_eq!(election.holder(), Some(("b", Some("10.0.0.1:9444"))));
}

#[test]
fn a_deleted_lease_is_made_anew_by_its_holder_and_by_others_only_after_its_time() {
    let now = Instant::now();
    let mut b = candidate("b", now);
    assert_eq!(
        b.read(Some(seen(record("a", 0), "1")), now, clock(0)),
        Step::Wait
    );
    assert_eq!(b.read(None, now + SECOND, clock(0)), Step::Wait);
    let step = b.read(None, now + LEASE_DURATION, clock(0));
    assert!(matches!(step, Step::Create(_)));

    let mut a = leader("a", now);
    a.written(Written::Conflict, now, now);
    assert!(matches!(a.read(None, now, clock(0)), Step::Create(_)));
}

#[test]
fn a_duration_that_somebody_wrote_is_believed_within_reason() {
    let now = Instant::now();
    let mut election = candidate("b", now);
    let for_years = Record {
        duration: Duration::from_secs(1 << 31),
        transitions: i32::MAX,
        ..record("a", 0)
    };
    let found = seen(for_years, "1");
    assert_eq!(
        election.read(Some(found.clone()), now, clock(0)),
        Step::Wait
    );
    let step = election.read(Some(found), now + LONGEST_DURATION, clock(0));
    assert!(matches!(step, Step::Replace(record, _) if record.transitions == i32::MAX));
}

fn candidate(identity: &str, now: Instant) -> Election {
    Election::new(identity.to_owned(), Some("10.0.0.2:9444".to_owned()), now)
}

fn leader(identity: &str, now: Instant) -> Election {
    let mut election = candidate(identity, now);
    election.written(Written::Done(seen(record(identity, 0), "1")), now, now);
    election
}

fn record(holder: &str, at: i64) -> Record {
    Record {
        holder: Some(holder.to_owned()),
        address: Some("10.0.0.1:9444".to_owned()),
        duration: LEASE_DURATION,
        acquired: Some(clock(at)),
        renewed: Some(clock(at)),
        transitions: 4,
    }
}

fn seen(record: Record, version: &str) -> Seen {
    Seen {
        record,
        version: version.to_owned(),
    }
}

fn clock(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}
