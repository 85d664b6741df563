//! Candidates over a lease in memory, in virtual time.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

use super::election::{LEASE_DURATION, RENEW_DEADLINE, Record, Seen};
use super::*;
use crate::shutdown::{self, Trigger};

/// How long until somebody leads after the leader fell silent, at most.
const TAKEOVER: Duration = Duration::from_secs(15 + 2 * 3);

#[tokio::test(start_paused = true)]
async fn one_of_three_leads_and_the_next_takes_over_when_it_falls_silent() {
    let lease = Lease::default();
    let mut all = ["a", "b", "c"].map(|name| Replica::start(&lease, name, 0));
    watched(&all, RETRY * 2).await;
    let first = the_leader(&all);
    let identity = lease.holder().unwrap();
    for replica in &all {
        let known = replica.leader.borrow().clone().unwrap();
        assert_eq!(known.identity, identity, "everybody knows who leads");
        assert!(known.address.unwrap().starts_with(&all[first].name));
    }
    watched(&all, Duration::from_secs(120)).await;
    assert_eq!(the_leader(&all), first, "it renews");

    all[first].fault(Fault::Away);
    watched(&all, RENEW_DEADLINE + RETRY).await;
    assert!(!all[first].leads(), "it stops by itself");
    watched(&all, TAKEOVER).await;
    assert_ne!(the_leader(&all), first);

    all[first].fault(Fault::None);
    watched(&all, Duration::from_secs(60)).await;
    assert_ne!(the_leader(&all), first, "who comes back waits");
    let second = the_leader(&all);
    all[second].kill();
    watched(&all, TAKEOVER).await;
    assert_ne!(the_leader(&all), second);
    assert_eq!(lease.transitions(), 2);
}

/// Hours apart, in both directions.
#[tokio::test(start_paused = true)]
async fn clocks_that_disagree_change_nothing() {
    let lease = Lease::default();
    let mut all = [("a", -36_000), ("b", 0), ("c", 86_400)]
        .map(|(name, skew)| Replica::start(&lease, name, skew));
    watched(&all, Duration::from_secs(60)).await;
    for _ in 0..2 {
        let leader = the_leader(&all);
        all[leader].kill();
        watched(&all, LEASE_DURATION - RETRY).await;
        assert!(leaders(&all).is_empty(), "not before its time");
        watched(&all, TAKEOVER).await;
        assert_ne!(the_leader(&all), leader);
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_hands_over_within_a_round() {
    let lease = Lease::default();
    let mut all = ["a", "b"].map(|name| Replica::start(&lease, name, 0));
    watched(&all, RETRY * 2).await;
    let first = the_leader(&all);
    all[first].stop().await;
    assert!(!all[first].leads());
    assert_eq!(lease.holder(), None);
    watched(&all, RETRY * 2).await;
    assert_eq!(the_leader(&all), 1 - first);
    // The last one leaves nothing that a newcomer would have to wait for.
    all[1 - first].stop().await;
    let new = [Replica::start(&lease, "c", 0)];
    watched(&new, RETRY).await;
    assert!(new[0].leads());
}

#[tokio::test(start_paused = true)]
async fn when_the_api_server_is_away_nobody_leads_and_afterwards_one_does() {
    for fault in [Fault::Away, Fault::Hangs] {
        let lease = Lease::default();
        let all = ["a", "b"].map(|name| Replica::start(&lease, name, 0));
        watched(&all, RETRY * 2).await;
        all.iter().for_each(|replica| replica.fault(fault));
        watched(&all, RENEW_DEADLINE + RETRY).await;
        assert!(leaders(&all).is_empty(), "{fault:?}");
        watched(&all, Duration::from_secs(300)).await;
        assert!(leaders(&all).is_empty(), "{fault:?}");
        all.iter().for_each(|replica| replica.fault(Fault::None));
        watched(&all, TAKEOVER).await;
        the_leader(&all);
    }
}

/// Shorter than the deadline: nobody notices.
#[tokio::test(start_paused = true)]
async fn a_short_outage_changes_no_leader() {
    let lease = Lease::default();
    let all = ["a", "b"].map(|name| Replica::start(&lease, name, 0));
    watched(&all, RETRY * 2).await;
    let first = the_leader(&all);
    all.iter().for_each(|replica| replica.fault(Fault::Away));
    watched(&all, RENEW_DEADLINE - RETRY * 2).await;
    all.iter().for_each(|replica| replica.fault(Fault::None));
    for _ in 0..60 {
        watched(&all, Duration::from_secs(1)).await;
        assert_eq!(the_leader(&all), first);
    }
    assert_eq!(lease.transitions(), 0);
}

#[tokio::test(start_paused = true)]
async fn writes_whose_answers_are_lost_do_not_cost_the_lead() {
    let lease = Lease::default();
    let all = ["a", "b"].map(|name| Replica::start(&lease, name, 0));
    watched(&all, RETRY * 2).await;
    let first = the_leader(&all);
    // Every other round finds what the one before wrote, and writes again.
    all[first].fault(Fault::AnswersLost);
    watched(&all, RENEW_DEADLINE - RETRY).await;
    assert_eq!(the_leader(&all), first);
    all[first].fault(Fault::None);
    watched(&all, Duration::from_secs(60)).await;
    assert_eq!(the_leader(&all), first);
    assert_eq!(lease.transitions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_comes_back_with_its_holder() {
    let lease = Lease::default();
    let all = ["a", "b", "c"].map(|name| Replica::start(&lease, name, 0));
    watched(&all, RETRY * 2).await;
    let first = the_leader(&all);
    for _ in 0..5 {
        lease.delete();
        watched(&all, RETRY * 2).await;
        assert_eq!(the_leader(&all), first);
        assert_eq!(lease.holder().unwrap(), all[first].identity);
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_who_edits_the_lease_all_the_time_costs_no_lead() {
    let lease = Lease::default();
    let all = ["a", "b"].map(|name| Replica::start(&lease, name, 0));
    watched(&all, RETRY * 2).await;
    let first = the_leader(&all);
    for _ in 0..300 {
        lease.touch();
        watched(&all, Duration::from_millis(190)).await;
        assert_eq!(the_leader(&all), first);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_else_holds_by_hand_is_respected_and_then_taken() {
    let lease = Lease::default();
    let by_hand = Record {
        holder: Some("me".to_owned()),
        duration: Duration::from_secs(30),
        ..Record::default()
    };
    lease.put(by_hand);
    let all = [Replica::start(&lease, "a", 0)];
    watched(&all, Duration::from_secs(29)).await;
    assert!(!all[0].leads());
    watched(&all, Duration::from_secs(5)).await;
    assert!(all[0].leads());
}

/// A lease in memory, as an API server keeps it.
#[derive(Clone, Default)]
struct Lease(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    seen: Option<Seen>,
    version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Requests fail at once.
    Away,
    /// Requests are never answered.
    Hangs,
    /// Writes are done, and not answered.
    AnswersLost,
}

/// The way of one replica to the lease.
struct Way {
    lease: Lease,
    fault: Arc<Mutex<Fault>>,
}

struct Replica {
    name: String,
    identity: String,
    fault: Arc<Mutex<Fault>>,
    leads: Leadership,
    leader: watch::Receiver<Option<Leader>>,
    task: Option<JoinHandle<()>>,
    trigger: Trigger,
}

impl Lease {
    fn put(&self, record: Record) -> Seen {
        let mut stored = self.0.lock().unwrap();
        stored.version += 1;
        let seen = Seen {
            record,
            version: stored.version.to_string(),
        };
        stored.seen = Some(seen.clone());
        seen
    }

    fn get(&self) -> Option<Seen> {
        self.0.lock().unwrap().seen.clone()
    }

    fn touch(&self) {
        let seen = self.get().unwrap();
        self.put(seen.record);
    }

    fn delete(&self) {
        self.0.lock().unwrap().seen = None;
    }

    fn holder(&self) -> Option<String> {
        self.get()?.record.holder
    }

    fn transitions(&self) -> i32 {
        self.get().unwrap().record.transitions
    }
}

impl Way {
    fn request<'a, T: Send + 'a>(
        &'a self,
        writes: bool,
        request: impl FnOnce() -> Result<T, StoreError> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let away = || Err(StoreError::Unavailable("as told".to_owned()));
        async move {
            sleep(Duration::from_millis(5)).await;
            let fault = *self.fault.lock().unwrap();
            match fault {
                Fault::Away => away(),
                Fault::Hangs => std::future::pending().await,
                Fault::AnswersLost if writes => request().and_then(|_| away()),
                Fault::None | Fault::AnswersLost => request(),
            }
        }
        .boxed()
    }
}

impl Store for Way {
    fn read(&self) -> BoxFuture<'_, Result<Option<Seen>, StoreError>> {
        self.request(false, || Ok(self.lease.get()))
    }

    fn create(&self, record: Record) -> BoxFuture<'_, Result<Seen, StoreError>> {
        self.request(true, || match self.lease.get() {
            None => Ok(self.lease.put(record)),
            Some(_) => Err(StoreError::Conflict),
        })
    }

    fn replace(&self, record: Record, version: String) -> BoxFuture<'_, Result<Seen, StoreError>> {
        self.request(true, move || match self.lease.get() {
            Some(seen) if seen.version == version => Ok(self.lease.put(record)),
            _ => Err(StoreError::Conflict),
        })
    }
}

impl Replica {
    fn start(lease: &Lease, name: &str, skew: i64) -> Self {
        let candidate = Candidate::new("lease".into(), name, Some(format!("{name}:9444")));
        let fault = Arc::new(Mutex::new(Fault::None));
        let way = Way {
            lease: lease.clone(),
            fault: fault.clone(),
        };
        let (trigger, shutdown) = shutdown::channel();
        let (identity, leads) = (candidate.identity().to_owned(), candidate.leadership());
        let leader = candidate.leader();
        let start = Instant::now();
        let clock = move || {
            let elapsed = i64::try_from(start.elapsed().as_secs()).unwrap();
            Timestamp::from_second(1_800_000_000 + skew + elapsed).unwrap()
        };
        let task = tokio::spawn(candidate.run_with(way, clock, shutdown));
        Self {
            name: name.to_owned(),
            identity,
            fault,
            leads,
            leader,
            task: Some(task),
            trigger,
        }
    }

    fn fault(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn leads(&self) -> bool {
        self.task.is_some() && *self.leads.borrow()
    }

    fn kill(&mut self) {
        self.task.take().unwrap().abort();
    }

    async fn stop(&mut self) {
        self.trigger.start();
        self.task.take().unwrap().await.unwrap();
        assert!(!*self.leads.borrow());
    }
}

fn leaders(all: &[Replica]) -> Vec<usize> {
    let leads = |index: &usize| all[*index].leads();
    (0..all.len()).filter(leads).collect()
}

#[track_caller]
fn the_leader(all: &[Replica]) -> usize {
    let leaders = leaders(all);
    assert_eq!(leaders.len(), 1, "{leaders:?}");
    leaders[0]
}

/// Lets time pass; never do two lead.
async fn watched(all: &[Replica], time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        sleep(Duration::from_millis(100)).await;
        assert!(leaders(all).len() < 2, "two lead");
    }
}
