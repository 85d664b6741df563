//! Values of headers as they are written: text, and variables named as Envoy names them.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The most variables in one value.
const MAX_VARIABLES: usize = 16;
/// The longest value that is sent, in bytes: what variables make longer is left out.
const MAX_BYTES: usize = 16 * 1024;

/// What a message may be told to list.
pub const VARIABLES: &str = "%REQ(name)%, %RESP(name)%, %RESPONSE_CODE%, \
    %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%, %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%, \
    %PROTOCOL% and %OPERATION%";

/// A value made ready.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueTemplate {
    /// Without variables.
    Static(HeaderValue),
    /// With variables.
    Parts(Box<[Part]>),
}

/// A part of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Itself.
    Text(Box<[u8]>),
    /// What is known when the request comes in.
    OfRequest(RequestVariable),
    /// `%RESP(name)%`.
    ResponseHeader(HeaderName),
    /// `%RESPONSE_CODE%`.
    ResponseCode,
}

/// A variable that is known when the request comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestVariable {
    /// `%REQ(name)%`: the first value.
    Header(HeaderName),
    /// `%REQ(:method)%`.
    Method,
    /// `%REQ(:authority)%`.
    Authority,
    /// `%REQ(:path)%`, without the query.
    Path,
    /// `%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%`: the client, by the proxies that are trusted.
    Client,
    /// `%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%`: the peer.
    Peer,
    /// `%PROTOCOL%`.
    Protocol,
    /// `%OPERATION%`: the operation's name.
    Operation,
}

/// Why a text is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// A `%` without another one.
    #[error("a `%` is not closed: write `%%` for the character")]
    NotClosed,
    /// Not a variable of ours.
    #[error("`%{0}%` is not a variable; there are {VARIABLES}")]
    Unknown(String),
    /// `%RESP(name)%` or `%RESPONSE_CODE%` where there is no answer yet.
    #[error("`%{0}%` is known only of answers")]
    NotYet(String),
    /// A control character, or one beyond ASCII.
    #[error("it has a character that header values cannot have")]
    BadCharacter,
    /// Over [`MAX_VARIABLES`].
    #[error("it has more than {MAX_VARIABLES} variables")]
    TooMany,
    /// Nothing would ever be sent.
    #[error("it is empty")]
    Empty,
}

impl ValueTemplate {
    /// Parses a value as it is written. `of_response`: it is for an answer.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(written: &str, of_response: bool) -> Result<Self, ValueError> {
        let is_text = |byte: u8| matches!(byte, b' '..=b'~' | b'\t');
        if !written.bytes().all(is_text) {
            return Err(ValueError::BadCharacter);
        }
        let mut parts = Vec::new();
        let mut text = Vec::new();
        let mut rest = written.trim_matches([' ', '\t']);
        while let Some((before, behind)) = rest.split_once('%') {
            text.extend_from_slice(before.as_bytes());
            let (name, further) = behind.split_once('%').ok_or(ValueError::NotClosed)?;
            rest = further;
            if name.is_empty() {
                text.push(b'%');
                continue;
            }
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text).into()));
            }
            parts.push(variable(name, of_response)?);
            if parts.len() > 2 * MAX_VARIABLES {
                return Err(ValueError::TooMany);
            }
        }
        text.extend_from_slice(rest.as_bytes());
        let variables = parts.iter().filter(|part| !matches!(part, Part::Text(_)));
        match variables.count() {
            0 if text.is_empty() => Err(ValueError::Empty),
            0 => HeaderValue::from_bytes(&text)
                .map(Self::Static)
                .map_err(|_| ValueError::BadCharacter),
            1..=MAX_VARIABLES => {
                if !text.is_empty() {
                    parts.push(Part::Text(text.into()));
                }
                Ok(Self::Parts(parts.into()))
            }
            _ => Err(ValueError::TooMany),
        }
    }

    /// Its variables that are known when the request comes in, in order.
    pub(super) fn of_request(&self) -> impl Iterator<Item = &RequestVariable> {
        let parts: &[Part] = match self {
            Self::Static(_) => &[],
            Self::Parts(parts) => parts,
        };
        parts.iter().filter_map(|part| match part {
            Part::OfRequest(variable) => Some(variable),
            Part::Text(_) | Part::ResponseHeader(_) | Part::ResponseCode => None,
        })
    }

    /// The value. `of_request`: what each of its variables of the request is; `response`: status and
    /// headers of the answer, if there is one. `None`: nothing is left, or it is no header value.
    pub(super) fn value<'v>(
        &self,
        mut of_request: impl FnMut(&RequestVariable) -> std::borrow::Cow<'v, [u8]>,
        response: Option<(u16, &HeaderMap)>,
    ) -> Option<HeaderValue> {
        let parts = match self {
            Self::Static(value) => return Some(value.clone()),
            Self::Parts(parts) => parts,
        };
        let mut value = Vec::with_capacity(64);
        let mut push = |bytes: &[u8]| {
            // One byte over the limit says that there was more.
            let room = (MAX_BYTES + 1).saturating_sub(value.len());
            value.extend_from_slice(&bytes[..room.min(bytes.len())]);
        };
        for part in parts {
            match (part, response) {
                (Part::Text(text), _) => push(text),
                (Part::OfRequest(variable), _) => push(&of_request(variable)),
                (Part::ResponseHeader(name), Some((_, headers))) => {
                    push(
                        headers
                            .get(name)
                            .map(HeaderValue::as_bytes)
                            .unwrap_or_default(),
                    );
                }
                (Part::ResponseCode, Some((code, _))) => push(code.to_string().as_bytes()),
                (Part::ResponseHeader(_) | Part::ResponseCode, None) => {}
            }
        }
        match value.trim_ascii() {
            [] => None,
            _ if value.len() > MAX_BYTES => None,
            value => HeaderValue::from_bytes(value).ok(),
        }
    }
}

fn variable(name: &str, of_response: bool) -> Result<Part, ValueError> {
    let unknown = || ValueError::Unknown(name.to_owned());
    let argument = |function: &str| {
        name.strip_prefix(function)?
            .strip_prefix('(')?
            .strip_suffix(')')
    };
    if let Some(header) = argument("REQ") {
        return Ok(Part::OfRequest(match &*header.to_ascii_lowercase() {
            ":method" => RequestVariable::Method,
            ":authority" => RequestVariable::Authority,
            ":path" => RequestVariable::Path,
            header => RequestVariable::Header(header.parse().map_err(|_| unknown())?),
        }));
    }
    let of_answer = match name {
        "RESPONSE_CODE" => Some(Part::ResponseCode),
        _ => match argument("RESP") {
            Some(header) => Some(Part::ResponseHeader(header.parse().map_err(|_| unknown())?)),
            None => None,
        },
    };
    match of_answer {
        Some(part) if of_response => return Ok(part),
        Some(_) => return Err(ValueError::NotYet(name.to_owned())),
        None => {}
    }
    Ok(Part::OfRequest(match name {
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => RequestVariable::Client,
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => RequestVariable::Peer,
        "PROTOCOL" => RequestVariable::Protocol,
        "OPERATION" => RequestVariable::Operation,
        _ => return Err(unknown()),
    }))
}
