//! The table of operations, out of the compiled policy: what sidecars will do, not what the document
//! seems to say.

use comfy_table::{Table as Drawn, presets};
use serde::Serialize;

use super::Run;
use crate::cli::report;
use crate::policy::format::{
    Alternative, BackendRule, CorsMode, Operation, OriginRule, PathRule, Policy, Requirement,
};
use crate::policy::limits::BACKEND_DEADLINE;

/// The operations of one service, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Table<'r> {
    file: &'r str,
    name: &'r str,
    namespace: &'r str,
    service: &'r str,
    /// A path that the proxy answers itself, to anyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    healthz: Option<&'r str>,
    operations: Vec<Row<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'r> {
    method: &'r str,
    path: &'r str,
    operation: &'r str,
    /// Whether no token is needed.
    anyone: bool,
    /// Alternatives (OR) of tokens that are demanded together (AND).
    callers: Vec<Vec<Caller<'r>>>,
    cors: &'r CorsMode,
    backend: Backend<'r>,
    deadline_ms: u64,
}

#[derive(Serialize)]
struct Caller<'r> {
    scheme: &'r str,
    issuer: &'r str,
    /// `null`: any.
    audiences: Option<Vec<&'r str>>,
    scopes: Vec<&'r str>,
}

#[derive(Serialize)]
struct Backend<'r> {
    /// `null`: the app in the pod.
    address: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'r PathRule>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    http2: bool,
}

/// The tables of all services that compile, for machines.
pub(super) fn json(run: &Run) -> Vec<Table<'_>> {
    services(run)
        .map(|(file, service, policy)| Table {
            file,
            name: &service.identity.name,
            namespace: &service.identity.namespace,
            service: &policy.service,
            healthz: policy.healthz.as_deref(),
            operations: policy
                .operations
                .iter()
                .map(|operation| row(policy, operation))
                .collect(),
        })
        .collect()
}

/// The tables of all services that compile, for people.
pub(super) fn tables(run: &Run, color: bool) -> String {
    services(run)
        .map(|(file, _, policy)| {
            let mut drawn = Drawn::new();
            drawn.load_style(presets::NOTHING);
            drawn.set_header([
                "METHOD",
                "PATH",
                "WHO MAY CALL",
                "CORS",
                "BACKEND",
                "DEADLINE",
            ]);
            for operation in &policy.operations {
                drawn.add_row(cells(&row(policy, operation)));
            }
            for column in drawn.column_iter_mut() {
                column.set_padding((0, 2));
            }
            let title = format!(
                "{} ({})",
                report::one_line(&policy.service),
                report::one_line(file)
            );
            let mut table = drawn.trim_fmt();
            if color {
                table = table.replace(ANYONE, &format!("\x1b[1;33m{ANYONE}\x1b[0m"));
            }
            let healthz = policy.healthz.as_deref().map_or_else(String::new, |path| {
                format!(
                    "{} is answered by the proxy itself\n",
                    report::one_line(path)
                )
            });
            format!("{title}\n{table}\n{healthz}\n")
        })
        .collect()
}

/// Who may call an operation without a token; nobody should overlook it.
const ANYONE: &str = "ANYONE";

fn services(run: &Run) -> impl Iterator<Item = (&str, &super::file::Service, &Policy)> {
    run.checked.iter().flat_map(|checked| {
        checked.services.iter().filter_map(|service| {
            let policy = service.policy.as_ref()?;
            Some((&*checked.file, service, policy))
        })
    })
}

fn row<'r>(policy: &'r Policy, operation: &'r Operation) -> Row<'r> {
    let rule = operation
        .backend
        .and_then(|index| policy.backends.get(index));
    let cors = operation
        .cors
        .and_then(|index| policy.cors_rules.get(index))
        .unwrap_or(&policy.cors);
    let address = rule
        .and_then(|rule| rule.address.as_deref())
        .or(policy.backend.as_deref());
    let default = u64::try_from(BACKEND_DEADLINE.as_millis()).unwrap_or(u64::MAX);
    Row {
        method: &operation.method,
        path: &operation.path,
        operation: &operation.name,
        anyone: !operation.demands_token(),
        callers: operation
            .security
            .iter()
            .map(|Alternative(all)| all.iter().map(|one| caller(policy, one)).collect())
            .collect(),
        cors,
        backend: Backend {
            address,
            path: rule.and_then(|rule| rule.path.as_ref()),
            http2: rule.is_some_and(|rule: &BackendRule| rule.http2),
        },
        deadline_ms: rule.and_then(|rule| rule.deadline_ms).unwrap_or(default),
    }
}

fn caller<'r>(policy: &'r Policy, requirement: &'r Requirement) -> Caller<'r> {
    let provider = policy.providers.get(&requirement.provider);
    let audiences = requirement
        .audiences
        .as_ref()
        .or_else(|| provider?.audiences.as_ref());
    Caller {
        scheme: &requirement.provider,
        issuer: provider.map_or("", |provider| &provider.issuer),
        audiences: audiences.map(|audiences| audiences.iter().map(String::as_str).collect()),
        scopes: requirement.scopes.iter().map(String::as_str).collect(),
    }
}

fn cells(row: &Row<'_>) -> [String; 6] {
    // Where no alternative demands a token, none is looked for.
    let who = match row.callers.iter().all(Vec::is_empty) {
        true => String::from(ANYONE),
        false => row
            .callers
            .iter()
            .map(|all| match all.is_empty() {
                true => format!("{ANYONE}; a token that is sent must be good"),
                false => all.iter().map(token).collect::<Vec<_>>().join("\n  and "),
            })
            .collect::<Vec<_>>()
            .join("\nor "),
    };
    let mut backend = row.backend.address.unwrap_or("the pod's app").to_owned();
    match row.backend.path {
        Some(PathRule::Append(before)) => backend.push_str(&format!(", {before} before the path")),
        Some(PathRule::Constant(path)) => backend.push_str(&format!(", always {path}")),
        None => {}
    }
    if row.backend.http2 {
        backend.push_str(", HTTP/2");
    }
    [
        report::one_line(row.method),
        report::one_line(row.path),
        lines(&who),
        lines(&cors(row.cors)),
        report::one_line(&backend),
        seconds(row.deadline_ms),
    ]
}

/// Several lines that cannot play with a terminal.
fn lines(text: &str) -> String {
    text.lines()
        .map(report::one_line)
        .collect::<Vec<_>>()
        .join("\n")
}

/// `https://issuer.example for a, b with scopes x, y`.
fn token(caller: &Caller<'_>) -> String {
    let audiences = match &caller.audiences {
        Some(audiences) => audiences.join(", "),
        None => String::from("ANY AUDIENCE"),
    };
    let mut text = format!("{} for {audiences}", caller.issuer);
    if !caller.scopes.is_empty() {
        text.push_str(&format!(" with {}", caller.scopes.join(", ")));
    }
    text
}

fn cors(mode: &CorsMode) -> String {
    let policy = match mode {
        CorsMode::Off => return String::from("-"),
        CorsMode::PassThrough => return String::from("the backend's"),
        CorsMode::Owned(policy) => policy,
    };
    let origins = match &policy.origins {
        OriginRule::Any => String::from("*"),
        OriginRule::Exact(origins) => origins.iter().cloned().collect::<Vec<_>>().join("\n"),
        OriginRule::Regex(regex) => format!("regex {regex}"),
    };
    match policy.allow_credentials {
        true => format!("{origins}\nwith credentials"),
        false => origins,
    }
}

fn seconds(milliseconds: u64) -> String {
    match (milliseconds / 1000, milliseconds % 1000) {
        (seconds, 0) => format!("{seconds} s"),
        (seconds, rest) => {
            let fraction = format!("{rest:03}");
            format!("{seconds}.{} s", fraction.trim_end_matches('0'))
        }
    }
}
