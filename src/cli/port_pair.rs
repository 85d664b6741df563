//! `LISTEN=APP`: a port of the sidecar, and the app's behind it.

use std::str::FromStr;

/// The sidecar's ports, as the injector tells each of its commands.
#[derive(Debug, clap::Args)]
pub(super) struct Listeners {
    /// Ports of the sidecar, each with the app's port behind it
    #[arg(
        long,
        env = "ENDPOINTS_LISTENERS",
        value_name = "LISTEN=APP",
        value_delimiter = ',',
        required = true
    )]
    pub(super) listeners: Vec<PortPair>,
}

/// The sidecar's own port.
#[derive(Debug, clap::Args)]
pub(super) struct Admin {
    /// The sidecar's port for /livez, /readyz and /metrics
    #[arg(
        long,
        env = "ENDPOINTS_ADMIN_PORT",
        value_name = "PORT",
        default_value = "14070"
    )]
    pub(super) admin_port: u16,
}

/// A port to listen on, and the app's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortPair {
    pub(super) listen: u16,
    pub(super) app: u16,
}

impl FromStr for PortPair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
        text.split_once('=')
            .and_then(|(listen, app)| {
                Some(Self {
                    listen: port(listen)?,
                    app: port(app)?,
                })
            })
            .ok_or("write it as LISTEN=APP, two ports: 14080=8080")
    }
}
