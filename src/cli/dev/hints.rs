//! What `dev` prints: the environment to export, and curl lines to paste with what to expect.

use std::fmt::Write as _;

use crate::policy::Policy;
use crate::policy::format::{CorsMode, Operation, OriginRule};

/// The tokens of the embedded issuer for one provider.
#[derive(Debug)]
pub(super) struct Tokens {
    /// Good.
    pub(super) good: String,
    /// Expired an hour ago.
    pub(super) expired: String,
    /// For someone else; absent where audiences are not checked.
    pub(super) wrong_audience: Option<String>,
}

/// A line to paste.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hint {
    /// What it shows.
    pub(super) title: &'static str,
    /// The line.
    pub(super) command: String,
    /// The status to expect.
    pub(super) status: u16,
    /// What else to look at.
    pub(super) expect: String,
}

/// The operation whose provider's tokens are printed: protected, and as easy to call as possible.
pub(super) fn protected(policy: &Policy) -> Option<&Operation> {
    easiest(
        policy
            .operations
            .iter()
            .filter(|operation| !operation.security.is_empty()),
    )
}

/// The lines that show a policy at work. `tokens`: of the embedded issuer, if it stands in.
pub(super) fn hints(policy: &Policy, tokens: Option<&Tokens>) -> Vec<Hint> {
    let mut hints = Vec::new();
    let open = easiest(
        policy
            .operations
            .iter()
            .filter(|operation| operation.security.is_empty()),
    );
    let protected = protected(policy);
    if let Some(operation) = protected.or(open) {
        hints.extend(preflight(policy, operation));
    }
    if let Some(operation) = open {
        hints.push(Hint {
            title: "an open operation",
            command: curl(operation, ""),
            status: 200,
            expect: "no token needed".to_owned(),
        });
    }
    let Some(operation) = protected else {
        return hints;
    };
    hints.push(Hint {
        title: "no token",
        command: curl(operation, ""),
        status: 401,
        expect: "TokenMissing".to_owned(),
    });
    let Some(tokens) = tokens else { return hints };
    hints.push(Hint {
        title: "a good token",
        command: curl(operation, "-H \"Authorization: Bearer ${TOKEN}\" "),
        status: 200,
        expect: "the backend sees X-Endpoint-API-UserInfo".to_owned(),
    });
    hints.push(Hint {
        title: "an expired token",
        command: curl(operation, "-H \"Authorization: Bearer ${EXPIRED_TOKEN}\" "),
        status: 401,
        expect: "TokenExpired".to_owned(),
    });
    if tokens.wrong_audience.is_some() {
        hints.push(Hint {
            title: "a token for another audience",
            command: curl(
                operation,
                "-H \"Authorization: Bearer ${WRONG_AUDIENCE_TOKEN}\" ",
            ),
            status: 403,
            expect: "TokenAudience".to_owned(),
        });
    }
    hints
}

/// All of it, as printed. `color`: for a terminal.
pub(super) fn render(host: &str, hints: &[Hint], tokens: Option<&Tokens>, color: bool) -> String {
    let (dim, bold, reset) = if color {
        ("\x1b[2m", "\x1b[1m", "\x1b[0m")
    } else {
        ("", "", "")
    };
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(out, "\nexport ENDPOINTS_HOST={host}");
    if let Some(tokens) = tokens {
        let _ = writeln!(out, "export TOKEN={}", tokens.good);
        let _ = writeln!(out, "export EXPIRED_TOKEN={}", tokens.expired);
        if let Some(token) = &tokens.wrong_audience {
            let _ = writeln!(out, "export WRONG_AUDIENCE_TOKEN={token}");
        }
    }
    for hint in hints {
        let Hint {
            title,
            command,
            status,
            expect,
        } = hint;
        let _ = writeln!(out, "\n{dim}# {title}: expect {status}, {expect}{reset}");
        let _ = writeln!(out, "{bold}{command}{reset}");
    }
    out
}

fn preflight(policy: &Policy, operation: &Operation) -> Option<Hint> {
    let origin = match &policy.cors {
        CorsMode::Off => return None,
        CorsMode::PassThrough => "https://app.example.com".to_owned(),
        CorsMode::Owned(cors) => match &cors.origins {
            OriginRule::Any => "https://app.example.com".to_owned(),
            OriginRule::Exact(origins) => origins
                .iter()
                .find(|origin| *origin != "null")
                .or(origins.first())?
                .clone(),
            // An origin that a regular expression matches cannot be guessed.
            OriginRule::Regex(_) => return None,
        },
    };
    let expect = match &policy.cors {
        CorsMode::PassThrough => "the backend answers it (allowCors)".to_owned(),
        _ => "Access-Control-Allow-Origin is there".to_owned(),
    };
    let method = &operation.method;
    let extra =
        format!("-X OPTIONS -H 'Origin: {origin}' -H 'Access-Control-Request-Method: {method}' ");
    let path = sample(&operation.path);
    Some(Hint {
        title: "a browser's preflight",
        command: format!("curl -i {extra}\"${{ENDPOINTS_HOST}}{path}\""),
        status: 200,
        expect,
    })
}

fn curl(operation: &Operation, extra: &str) -> String {
    let method = match operation.method.as_str() {
        "GET" => String::new(),
        // Without -I curl would wait for the body that HEAD has not.
        "HEAD" => "-I ".to_owned(),
        method @ ("POST" | "PUT" | "PATCH") => {
            format!("-X {method} -H 'Content-Type: application/json' -d '{{}}' ")
        }
        method => format!("-X {method} "),
    };
    format!(
        "curl -i {method}{extra}\"${{ENDPOINTS_HOST}}{}\"",
        sample(&operation.path)
    )
}

/// GET before others, few variables before many, then as the policy orders them. A path that a
/// shell would read as more than text is never printed: the document may be a stranger's.
fn easiest<'p>(operations: impl Iterator<Item = &'p Operation>) -> Option<&'p Operation> {
    let plain = |character: char| {
        character.is_ascii_alphanumeric() || "/-._~:@,;=+%{}*".contains(character)
    };
    operations
        .filter(|operation| operation.path.chars().all(plain))
        .min_by_key(|operation| {
            (
                operation.method != "GET",
                operation.path.matches(['{', '*']).count(),
            )
        })
}

/// A path that the template matches: every variable is `1`.
fn sample(template: &str) -> String {
    let mut path = String::with_capacity(template.len());
    let mut depth = 0_usize;
    for character in template.chars() {
        match character {
            '{' => {
                depth += 1;
                path.push('1');
            }
            '}' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            '*' if path.ends_with('1') => {}
            '*' => path.push('1'),
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests;
