//! `endpoints wait`: the hooks of a classic sidecar. Its container is no init container, so kubelet
//! would start the app beside it and stop both at one time: `postStart` holds the app back until the
//! sidecar listens, `preStop` keeps the sidecar until the app has closed its ports.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::bail;
use clap::ValueEnum;
use tokio::time::Instant;

use super::port_pair::{Admin, Listeners};

/// How often is looked.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);
/// As many seconds as anybody may want to wait.
const MOST_SECONDS: u64 = 24 * 3600;

/// Arguments of `endpoints wait`. The ports are those of the sidecar's own environment.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What for
    #[arg(value_enum, value_name = "WHAT")]
    what: What,
    /// How long at most, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=MOST_SECONDS)
    )]
    at_most: u64,
    #[command(flatten)]
    ports: Listeners,
    #[command(flatten)]
    admin: Admin,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The sidecar listens (postStart)
    Listening,
    /// The app has closed its ports (preStop)
    AppClosed,
}

/// Runs the sub-command: 0 when it came to pass. An app that keeps its ports open for too long is no
/// failure: its time is up.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let most = Duration::from_secs(args.at_most);
    match args.what {
        What::Listening => {
            if !until(most, || is_live(args.admin.admin_port)) {
                bail!(
                    "the sidecar did not listen on port {} within {} s",
                    args.admin.admin_port,
                    args.at_most
                );
            }
        }
        What::AppClosed => {
            until(most, || {
                args.ports.listeners.iter().all(|pair| is_closed(pair.app))
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn until(most: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if is_so() {
            return true;
        }
        if begun.elapsed() >= most {
            return false;
        }
        thread::sleep(PAUSE);
    }
}

/// Whether the admin port answers `/livez` with 200.
fn is_live(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = connect(Ipv4Addr::LOCALHOST.into(), port)?;
        stream.set_read_timeout(Some(LOOK_TIMEOUT))?;
        stream.set_write_timeout(Some(LOOK_TIMEOUT))?;
        let head = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(head)?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(&status == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

/// Whether nobody listens there any more, on IPv6 either. An app that is only slow to accept has not
/// closed.
fn is_closed(port: u16) -> bool {
    let look = |address: IpAddr| connect(address, port).err().map(|error| error.kind());
    let four = look(Ipv4Addr::LOCALHOST.into());
    let six = look(Ipv6Addr::LOCALHOST.into());
    // Where there is no IPv6, nobody listens on it.
    four == Some(ErrorKind::ConnectionRefused) && !matches!(six, None | Some(ErrorKind::TimedOut))
}

fn connect(address: IpAddr, port: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(&SocketAddr::new(address, port), LOOK_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::net::TcpSocket;

    use super::*;

    #[test]
    fn a_port_is_closed_when_nobody_listens_on_either_address() {
        for address in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let app = TcpListener::bind(address).unwrap();
            let port = app.local_addr().unwrap().port();
            assert!(!is_closed(port), "{address}");
        }
        // Held, so that nobody else gets it.
        let (_four, _six, port) = loop {
            let four = TcpSocket::new_v4().unwrap();
            four.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let port = four.local_addr().unwrap().port();
            let six = TcpSocket::new_v6().unwrap();
            if six.bind((Ipv6Addr::LOCALHOST, port).into()).is_ok() {
                break (four, six, port);
            }
        };
        assert!(is_closed(port));
    }
}
