//! `capture: redirect`: one nftables table in the pod's network that hands TCP connections from
//! outside, to the app's ports, to the sidecar's.
//!
//! ```text
//! table inet endpoints {
//!   chain prerouting {
//!     type nat hook prerouting priority dstnat; policy accept;
//!     tcp dport 8080 redirect to :14080        (one rule for each port, IPv4 and IPv6)
//!   }
//! }
//! ```
//!
//! Inbound only: there is no rule for what leaves, so the sidecar reaches the app over loopback, the
//! app reaches itself, and nobody has to be told apart by user ID. The image is empty, so the kernel
//! is asked over netlink, without the `nft` tool: messages as in `linux/netfilter/nf_tables.h` and
//! `nfnetlink.h`, in one batch that the kernel takes whole or not at all. An earlier table of ours is
//! replaced by the same batch.

mod message;
mod socket;

use std::io;

use thiserror::Error;

/// A port whose connections are handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Where clients connect to: the app's port.
    pub from: u16,
    /// Who gets the connection: the sidecar's port.
    pub to: u16,
}

/// The kernel did not take the rules.
#[derive(Debug, Error)]
pub enum RedirectError {
    /// The capability is missing.
    #[error(
        "the kernel refuses: capability NET_ADMIN is missing; the namespace or the platform takes it \
         away (use endpoints.dev/capture: named, which needs none)"
    )]
    NotPermitted,
    /// No nftables, or not what the rules need of it.
    #[error(
        "this node's kernel cannot redirect ({what}): it needs nftables with NAT for inet tables \
         (Linux 5.2 or newer, modules nf_tables, nft_nat and nft_redir); use \
         endpoints.dev/capture: named, which needs nothing of the kernel"
    )]
    Unsupported {
        /// What it said.
        what: io::Error,
    },
    /// Anything else.
    #[error("cannot program the kernel's packet filter: {0}")]
    Failed(#[from] io::Error),
}

/// Has the kernel hand on these ports, and no others: what an earlier call asked for is replaced.
///
/// # Errors
/// The kernel did not take the rules; then nothing has changed.
pub fn apply(redirects: &[Redirect]) -> Result<(), RedirectError> {
    let batch = message::batch(redirects);
    socket::exchange(&batch).map_err(RedirectError::from_kernel)
}

impl RedirectError {
    /// By the numbers of `errno.h`, the same on every architecture that we are built for.
    fn from_kernel(error: io::Error) -> Self {
        const ENOENT: i32 = 2;
        const ENOPROTOOPT: i32 = 92;
        const EPROTONOSUPPORT: i32 = 93;
        const EOPNOTSUPP: i32 = 95;
        const EAFNOSUPPORT: i32 = 97;
        match error.raw_os_error() {
            _ if error.kind() == io::ErrorKind::PermissionDenied => Self::NotPermitted,
            Some(ENOENT | ENOPROTOOPT | EPROTONOSUPPORT | EOPNOTSUPP | EAFNOSUPPORT) => {
                Self::Unsupported { what: error }
            }
            _ => Self::Failed(error),
        }
    }
}

#[cfg(test)]
mod tests;
