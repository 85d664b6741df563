//! A refusal as gRPC says it: a status code and a message in header fields, under HTTP 200 ("gRPC over
//! HTTP2", `Trailers-Only`).

use http::{HeaderValue, StatusCode};

use super::Refusal;

/// Deadline exceeded.
const DEADLINE_EXCEEDED: u16 = 4;
/// Unavailable: the one that clients try again.
const UNAVAILABLE: u16 = 14;

impl Refusal {
    /// `grpc-status`. 401 and 403 as ESPv2; the others as `google.rpc.Code` pairs them with HTTP, and
    /// an unknown path or method is a method that is not implemented, as gRPC's own servers say.
    pub fn grpc_status(&self) -> u16 {
        match self.status {
            StatusCode::UNAUTHORIZED => 16,
            StatusCode::FORBIDDEN => 7,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => 12,
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => DEADLINE_EXCEEDED,
            StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::URI_TOO_LONG
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => 8,
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
            StatusCode::NOT_IMPLEMENTED => 12,
            status if status.is_client_error() => 3,
            _ => 13,
        }
    }

    /// `grpc-message`: the message, percent-encoded where it is not visible ASCII.
    pub fn grpc_message(&self) -> HeaderValue {
        let mut encoded = String::with_capacity(self.message.len());
        for byte in self.message.bytes() {
            match byte {
                b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
                _ => {
                    encoded.push('%');
                    for digit in [byte >> 4, byte & 15] {
                        encoded.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
                    }
                }
            }
        }
        HeaderValue::try_from(encoded).expect("visible ASCII is a value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::verdict::Reason;

    #[test]
    fn each_status_has_a_code() {
        for (status, code) in [
            (400, 3),
            (401, 16),
            (403, 7),
            (404, 12),
            (405, 12),
            (408, 4),
            (413, 8),
            (414, 8),
            (417, 3),
            (429, 14),
            (431, 8),
            (500, 13),
            (501, 12),
            (502, 14),
            (503, 14),
            (504, 4),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let refusal = Refusal::new(status, Reason::Internal, "");
            assert_eq!(refusal.grpc_status(), code, "{status}");
        }
    }

    #[test]
    fn a_message_is_encoded_where_it_must_be() {
        let refusal = |message: &str| Refusal::new(StatusCode::OK, Reason::Internal, message);
        let encoded = |message: &str| refusal(message).grpc_message().to_str().unwrap().to_owned();
        assert_eq!(encoded("Jwt is missing"), "Jwt is missing");
        assert_eq!(encoded("50 % of \u{e9}\r\n~"), "50 %25 of %C3%A9%0D%0A~");
    }
}
