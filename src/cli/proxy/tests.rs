use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

const GOOD: [&str; 7] = [
    "--service=bookstore",
    "--pod-name=web-0",
    "--pod-namespace=shop",
    "--pod-uid=u1",
    "--operator-address=endpoints-operator.endpoints-system.svc:9444,10.96.0.9:9444",
    "--trust-bundle=",
    "--listeners=14080=8080,14081=9090",
];

fn parse<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Args, clap::Error> {
    Ok(Command::try_parse_from(std::iter::once("proxy").chain(args))?.args)
}

#[test]
fn each_listener_leads_to_its_own_port_of_the_app() {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let config = parse(GOOD)
        .unwrap()
        .proxy(any, crate::tls::built_in_roots());
    let listeners: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| (listener.address.to_string(), listener.backend.to_string()))
        .collect();
    let expected = [
        ("0.0.0.0:14080", "127.0.0.1:8080"),
        ("0.0.0.0:14081", "127.0.0.1:9090"),
    ];
    assert_eq!(
        listeners,
        expected.map(|(l, b)| (l.to_owned(), b.to_owned()))
    );
    assert_eq!(config.admin, Some(SocketAddr::new(any, 14070)));
}

#[test]
fn nothing_that_names_the_pod_or_its_operator_may_be_missing() {
    for missing in GOOD {
        let error = parse(GOOD.into_iter().filter(|arg| *arg != missing)).unwrap_err();
        let flag = missing.split('=').next().unwrap();
        assert!(error.to_string().contains(flag), "{error}");
    }
}

#[test]
fn a_listener_that_is_not_two_ports_is_refused_with_an_example() {
    for text in [
        "8080",
        "14080=",
        "=8080",
        "0=8080",
        "14080=0",
        "14080=65536",
        "a=b",
        "1=2=3",
    ] {
        assert!(text.parse::<PortPair>().is_err(), "{text}");
    }
    let error = parse(GOOD.into_iter().chain(["--listeners=8080"]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("14080=8080"), "{error}");
}

#[test]
fn a_bundle_of_no_use_is_an_error_that_names_the_variable() {
    let error = parse(GOOD).unwrap().client().unwrap_err();
    let text = format!("{error:#}");
    assert_eq!(
        text,
        "ENDPOINTS_TRUST_BUNDLE: the trust bundle holds no certificate"
    );
}

#[test]
fn workers_are_a_number_in_bounds_or_counted() {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let workers = |argument: &'static str| {
        let args = parse(GOOD.into_iter().chain([argument]))?;
        let config = args.proxy(any, crate::tls::built_in_roots());
        Ok::<_, clap::Error>(config.workers.get())
    };
    assert_eq!(workers("--log=info").unwrap(), 1);
    assert_eq!(workers("--workers=4").unwrap(), 4);
    assert!((1..=4).contains(&workers("--workers=auto").unwrap()));
    for wrong in [
        "--workers=0",
        "--workers=5",
        "--workers=all",
        "--workers=-1",
    ] {
        let error = workers(wrong).unwrap_err().to_string();
        assert!(error.contains("from 1 to 4, or auto"), "{error}");
    }
}

#[test]
fn keys_are_fetched_by_the_operators_rules() {
    let rule = |arguments: &[&'static str]| {
        let args = parse(GOOD.into_iter().chain(arguments.iter().copied())).unwrap();
        args.key_addresses()
    };
    let (loopback, metadata) = ("127.0.0.1", "169.254.169.254");
    let strict = rule(&[]);
    assert!(!strict.allow_http);
    for refused in [loopback, metadata] {
        assert!(!strict.permits(refused.parse().unwrap()), "{refused}");
    }
    let wider = rule(&["--jwks-allow=127.0.0.0/8,10.1.0.0/16", "--jwks-allow-http"]);
    assert!(wider.allow_http);
    assert!(wider.permits(loopback.parse().unwrap()));
    assert!(!wider.permits(metadata.parse().unwrap()));
    let error = parse(GOOD.into_iter().chain(["--jwks-allow=everything"])).unwrap_err();
    assert!(error.to_string().contains("--jwks-allow"), "{error}");
}
