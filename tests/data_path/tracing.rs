//! Traces: what the backend gets, and what a collector gets. The collector here is a fake one, on
//! loopback: it takes what OTLP/HTTP sends, and records it.

use serde_json::Value;

use crate::admin::metrics;
use crate::backend::{Backend, Reply};
use crate::client::{ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n{headers}\r\n")
}

/// A collector that answers with this status.
async fn fake_collector(status: &'static str) -> Backend {
    Backend::answering(move |_| {
        Reply::Keep(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}").into_bytes())
    })
    .await
}

fn under(proxy: TestProxy, collector: &Backend, sample: f64) -> TestProxy {
    let endpoint = format!("http://{}", collector.address);
    proxy.under(&format!(
        "tracing: {{otlpEndpoint: \"{endpoint}\", sample: {sample}}}\naccessLog: {{mode: All}}\n{OPEN}"
    ))
}

/// The spans that came, once there are so many.
async fn spans(collector: &Backend, count: usize) -> Vec<Value> {
    patient(async {
        loop {
            let mut spans = Vec::new();
            for request in collector.requests() {
                assert_eq!(request.line(), "POST /v1/traces HTTP/1.1");
                assert_eq!(request.values("content-type"), ["application/json"]);
                let body: Value = serde_json::from_slice(&request.body).expect("JSON");
                let service = &body["resourceSpans"][0];
                assert_eq!(service["resource"]["attributes"][0]["key"], "service.name");
                let of_scope = service["scopeSpans"][0]["spans"].as_array();
                spans.extend(of_scope.expect("spans").clone());
            }
            if spans.len() >= count {
                return spans;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
}

fn attribute(span: &Value, name: &str) -> Option<String> {
    let attributes = span["attributes"].as_array().expect("a list");
    let found = attributes.iter().find(|it| it["key"] == name)?;
    let value = &found["value"];
    let text = value["stringValue"].as_str().or(value["intValue"].as_str());
    Some(text.expect("text or a number").to_owned())
}

#[tokio::test]
async fn without_tracing_the_headers_pass_as_they_come() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let junk = "traceparent: junk\r\ntracestate: ???\r\n";
    ask(proxy.address, &get("/v1/shelves", junk)).await;
    let seen = backend.only();
    assert_eq!(seen.values("traceparent"), ["junk"]);
    assert_eq!(seen.values("tracestate"), ["???"]);
    ask(proxy.address, &get("/v1/shelves", "")).await;
    assert!(backend.requests()[1].values("traceparent").is_empty());
}

#[tokio::test]
async fn a_request_is_one_span_and_the_backend_sees_it_as_its_parent() {
    let (backend, collector) = (Backend::start().await, fake_collector("200 OK").await);
    let proxy = under(TestProxy::start(backend.address), &collector, 0.0);
    let traced = format!("traceparent: {PARENT}\r\ntracestate: a=1\r\n");
    ask(proxy.address, &get("/v1/shelves?key=secret", &traced)).await;
    ask(proxy.address, &get("/nowhere", &traced)).await;
    // Nobody records this one.
    ask(proxy.address, &get("/v1/shelves", "")).await;

    let spans = spans(&collector, 2).await;
    let [answered, refused] = &spans[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(answered["traceId"], TRACE);
    assert_eq!(answered["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(answered["name"], "GET /v1/shelves");
    assert_eq!(answered["kind"], 2);
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/v1/shelves"),
        ("http.response.status_code", "200"),
        ("url.path", "/v1/shelves"),
        ("server.address", "shop.example"),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("endpoints.operation", "listShelves"),
        ("endpoints.response.source", "backend"),
    ] {
        assert_eq!(attribute(answered, name).as_deref(), Some(value), "{name}");
    }
    let time = |name: &str| {
        answered[name]
            .as_str()
            .and_then(|it| it.parse::<u64>().ok())
    };
    assert!(
        time("startTimeUnixNano") < time("endTimeUnixNano"),
        "{answered}"
    );
    assert!(!answered.to_string().contains("secret"), "{answered}");

    assert_eq!(refused["name"], "GET");
    assert_eq!(
        attribute(refused, "endpoints.reason").as_deref(),
        Some("RouteNotFound")
    );
    assert_eq!(
        refused["status"],
        serde_json::json!({}),
        "a 404 is no error of ours"
    );

    let seen = backend.requests();
    let span = answered["spanId"].as_str().expect("text");
    assert_eq!(
        seen[0].values("traceparent"),
        [format!("00-{TRACE}-{span}-01")]
    );
    assert_eq!(seen[0].values("tracestate"), ["a=1"]);
    let unrecorded = seen[1].values("traceparent");
    assert!(unrecorded[0].ends_with("-00"), "{unrecorded:?}");

    let lines = proxy.log.wait_for(3).await;
    assert_eq!(lines[0]["trace_id"], TRACE);
    assert_eq!(lines[0]["span_id"], span);
}

#[tokio::test]
async fn a_failure_is_an_error_of_its_span() {
    let collector = fake_collector("200 OK").await;
    let nobody = "127.0.0.1:1".parse().expect("an address");
    let proxy = under(TestProxy::start(nobody), &collector, 1.0);
    assert_eq!(
        ask(proxy.address, &get("/v1/shelves", "")).await.status,
        503
    );
    let spans = spans(&collector, 1).await;
    assert_eq!(spans[0]["status"]["code"], 2);
    assert_eq!(spans[0].get("parentSpanId"), None);
    let error = attribute(&spans[0], "error.type");
    assert_eq!(error.as_deref(), Some("BackendUnreachable"));
    assert_eq!(
        attribute(&spans[0], "endpoints.fault").as_deref(),
        Some("backend")
    );
}

#[tokio::test]
async fn spans_of_a_proxy_that_ends_are_sent_before() {
    let (backend, collector) = (Backend::start().await, fake_collector("200 OK").await);
    let proxy = under(TestProxy::start(backend.address), &collector, 1.0);
    for _ in 0..3 {
        ask(proxy.address, &get("/v1/shelves", "")).await;
    }
    patient(proxy.stop()).await;
    assert_eq!(spans(&collector, 3).await.len(), 3);
}

#[tokio::test]
async fn what_a_collector_does_not_take_is_counted_and_delays_nobody() {
    let backend = Backend::start().await;
    let refusing = fake_collector("400 No").await;
    let proxy = under(TestProxy::start(backend.address), &refusing, 1.0);
    assert_eq!(
        ask(proxy.address, &get("/v1/shelves", "")).await.status,
        200
    );
    let gone = |text: &str| {
        text.lines()
            .any(|line| line == "endpoints_spans_dropped_total 1")
    };
    patient(async {
        while !gone(&metrics(&proxy).await) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let text = metrics(&proxy).await;
    assert!(
        text.contains("endpoints_spans_exported_total 0\n"),
        "{text}"
    );
}
