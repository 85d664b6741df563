//! The table of `docs/architecture.md`: what each place under `src/` may use.

/// What one place may use.
pub struct Row {
    /// The first module of the place.
    pub place: &'static str,
    /// Our own modules it may name, beside itself.
    ours: &'static [&'static str],
    /// Crates it may name, beside `core` and `alloc`; a longer path allows only what is below it.
    crates: &'static [&'static str],
    /// Whether it is pure: no I/O and no clock out of `std`.
    pure: bool,
}

/// Parts of `std` that a pure place must not touch.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
];
/// What is pure all the same.
const PURE: &[&str] = &[
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
    "std::io::Result",
    "std::io::Write",
    "std::time::Duration",
];

/// Crates that any place's tests may name.
const TEST_CRATES: &[&str] = &[
    "proptest",
    "rcgen",
    "serde_json",
    "serde_yaml",
    "tempfile",
    "tracing_subscriber",
];

const ROWS: &[Row] = &[
    Row {
        place: "api",
        ours: &[],
        crates: &[
            "k8s_openapi",
            "kube::CustomResource",
            "kube::CustomResourceExt",
            "kube::KubeSchema",
            "kube::core",
            "schemars",
            "serde",
            "serde_json",
            "std",
            "thiserror",
        ],
        pure: true,
    },
    Row {
        place: "openapi",
        ours: &["api"],
        crates: &[
            "granit_parser",
            "http",
            "percent_encoding",
            "serde_json",
            "std",
            "thiserror",
            "url",
        ],
        pure: true,
    },
    Row {
        place: "policy",
        ours: &["api", "openapi"],
        crates: &[
            "aws_lc_rs",
            "base64",
            "bytes",
            "http",
            "percent_encoding",
            "regex",
            "regex_syntax",
            "rustls_pki_types",
            "serde",
            "serde_json",
            "std",
            "thiserror",
            "url",
            "webpki",
        ],
        pure: true,
    },
    Row {
        place: "jwks",
        ours: &[
            "policy",
            "connection_limit",
            "readiness",
            "shutdown",
            "telemetry",
            "tls",
        ],
        crates: &[
            "arc_swap",
            "aws_lc_rs",
            "base64",
            "bytes",
            "futures_util",
            "http",
            "http_body_util",
            "hyper",
            "hyper_util",
            "ipnet",
            "percent_encoding",
            "rcgen",
            "rustls",
            "rustls_pki_types",
            "serde_json",
            "std",
            "thiserror",
            "tokio",
            "tokio_rustls",
            "tracing",
            "url",
        ],
        pure: false,
    },
    Row {
        place: "push",
        ours: &[
            "policy",
            "connection_limit",
            "readiness",
            "shutdown",
            "telemetry",
            "tls",
        ],
        crates: &[
            "arc_swap",
            "aws_lc_rs",
            "base64",
            "bytes",
            "flate2",
            "futures_util",
            "http",
            "http_body",
            "http_body_util",
            "hyper",
            "hyper_util",
            "rcgen",
            "rustls",
            "rustls_pki_types",
            "serde",
            "serde_json",
            "std",
            "thiserror",
            "tokio",
            "tokio_rustls",
            "tracing",
        ],
        pure: false,
    },
    Row {
        place: "proxy",
        ours: &[
            "policy",
            "jwks",
            "connection_limit",
            "priority",
            "readiness",
            "shutdown",
            "telemetry",
            "tls",
        ],
        crates: &[
            "arc_swap",
            "bytes",
            "futures_util",
            "h2",
            "http",
            "http_body",
            "http_body_util",
            "httpdate",
            "hyper",
            "hyper_util",
            "memchr",
            "prometheus_client",
            "rustls",
            "rustls_pki_types",
            "serde",
            "serde_json",
            "socket2",
            "std",
            "thiserror",
            "tokio",
            "tokio_rustls",
            "tracing",
        ],
        pure: false,
    },
    Row {
        place: "operator",
        ours: &[
            "api",
            "openapi",
            "policy",
            "jwks",
            "push",
            "connection_limit",
            "readiness",
            "shutdown",
            "telemetry",
            "tls",
        ],
        crates: &[
            "arc_swap",
            "aws_lc_rs",
            "base64",
            "bytes",
            "flate2",
            "futures_util",
            "http",
            "http_body",
            "http_body_util",
            "hyper",
            "hyper_util",
            "json_patch",
            "k8s_openapi",
            "kube",
            "moka",
            "prometheus_client",
            "rcgen",
            "rustls",
            "rustls_pki_types",
            "schemars",
            "serde",
            "serde_ignored",
            "serde_json",
            "serde_path_to_error",
            "std",
            "strsim",
            "thiserror",
            "tokio",
            "tokio_rustls",
            "tracing",
            "url",
        ],
        pure: false,
    },
    Row {
        place: "connection_limit",
        ours: &[],
        crates: &["futures_util", "std", "tokio", "tracing"],
        pure: false,
    },
    Row {
        place: "telemetry",
        ours: &[],
        crates: &["std", "tracing", "tracing_subscriber"],
        pure: false,
    },
    Row {
        place: "priority",
        ours: &[],
        crates: &["rustix", "std", "tracing"],
        pure: false,
    },
    Row {
        place: "readiness",
        ours: &[],
        crates: &["std", "tokio::sync"],
        pure: true,
    },
    Row {
        place: "redirect",
        ours: &[],
        crates: &["socket2", "std", "thiserror"],
        pure: false,
    },
    Row {
        place: "shutdown",
        ours: &[],
        crates: &["std", "tokio"],
        pure: false,
    },
    Row {
        place: "tls",
        ours: &[],
        crates: &[
            "rustls",
            "rustls_pki_types",
            "std",
            "thiserror",
            "webpki_roots",
        ],
        pure: false,
    },
    Row {
        place: "cli",
        ours: &["*"],
        crates: &["*"],
        pure: false,
    },
    Row {
        place: "main",
        ours: &["*"],
        crates: &["*"],
        pure: false,
    },
];

/// The row of a place.
pub fn row(place: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.place == place)
}

impl Row {
    /// Whether the place may name this path: absolute, `crate::…` for ours. `test`: in its tests.
    pub fn check(&self, path: &[String], test: bool) -> Result<(), String> {
        let place = self.place;
        let [first, rest @ ..] = path else {
            return Ok(());
        };
        if first == "crate" {
            return match rest.first().map(String::as_str) {
                None | Some("*") if self.ours != ["*"] => {
                    Err("a path to the whole crate hides what is used: name the module".to_owned())
                }
                None | Some("*") => Ok(()),
                Some(ours) if ours == place || self.ours.contains(&ours) || self.ours == ["*"] => {
                    Ok(())
                }
                Some(ours) => Err(format!("`{place}` may not use `{ours}`")),
            };
        }
        if matches!(first.as_str(), "core" | "alloc") || self.crates == ["*"] {
            return Ok(());
        }
        let whole = path.join("::");
        if test && TEST_CRATES.contains(&first.as_str()) {
            return Ok(());
        }
        if !self.crates.iter().any(|allowed| below(&whole, allowed)) {
            return Err(format!("`{place}` may not use the crate `{first}` so"));
        }
        let impure = IMPURE.iter().any(|impure| below(&whole, impure));
        if self.pure && impure && !PURE.iter().any(|pure| below(&whole, pure)) {
            return Err(format!("`{place}` is pure: no I/O, no clock"));
        }
        Ok(())
    }
}

/// Whether `path` is `root` or below it.
fn below(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
