//! An HTTP/1 connection: requests one after the other over the guarded socket, in one task.
//!
//! ```text
//! socket ─► guard (checked bytes) ─► wire (head, body) ─► service ─► head, body ─► wire ─► socket
//! ```
//!
//! The guard passes on one head at a time and only what has one reading, so what is read behind it is
//! not judged again.

mod buffers;
mod head;
mod wire;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::Response;
use http_body::Body as _;

pub(in crate::proxy) use self::buffers::Buffers;
use self::head::{Asked, Head};
use self::wire::Wire;
use crate::proxy::body::ResponseBody;
use crate::proxy::client::Client;
use crate::proxy::connection::Socket;
use crate::proxy::drain::{Finish, Member};
use crate::proxy::guard::{Guard, HeadLimits};
use crate::proxy::http1::Framing;
use crate::proxy::service;
use crate::proxy::upgrade;
use crate::proxy::upstream::Backend;
use crate::proxy::worker::Worker;

/// Heads of up to this size pass whatever the policy said when their connection was made.
const HEAD_BYTES: usize = 60 * 1024;
/// The same of their fields.
const FIELDS: usize = 100;
/// Who has the wire when no body is read from it: the requests, and who waits for their end.
const OWNERS: usize = 2;

/// Serves until the client goes, or is idle for too long, or the worker drains; after an upgrade,
/// until that ends. `first`: what was read already.
pub(super) async fn serve(
    worker: Rc<Worker>,
    backend: Rc<Backend>,
    client: Rc<Client>,
    first: BytesMut,
    socket: impl Socket,
    mut member: Member,
) -> io::Result<()> {
    let mut room = HeadLimits::of(&client.limits());
    room.bytes = room.bytes.max(HEAD_BYTES);
    room.count = room.count.max(FIELDS);
    let guard = Guard::new(socket, first, client.clone(), room);
    let connection = Connection {
        worker: worker.clone(),
        backend,
        client: client.clone(),
        wire: Rc::new(RefCell::new(Wire::new(guard, worker.buffers.clone()))),
        finishing: Rc::default(),
    };
    let wire = connection.wire.clone();
    let serving = Serving {
        finishing: connection.finishing.clone(),
        requests: Box::pin(connection.run()),
    };
    member.run(serving).await?;
    let Ok(wire) = Rc::try_unwrap(wire) else {
        // Nobody else has it when its requests are over.
        return Ok(());
    };
    let guard = wire.into_inner().into_guard();
    if client.upgrade.is_switched() {
        if let Some((socket, early)) = guard.into_raw() {
            Box::pin(upgrade::run(&worker, &client, socket, early)).await;
        }
    } else {
        guard.close().await;
    }
    Ok(())
}

/// The requests of a connection, as one that can be told to finish.
struct Serving<F> {
    requests: Pin<Box<F>>,
    finishing: Rc<Cell<bool>>,
}

impl<F: Future> Future for Serving<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.get_mut().requests.as_mut().poll(context)
    }
}

impl<F: Future> Finish for Serving<F> {
    const AT_ONCE: bool = false;

    fn finish(self: Pin<&mut Self>) {
        self.finishing.set(true);
    }
}

struct Connection<S> {
    worker: Rc<Worker>,
    backend: Rc<Backend>,
    client: Rc<Client>,
    wire: Rc<RefCell<Wire<S>>>,
    /// No further request is taken.
    finishing: Rc<Cell<bool>>,
}

impl<S: Socket> Connection<S> {
    /// Serves the requests, one after the other. An answer that breaks off is an error: what would
    /// follow it must not look like its end.
    async fn run(self) -> io::Result<()> {
        while let Some(head) = self.head().await? {
            let Head { request, asked } = head;
            let request = request.map(|()| Wire::body(&self.wire));
            let noted = self.client.begin();
            let (worker, client) = (self.worker.clone(), self.client.clone());
            let backend = self.backend.clone();
            // Stays where it is: it is large.
            let served = pin!(service::serve(worker, client, backend, noted, request));
            let Some(Ok(response)) = self.unless_gone(served).await else {
                return Ok(());
            };
            if !self.answer(response, &asked).await? {
                break;
            }
        }
        Ok(())
    }

    /// The next request; None: there is none.
    async fn head(&self) -> io::Result<Option<Head>> {
        poll_fn(|context| {
            let mut wire = self.wire.borrow_mut();
            if self.finishing.get() && wire.is_idle() {
                return Poll::Ready(Ok(None));
            }
            wire.poll_head(context)
        })
        .await
    }

    /// Waits for what is worth waiting for as long as the client does; None: it has gone.
    async fn unless_gone<T>(&self, mut served: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        poll_fn(|context| match served.as_mut().poll(context) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => self.wire.borrow_mut().poll_gone(context).map(|()| None),
        })
        .await
    }

    /// Sends an answer; whether another request may follow.
    async fn answer(&self, response: Response<ResponseBody>, asked: &Asked) -> io::Result<bool> {
        let (parts, body) = response.into_parts();
        // Nobody reads the rest of its request: unless that is here, the client must hear that no
        // further request is taken.
        let unread = Rc::strong_count(&self.wire) <= OWNERS && !self.wire.borrow_mut().give_up();
        let last = self.finishing.get() || unread || self.wire.borrow().is_broken();
        let length = body.size_hint().exact();
        let now = self.worker.date();
        let (framing, keeps) = {
            let mut wire = self.wire.borrow_mut();
            let answered = head::write(&parts, length, asked, last, &now, wire.answer());
            wire.frame(answered.0);
            answered
        };
        let has_body = !matches!(framing, Framing::None | Framing::Length(0));
        let mut body = has_body.then_some(body);
        let sent = poll_fn(|context| self.poll_answer(&mut body, asked.trailers, context)).await;
        if sent.is_err() && framing == Framing::UntilClose {
            self.wire.borrow().guard().reset_at_close();
        }
        sent?;
        Ok(keeps && self.wire.borrow_mut().is_read())
    }

    fn poll_answer(
        &self,
        body: &mut Option<ResponseBody>,
        trailers: bool,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut waits = false;
            if let Some(open) = body.as_mut()
                && self.wire.borrow().takes_more()
            {
                // Reading an answer may read the rest of its request: the wire is not held here.
                let frame = Pin::new(open).poll_frame(context);
                let mut wire = self.wire.borrow_mut();
                match frame {
                    Poll::Pending => waits = true,
                    Poll::Ready(None) => {
                        wire.put_end(None)?;
                        *body = None;
                    }
                    Poll::Ready(Some(Ok(frame))) => {
                        if wire.put(frame, trailers)? {
                            *body = None;
                        }
                    }
                    Poll::Ready(Some(Err(error))) => {
                        return Poll::Ready(Err(io::Error::other(error)));
                    }
                }
            }
            let mut wire = self.wire.borrow_mut();
            if !wire.is_written() {
                ready!(wire.poll_write(context))?;
            } else if body.is_none() {
                return wire.poll_flush(context);
            } else if waits {
                let _ = wire.poll_flush(context)?;
                return match wire.poll_gone(context) {
                    Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
                    Poll::Pending => Poll::Pending,
                };
            }
        }
    }
}
