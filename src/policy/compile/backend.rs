//! `x-google-backend`: where an operation's requests go, and for how long.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::address::{Address, BadAddress};
use super::{duration, invalid};
use crate::api::endpoints_service::BackendSpec;
use crate::openapi::description::{Backend, BackendProtocol, Operation, PathTranslation};
use crate::openapi::diagnostic::{code, quote};
use crate::openapi::{Diagnostic, Findings, Place, lints};
use crate::policy::format::{BackendRule, MAX_DEADLINE_MS, PathRule};

/// The most addresses in a document: each has connections of its own.
const MAX_ADDRESSES: usize = 1024;
/// The most in words.
const MAX_DEADLINE: &str = "a day";

/// Judges each backend once, however many operations share it.
pub(super) struct Backends {
    /// `backend.overrideAddresses`.
    override_addresses: bool,
    overridden: bool,
    /// `backend.deadline`, in milliseconds.
    deadline_ms: Option<u64>,
    judged: HashMap<*const Backend, Judged>,
    addresses: BTreeSet<String>,
    too_many: bool,
}

/// What an operation's rule is, as far as its own path does not matter.
#[derive(Clone)]
struct Judged {
    rule: Option<Rc<BackendRule>>,
    /// Its path variables become query parameters.
    takes_variables: bool,
}

impl Backends {
    /// Checks the fields.
    pub(super) fn new(spec: Option<&BackendSpec>, findings: &mut Findings) -> Self {
        let deadline = spec.and_then(|spec| spec.deadline.as_deref());
        Self {
            override_addresses: spec
                .and_then(|spec| spec.override_addresses)
                .unwrap_or(false),
            overridden: false,
            deadline_ms: deadline.and_then(|written| default_deadline(written, findings)),
            judged: HashMap::new(),
            addresses: BTreeSet::new(),
            too_many: false,
        }
    }

    /// The rule of an operation; `None`: the service's own backend, or a finding was made.
    pub(super) fn rule(
        &mut self,
        operation: &Operation,
        findings: &mut Findings,
    ) -> Option<Rc<BackendRule>> {
        let Some(written) = &operation.backend else {
            return self.deadline_ms.map(|deadline_ms| {
                Rc::new(BackendRule {
                    address: None,
                    http2: false,
                    path: None,
                    deadline_ms: Some(deadline_ms),
                })
            });
        };
        let key = Arc::as_ptr(written);
        let judged = match self.judged.get(&key) {
            Some(known) => known.clone(),
            None => {
                let judged = self.judge(written, findings);
                self.judged.insert(key, judged.clone());
                judged
            }
        };
        if judged.takes_variables {
            check_variables(operation, findings);
        }
        judged.rule
    }

    /// Says so when the override has nothing to override.
    pub(super) fn finish(&self, findings: &mut Findings) {
        if self.override_addresses && !self.overridden {
            findings.push(
                Diagnostic::warning(
                    lints::NO_EFFECT,
                    Place::resource("/spec/backend/overrideAddresses"),
                    "it changes nothing: no operation has an `x-google-backend` with an address",
                )
                .help("remove it"),
            );
        }
    }

    fn judge(&mut self, written: &Backend, findings: &mut Findings) -> Judged {
        let deadline_ms = deadline(written, findings).or(self.deadline_ms);
        let mut rule = BackendRule {
            address: None,
            http2: false,
            path: None,
            deadline_ms,
        };
        match &written.address {
            None => warn_without_address(written, findings),
            Some(_) if self.override_addresses => self.overridden = true,
            Some(address) => match Address::parse(address) {
                Ok(address) => self.send_to(&address, written, &mut rule, findings),
                Err(why) => findings.push(bad_address(written, address, why)),
            },
        }
        let takes_variables = matches!(rule.path, Some(PathRule::Constant(_)));
        let says_nothing = rule.address.is_none() && rule.deadline_ms.is_none();
        Judged {
            rule: (!says_nothing).then(|| Rc::new(rule)),
            takes_variables,
        }
    }

    fn send_to(
        &mut self,
        address: &Address,
        written: &Backend,
        rule: &mut BackendRule,
        findings: &mut Findings,
    ) {
        if address.has_query {
            findings.push(
                Diagnostic::warning(
                    lints::NO_EFFECT,
                    written.address_place.clone(),
                    "the query of a backend's address is not used",
                )
                .help("remove the part from `?` on"),
            );
        }
        warn_about_id_token(written, findings);
        let origin = address.origin();
        self.addresses.insert(origin.clone());
        if self.addresses.len() > MAX_ADDRESSES && !self.too_many {
            self.too_many = true;
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    written.address_place.clone(),
                    format!("there are more than {MAX_ADDRESSES} backends"),
                )
                .help("describe them in several EndpointsServices"),
            );
        }
        rule.address = Some(origin);
        rule.http2 = written.protocol == BackendProtocol::Http2 && !address.scheme.is_grpc();
        rule.path = match written.path_translation {
            PathTranslation::AppendPathToAddress if address.path.is_empty() => None,
            PathTranslation::AppendPathToAddress => Some(PathRule::Append(address.path.clone())),
            PathTranslation::ConstantAddress if address.path.is_empty() => {
                Some(PathRule::Constant(String::from("/")))
            }
            PathTranslation::ConstantAddress => Some(PathRule::Constant(address.path.clone())),
        };
    }
}

/// `backend.deadline` in milliseconds; `None` when a finding was made.
fn default_deadline(written: &str, findings: &mut Findings) -> Option<u64> {
    let why = match duration::parse(written).map(whole_milliseconds) {
        Ok(Some(milliseconds)) => return Some(milliseconds),
        Ok(None) => format!("it is not between a millisecond and {MAX_DEADLINE}"),
        Err(why) => why,
    };
    findings.push(
        invalid(
            "/spec/backend/deadline",
            format!("{} is not a deadline: {why}", quote(written)),
        )
        .help("write a number with a unit, like `15s`, `1m30s` or `500ms`"),
    );
    None
}

/// The deadline of a backend in milliseconds, if it has one.
fn deadline(written: &Backend, findings: &mut Findings) -> Option<u64> {
    let seconds = written.deadline?;
    let milliseconds = Duration::try_from_secs_f64(seconds)
        .ok()
        .and_then(whole_milliseconds);
    if milliseconds.is_none() {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                written.place.clone(),
                format!(
                    "the deadline of {seconds} s is not between a millisecond and {MAX_DEADLINE}"
                ),
            )
            .help("write `deadline` in seconds, like `30.0`"),
        );
    }
    milliseconds
}

fn whole_milliseconds(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_millis())
        .ok()
        .filter(|milliseconds| (1..=MAX_DEADLINE_MS).contains(milliseconds))
}

fn bad_address(
    written: &Backend,
    address: &str,
    BadAddress { why, help }: BadAddress,
) -> Diagnostic {
    Diagnostic::error(
        code::INVALID_OPENAPI,
        written.address_place.clone(),
        format!("{} is not the address of a backend: {why}", quote(address)),
    )
    .help(help)
}

/// Without an address only the deadline counts (ESPv2).
fn warn_without_address(written: &Backend, findings: &mut Findings) {
    let without = |what: &str, place: &Place| {
        Diagnostic::warning(
            lints::NO_EFFECT,
            place.clone(),
            format!("{what} changes nothing: the backend has no `address`"),
        )
        .help("add the `address`, or remove it")
    };
    if written.protocol == BackendProtocol::Http2 {
        findings.push(without("`protocol`", &written.place));
    }
    if let Some((_, place)) = &written.jwt_audience {
        findings.push(without("`jwt_audience`", place));
    }
}

/// Google's proxy puts a token of its own in the place of the client's unless told otherwise.
fn warn_about_id_token(written: &Backend, findings: &mut Findings) {
    if written.disable_auth {
        return;
    }
    let (audience, place) = match &written.jwt_audience {
        Some((audience, place)) => (format!(" for {}", quote(audience)), place),
        None => (String::new(), &written.address_place),
    };
    findings.push(
        Diagnostic::warning(
            lints::BACKEND_ID_TOKEN_NOT_MINTED,
            place.clone(),
            format!(
                "the backend gets the client's `Authorization` as it came: Google's proxy would mint an ID token{audience}, this one mints none"
            ),
        )
        .help(
            "let the backend accept the client's token, or trust the network; `disable_auth: true` (in OpenAPI 3 `disableAuth`) says that this is meant",
        ),
    );
}

/// Under `CONSTANT_ADDRESS` the path's variables become query parameters, by their names: two of one
/// name could not be told apart.
fn check_variables(operation: &Operation, findings: &mut Findings) {
    let mut names = BTreeSet::new();
    if let Some(name) = variables(&operation.path).find(|name| !names.insert(*name)) {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                operation.path_place.clone(),
                format!(
                    "two variables of {} are called {}: as query parameters of the backend's address they would be one",
                    quote(&operation.path),
                    quote(name)
                ),
            )
            .help("rename one, or write `path_translation: APPEND_PATH_TO_ADDRESS`"),
        );
    }
}

/// The names of a template's variables: of `{shelf}` and `{shelf=*}`, `shelf`.
fn variables(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).map(|rest| {
        let inside = rest.split('}').next().unwrap_or_default();
        inside.split('=').next().unwrap_or_default()
    })
}
