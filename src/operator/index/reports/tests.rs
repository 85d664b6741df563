use super::*;
use crate::push::replica::Refusal;
use crate::push::wire::PodRef;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_sidecar_that_moved_counts_once_by_its_newest_stream_whoever_reports_it() {
    let start = Instant::now();
    let now = start + SECOND * 100;
    let mut reports = Reports::default();
    // It dialled this replica 50 s ago, and another one 10 s ago; nobody noticed that the first stream is dead.
    reports
        .own("1", &key(), start + SECOND * 50)
        .connected(Some("old"), start + SECOND * 50);
    tell(&mut reports, "x", 1, vec![report("1", 10, "new")], now);
    assert!(reports.newest("1").unwrap().runs("new"));
    // And back.
    reports.own("1", &key(), now).connected(Some("newest"), now);
    assert!(reports.newest("1").unwrap().runs("newest"));
    // A stream that is there counts before one that ended, be it older.
    reports.own("1", &key(), now).gone(now);
    assert!(reports.newest("1").unwrap().runs("new"));
    reports.forget("1");
    assert!(reports.newest("1").is_none());
}

#[test]
fn a_replica_that_is_silent_for_30_s_takes_its_sidecars_with_it() {
    let start = Instant::now();
    let mut reports = Reports::default();
    tell(&mut reports, "x", 1, vec![report("1", 0, "h")], start);
    let almost = start + STALE_AFTER - SECOND;
    assert!(reports.tick(almost).is_empty());
    hear(&mut reports, "x", 1, Said::Alive, almost);
    assert!(reports.tick(start + STALE_AFTER).is_empty(), "it is alive");
    let concerned = reports.tick(almost + STALE_AFTER);
    assert_eq!(concerned, BTreeSet::from([key()]));
    assert!(reports.newest("1").is_none());
    assert_eq!(reports.replicas(), 0);
}

#[test]
fn a_new_stream_replaces_what_the_one_before_told_only_when_it_told_everything() {
    let now = Instant::now();
    let mut reports = Reports::default();
    let both = vec![report("1", 5, "h"), report("2", 5, "h")];
    tell(&mut reports, "x", 1, both, now);
    hear(&mut reports, "x", 2, Said::Hello, now);
    let one = Said::Sidecars(vec![report("1", 6, "h")]);
    assert!(hear(&mut reports, "x", 2, one, now).is_empty());
    assert!(
        reports.newest("2").is_some(),
        "nothing is missing meanwhile"
    );
    let concerned = hear(&mut reports, "x", 2, Said::Complete, now);
    assert_eq!(concerned, BTreeSet::from([key()]));
    assert!(reports.newest("1").is_some() && reports.newest("2").is_none());
    // What was under way from the older stream.
    let late = Said::Sidecars(vec![report("2", 5, "h")]);
    hear(&mut reports, "x", 1, late, now);
    assert!(reports.newest("2").is_none());
}

#[test]
fn a_reported_sidecar_without_a_stream_counts_for_30_s_more() {
    let now = Instant::now();
    let mut reports = Reports::default();
    let gone = SidecarReport {
        connected: false,
        ..report("1", 90_000, "h")
    };
    tell(&mut reports, "x", 1, vec![gone], now);
    assert!(reports.newest("1").unwrap().runs("h"));
    let later = now + STALE_AFTER;
    hear(&mut reports, "x", 1, Said::Alive, later);
    assert_eq!(reports.tick(later), BTreeSet::from([key()]));
    assert!(!reports.newest("1").unwrap().runs("h"));
    assert!(reports.tick(later).is_empty(), "once");
}

#[test]
fn a_refusal_that_another_replica_reports_is_told_with_its_reason() {
    let now = Instant::now();
    let mut reports = Reports::default();
    let refused = SidecarReport {
        refused: Some(Refusal {
            hash: "new".into(),
            reason: "no room".into(),
        }),
        ..report("1", 0, "old")
    };
    tell(&mut reports, "x", 1, vec![refused], now);
    let state = reports.newest("1").unwrap();
    assert_eq!(state.refuses("new"), Some("no room"));
    assert_eq!(state.refuses("old"), None);
    assert!(state.runs("old") && !state.runs("new"));
}

/// Longer ago than this machine runs: it is no reason to fall over.
#[test]
fn a_stream_that_began_before_all_time_is_an_old_one() {
    let now = Instant::now();
    let mut reports = Reports::default();
    tell(&mut reports, "x", 1, vec![report("1", u64::MAX, "h")], now);
    assert!(reports.newest("1").unwrap().runs("h"));
}

fn tell(reports: &mut Reports, who: &str, session: u64, all: Vec<SidecarReport>, now: Instant) {
    for said in [Said::Hello, Said::Sidecars(all), Said::Complete] {
        hear(reports, who, session, said, now);
    }
}

fn hear(
    reports: &mut Reports,
    who: &str,
    session: u64,
    said: Said,
    now: Instant,
) -> BTreeSet<ServiceKey> {
    let heard = Heard {
        replica: who.into(),
        session,
        said,
    };
    reports.hear(heard, now)
}

fn report(uid: &str, seconds: u64, runs: &str) -> SidecarReport {
    SidecarReport {
        pod: PodRef {
            namespace: "shop".into(),
            name: format!("pod-{uid}"),
            uid: uid.into(),
        },
        service: "bookstore".into(),
        version: "0.1.0".into(),
        began: seconds.saturating_mul(1000),
        connected: true,
        runs: Some(runs.into()),
        refused: None,
    }
}

fn key() -> ServiceKey {
    ServiceKey {
        namespace: "shop".into(),
        name: "bookstore".into(),
    }
}
