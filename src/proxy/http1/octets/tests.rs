use super::{text, token, trim};

#[test]
fn text_ends_at_each_control_character_wherever_it_stands() {
    for byte in 0..=u8::MAX {
        let ends = (byte < b' ' && byte != b'\t') || byte == 0x7f;
        for length in 1..20 {
            for at in 0..length {
                for filler in [b'a', 0xff, b'\t', b'~', b' ', 0x80] {
                    let mut bytes = vec![filler; length];
                    bytes[at] = byte;
                    let expected = if ends { at } else { length };
                    assert_eq!(text(&bytes), expected, "{byte:#x} at {at} of {length}");
                }
            }
        }
    }
}

#[test]
fn the_first_of_several_ends_it() {
    assert_eq!(text(b"0123\t567\r\n\x7f\x01"), 8);
    assert_eq!(text(b"\x7f\x01"), 0);
    assert_eq!(text(b"0123456\x7f\n"), 7);
}

#[test]
fn a_token_ends_where_rfc_9110_says() {
    assert_eq!(token(b"X-Sum: 1"), 5);
    assert_eq!(token(b"a_b!#$%&'*+.^`|~9"), 17);
    for byte in b"\0 \t\"(),/:;<=>?@[\\]{}\x7f\x80\xff" {
        assert_eq!(token(&[b'a', *byte, b'b']), 1, "{byte}");
    }
}

#[test]
fn spaces_around_a_value_are_cut_off() {
    assert_eq!(trim(b" \t a b\t "), b"a b");
    assert_eq!(trim(b" \t"), b"");
}
