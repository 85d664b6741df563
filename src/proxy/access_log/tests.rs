use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("one thread").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn logged(code: u16, source: Source, reason: Option<Reason>, broken_off: Option<Reason>) -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(lines.clone())
        .finish();
    let operation = Operation {
        method: "GET".to_owned(),
        path: "/shelves/{shelf}".to_owned(),
        name: "getShelf".to_owned(),
        security: Vec::new(),
        backend: None,
        cors: None,
    };
    let outcome = Outcome {
        method: &Method::GET,
        code,
        source,
        reason,
        broken_off,
        duration: Duration::from_millis(15),
        request_bytes: 0,
        response_bytes: 0,
    };
    let peer = "10.0.0.1:5".parse().expect("an address");
    tracing::subscriber::with_default(subscriber, || write(&outcome, Some(&operation), peer));
    let bytes = lines.0.lock().expect("one thread").clone();
    String::from_utf8(bytes).expect("text")
}

#[test]
fn what_went_well_is_not_logged() {
    assert_eq!(logged(200, Source::Backend, None, None), "");
    assert_eq!(logged(404, Source::Backend, None, None), "");
}

#[test]
fn what_failed_is_one_line_that_says_whose_fault_it_is() {
    for (line, level, fault) in [
        (
            logged(504, Source::Proxy, Some(Reason::BackendTimeout), None),
            "WARN",
            "backend",
        ),
        (logged(500, Source::Backend, None, None), "WARN", "backend"),
        (
            logged(200, Source::Backend, None, Some(Reason::BackendReset)),
            "WARN",
            "backend",
        ),
        (
            logged(503, Source::Proxy, Some(Reason::KeysUnavailable), None),
            "WARN",
            "issuer",
        ),
        (
            logged(503, Source::Proxy, Some(Reason::NoPolicy), None),
            "WARN",
            "policy",
        ),
        (
            logged(401, Source::Proxy, Some(Reason::TokenMissing), None),
            "DEBUG",
            "client",
        ),
    ] {
        let value: serde_json::Value = serde_json::from_str(&line).expect("one line of JSON");
        assert_eq!(value["level"], level, "{line}");
        assert_eq!(value["fault"], fault, "{line}");
        assert_eq!(value["operation"], "getShelf", "{line}");
        assert_eq!(value["path"], "/shelves/{shelf}", "{line}");
        assert_eq!(value["duration_ms"], 15, "{line}");
    }
}
