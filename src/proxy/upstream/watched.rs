//! What goes over a connection, noted for whoever has to know whether a request may be sent again.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// The most that is kept of a head once it is no longer needed, in bytes.
const KEPT_BYTES: usize = 2048;

/// A stream that notes what happens on it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) stream: Stream,
    notes: Rc<Notes>,
}

/// What happened since the exchange began.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Bytes that came.
    came: Cell<usize>,
    /// The next write is to be kept.
    keeps: Cell<bool>,
    kept: RefCell<Vec<u8>>,
}

impl Watched {
    pub(super) fn new(stream: Stream) -> (Self, Rc<Notes>) {
        let notes = Rc::<Notes>::default();
        let watched = Self {
            stream,
            notes: notes.clone(),
        };
        (watched, notes)
    }
}

impl Notes {
    /// An exchange begins. `keeps`: what is written first, which is all of a request without a body,
    /// is kept. That costs a copy of these bytes; nothing is copied of the request itself.
    pub(super) fn begin(&self, keeps: bool) {
        self.came.set(0);
        self.keeps.set(keeps);
    }

    /// How many bytes have come.
    pub(super) fn came(&self) -> usize {
        self.came.get()
    }

    /// What was written, if the exchange began so; empty: nothing was.
    pub(super) fn take(&self) -> Vec<u8> {
        self.keeps.set(false);
        self.kept.take()
    }

    /// The exchange is over. A large head does not stay in memory with an idle connection.
    pub(super) fn end(&self) {
        let mut kept = self.kept.borrow_mut();
        kept.clear();
        kept.shrink_to(KEPT_BYTES);
    }

    fn keep<'b>(&self, offered: impl Iterator<Item = &'b [u8]>) {
        self.keeps.set(false);
        let mut kept = self.kept.borrow_mut();
        kept.clear();
        offered.for_each(|bytes| kept.extend_from_slice(bytes));
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let came = &this.notes.came;
        came.set(came.get() + buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.notes.keeps.get() {
            this.notes.keep(std::iter::once(bytes));
        }
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.notes.keeps.get() {
            this.notes.keep(slices.iter().map(|slice| &**slice));
        }
        Pin::new(&mut this.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
