use super::message::batch;
use super::socket::answers;
use super::*;

const ONE: Redirect = Redirect {
    from: 8080,
    to: 14080,
};

/// The messages of a batch: kind, flags, sequence, bytes.
fn messages(mut bytes: &[u8]) -> Vec<(u16, u16, u32, Vec<u8>)> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let length = u32::from_ne_bytes(bytes[..4].try_into().unwrap()) as usize;
        assert_eq!(length % 4, 0, "aligned");
        let (message, rest) = bytes.split_at(length);
        messages.push((
            u16::from_ne_bytes([message[4], message[5]]),
            u16::from_ne_bytes([message[6], message[7]]),
            u32::from_ne_bytes(message[8..12].try_into().unwrap()),
            message[16..].to_vec(),
        ));
        bytes = rest;
    }
    messages
}

#[test]
fn one_batch_replaces_the_table() {
    let batch = batch(&[ONE, ONE]);
    let messages = messages(&batch.bytes);
    let kinds: Vec<_> = messages.iter().map(|message| message.0).collect();
    assert_eq!(kinds, [16, 2560, 2562, 2560, 2563, 2566, 2566, 17]);
    let sequences: Vec<_> = messages.iter().map(|message| message.2).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(batch.last, 7, "the end of a batch is not acknowledged");
    // For nftables: its number in network order.
    assert_eq!(messages[0].3, [0, 0, 0, 10]);
}

/// As `nft --debug=mnl` shows its own for the same rule.
#[test]
fn a_rule_is_what_nft_would_write() {
    let batch = batch(&[ONE]);
    let rule = &messages(&batch.bytes)[5].3;
    let has = |part: &[u8]| rule.windows(part.len()).any(|window| window == part);
    assert!(has(b"endpoints\0") && has(b"prerouting\0"));
    for name in ["meta", "cmp", "payload", "immediate", "redir"] {
        assert!(has(format!("{name}\0").as_bytes()), "{name}");
    }
    assert!(has(&[0x1f, 0x90]), "port 8080");
    assert!(has(&[0x37, 0x00]), "port 14080");
    assert_eq!(rule.len() + 16, 312, "nft's has this length");
}

fn answer(error: i32, sequence: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(36_u32.to_ne_bytes());
    bytes.extend(2_u16.to_ne_bytes());
    bytes.extend(0_u16.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(error.to_ne_bytes());
    bytes.extend([0; 16]);
    bytes
}

#[test]
fn all_messages_must_be_acknowledged() {
    assert!(!answers(&answer(0, 2), 7).unwrap());
    assert!(answers(&[answer(0, 6), answer(0, 7)].concat(), 7).unwrap());
    let refused = answers(&[answer(0, 2), answer(-1, 3)].concat(), 7).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(1));
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    let whole = answer(0, 7);
    for length in 1..whole.len() {
        assert!(!answers(&whole[..length], 7).unwrap_or(false), "{length}");
    }
    let mut endless = whole;
    endless[..4].copy_from_slice(&0_u32.to_ne_bytes());
    assert!(answers(&endless, 7).is_err());
}

#[test]
fn what_the_kernel_says_becomes_what_to_do() {
    let told =
        |number| RedirectError::from_kernel(io::Error::from_raw_os_error(number)).to_string();
    assert!(told(1).contains("NET_ADMIN"), "{}", told(1));
    for number in [2, 93, 95] {
        assert!(
            told(number).contains("kernel cannot redirect"),
            "{}",
            told(number)
        );
        assert!(told(number).contains("capture: named"), "{}", told(number));
    }
    assert!(told(12).starts_with("cannot program"), "{}", told(12));
}
