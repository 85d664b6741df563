//! The policy stream between operator and sidecars: wire types, server, client.
