use http::Request;

use super::*;
use crate::policy::format::PerMillion;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn begin(sample: u32, headers: &[(&str, &str)]) -> (Trace, HeaderMap) {
    let mut request = Request::get("http://a.example/shelves/1?key=secret");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.body(()).expect("a request").into_parts();
    let rule = TracingRule {
        endpoint: String::from("http://collector:4318/v1/traces"),
        sample: PerMillion(sample),
    };
    let trace = Trace::begin(&rule, &mut parts, &Random::new());
    let mut headers = parts.headers;
    trace.propagate(&mut headers);
    (trace, headers)
}

#[test]
fn a_trace_goes_on_with_our_span_as_the_parent() {
    let (trace, headers) = begin(0, &[("traceparent", PARENT), ("tracestate", "a=1")]);
    let span = &trace.span;
    assert_eq!(span.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span.parent, Some(0x00f0_67aa_0ba9_02b7));
    assert!(span.sampled, "whoever sent it records it");
    assert_eq!(span.path, "/shelves/1", "without the query");
    assert_eq!(
        headers[TRACEPARENT],
        format!("00-{}-{}-01", span.trace_id(), span.span_id())
    );
    assert_eq!(headers[TRACESTATE], "a=1");
}

#[test]
fn a_trace_that_is_not_valid_begins_anew_without_its_state() {
    for headers in [
        &[][..],
        &[("tracestate", "a=1")],
        &[("traceparent", "00-junk"), ("tracestate", "a=1")],
        &[
            ("traceparent", PARENT),
            ("traceparent", PARENT),
            ("tracestate", "a=1"),
        ],
    ] {
        let (trace, sent) = begin(PerMillion::ALL, headers);
        assert_eq!(trace.span.parent, None, "{headers:?}");
        assert_ne!(trace.span.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(sent.get_all(TRACEPARENT).iter().count(), 1);
        assert_eq!(sent.get(TRACESTATE), None);
    }
}

#[test]
fn a_state_that_is_not_valid_is_dropped_and_the_trace_goes_on() {
    let (trace, sent) = begin(0, &[("traceparent", PARENT), ("tracestate", "A B")]);
    assert!(trace.span.parent.is_some());
    assert_eq!(sent.get(TRACESTATE), None);
}

#[test]
fn what_nobody_records_says_so_to_the_backend() {
    let (trace, sent) = begin(0, &[]);
    assert!(!trace.span.sampled);
    assert!(trace.span.path.is_empty(), "nothing is kept of it");
    assert!(sent[TRACEPARENT].to_str().expect("text").ends_with("-00"));
    let unsampled = PARENT.replace("-01", "-00");
    let (trace, _) = begin(PerMillion::ALL, &[("traceparent", &unsampled)]);
    assert!(!trace.span.sampled, "whoever sent it does not record it");
}
