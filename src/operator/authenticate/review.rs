//! TokenReview: bounded in flight, answers remembered for a short while by the token's digest.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::{Api, PostParams};
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::api::annotations::PUSH_AUDIENCE;

#[cfg(test)]
mod tests;

/// Where an API server says whether it serves, to everybody whom it knows.
const READY: &str = "/readyz";
/// How long a good review may be used again; a token's expiry comes first. The pod is looked at on
/// every use, so this is only how long a *revoked service account* is still let in.
const POSITIVE: Duration = Duration::from_secs(60);
/// How long a denial is remembered.
const NEGATIVE: Duration = Duration::from_secs(5);
/// Reviews that are under way at one time.
const IN_FLIGHT: usize = 32;
/// How long a sidecar waits for its turn and its review.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long it counts whether the API server answered: thousands of streams may ask at once.
const REACHED: Duration = Duration::from_secs(5);
/// Remembered reviews.
const CAPACITY: u64 = 10_000;

/// What the API server said of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewed {
    /// `status.audiences`: those asked for that the token is good for.
    pub audiences: Vec<String>,
    /// `status.user.username`.
    pub username: String,
    /// `status.user.extra["authentication.kubernetes.io/pod-name"]`.
    pub pod_name: Option<String>,
    /// `status.user.extra["authentication.kubernetes.io/pod-uid"]`.
    pub pod_uid: Option<String>,
}

/// Why a token was not reviewed, or not well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// The API server does not accept it.
    #[error("the API server does not accept the token")]
    Denied,
    /// Nobody could tell; why.
    #[error("{0}")]
    Unavailable(String),
}

/// Asks about a token.
pub trait Review: Send + Sync + 'static {
    /// Asks whether a token is good for [`PUSH_AUDIENCE`], and whose it is.
    fn review<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Reviewed, ReviewError>>;

    /// Whether somebody is there to answer.
    fn is_reachable(&self) -> BoxFuture<'_, bool>;
}

/// Asks the API server.
pub struct KubeReviewer(Api<TokenReview>, kube::Client);

/// Reviews, bounded and remembered.
pub(super) struct Reviews {
    reviewer: Arc<dyn Review>,
    in_flight: Semaphore,
    remembered: Cache<[u8; 32], Remembered>,
    /// When it was last asked whether somebody is there, and the answer. Held while it is asked.
    reached: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

#[derive(Clone)]
struct Remembered {
    result: Result<Reviewed, ReviewError>,
    until: Instant,
}

impl KubeReviewer {
    /// Needs the right to create `tokenreviews`.
    pub fn new(client: kube::Client) -> Self {
        Self(Api::all(client.clone()), client)
    }
}

impl Review for KubeReviewer {
    fn review<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Reviewed, ReviewError>> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: Some(vec![PUSH_AUDIENCE.to_owned()]),
            },
            ..TokenReview::default()
        };
        async move {
            let answer = self
                .0
                .create(&PostParams::default(), &review)
                .await
                .map_err(|error| {
                    // An API error's text could hold parts of the request.
                    ReviewError::Unavailable(match error {
                        kube::Error::Api(status) => {
                            format!("the API server answers {} {}", status.code, status.reason)
                        }
                        _ => "the API server is unreachable".to_owned(),
                    })
                })?;
            reviewed(answer).ok_or(ReviewError::Denied)
        }
        .boxed()
    }

    fn is_reachable(&self) -> BoxFuture<'_, bool> {
        let ready = http::Request::get(READY).body(Vec::new());
        let ready = ready.expect("the path is a constant");
        async move {
            match self.1.request_text(ready).await {
                Ok(_) => true,
                // It answers: whatever it thinks of the question.
                Err(kube::Error::Api(status)) => status.code < 500,
                Err(_) => false,
            }
        }
        .boxed()
    }
}

impl Reviews {
    pub(super) fn new(reviewer: Arc<dyn Review>) -> Self {
        let remembered = Cache::builder()
            .max_capacity(CAPACITY)
            .time_to_live(POSITIVE)
            .build();
        Self {
            reviewer,
            in_flight: Semaphore::new(IN_FLIGHT),
            remembered,
            reached: tokio::sync::Mutex::default(),
        }
    }

    /// Whether tokens can be reviewed now, or could a moment ago.
    pub(super) async fn are_possible(&self) -> bool {
        let mut reached = self.reached.lock().await;
        if let Some((when, answer)) = *reached
            && when.elapsed() < REACHED
        {
            return answer;
        }
        let asked = tokio::time::timeout(TIMEOUT, self.reviewer.is_reachable()).await;
        let answer = asked.unwrap_or(false);
        *reached = Some((Instant::now(), answer));
        answer
    }

    /// What the API server says, or said a short while ago, of a token that expires then.
    pub(super) async fn review(
        &self,
        token: &str,
        expires: SystemTime,
    ) -> Result<Reviewed, ReviewError> {
        let key = key(token);
        if let Some(remembered) = self
            .remembered
            .get(&key)
            .filter(|r| Instant::now() < r.until)
        {
            return remembered.result;
        }
        let reviewing = async {
            let _turn = self
                .in_flight
                .acquire()
                .await
                .expect("the semaphore is never closed");
            self.reviewer.review(token).await
        };
        let result = tokio::time::timeout(TIMEOUT, reviewing)
            .await
            .unwrap_or_else(|_| Err(ReviewError::Unavailable("it took too long".to_owned())));
        let lasts = match &result {
            Ok(_) => expires
                .duration_since(SystemTime::now())
                .unwrap_or_default()
                .min(POSITIVE),
            Err(ReviewError::Denied) => NEGATIVE,
            // Nothing was said: asked again next time.
            Err(ReviewError::Unavailable(_)) => return result,
        };
        let until = Instant::now() + lasts;
        self.remembered.insert(
            key,
            Remembered {
                result: result.clone(),
                until,
            },
        );
        result
    }
}

/// A review's answer; none when the token is not authenticated.
fn reviewed(review: TokenReview) -> Option<Reviewed> {
    let status = review.status?;
    if status.authenticated != Some(true) || status.error.is_some_and(|error| !error.is_empty()) {
        return None;
    }
    let user = status.user?;
    let mut extra = user.extra.unwrap_or_default();
    let mut only = |name: &str| {
        let mut values = extra.remove(name)?;
        // Two values would leave open which one is meant.
        (values.len() == 1).then(|| values.remove(0))
    };
    Some(Reviewed {
        audiences: status.audiences.unwrap_or_default(),
        username: user.username?,
        pod_name: only("authentication.kubernetes.io/pod-name"),
        pod_uid: only("authentication.kubernetes.io/pod-uid"),
    })
}

fn key(token: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
