//! The streams of one connection: how many are open, since when none is, and which of them the client
//! has stopped reading.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::proxy::client::Client;
use crate::proxy::drain::Finish;
use crate::proxy::timer::LazyTimer;

/// How often unread answers are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A client that gives up more than half of its streams at once, and of so many, is let go: each costs
/// the backend a request (CVE-2023-44487, after the streams were taken up).
const STREAMS_TO_JUDGE: u32 = 500;
const AT_ONCE: Duration = Duration::from_secs(1);

/// What the streams of a connection share.
#[derive(Debug)]
pub(super) struct Streams {
    /// How many streams there were, and how many of them were given up at once; both are halved now and
    /// then, so that the last ones count most.
    begun: Cell<u32>,
    given_up: Cell<u32>,
    client: Rc<Client>,
    open: RefCell<Vec<Weak<State>>>,
    idle_since: Cell<Instant>,
    /// Wakes the connection when its last stream ends.
    connection: RefCell<Option<Waker>>,
}

/// One stream, from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct Stream {
    state: Rc<State>,
    streams: Rc<Streams>,
}

#[derive(Debug)]
struct State {
    began: Instant,
    /// The answer was made to its end, or broke off.
    finished: Cell<bool>,
    /// A piece of the answer was given away then, and nobody has asked for the next one since.
    unread_since: Cell<Option<Instant>>,
}

/// An answer's body, with a note of when the client takes it.
#[derive(Debug)]
pub(super) struct WatchedBody<B: Body> {
    body: B,
    stream: Stream,
}

/// A connection that ends when it is idle for too long or old, or a client leaves an answer unread.
#[derive(Debug)]
pub(super) struct Watched<C> {
    connection: C,
    streams: Rc<Streams>,
    timer: LazyTimer,
    /// The timer runs for open streams, not for the lack of them.
    looking: bool,
    finishing: bool,
}

impl Streams {
    pub(super) fn new(client: Rc<Client>) -> Rc<Self> {
        Rc::new(Self {
            begun: Cell::new(0),
            given_up: Cell::new(0),
            client,
            open: RefCell::default(),
            idle_since: Cell::new(Instant::now()),
            connection: RefCell::default(),
        })
    }

    pub(super) fn open(self: &Rc<Self>) -> Stream {
        let mut begun = self.begun.get() + 1;
        if begun >= 2 * STREAMS_TO_JUDGE {
            begun /= 2;
            self.given_up.set(self.given_up.get() / 2);
        }
        self.begun.set(begun);
        let state = Rc::new(State {
            began: Instant::now(),
            finished: Cell::new(false),
            unread_since: Cell::new(None),
        });
        self.open.borrow_mut().push(Rc::downgrade(&state));
        self.client.metrics().streams_open.add(1);
        Stream {
            state,
            streams: self.clone(),
        }
    }

    /// Whether a client has left an answer unread for too long.
    fn is_stalled(&self, now: Instant) -> bool {
        let limit = self.client.limits().write_progress_timeout;
        self.open.borrow().iter().any(|stream| {
            let unread = stream.upgrade().and_then(|state| state.unread_since.get());
            unread.is_some_and(|since| now.saturating_duration_since(since) >= limit)
        })
    }

    /// Whether most streams were given up as soon as they had begun.
    fn is_abused(&self) -> bool {
        self.begun.get() >= STREAMS_TO_JUDGE && self.given_up.get() > self.begun.get() / 2
    }

    fn is_idle(&self) -> bool {
        self.open.borrow().is_empty()
    }
}

impl Stream {
    /// Keeps the stream open until the answer is sent, or given up.
    pub(super) fn watch<B>(self, response: Response<B>) -> Response<WatchedBody<B>>
    where
        B: Body,
    {
        response.map(|body| WatchedBody { body, stream: self })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.streams.client.metrics().streams_open.subtract(1);
        if !self.state.finished.get() && self.state.began.elapsed() < AT_ONCE {
            let streams = &self.streams;
            streams.given_up.set(streams.given_up.get() + 1);
            if streams.is_abused()
                && let Some(connection) = streams.connection.take()
            {
                connection.wake();
            }
        }
        let ours = Rc::downgrade(&self.state);
        let mut open = self.streams.open.borrow_mut();
        open.retain(|stream| !stream.ptr_eq(&ours));
        if open.is_empty() {
            self.streams.idle_since.set(Instant::now());
            if let Some(connection) = self.streams.connection.take() {
                connection.wake();
            }
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for WatchedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let unread = &this.stream.state.unread_since;
        let polled = Pin::new(&mut this.body).poll_frame(context);
        // hyper asks for the next piece once the client has room for it.
        unread.set(polled.is_ready().then(Instant::now));
        // One that breaks off is not given up by the client.
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            this.stream.state.finished.set(true);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Body> Drop for WatchedBody<B> {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.stream.state.finished.set(true);
        }
    }
}

impl<C> Watched<C> {
    pub(super) fn new(connection: C, streams: Rc<Streams>) -> Self {
        Self {
            connection,
            streams,
            timer: LazyTimer::default(),
            looking: false,
            finishing: false,
        }
    }
}

impl<C: Finish + Unpin> Watched<C> {
    /// Lets the client go, after what is being served.
    fn retire(&mut self, context: &mut Context<'_>, now: Instant) {
        self.finishing = true;
        self.streams.idle_since.set(now);
        Pin::new(&mut self.connection).finish();
        // What that asks for is done the next time round.
        context.waker().wake_by_ref();
    }
}

impl<C, E> Future for Watched<C>
where
    C: Future<Output = Result<(), E>> + Finish + Unpin,
{
    type Output = Result<(), E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Poll::Ready(ended) = Pin::new(&mut this.connection).poll(context) {
            return Poll::Ready(ended);
        }
        this.streams
            .connection
            .replace(Some(context.waker().clone()));
        if this.streams.is_abused() {
            let peer = this.streams.client.peer;
            tracing::warn!(target: "endpoints::access", %peer, "a client gives its streams up as fast as it opens them; it is let go");
            return Poll::Ready(Ok(()));
        }
        loop {
            let now = Instant::now();
            let limits = this.streams.client.limits();
            if !this.finishing && this.streams.client.retires(now) {
                this.retire(context, now);
            }
            if this.streams.is_idle() {
                this.looking = false;
                let mut deadline = this.streams.idle_since.get() + limits.idle_timeout;
                if !this.finishing {
                    deadline = deadline.min(this.streams.client.old_at());
                }
                this.timer.set(deadline);
            } else if !this.looking {
                this.looking = true;
                this.timer
                    .set(now + LOOK_EVERY.min(limits.write_progress_timeout));
            }
            if this.timer.poll(context).is_pending() {
                return Poll::Pending;
            }
            let was_looking = std::mem::take(&mut this.looking);
            let now = Instant::now();
            if was_looking && this.streams.is_stalled(now) {
                return Poll::Ready(Ok(()));
            }
            if !was_looking && this.finishing {
                // It was told, and does not go.
                return Poll::Ready(Ok(()));
            }
            if !was_looking {
                this.retire(context, now);
            }
        }
    }
}

impl<C: Finish + Unpin> Finish for Watched<C> {
    const AT_ONCE: bool = C::AT_ONCE;

    fn finish(self: Pin<&mut Self>) {
        let this = self.get_mut();
        Pin::new(&mut this.connection).finish();
    }
}
