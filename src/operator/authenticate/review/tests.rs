use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};

use super::*;

const NAME: &str = "authentication.kubernetes.io/pod-name";
const UID: &str = "authentication.kubernetes.io/pod-uid";

fn status() -> TokenReviewStatus {
    let extra = [(NAME, "web-0"), (UID, "u1")];
    let extra = extra.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
    TokenReviewStatus {
        authenticated: Some(true),
        audiences: Some(vec![PUSH_AUDIENCE.to_owned()]),
        error: None,
        user: Some(UserInfo {
            username: Some("system:serviceaccount:shop:web".to_owned()),
            extra: Some(BTreeMap::from(extra)),
            ..UserInfo::default()
        }),
    }
}

fn read(change: impl FnOnce(&mut TokenReviewStatus)) -> Option<Reviewed> {
    let mut status = status();
    change(&mut status);
    reviewed(TokenReview {
        status: Some(status),
        ..TokenReview::default()
    })
}

#[test]
fn a_review_says_whose_the_token_is() {
    let reviewed = read(|_| {}).unwrap();
    assert_eq!(reviewed.audiences, [PUSH_AUDIENCE]);
    assert_eq!(reviewed.username, "system:serviceaccount:shop:web");
    assert_eq!(reviewed.pod_name.as_deref(), Some("web-0"));
    assert_eq!(reviewed.pod_uid.as_deref(), Some("u1"));
}

#[test]
fn a_review_that_does_not_authenticate_is_a_denial() {
    assert_eq!(reviewed(TokenReview::default()), None);
    assert_eq!(read(|status| status.authenticated = Some(false)), None);
    assert_eq!(read(|status| status.authenticated = None), None);
    assert_eq!(
        read(|status| status.error = Some("invalid bearer token".into())),
        None
    );
    assert_eq!(read(|status| status.user = None), None);
}

#[test]
fn what_a_review_does_not_say_is_not_assumed() {
    let none = read(|status| status.user.as_mut().unwrap().extra = None).unwrap();
    assert_eq!((none.pod_name, none.pod_uid), (None, None));
    let two = read(|status| {
        let extra = status.user.as_mut().unwrap().extra.as_mut().unwrap();
        extra.insert(UID.to_owned(), vec!["u1".into(), "u2".into()]);
        extra.insert(NAME.to_owned(), vec![]);
    });
    let two = two.unwrap();
    assert_eq!((two.pod_name, two.pod_uid), (None, None));
    assert!(
        read(|status| status.audiences = None)
            .unwrap()
            .audiences
            .is_empty()
    );
}

/// A fake API server: counts what it is asked, and answers as told after a second.
struct Fake {
    asked: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    takes: Duration,
    answer: Result<Reviewed, ReviewError>,
}

impl Review for Fake {
    fn review<'a>(&'a self, _token: &'a str) -> BoxFuture<'a, Result<Reviewed, ReviewError>> {
        async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_under_way.fetch_max(under_way, Ordering::SeqCst);
            tokio::time::sleep(self.takes).await;
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            self.answer.clone()
        }
        .boxed()
    }

    fn is_reachable(&self) -> BoxFuture<'_, bool> {
        async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(self.takes).await;
            !matches!(self.answer, Err(ReviewError::Unavailable(_)))
        }
        .boxed()
    }
}

fn fake(takes: Duration, answer: Result<Reviewed, ReviewError>) -> (Arc<Fake>, Arc<Reviews>) {
    let fake = Arc::new(Fake {
        asked: AtomicUsize::new(0),
        under_way: AtomicUsize::new(0),
        most_under_way: AtomicUsize::new(0),
        takes,
        answer,
    });
    (fake.clone(), Arc::new(Reviews::new(fake)))
}

fn in_an_hour() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3600)
}

#[tokio::test(start_paused = true)]
async fn an_api_server_is_asked_once_for_all_streams_whether_it_is_there() {
    let away = Err(ReviewError::Unavailable("away".into()));
    let there = Err(ReviewError::Denied);
    for (answer, takes, expected) in [
        (there.clone(), 1, true),
        (away, 1, false),
        (there, 3600, false),
    ] {
        let (api, reviews) = fake(Duration::from_secs(takes), answer);
        let asking = (0..1000).map(|_| reviews.are_possible());
        let answers = futures_util::future::join_all(asking).await;
        assert!(answers.into_iter().all(|answer| answer == expected));
        assert_eq!(api.asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_review_is_remembered_for_a_minute() {
    let (api, reviews) = fake(Duration::ZERO, Ok(read(|_| {}).unwrap()));
    for _ in 0..3 {
        reviews.review("token", in_an_hour()).await.unwrap();
    }
    assert_eq!(api.asked.load(Ordering::SeqCst), 1);
    reviews.review("another", in_an_hour()).await.unwrap();
    assert_eq!(api.asked.load(Ordering::SeqCst), 2);
    tokio::time::advance(POSITIVE).await;
    reviews.review("token", in_an_hour()).await.unwrap();
    assert_eq!(api.asked.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_good_review_is_forgotten_when_its_token_expires() {
    let (api, reviews) = fake(Duration::ZERO, Ok(read(|_| {}).unwrap()));
    let expires = SystemTime::now() + Duration::from_secs(10);
    reviews.review("token", expires).await.unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    reviews.review("token", expires).await.unwrap();
    assert_eq!(api.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_remembered_shortly() {
    let (api, reviews) = fake(Duration::ZERO, Err(ReviewError::Denied));
    for _ in 0..2 {
        assert_eq!(
            reviews.review("token", in_an_hour()).await,
            Err(ReviewError::Denied)
        );
    }
    assert_eq!(api.asked.load(Ordering::SeqCst), 1);
    tokio::time::advance(NEGATIVE).await;
    assert!(reviews.review("token", in_an_hour()).await.is_err());
    assert_eq!(api.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_not_remembered() {
    let answer = Err(ReviewError::Unavailable("away".into()));
    let (api, reviews) = fake(Duration::ZERO, answer.clone());
    assert_eq!(reviews.review("token", in_an_hour()).await, answer);
    assert_eq!(reviews.review("token", in_an_hour()).await, answer);
    assert_eq!(api.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn reviews_are_bounded_in_number_and_time() {
    let (api, reviews) = fake(Duration::from_secs(1), Ok(read(|_| {}).unwrap()));
    let asking: Vec<_> = (0..IN_FLIGHT * 3)
        .map(|n| {
            let reviews = reviews.clone();
            tokio::spawn(async move { reviews.review(&n.to_string(), in_an_hour()).await })
        })
        .collect();
    for one in asking {
        one.await.unwrap().unwrap();
    }
    assert_eq!(api.most_under_way.load(Ordering::SeqCst), IN_FLIGHT);

    let (_api, reviews) = fake(Duration::from_secs(60), Ok(read(|_| {}).unwrap()));
    let start = Instant::now();
    let result = reviews.review("token", in_an_hour()).await;
    assert!(matches!(result, Err(ReviewError::Unavailable(_))));
    assert_eq!(start.elapsed().as_secs(), TIMEOUT.as_secs());
}
