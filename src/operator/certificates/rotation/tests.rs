use std::time::UNIX_EPOCH;

use super::super::authority::verify;
use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);
const YEAR: Duration = DAY.saturating_mul(365);
const NAME: &str = "operator.system.svc";

#[test]
fn ca_gets_a_successor_a_year_before_its_end_and_an_hour_later_it_signs() {
    let mut cluster = Cluster::new();
    cluster.pass(DAY * (3652 - 366));
    assert_eq!(cluster.log, []);
    cluster.pass(DAY * 2);
    assert_eq!(cluster.steps(), [Step::Publish, Step::Promote]);
    let [(published, _), (promoted, _)] = cluster.log[..] else {
        panic!("{:?}", cluster.log);
    };
    let overlap = promoted.duration_since(published).unwrap();
    assert!(overlap >= HOUR && overlap <= HOUR * 2, "{overlap:?}");
    cluster.pass(DAY * 40);
    assert_eq!(cluster.stored.previous.len(), 1, "still trusted");
    cluster.pass(DAY * 10);
    assert_eq!(cluster.stored.previous.len(), 0);
    cluster.pass(YEAR * 8);
    assert_eq!(cluster.log.len(), 3, "{:?}", cluster.log);
    cluster.pass(YEAR);
    assert_eq!(cluster.log.len(), 6, "and so on: {:?}", cluster.log);
}

#[test]
fn pods_of_every_time_trust_what_is_signed_at_any_time() {
    let mut cluster = Cluster::new();
    let mut injected = vec![cluster.stored.trusted()];
    for _ in 0..MAX_CROSSES {
        cluster.requested = true;
        for _ in 0..4 {
            cluster.pass(HOUR);
            injected.push(cluster.stored.trusted());
        }
    }
    assert_eq!(cluster.log.len(), 2 * MAX_CROSSES, "{:?}", cluster.log);
    for (age, trusted) in injected.iter().enumerate() {
        let leaf = cluster.leaf();
        verify(trusted, &leaf, NAME, cluster.now).unwrap_or_else(|error| panic!("{age}: {error}"));
    }
    let only_first = &injected[0];
    cluster.requested = true;
    cluster.pass(HOUR * 4);
    verify(only_first, &cluster.leaf(), NAME, cluster.now).unwrap_err();
}

#[test]
fn request_is_answered_once() {
    let mut cluster = Cluster::new();
    cluster.requested = true;
    cluster.pass(DAY);
    assert_eq!(cluster.steps(), [Step::Publish, Step::Promote]);
}

#[test]
fn however_often_somebody_asks_the_secret_stays_small() {
    let mut cluster = Cluster::new();
    for _ in 0..20 {
        cluster.requested = true;
        cluster.pass(HOUR * 3);
    }
    assert_eq!(cluster.log.len(), 40);
    assert_eq!(cluster.stored.previous.len(), MAX_PREVIOUS);
    assert_eq!(cluster.stored.crosses.len(), MAX_CROSSES);
}

#[test]
fn leader_that_has_just_started_waits_for_the_whole_overlap() {
    let mut cluster = Cluster::new();
    cluster.requested = true;
    cluster.pass(HOUR);
    assert_eq!(cluster.steps(), [Step::Publish]);
    cluster.restart();
    cluster.pass(HOUR - MINUTE);
    cluster.restart();
    cluster.pass(HOUR - MINUTE);
    assert_eq!(cluster.steps(), [Step::Publish]);
    cluster.pass(MINUTE * 2);
    assert_eq!(cluster.steps(), [Step::Publish, Step::Promote]);
}

#[test]
fn jump_of_the_wall_clock_does_not_shorten_the_overlap() {
    for jump in [Jump::Forward(DAY * 30), Jump::Back(DAY / 48)] {
        let mut cluster = Cluster::new();
        cluster.requested = true;
        cluster.pass(MINUTE);
        cluster.jump(jump);
        cluster.pass(HOUR - MINUTE * 2);
        assert_eq!(cluster.steps(), [Step::Publish], "{jump:?}");
        cluster.pass(MINUTE * 4);
        assert_eq!(cluster.steps(), [Step::Publish, Step::Promote], "{jump:?}");
    }
}

#[test]
fn expired_ca_is_replaced_at_once_and_pods_still_trust() {
    let mut cluster = Cluster::new();
    let injected = cluster.stored.trusted();
    cluster.jump(Jump::Forward(YEAR * 11));
    cluster.pass(MINUTE);
    assert_eq!(cluster.steps(), [Step::Replace]);
    verify(&injected, &cluster.leaf(), NAME, cluster.now).unwrap();
    verify(
        &cluster.stored.trusted(),
        &cluster.leaf(),
        NAME,
        cluster.now,
    )
    .unwrap();
}

#[test]
fn ca_that_expires_before_its_successor_was_seen_long_enough_makes_room_for_it() {
    let mut cluster = Cluster::new();
    cluster.requested = true;
    cluster.pass(MINUTE);
    // The next one, made now, is valid for longer.
    let end = cluster.stored.current.validity().not_after;
    cluster.stored.next = Some(Arc::new(Authority::generate(end).unwrap()));
    cluster.now = end + MINUTE;
    cluster.pass(MINUTE);
    assert_eq!(cluster.steps(), [Step::Publish, Step::Promote]);
}

#[test]
fn what_was_made_while_a_clock_was_wrong_is_made_again_once_it_is_right() {
    let mut cluster = Cluster::new();
    let injected = cluster.stored.trusted();
    cluster.jump(Jump::Forward(YEAR * 11));
    cluster.pass(MINUTE);
    cluster.jump(Jump::Back(YEAR * 11));
    cluster.pass(DAY);
    assert_eq!(cluster.steps(), [Step::Replace, Step::Replace]);
    verify(&injected, &cluster.leaf(), NAME, cluster.now).unwrap();

    let mut cluster = Cluster::new();
    cluster.jump(Jump::Forward(YEAR * 9));
    cluster.requested = true;
    cluster.pass(MINUTE);
    cluster.jump(Jump::Back(YEAR * 9));
    cluster.pass(HOUR * 2);
    let steps = cluster.steps();
    assert_eq!(steps, [Step::Publish, Step::Publish, Step::Promote]);
    assert!(cluster.stored.current.validity().holds(cluster.now));
}

#[test]
fn clock_that_is_set_back_by_less_than_the_skew_changes_nothing() {
    let mut cluster = Cluster::new();
    cluster.jump(Jump::Back(MINUTE * 59));
    cluster.pass(DAY);
    assert_eq!(cluster.log, []);
}

#[test]
fn ca_of_somebody_else_is_vouched_for_by_ours() {
    let mut cluster = Cluster::new();
    let oldest = cluster.stored.trusted();
    cluster.requested = true;
    cluster.pass(HOUR * 3);
    let ours = cluster.stored.clone();
    let theirs = Authorities::generate(cluster.now).unwrap();
    let view = View {
        stored: &theirs,
        estranged: Some(&ours),
        ..cluster.view()
    };
    assert_eq!(due(view, HOUR), Some(Step::Adopt));
    cluster.stored = take(Step::Adopt, view).unwrap();
    for trusted in [oldest, ours.trusted(), theirs.trusted()] {
        verify(&trusted, &cluster.leaf(), NAME, cluster.now).unwrap();
    }
    assert!(cluster.stored.knows(ours.current.certificate()));
    assert!(cluster.stored.knows(&ours.previous[0]));
    cluster.log.clear();
    cluster.pass(DAY);
    assert_eq!(cluster.log, [], "and that is all");
}

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Jump {
    Forward(Duration),
    Back(Duration),
}

/// A Secret, a leader, and two clocks.
struct Cluster {
    stored: Authorities,
    requested: bool,
    now: SystemTime,
    monotonic: Duration,
    sighting: Sighting<Duration>,
    log: Vec<(SystemTime, Step)>,
}

impl Cluster {
    fn new() -> Self {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Self {
            stored: Authorities::generate(now).unwrap(),
            requested: false,
            now,
            monotonic: Duration::ZERO,
            sighting: Sighting::new(),
            log: Vec::new(),
        }
    }

    fn view(&self) -> View<'_> {
        let since = self.sighting.since();
        View {
            stored: &self.stored,
            estranged: None,
            next_seen: since.map_or(Duration::ZERO, |since| self.monotonic - since),
            requested: self.requested,
            now: self.now,
        }
    }

    /// Looks at the clocks, about a thousand times.
    fn pass(&mut self, time: Duration) {
        let pause = (time / 1000).max(MINUTE / 2);
        let end = self.monotonic + time;
        while self.monotonic < end {
            let pause = pause.min(end - self.monotonic);
            self.monotonic += pause;
            self.now += pause;
            self.sighting.note(&self.stored, self.monotonic);
            if let Some(step) = due(self.view(), HOUR) {
                self.stored = take(step, self.view()).unwrap();
                self.requested &= !matches!(step, Step::Publish | Step::Replace);
                self.log.push((self.now, step));
            }
        }
    }

    fn jump(&mut self, jump: Jump) {
        match jump {
            Jump::Forward(time) => self.now += time,
            Jump::Back(time) => self.now -= time,
        }
    }

    fn restart(&mut self) {
        self.sighting = Sighting::new();
    }

    fn steps(&self) -> Vec<Step> {
        self.log.iter().map(|(_, step)| *step).collect()
    }

    fn leaf(&self) -> Vec<CertificateDer<'static>> {
        let Authorities {
            current, crosses, ..
        } = &self.stored;
        let leaf = current.leaf(&[NAME.to_owned()], crosses, self.now);
        leaf.unwrap().key.cert.clone()
    }
}
