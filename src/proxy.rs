//! The data path: listener, connections, forwarding, drain. I/O around the decisions of
//! [`crate::policy`]; it does not know where a policy came from.
