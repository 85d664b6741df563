//! The app's probes, as the injector writes them down and as the proxy asks them.

use std::str::FromStr;
use std::time::Duration;

use crate::api::probes::{self, Action};
use crate::proxy::{AppProbe, Question};

/// The value of [`probes::ENVIRONMENT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AppProbes(pub(super) Vec<AppProbe>);

impl FromStr for AppProbes {
    type Err = &'static str;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        let probes = probes::read(json).ok_or("not what the injector writes")?;
        Ok(Self(probes.iter().map(probe).collect()))
    }
}

fn probe(probe: &probes::AppProbe) -> AppProbe {
    AppProbe {
        path: probe.path(),
        port: probe.port,
        timeout: Duration::from_secs(probe.timeout_seconds.into()),
        question: match &probe.action {
            Action::HttpGet(get) => Question::HttpGet {
                path: get.path.clone().unwrap_or_default(),
            },
            Action::TcpSocket(_) => Question::TcpSocket,
            Action::Grpc(grpc) => Question::Grpc {
                service: grpc.service.clone().unwrap_or_default(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_injector_writes_becomes_what_is_asked() {
        let json = r#"[
            {"container":"app","handler":"readinessProbe","port":8080,"timeoutSeconds":3,
             "httpGet":{"path":"/ready?full","port":"http"}},
            {"container":"app","handler":"preStop","port":8080,"timeoutSeconds":30,
             "tcpSocket":{"port":8080}},
            {"container":"b","handler":"livenessProbe","port":9090,"timeoutSeconds":1,
             "grpc":{"port":9090,"service":"shop"}}
        ]"#;
        let AppProbes(probes) = json.parse().unwrap();
        let [get, socket, grpc] = &probes[..] else {
            panic!("{probes:?}");
        };
        assert_eq!(get.path, "/app/app/readyz");
        assert_eq!((get.port, get.timeout), (8080, Duration::from_secs(3)));
        let path = "/ready?full".to_owned();
        assert_eq!(get.question, Question::HttpGet { path });
        assert_eq!(socket.path, "/app/app/prestop");
        assert_eq!(socket.question, Question::TcpSocket);
        let service = "shop".to_owned();
        assert_eq!(grpc.question, Question::Grpc { service });
        assert!("[{}]".parse::<AppProbes>().is_err());
        assert_eq!("[]".parse(), Ok(AppProbes(Vec::new())));
    }
}
