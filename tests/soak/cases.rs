//! Requests, each with what must come of it.

use serde_json::json;

use crate::backend::REFUSED;
use crate::state::Moment;
use crate::tokens::Signer;
use crate::{AUDIENCE, ISSUER, ORIGIN};

/// What must come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The backend's answer to this very request.
    Accepted,
    /// Refused with this status.
    Refused(u16),
    /// Answered by the proxy with this status.
    Answered(u16),
    /// The backend breaks its answer off; so must the proxy.
    BrokenOff,
    /// Nobody waits for the answer.
    Abandoned,
}

/// What a verdict depends on beside the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Always,
    /// While one policy is in force.
    Policy,
    /// While one set of keys is.
    Keys,
}

/// How the bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    AtOnce,
    /// In pieces of so many bytes, with pauses.
    Trickled(usize),
    /// So many bytes of it, then the connection is closed.
    CutAfter(usize),
}

pub struct Case {
    pub name: &'static str,
    pub request: Vec<u8>,
    pub verdict: Verdict,
    pub holds: Holds,
    pub pace: Pace,
    /// Of the token, if one must arrive.
    pub subject: Option<String>,
}

/// Tokens that are signed once a key.
pub struct Tokens<'t> {
    pub signers: &'t [Signer; 2],
    pub stranger: &'t Signer,
    pub now: u64,
}

impl Tokens<'_> {
    fn of(&self, signer: &Signer, change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user-{}", self.now % 50),
            "iat": self.now - 60, "exp": self.now - self.now % 600 + 1200,
        });
        change(&mut claims);
        signer.token(&claims)
    }
}

/// The kinds, by number.
pub const KINDS: usize = 30;

/// A request of a kind. `id`: what the backend says back.
pub fn case(kind: usize, id: &str, moment: &Moment, tokens: &Tokens<'_>) -> Case {
    use Holds::{Always, Keys, Policy};
    use Pace::{AtOnce, CutAfter, Trickled};
    use Verdict::{Abandoned, Accepted, Answered, BrokenOff, Refused};

    let request = |method: &str, target: &str, marked: bool, more: &str, body: &str| {
        let mark = match marked {
            true => REFUSED,
            false => "x-soak: any",
        };
        format!(
            "{method} {target} HTTP/1.1\r\nHost: api.example.com\r\nX-Id: {id}\r\n{mark}\r\n{more}\r\n{body}"
        )
        .into_bytes()
    };
    let held = |name, method: &str, target: &str, verdict, holds, more: &str| {
        // What may just be changing may still, or already, reach the backend.
        let marked = holds == Always && matches!(verdict, Refused(_) | Answered(_));
        Case {
            name,
            request: request(method, target, marked, more, ""),
            verdict,
            holds,
            pace: AtOnce,
            subject: None,
        }
    };
    let plain = |name, method: &str, target: &str, verdict, more: &str| {
        held(name, method, target, verdict, Always, more)
    };
    let with_body = |name, target: &str, pace| Case {
        name,
        request: request(
            "POST",
            target,
            false,
            "Content-Length: 3000\r\n",
            &"b".repeat(3000),
        ),
        verdict: Accepted,
        holds: Always,
        pace,
        subject: None,
    };
    let signer = &tokens.signers[moment.signer];
    let withdrawn = &tokens.signers[1 - moment.signer];
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let secured = |name, token: Option<String>, verdict, holds| {
        let header = token.as_deref().map_or(String::new(), bearer);
        held(name, "GET", "/v1/secured/1", verdict, holds, &header)
    };
    let good = || tokens.of(signer, |_| {});
    let changed = |change: fn(&mut serde_json::Value)| Some(tokens.of(signer, change));
    match kind {
        0..4 => plain("plain", "GET", "/v1/open/1?a=b", Accepted, ""),
        4 => plain(
            "another origin",
            "GET",
            "/v1/open/1",
            Accepted,
            &format!("Origin: {ORIGIN}\r\n"),
        ),
        5 => with_body("body", "/v1/open/1", AtOnce),
        6 => Case {
            request: request(
                "POST",
                "/v1/open/1",
                false,
                "Transfer-Encoding: chunked\r\n",
                "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
            ),
            ..with_body("chunked body", "/v1/open/1", AtOnce)
        },
        7 => plain("chunked answer", "GET", "/v1/chunked/1", Accepted, ""),
        8 => plain("large answer", "GET", "/v1/large/1", Accepted, ""),
        9 => plain("slow answer", "GET", "/v1/slow/1", Accepted, ""),
        10..13 => Case {
            subject: Some(format!("user-{}", tokens.now % 50)),
            ..secured("token", Some(good()), Accepted, Keys)
        },
        13 => secured("no token", None, Refused(401), Always),
        14 => secured(
            "withdrawn key",
            Some(tokens.of(withdrawn, |_| {})),
            Refused(401),
            Keys,
        ),
        15 => secured(
            "stranger's key",
            Some(tokens.of(tokens.stranger, |_| {})),
            Refused(401),
            Always,
        ),
        16 => secured(
            "expired",
            changed(|claims| claims["exp"] = (claims["iat"].as_u64().unwrap_or(0) - 3600).into()),
            Refused(401),
            Always,
        ),
        17 => secured(
            "another audience",
            changed(|claims| claims["aud"] = "https://other.example.com".into()),
            Refused(403),
            Always,
        ),
        18 => {
            let token = good();
            let (signed, _) = token.rsplit_once('.').unwrap_or((&token, ""));
            secured(
                "no signature",
                Some(format!("{signed}.")),
                Refused(401),
                Always,
            )
        }
        19 => plain("no such path", "GET", "/v1/nothing", Refused(404), ""),
        20 => plain("no such method", "DELETE", "/v1/open/1", Refused(405), ""),
        21 => {
            let (name, verdict) = match moment.toggled {
                true => ("path that came", Accepted),
                false => ("path that went", Refused(404)),
            };
            held(name, "GET", "/v1/toggled/1", verdict, Policy, "")
        }
        22 => plain(
            "preflight",
            "OPTIONS",
            "/v1/secured/1",
            Answered(200),
            &format!("Origin: {ORIGIN}\r\nAccess-Control-Request-Method: GET\r\n"),
        ),
        23 => plain(
            "preflight of a stranger",
            "OPTIONS",
            "/v1/secured/1",
            Refused(400),
            "Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n",
        ),
        24 => plain(
            "two lengths",
            "GET",
            "/v1/open/1",
            Refused(400),
            "Content-Length: 1\r\nContent-Length: 2\r\n",
        ),
        25 => plain(
            "bad name",
            "GET",
            "/v1/open/1",
            Refused(400),
            "Bad Name: x\r\n",
        ),
        26 => Case {
            pace: Trickled(40),
            ..plain("slow head", "GET", "/v1/open/1", Accepted, "")
        },
        27 => with_body("slow body", "/v1/open/1", Trickled(800)),
        28 => Case {
            verdict: Abandoned,
            pace: CutAfter(30 + usize::try_from(tokens.now % 1000).unwrap_or_default()),
            ..with_body("aborted", "/v1/open/1", AtOnce)
        },
        _ => plain("broken off", "GET", "/v1/broken/1", BrokenOff, ""),
    }
}
