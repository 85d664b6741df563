//! Room for what is read, for those connections of a worker that read something.

use std::cell::RefCell;

use bytes::BytesMut;

/// How many are kept: a few are used again and again, the others of a burst go.
const KEPT: usize = 16;

/// Empty buffers. Of one thread.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Buffers(RefCell<Vec<BytesMut>>);

impl Buffers {
    /// One of them; without room, if there is none.
    pub(super) fn take(&self) -> BytesMut {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes one back.
    pub(super) fn give(&self, buffer: BytesMut) {
        let mut kept = self.0.borrow_mut();
        if buffer.capacity() > 0 && kept.len() < KEPT {
            kept.push(buffer);
        }
    }
}
