//! A connection for an exchange: kept, new, or waited for.

use std::rc::Rc;

use tokio::time::timeout;

use super::Backend;
use super::connect::ConnectError;
use super::error::UpstreamError;
use super::http1::Connection;
use super::http2;
use super::places::{Place, Places};
use super::stream::Stream;
use crate::proxy::client::Client;

impl Backend {
    /// A connection for one exchange, and whether it was there before.
    pub(super) async fn http1_connection(
        self: &Rc<Self>,
        client: &Rc<Client>,
        fresh: bool,
    ) -> Result<(Box<Connection>, bool), UpstreamError> {
        if !fresh && let Some(connection) = self.http1.take(&self.options) {
            return Ok((connection, true));
        }
        // Apart, so that a request need not hold room for what few of them do.
        Box::pin(self.new_http1_connection(client, fresh)).await
    }

    async fn new_http1_connection(
        self: &Rc<Self>,
        client: &Rc<Client>,
        fresh: bool,
    ) -> Result<(Box<Connection>, bool), UpstreamError> {
        let place = match &self.places {
            None => None,
            Some(places) => {
                let waiting = self.wait_http1(places, fresh);
                match self.bounded(client, waiting).await? {
                    Ok(place) => Some(place),
                    Err(connection) => return Ok((connection, true)),
                }
            }
        };
        let stream = client
            .within_deadline(self.open())
            .await
            .ok_or(UpstreamError::Deadline)?
            .map_err(|error| self.unreachable(error))?;
        Ok((Connection::new(stream, place), false))
    }

    /// Waits for a place, or for a connection that others no longer need; None: too many wait.
    async fn wait_http1(
        &self,
        places: &Rc<Places>,
        fresh: bool,
    ) -> Option<Result<Place, Box<Connection>>> {
        let mut waiting = None;
        loop {
            if let Some(place) = places.take() {
                return Some(Ok(place));
            }
            match fresh {
                true if self.http1.close_one() => continue,
                true => {}
                false => {
                    if let Some(connection) = self.http1.take(&self.options) {
                        return Some(Err(connection));
                    }
                }
            }
            if waiting.is_none() {
                waiting = Some(places.queue()?);
            }
            if let Some(waiting) = &waiting {
                waiting.turn().await;
            }
        }
    }

    /// A connection with room for one more stream, and whether it was there before.
    pub(super) async fn http2_connection(
        self: &Rc<Self>,
        client: &Rc<Client>,
    ) -> Result<(Rc<http2::Connection>, bool), UpstreamError> {
        if let Some(connection) = self.http2.take(&self.options) {
            return Ok((connection, true));
        }
        loop {
            let arriving = match self.bounded(client, self.wait_http2()).await? {
                Ok(arriving) => arriving,
                Err(connection) => return Ok((connection, true)),
            };
            let connection = client
                .within_deadline(arriving.wait())
                .await
                .ok_or(UpstreamError::Deadline)?
                .map_err(|error| self.unreachable(error))?;
            // Those who waited for the same connection may have filled it: then another one.
            if connection.has_room() {
                return Ok((connection, false));
            }
        }
    }

    /// Waits until a connection may be made, or one has room; None: too many wait.
    async fn wait_http2(self: &Rc<Self>) -> Option<Result<http2::Arriving, Rc<http2::Connection>>> {
        let mut waiting = None;
        loop {
            if let Some(connection) = self.http2.take(&self.options) {
                return Some(Err(connection));
            }
            if let Some(arriving) = http2::Pool::arrive(self) {
                return Some(Ok(arriving));
            }
            if let (None, Some(places)) = (&waiting, &self.places) {
                waiting = Some(places.queue()?);
            }
            if let Some(waiting) = &waiting {
                waiting.turn().await;
            }
        }
    }

    /// Waits for a connection no longer than connecting may take.
    async fn bounded<T>(
        &self,
        client: &Rc<Client>,
        waiting: impl Future<Output = Option<T>>,
    ) -> Result<T, UpstreamError> {
        client
            .within_deadline(timeout(self.options.connect_timeout, waiting))
            .await
            .ok_or(UpstreamError::Deadline)?
            .ok()
            .flatten()
            .ok_or(UpstreamError::Overflow)
    }

    /// Makes a connection.
    pub(super) async fn open(&self) -> Result<Stream, ConnectError> {
        match self.connector.connect(self.options.connect_timeout).await {
            Ok(socket) => {
                self.metrics.connects.add(1);
                self.budget.note_there();
                Ok(Stream::new(socket, self.metrics.clone()))
            }
            Err(error) => {
                self.metrics.connect_failures.add(1);
                if error.is_absence() {
                    self.budget.note_gone();
                }
                Err(error)
            }
        }
    }

    fn unreachable(&self, source: ConnectError) -> UpstreamError {
        UpstreamError::Unreachable {
            backend: self.address().clone(),
            source,
        }
    }
}
