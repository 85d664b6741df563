//! `LISTEN=APP`: a port of the sidecar, and the app's behind it.

use std::str::FromStr;

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
