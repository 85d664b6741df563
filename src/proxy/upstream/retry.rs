//! When a request is sent once more: only where that does no harm, and not so often that it does harm
//! to a backend in distress.

use std::cell::Cell;
use std::time::Duration;

use http::{Method, Request, Response};
use tokio::time::Instant;

use super::body::BackendBody;
use super::error::UpstreamError;
use super::options::Retries;
use crate::proxy::body::RequestBody;
use crate::proxy::random::Random;

#[cfg(test)]
mod tests;

/// Waits before an attempt are up to this, and double with each (Envoy's).
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// For how long a backend that was there, and is gone, is taken to be restarting.
const RESTARTS_WITHIN: Duration = Duration::from_secs(2);
/// How often a request changes its connection because the backend has left it, at most.
const MOST_MOVES: u8 = 3;
/// One attempt more for so many requests.
const REQUESTS_PER_RETRY: u32 = 5;
/// Attempts that may be saved up.
const MOST_SAVED: u32 = 100;
/// Attempts that are free every second, whatever the traffic.
const FREE_PER_SECOND: u32 = 3;

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    pub(super) cause: Cause,
    /// The request, if it is whole still, or may be sent twice.
    pub(super) request: Option<Request<RequestBody>>,
}

/// What the client gets if there is no further attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    Error(UpstreamError),
    Answer(Response<BackendBody>),
}

/// What was in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// No connection; `absent`: nobody was there.
    Connect { absent: bool },
    /// The backend had left the connection before it saw the request: nothing was tried yet.
    Moved,
    /// The backend says that it has not looked at it.
    Refused,
    /// It broke off; `kept`: a connection that was there before, which it may have been leaving.
    Reset { kept: bool },
    /// No head of an answer within the time of one attempt.
    TryTimeout,
    /// The status of the answer.
    Status,
    /// Nothing that another attempt would change.
    Final,
}

/// The attempts at one request.
#[derive(Debug)]
pub(super) struct Course {
    counted: u8,
    moves: u8,
    pause: Duration,
}

/// What one backend is owed, and how it is.
#[derive(Debug)]
pub(super) struct Budget {
    /// In parts of an attempt.
    saved: Cell<u32>,
    free_since: Cell<Instant>,
    presence: Cell<Presence>,
    random: Random,
}

#[derive(Clone, Copy, Debug)]
enum Presence {
    /// No connection was made yet.
    Unknown,
    There,
    Gone {
        since: Instant,
    },
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another attempt after this pause; `fresh`: over a new connection.
    Again { pause: Duration, fresh: bool },
    /// No other: it is not to be had, or has been had.
    Over,
    /// No other: too many are sent again already.
    OverBudget,
}

/// Whether a request may be sent twice: an idempotent method (RFC 9110 section 9.2.2) without a body.
pub(super) fn is_repeatable(request: &Request<RequestBody>) -> bool {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    );
    idempotent && matches!(request.body(), RequestBody::Empty)
}

impl Course {
    pub(super) fn new() -> Self {
        Self {
            counted: 0,
            moves: 0,
            pause: FIRST_PAUSE,
        }
    }

    /// Whether the request was sent, or tried to be, more than once.
    pub(super) fn has_retried(&self) -> bool {
        self.counted > 0
    }

    /// What to do after a failure with a request that could be sent again.
    pub(super) fn next(&mut self, cause: Cause, retries: &Retries, budget: &Budget) -> Next {
        let on = match cause {
            Cause::Final => false,
            Cause::Moved => {
                self.moves += 1;
                return match self.moves <= MOST_MOVES {
                    true => Next::Again {
                        pause: Duration::ZERO,
                        fresh: true,
                    },
                    false => Next::Over,
                };
            }
            Cause::Connect { .. } => retries.on_connect_failure,
            Cause::Refused => retries.on_refused_stream,
            Cause::Reset { .. } | Cause::TryTimeout => retries.on_reset,
            Cause::Status => true,
        };
        if !on || retries.most == 0 {
            return Next::Over;
        }
        if cause == (Cause::Connect { absent: true }) && budget.is_restarting() {
            let pause = self.pause(budget);
            return Next::Again { pause, fresh: true };
        }
        if self.counted >= retries.most {
            return Next::Over;
        }
        if cause == (Cause::Reset { kept: true }) {
            // At most once for a request: the next attempt has a new connection.
            self.counted += 1;
            return Next::Again {
                pause: Duration::ZERO,
                fresh: true,
            };
        }
        if !budget.spend() {
            return Next::OverBudget;
        }
        self.counted += 1;
        let pause = self.pause(budget);
        let fresh = cause != Cause::Status && cause != Cause::Refused;
        Next::Again { pause, fresh }
    }

    /// Full jitter: anything up to a bound that doubles.
    fn pause(&mut self, budget: &Budget) -> Duration {
        let most = self.pause;
        self.pause = (most * 2).min(LONGEST_PAUSE);
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(budget.random.next() % micros)
    }
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            saved: Cell::new(FREE_PER_SECOND * REQUESTS_PER_RETRY),
            free_since: Cell::new(Instant::now()),
            presence: Cell::new(Presence::Unknown),
            random: Random::new(),
        }
    }

    /// A request came: a fifth of an attempt more may be spent.
    pub(super) fn earn(&self) {
        let saved = self.saved.get();
        if saved < MOST_SAVED * REQUESTS_PER_RETRY {
            self.saved.set(saved + 1);
        }
    }

    fn spend(&self) -> bool {
        let seconds = self.free_since.get().elapsed().as_secs();
        if seconds > 0 {
            self.free_since.set(Instant::now());
            let free = FREE_PER_SECOND * REQUESTS_PER_RETRY;
            self.saved.set(self.saved.get().max(free));
        }
        match self.saved.get().checked_sub(REQUESTS_PER_RETRY) {
            Some(left) => {
                self.saved.set(left);
                true
            }
            None => false,
        }
    }

    /// A connection was made.
    pub(super) fn note_there(&self) {
        self.presence.set(Presence::There);
    }

    /// Nobody took a connection.
    pub(super) fn note_gone(&self) {
        if let Presence::There = self.presence.get() {
            let since = Instant::now();
            self.presence.set(Presence::Gone { since });
        }
    }

    /// Whether the backend was there until a moment ago.
    fn is_restarting(&self) -> bool {
        match self.presence.get() {
            Presence::Gone { since } => since.elapsed() < RESTARTS_WITHIN,
            Presence::Unknown | Presence::There => false,
        }
    }
}

impl Failure {
    pub(super) fn error(
        error: UpstreamError,
        cause: Cause,
        request: Option<Request<RequestBody>>,
    ) -> Box<Self> {
        Box::new(Self {
            outcome: Outcome::Error(error),
            cause,
            request,
        })
    }

    /// What the client gets. `retried`: not of the first attempt.
    pub(super) fn into_result(self, retried: bool) -> Result<Response<BackendBody>, UpstreamError> {
        match self.outcome {
            Outcome::Answer(answer) => Ok(answer),
            Outcome::Error(error) if retried => Err(UpstreamError::Retried(Box::new(error))),
            Outcome::Error(error) => Err(error),
        }
    }
}
