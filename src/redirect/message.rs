//! The batch of netlink messages that makes the table. Pure: bytes out.
//!
//! Netlink's own numbers (lengths, types, flags) are in the machine's byte order, nftables' in the
//! network's; everything is aligned to 4 bytes.

use super::Redirect;

/// The name of our table.
const TABLE: &str = "endpoints";
/// The name of its only chain.
const CHAIN: &str = "prerouting";

/// `NFPROTO_INET`: IPv4 and IPv6 in one table.
const INET: u8 = 1;
/// `NF_INET_PRE_ROUTING`
const PRE_ROUTING: u32 = 0;
/// `NF_IP_PRI_NAT_DST`, which `nft` calls dstnat.
const DSTNAT: i32 = -100;
/// `NF_ACCEPT`
const ACCEPT: u32 = 1;
/// `NFT_REG_1`, the register that all expressions use.
const REGISTER: u32 = 1;
/// `IPPROTO_TCP`
const TCP: u8 = 6;

/// Message types: those of batches, and `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_*`.
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = 10 << 8;
const DELETE_TABLE: u16 = 10 << 8 | 2;
const NEW_CHAIN: u16 = 10 << 8 | 3;
const NEW_RULE: u16 = 10 << 8 | 6;

/// Flags of messages.
const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// An attribute that holds attributes.
const NESTED: u16 = 1 << 15;

/// What is sent, and what is to come back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// All messages.
    pub(super) bytes: Vec<u8>,
    /// The sequence number of the last message that the kernel acknowledges.
    pub(super) last: u32,
}

/// Replaces our table by one with these rules.
pub(super) fn batch(redirects: &[Redirect]) -> Batch {
    let mut writer = Writer::default();
    writer.message(BATCH_BEGIN, 0, 0, |_| {});
    // It is made first so that it is there to be deleted, and then made anew.
    writer.message(NEW_TABLE, INET, ACKNOWLEDGE | CREATE, table);
    writer.message(DELETE_TABLE, INET, ACKNOWLEDGE, table);
    writer.message(NEW_TABLE, INET, ACKNOWLEDGE | CREATE, table);
    writer.message(NEW_CHAIN, INET, ACKNOWLEDGE | CREATE, chain);
    for redirect in redirects {
        writer.message(NEW_RULE, INET, ACKNOWLEDGE | CREATE | APPEND, |writer| {
            rule(writer, *redirect);
        });
    }
    let last = writer.sequence;
    writer.message(BATCH_END, 0, 0, |_| {});
    Batch {
        bytes: writer.bytes,
        last,
    }
}

fn table(writer: &mut Writer) {
    writer.text(1, TABLE);
}

fn chain(writer: &mut Writer) {
    writer.text(1, TABLE);
    writer.text(3, CHAIN);
    writer.nested(4, |writer| {
        writer.number(1, PRE_ROUTING);
        writer.attribute(2, &DSTNAT.to_be_bytes());
    });
    writer.number(5, ACCEPT);
    writer.text(7, "nat");
}

fn rule(writer: &mut Writer, redirect: Redirect) {
    writer.text(1, TABLE);
    writer.text(2, CHAIN);
    writer.nested(4, |writer| {
        // meta l4proto tcp
        writer.expression("meta", |writer| {
            writer.number(2, 16);
            writer.number(1, REGISTER);
        });
        writer.expression("cmp", |writer| is_equal(writer, &[TCP]));
        // tcp dport FROM: two bytes at 2 of the transport header
        writer.expression("payload", |writer| {
            writer.number(1, REGISTER);
            writer.number(2, 2);
            writer.number(3, 2);
            writer.number(4, 2);
        });
        writer.expression("cmp", |writer| {
            is_equal(writer, &redirect.from.to_be_bytes());
        });
        // redirect to :TO
        writer.expression("immediate", |writer| {
            writer.number(1, REGISTER);
            writer.nested(2, |writer| writer.attribute(1, &redirect.to.to_be_bytes()));
        });
        writer.expression("redir", |writer| {
            writer.number(1, REGISTER);
            // NF_NAT_RANGE_PROTO_SPECIFIED
            writer.number(3, 2);
        });
    });
}

/// The register holds these bytes.
fn is_equal(writer: &mut Writer, bytes: &[u8]) {
    writer.number(1, REGISTER);
    writer.number(2, 0);
    writer.nested(3, |writer| writer.attribute(1, bytes));
}

/// Writes messages one after another.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// Of the message written last.
    sequence: u32,
}

impl Writer {
    /// A message with its two heads, `struct nlmsghdr` and `struct nfgenmsg`.
    fn message(&mut self, kind: u16, family: u8, flags: u16, content: impl FnOnce(&mut Self)) {
        /// `NFNL_SUBSYS_NFTABLES`, for whom a batch is.
        const SUBSYSTEM: u16 = 10;
        let start = self.bytes.len();
        self.sequence += 1;
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((REQUEST | flags).to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        let is_of_batch = matches!(kind, BATCH_BEGIN | BATCH_END);
        let resource = if is_of_batch { SUBSYSTEM } else { 0 };
        self.bytes.extend([family, 0]);
        self.bytes.extend(resource.to_be_bytes());
        content(self);
        let length = u32::try_from(self.bytes.len() - start).expect("a message is small");
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// One part of a rule.
    fn expression(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.nested(1, |writer| {
            writer.text(1, name);
            writer.nested(2, content);
        });
    }

    fn nested(&mut self, kind: u16, content: impl FnOnce(&mut Self)) {
        let start = self.head(NESTED | kind);
        content(self);
        self.close(start);
    }

    fn text(&mut self, kind: u16, text: &str) {
        let start = self.head(kind);
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
        self.close(start);
    }

    fn number(&mut self, kind: u16, number: u32) {
        self.attribute(kind, &number.to_be_bytes());
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let start = self.head(kind);
        self.bytes.extend(value);
        self.close(start);
    }

    /// `struct nlattr`, its length yet to come.
    fn head(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        start
    }

    /// Writes the length, without the padding that follows.
    fn close(&mut self, start: usize) {
        let length = u16::try_from(self.bytes.len() - start).expect("an attribute is small");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
