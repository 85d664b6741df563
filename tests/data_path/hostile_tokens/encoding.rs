//! Sections, base64url and JSON that two readers might read differently.

use super::*;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    parts(&mut cases);
    base64(&mut cases);
    json(&mut cases);
    cases
}

const HEADER: &str = r#"{"alg":"ES256","kid":"p256"}"#;

fn parts(cases: &mut Vec<Case>) {
    let [header, payload, signature] = sections(&ec());
    for (name, token) in [
        ("one part", header.clone()),
        ("one dot", ".".to_owned()),
        ("two dots", "..".to_owned()),
        ("three dots", "...".to_owned()),
        ("two parts", format!("{header}.{payload}")),
        ("two parts and a dot", format!("{header}.{payload}.")),
        ("no header", format!(".{payload}.{signature}")),
        ("no payload", format!("{header}..{signature}")),
        (
            "four parts",
            format!("{header}.{payload}.{signature}.{signature}"),
        ),
        ("four dots", format!("{header}.{payload}.{signature}.")),
        ("a dot before", format!(".{header}.{payload}.{signature}")),
        (
            "five parts, as encrypted ones have",
            format!("{header}.{payload}.{payload}.{payload}.{signature}"),
        ),
        ("a hundred parts", vec!["a"; 100].join(".")),
        (
            "JSON serialisation",
            r#"{"payload":"e30","protected":"e30","signature":"AA"}"#.to_owned(),
        ),
        ("a word", "garbage".to_owned()),
        ("null", "null".to_owned()),
        ("undefined", "undefined".to_owned()),
    ] {
        cases.push(bearer(name, token, NOT_THREE));
    }
}

/// The same bits again, but for those behind the last byte.
fn other_bits(section: &str) -> Option<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let spare = match section.len() % 4 {
        2 => 0b1111,
        3 => 0b11,
        _ => return None,
    };
    let (rest, last) = section.split_at(section.len() - 1);
    let value = ALPHABET
        .iter()
        .position(|byte| last.as_bytes() == [*byte])?;
    Some(format!("{rest}{}", char::from(ALPHABET[value | spare])))
}

fn base64(cases: &mut Vec<Case>) {
    // Neither header nor payload ends on a border of three bytes.
    let header = format!(
        "{HEADER}{}",
        " ".repeat((HEADER.len().is_multiple_of(3)).into())
    );
    let claims = good_claims().to_string();
    let payload = format!(
        "{claims}{}",
        " ".repeat((claims.len().is_multiple_of(3)).into())
    );
    let token = ec().token_of_text(&header, &payload);
    let good: Vec<_> = token.split('.').map(str::to_owned).collect();
    cases.push(bearer("white space behind the JSON", token, Passes));
    let faults = [
        ("header", HEADER_BASE64),
        ("payload", PAYLOAD_BASE64),
        ("signature", SIGNATURE_BASE64),
    ];
    for (at, (name, expected)) in faults.into_iter().enumerate() {
        let section = &good[at];
        let changes = [
            ("padded", Some(format!("{section}="))),
            ("padded twice", Some(format!("{section}=="))),
            (
                "padded in the middle",
                Some(format!("{}={}", &section[..4], &section[4..])),
            ),
            ("other bits behind the last byte", other_bits(section)),
            ("a `+` in it", Some(format!("+{}", &section[1..]))),
            (
                "a `/` in it",
                Some(format!("{}/", &section[..section.len() - 1])),
            ),
            (
                "a space in it",
                Some(format!("{} {}", &section[..4], &section[4..])),
            ),
            (
                "a tab in it",
                Some(format!("{}\t{}", &section[..4], &section[4..])),
            ),
            ("an escape in it", Some(format!("{}%20", section))),
            ("an exclamation mark", Some(format!("{section}!"))),
            ("a comma", Some(format!("{section},{section}"))),
            ("one character", Some("A".to_owned())),
            ("not ASCII", Some(format!("{section}é"))),
            ("a null byte as text", Some(format!("{section}\\0"))),
        ];
        for (what, section) in changes {
            let mut sections = good.clone();
            sections[at] = section.expect("a length that leaves bits");
            cases.push(bearer(
                format!("{name}: {what}"),
                sections.join("."),
                expected,
            ));
        }
    }
}

/// A good token, but for the text of one section.
fn json(cases: &mut Vec<Case>) {
    let claims = good_claims().to_string();
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let inner = |text: &str| text[1..text.len() - 1].to_owned();
    for (what, good, expected) in [
        ("header", HEADER.to_owned(), HEADER_JSON),
        ("payload", claims.clone(), PAYLOAD_JSON),
    ] {
        let own = inner(&good);
        let first = &own[..own.find(',').unwrap()];
        let bad: Vec<(&str, Vec<u8>)> = vec![
            ("a list", format!("[{good}]").into()),
            ("a text", "\"text\"".into()),
            ("a number", "1".into()),
            ("null", "null".into()),
            ("a space", " ".into()),
            ("cut off", good[..good.len() - 1].into()),
            ("something behind it", format!("{good}x").into()),
            ("another one behind it", format!("{good}{good}").into()),
            ("a comma too much", format!("{{{own},}}").into()),
            ("a comment", format!("{{/**/{own}}}").into()),
            ("quoted otherwise", good.replace('"', "'").into()),
            ("names without quotes", format!("{{a:1,{own}}}").into()),
            ("a byte order mark", format!("\u{feff}{good}").into()),
            ("a null byte", format!("{good}\0").into()),
            (
                "a line break in a text",
                format!("{{\"x\":\"\n\",{own}}}").into(),
            ),
            (
                "a lone high surrogate",
                format!(r#"{{"x":"\ud800",{own}}}"#).into(),
            ),
            (
                "a lone low surrogate",
                format!(r#"{{"x":"\udc00",{own}}}"#).into(),
            ),
            (
                "surrogates in the wrong order",
                format!(r#"{{"x":"\udc00\ud800",{own}}}"#).into(),
            ),
            ("a bad escape", format!(r#"{{"x":"\x41",{own}}}"#).into()),
            (
                "not UTF-8",
                [b"{\"x\":\"\xff\",", own.as_bytes(), b"}"].concat(),
            ),
            (
                "UTF-8 that is too long",
                [b"{\"x\":\"\xc0\xaf\",", own.as_bytes(), b"}"].concat(),
            ),
            (
                "a surrogate in UTF-8",
                [b"{\"x\":\"\xed\xa0\x80\",", own.as_bytes(), b"}"].concat(),
            ),
            (
                "UTF-16",
                good.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            ),
            (
                "the first member twice",
                format!("{{{first},{own}}}").into(),
            ),
            (
                "a member twice, the same",
                format!(r#"{{"x":1,"x":1,{own}}}"#).into(),
            ),
            (
                "a member twice, by an escape",
                format!(r#"{{"x":1,"\u0078":1,{own}}}"#).into(),
            ),
            (
                "a member twice, inside",
                format!(r#"{{"x":{{"y":1,"y":2}},{own}}}"#).into(),
            ),
            (
                "a member twice, in a list",
                format!(r#"{{"x":[{{"y":1,"y":2}}],{own}}}"#).into(),
            ),
            ("33 deep", format!(r#"{{"x":{},{own}}}"#, deep(32)).into()),
            (
                "10,000 deep",
                format!(r#"{{"x":{},{own}}}"#, deep(10_000)).into(),
            ),
            (
                "never closed",
                format!(r#"{{"x":{},{own}}}"#, "[".repeat(9_000)).into(),
            ),
        ];
        for (name, text) in bad {
            cases.push(bearer(
                format!("{what}: {name}"),
                of_sections(what, &text, &claims),
                expected,
            ));
        }
        for (name, text) in [
            ("white space around", format!(" \n\t{good}\r\n ")),
            ("31 deep", format!(r#"{{"x":{},{own}}}"#, deep(31))),
            (
                "a pair of surrogates",
                format!(r#"{{"x":"\ud83d\ude00",{own}}}"#),
            ),
            ("an empty name", format!(r#"{{"":1,{own}}}"#)),
            (
                "names that only look alike",
                format!(r#"{{"x":1,"X":1,"х":1,{own}}}"#),
            ),
            ("many members", {
                let many: Vec<_> = (0..1_000).map(|n| format!("\"m{n}\":{n}")).collect();
                format!("{{{},{own}}}", many.join(","))
            }),
        ] {
            cases.push(bearer(
                format!("{what}: {name}"),
                of_sections(what, text.as_bytes(), &claims),
                Passes,
            ));
        }
    }
}

fn of_sections(what: &str, text: &[u8], claims: &str) -> String {
    let (header, payload) = match what {
        "header" => (text, claims.as_bytes()),
        _ => (HEADER.as_bytes(), text),
    };
    let signed = format!("{}.{}", encode(header), encode(payload));
    format!("{signed}.{}", encode(ec().sign(signed.as_bytes())))
}
