//! What is asked of a client's socket, plain or under TLS.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A client's socket.
pub(in crate::proxy) trait Socket:
    AsyncRead + AsyncWrite + Unpin + 'static
{
    /// Its end shall look like none: where an answer is over when the connection is (HTTP/1.0), a close
    /// would say that one is whole which broke off.
    fn reset_at_close(&self);
}

impl Socket for TcpStream {
    fn reset_at_close(&self) {
        // A socket that is gone already has ended so.
        let _ = self.set_zero_linger();
    }
}

impl Socket for TlsStream<TcpStream> {
    fn reset_at_close(&self) {
        self.get_ref().0.reset_at_close();
    }
}
