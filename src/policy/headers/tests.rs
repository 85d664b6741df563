mod edits;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::{BTreeMap, BTreeSet};

use http::HeaderValue;
use http::header::{CONNECTION, HOST};
use proptest::prelude::*;

use super::*;
use crate::policy::Policy;
use crate::policy::format::{CorsMode, ForwardedMode, HeaderSettings, Operation, Settings};

fn plan(settings: HeaderSettings) -> HeaderPlan {
    plan_with(settings, &[])
}

fn plan_with(headers: HeaderSettings, tokens: &[HeaderName]) -> HeaderPlan {
    try_plan(headers, tokens).expect("a plan")
}

fn try_plan(headers: HeaderSettings, tokens: &[HeaderName]) -> Result<HeaderPlan, String> {
    let operation = |name: &str| Operation {
        method: "GET".to_owned(),
        path: format!("/{name}"),
        name: name.to_owned(),
        security: Vec::new(),
        backend: None,
        cors: None,
    };
    let policy = Policy {
        format: 3,
        service: "shelves.example".to_owned(),
        operations: vec![operation("first"), operation("second")],
        providers: BTreeMap::new(),
        cors: CorsMode::Off,
        required_claims: BTreeSet::new(),
        backend: None,
        healthz: None,
        backends: Vec::new(),
        cors_rules: Vec::new(),
        settings: Settings {
            headers,
            ..Settings::default()
        },
    };
    HeaderPlan::new(&policy, tokens)
}

fn sanitise(headers: &mut HeaderMap, plan: &HeaderPlan) {
    let seen = Seen::of(headers, plan);
    plan.sanitise(headers, seen);
}

fn sanitise_request(headers: &mut HeaderMap) {
    sanitise(headers, &plan(HeaderSettings::default()));
}

fn forwarded(mode: ForwardedMode, headers: &mut HeaderMap, peer: IpAddr, host: &HeaderValue) {
    let host = Some(host);
    let plan = plan(HeaderSettings {
        forwarded: mode,
        ..HeaderSettings::default()
    });
    let peer = &forwarded_peer(peer);
    let origin = Origin {
        peer,
        scheme: "http",
    };
    plan.forward(headers, origin, host);
}

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}

fn request(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = headers(fields);
    sanitise_request(&mut headers);
    headers
}

#[test]
fn an_ordinary_request_stays_as_it_is() {
    let fields = [
        ("host", "a"),
        ("authorization", "Bearer x"),
        ("trailer", "x-sum"),
        ("x-endpoints", "y"),
        ("x-forwarded-authorization-id", "z"),
        ("content-length", "1"),
    ];
    assert_eq!(request(&fields), headers(&fields));
}

#[test]
fn generated_names_are_stripped_in_any_spelling() {
    for name in [
        "X-Endpoint-API-UserInfo",
        "x_endpoint_api_userinfo",
        "X-Endpoint_Api-USERINFO",
        "X-Endpoint-API-Consumer-Number",
        "X-Endpoint-API-Project-ID",
        "X-Endpoint-",
        "X-Forwarded-Authorization",
        "x_forwarded_authorization",
    ] {
        let stripped = request(&[(name, "forged"), (name, "again"), ("accept", "*/*")]);
        assert_eq!(stripped, headers(&[("accept", "*/*")]), "{name}");
    }
}

#[test]
fn what_ends_at_this_hop_is_stripped() {
    let stripped = request(&[
        ("connection", "keep-alive, X-Private"),
        ("connection", "upgrade"),
        ("keep-alive", "timeout=5"),
        ("proxy-authorization", "Basic x"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("x-private", "y"),
        ("x-public", "z"),
    ]);
    assert_eq!(stripped, headers(&[("x-public", "z")]));
}

#[test]
fn connection_cannot_strip_what_the_backend_relies_on() {
    let stripped = request(&[
        (
            "connection",
            "host, content-length, X-Forwarded-For, forwarded, trailer, , a b",
        ),
        ("host", "a"),
        ("content-length", "1"),
        ("x-forwarded-for", "1.2.3.4"),
        ("forwarded", "for=1.2.3.4"),
        ("trailer", "x"),
    ]);
    assert_eq!(
        stripped,
        headers(&[
            ("host", "a"),
            ("content-length", "1"),
            ("x-forwarded-for", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4"),
            ("trailer", "x"),
        ])
    );
}

#[test]
fn trailers_stay_accepted() {
    for te in ["trailers", "gzip;q=0.5, Trailers;q=1"] {
        assert_eq!(
            request(&[("te", te), ("connection", "TE, close")]),
            headers(&[("te", "trailers"), ("connection", "TE")])
        );
    }
    assert_eq!(
        request(&[("te", "trailersx"), ("connection", "te")]),
        HeaderMap::new()
    );
}

#[test]
fn a_response_loses_its_hop_and_nothing_else() {
    let mut response = headers(&[
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("x-endpoint-api-userinfo", "echoed"),
        ("trailer", "x-sum"),
    ]);
    sanitise_response(&mut response);
    let kept = headers(&[("x-endpoint-api-userinfo", "echoed"), ("trailer", "x-sum")]);
    assert_eq!(response, kept);

    sanitise_response(&mut response);
    assert_eq!(response, kept);
}

#[test]
fn trailers_bring_nothing_that_a_head_may_not() {
    let mut trailers = headers(&[
        ("x-endpoint-api-userinfo", "forged"),
        ("X_Endpoint_API_UserInfo", "forged"),
        ("authorization", "Bearer x"),
        ("content-length", "1"),
        ("transfer-encoding", "chunked"),
        ("host", "evil"),
        ("x-forwarded-for", "1.1.1.1"),
        ("x-goog-iap-jwt-assertion", "never verified"),
        ("x-http-method-override", "DELETE"),
        ("x-session-token", "never verified"),
        ("grpc-status", "0"),
        ("x-sum", "1"),
    ]);
    let tokens = [HeaderName::from_static("x-session-token")];
    plan_with(HeaderSettings::default(), &tokens).sanitise_trailers(&mut trailers);
    assert_eq!(trailers, headers(&[("grpc-status", "0"), ("x-sum", "1")]));
}

#[test]
fn underscores_are_seen() {
    let plan = plan(HeaderSettings::default());
    assert!(Seen::of(&headers(&[("a", "b"), ("x_user", "y")]), &plan).underscore);
    assert!(!Seen::of(&headers(&[("a", "b_c"), ("x-user", "y")]), &plan).underscore);
}

#[test]
fn the_backend_learns_where_a_request_came_from() {
    let host = HeaderValue::from_static("api.example:8000");
    let v4 = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
    let mapped = IpAddr::V6(Ipv4Addr::new(10, 0, 0, 7).to_ipv6_mapped());

    for peer in [v4, mapped] {
        let mut fresh = HeaderMap::new();
        forwarded(ForwardedMode::Append, &mut fresh, peer, &host);
        assert_eq!(
            fresh,
            headers(&[
                ("x-forwarded-for", "10.0.0.7"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-host", "api.example:8000"),
            ])
        );
    }

    let mut behind = headers(&[
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", ""),
        ("x-forwarded-for", "2.2.2.2, 3.3.3.3"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "front.example"),
    ]);
    let peer = IpAddr::V6(Ipv6Addr::LOCALHOST);
    forwarded(ForwardedMode::Append, &mut behind, peer, &host);
    assert_eq!(
        behind,
        headers(&[
            ("x-forwarded-for", "1.1.1.1, 2.2.2.2, 3.3.3.3, ::1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "front.example"),
        ])
    );
}

proptest! {
    #[test]
    fn no_spelling_of_a_generated_name_passes(
        name in prop::sample::select(vec![
            "x-endpoint-api-userinfo", "x-endpoint-anything", "x-forwarded-authorization",
        ]),
        spelling in prop::collection::vec(any::<(bool, bool)>(), 32),
        connection in prop::option::of("[a-z, -]{0,24}"),
    ) {
        let name: String = name
            .chars()
            .zip(&spelling)
            .map(|(c, &(upper, underscore))| match c {
                '-' if underscore => '_',
                c if upper => c.to_ascii_uppercase(),
                c => c,
            })
            .collect();
        let mut request = headers(&[(&name, "forged"), ("host", "a")]);
        if let Some(connection) = connection {
            request.insert(CONNECTION, HeaderValue::from_str(&connection).unwrap());
        }
        sanitise_request(&mut request);
        prop_assert_eq!(request, headers(&[("host", "a")]));
    }

    #[test]
    fn sanitising_twice_changes_nothing(
        fields in prop::collection::vec((
            prop::sample::select(vec![
                "connection", "te", "upgrade", "x-a", "x-b", "host", "x-endpoint-x", "trailer",
                "transfer-encoding", "x-forwarded-for",
            ]),
            prop::sample::select(vec!["x-a", "TE, x-b", "trailers", "close", "", "host"]),
        ), 0..8),
    ) {
        let once = request(&fields);
        let mut twice = once.clone();
        sanitise_request(&mut twice);
        prop_assert_eq!(&once, &twice);
        let hosts = fields.iter().filter(|(name, _)| *name == "host").count();
        prop_assert_eq!(once.get_all(HOST).iter().count(), hosts);
        for name in ["upgrade", "transfer-encoding", "x-endpoint-x"] {
            prop_assert!(!once.contains_key(name));
        }
    }
}
