//! HTTP bodies as streams of messages, both ways.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::wire::{Decoder, WireError};

/// How long the peer may leave a written frame unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A body whose frames come from a [`Writer`]; it ends when the writer is dropped.
#[derive(Debug)]
pub(super) struct ChannelBody(mpsc::Receiver<Bytes>);

/// Writes frames into a [`ChannelBody`].
#[derive(Debug)]
pub(super) struct Writer(mpsc::Sender<Bytes>);

/// Reads messages from a body.
#[derive(Debug)]
pub(super) struct Reader<B> {
    body: B,
    decoder: Decoder,
}

/// Why nothing more can be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the connection broke")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a frame could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("the peer reads nothing for {} s", WRITE_TIMEOUT.as_secs())]
    Timeout,
    #[error("the connection is closed")]
    Closed,
}

/// A body and its writer. The channel holds one frame: what the peer has not read is not piled up.
pub(super) fn channel() -> (Writer, ChannelBody) {
    let (sender, receiver) = mpsc::channel(1);
    (Writer(sender), ChannelBody(receiver))
}

impl Writer {
    /// Queues a frame as soon as the peer has taken the ones before.
    pub(super) async fn write(&self, frame: Bytes) -> Result<(), WriteError> {
        match tokio::time::timeout(WRITE_TIMEOUT, self.0.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(WriteError::Closed),
            Err(_) => Err(WriteError::Timeout),
        }
    }
}

impl<B> Reader<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    /// Refuses frames of more than `limit` bytes.
    pub(super) fn new(body: B, limit: usize) -> Self {
        Self {
            body,
            decoder: Decoder::new(limit),
        }
    }

    /// Refuses frames of more than `limit` bytes from now on.
    pub(super) fn with_limit(mut self, limit: usize) -> Self {
        self.decoder.set_limit(limit);
        self
    }

    /// The next message; none at the end of the body. May be dropped while it waits: nothing is lost.
    pub(super) async fn next<M: DeserializeOwned>(&mut self) -> Result<Option<M>, ReadError> {
        loop {
            if let Some(message) = self.decoder.message()? {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                None => {
                    self.decoder.finish()?;
                    return Ok(None);
                }
                // Trailers mean nothing here.
                Some(frame) => {
                    if let Ok(data) = frame
                        .map_err(|error| ReadError::Body(error.into()))?
                        .into_data()
                    {
                        self.decoder.push(&data);
                    }
                }
            }
        }
    }
}

impl Body for ChannelBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|frame| frame.map(|data| Ok(Frame::data(data))))
    }
}
