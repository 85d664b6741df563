//! The netlink socket to the kernel's packet filter.

use std::io::{self, Read as _};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::message::Batch;

/// `AF_NETLINK` and `NETLINK_NETFILTER` of Linux.
const NETLINK: i32 = 16;
const NETFILTER: i32 = 12;
/// The kernel answers while it is asked; longer is never.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Room for one answer: each is a head, an error and the head of the message that it is about.
const ANSWER_BYTES: usize = 8192;

/// Sends a batch and waits until the kernel has taken all of it.
///
/// # Errors
/// What the kernel said of the first message that it did not like.
pub(super) fn exchange(batch: &Batch) -> io::Result<()> {
    let mut socket = Socket::new(
        Domain::from(NETLINK),
        Type::DGRAM,
        Some(Protocol::from(NETFILTER)),
    )?;
    socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    // A netlink socket that is connected to nobody speaks to the kernel.
    let sent = socket.send(&batch.bytes)?;
    if sent != batch.bytes.len() {
        return Err(io::Error::other("the batch was cut"));
    }
    let mut buffer = vec![0; ANSWER_BYTES];
    loop {
        let length = socket.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if answers(&buffer[..length], batch.last)? {
            return Ok(());
        }
    }
}

/// Whether the last message was acknowledged.
///
/// # Errors
/// A message was not taken.
pub(super) fn answers(mut bytes: &[u8], last: u32) -> io::Result<bool> {
    /// `NLMSG_ERROR`: an error number, 0 for an acknowledgement.
    const ERROR: u16 = 2;
    const HEAD: usize = 16;
    while bytes.len() >= HEAD {
        let length = usize::try_from(number(bytes, 0)?).unwrap_or(usize::MAX);
        let Some(message) = bytes.get(..length).filter(|_| length >= HEAD) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let kind = u16::from_ne_bytes([message[4], message[5]]);
        if kind == ERROR {
            let error = i32::from_ne_bytes(number(message, HEAD)?.to_ne_bytes());
            if error != 0 {
                return Err(io::Error::from_raw_os_error(error.saturating_neg()));
            }
            if number(message, 8)? == last {
                return Ok(true);
            }
        }
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    Ok(false)
}

fn number(bytes: &[u8], at: usize) -> io::Result<u32> {
    let bytes = bytes
        .get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok());
    bytes
        .map(u32::from_ne_bytes)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}
