//! `spec.headers`.

use std::collections::BTreeMap;

use crate::api::EndpointsServiceSpec;
use crate::api::endpoints_service::{
    ForwardedHeaderMode, ForwardedSpec, HeaderEditsSpec, MAX_GENERATED_PREFIX, MAX_HEADER_NAME,
    MAX_HEADER_VALUE, MAX_HEADERS, MAX_TRUSTED_HOPS,
};
use crate::openapi::diagnostic::quote;
use crate::openapi::{Diagnostic, Findings};
use crate::policy::compile::invalid;
use crate::policy::format::{ForwardedMode, HeaderEdits, HeaderSettings};
use crate::policy::headers::{
    DEFAULT_PREFIX, TargetError, VARIABLES, ValueError, ValueTemplate, check_prefix, check_target,
};

/// Compiles the block.
pub(super) fn compile(spec: &EndpointsServiceSpec, findings: &mut Findings) -> HeaderSettings {
    let Some(headers) = &spec.headers else {
        return HeaderSettings::default();
    };
    let generated_prefix = headers
        .generated_prefix
        .as_deref()
        .and_then(|written| prefix(written, findings));
    let mut edits = |written: Option<&HeaderEditsSpec>, of| {
        let list = List {
            of,
            prefix: generated_prefix.as_deref().unwrap_or(DEFAULT_PREFIX),
            cors: spec.cors.is_some(),
        };
        written.map_or_else(HeaderEdits::default, |written| {
            list.edits(written, findings)
        })
    };
    let request = edits(headers.request.as_ref(), Side::Request);
    let response = edits(headers.response.as_ref(), Side::Response);
    let (forwarded, trusted_hops) = forwarded(headers.forwarded.as_ref(), findings);
    HeaderSettings {
        request,
        response,
        operation_name: headers.operation_name.unwrap_or(false),
        generated_prefix,
        forwarded,
        trusted_hops,
    }
}

/// ESPv2's own prefix is none: a policy that says nothing new stays as it is.
fn prefix(written: &str, findings: &mut Findings) -> Option<String> {
    let lower = written.to_ascii_lowercase();
    let error = |why: String| {
        invalid(
            "/spec/headers/generatedPrefix",
            format!(
                "{} is not a prefix of generated headers: {why}",
                quote(written)
            ),
        )
        .help(
            "write words of letters and digits, each with a hyphen behind it, like `X-Bookstore-`",
        )
    };
    let finding = match check_prefix(&lower) {
        _ if written.len() > MAX_GENERATED_PREFIX => {
            error(format!("it has more than {MAX_GENERATED_PREFIX} bytes"))
        }
        Err(None) => error("it is not made of words with hyphens behind them".to_owned()),
        Err(Some(taken)) => error(format!(
            "`{taken}` begins with it, and would be taken from every client"
        )),
        Ok(()) if lower == DEFAULT_PREFIX => return None,
        Ok(()) => return Some(lower),
    };
    findings.push(finding);
    None
}

fn forwarded(spec: Option<&ForwardedSpec>, findings: &mut Findings) -> (ForwardedMode, u8) {
    let Some(spec) = spec else {
        return (ForwardedMode::Append, 0);
    };
    let hops = spec.trusted_hops.unwrap_or(0);
    if hops > MAX_TRUSTED_HOPS {
        findings.push(
            invalid(
                "/spec/headers/forwarded/trustedHops",
                format!("{hops} proxies in front are more than can be trusted"),
            )
            .help(format!("write a number from 0 to {MAX_TRUSTED_HOPS}")),
        );
    }
    let mode = match spec.mode.unwrap_or_default() {
        ForwardedHeaderMode::Append => ForwardedMode::Append,
        ForwardedHeaderMode::Set => ForwardedMode::Set,
        ForwardedHeaderMode::Keep => ForwardedMode::Off,
    };
    (mode, hops)
}

/// On which message headers are set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Response,
}

/// Where a list stands, and what its names may not be.
struct List<'l> {
    of: Side,
    prefix: &'l str,
    /// Whether the proxy owns CORS.
    cors: bool,
}

impl List<'_> {
    fn edits(&self, written: &HeaderEditsSpec, findings: &mut Findings) -> HeaderEdits {
        let set = self.list("set", written.set.as_ref(), findings);
        let append = self.list("append", written.append.as_ref(), findings);
        HeaderEdits { set, append }
    }

    fn list(
        &self,
        action: &str,
        written: Option<&BTreeMap<String, String>>,
        findings: &mut Findings,
    ) -> BTreeMap<String, String> {
        let of = match self.of {
            Side::Request => "request",
            Side::Response => "response",
        };
        let place = format!("/spec/headers/{of}/{action}");
        let mut checked = BTreeMap::new();
        let written = written.into_iter().flatten();
        for (at, (name, value)) in written.enumerate() {
            if at == MAX_HEADERS {
                findings.push(
                    invalid(&place, format!("there are more than {MAX_HEADERS} headers"))
                        .help("set fewer headers here"),
                );
                break;
            }
            let field = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
            match self.header(name, value) {
                Err((message, help)) => findings.push(invalid(&field, message).help(help)),
                Ok(header) => {
                    if checked.insert(header, value.clone()).is_some() {
                        findings.push(twice(&field, name));
                    }
                }
            }
        }
        checked
    }

    /// The name in lower case, if both can be sent.
    fn header(&self, name: &str, value: &str) -> Result<String, (String, String)> {
        let refused = |why: String, help: &str| {
            let message = format!("{} cannot be set: {why}", quote(name));
            Err((message, help.to_owned()))
        };
        if name.len() > MAX_HEADER_NAME {
            let why = format!("its name has more than {MAX_HEADER_NAME} bytes");
            return refused(why, "give it a shorter name");
        }
        let header = match check_target(name, self.prefix) {
            Ok(header) => header,
            Err(why) => return refused(why.to_string(), remedy(why)),
        };
        let is_cors = header.as_str().starts_with("access-control-");
        if self.cors && self.of == Side::Response && is_cors {
            let why = "the proxy owns CORS, and says these itself".to_owned();
            return refused(why, "use the fields of `cors`");
        }
        if value.len() > MAX_HEADER_VALUE {
            let why = format!("its value has more than {MAX_HEADER_VALUE} bytes");
            return refused(why, "write a shorter value");
        }
        match ValueTemplate::parse(value, self.of == Side::Response) {
            Ok(_) => Ok(header.as_str().to_owned()),
            Err(why) => {
                let help = match why {
                    ValueError::Empty => "write a value".to_owned(),
                    ValueError::BadCharacter => {
                        "write printable ASCII, without line breaks".to_owned()
                    }
                    _ => format!("use {VARIABLES}; write `%%` for a `%`"),
                };
                let message = format!("the value {} cannot be sent: {why}", quote(value));
                Err((message, help))
            }
        }
    }
}

fn remedy(why: TargetError) -> &'static str {
    match why {
        TargetError::NotAName => "write letters, digits and hyphens",
        TargetError::Pseudo | TargetError::Framing | TargetError::HopByHop | TargetError::Read => {
            "remove it, or give it another name"
        }
        TargetError::Host => "remove it: `backend.address` decides where requests go",
        TargetError::Generated => {
            "give it another name, or use `operationName` and `jwt` for what the proxy tells backends"
        }
        TargetError::Forwarded => "use `headers.forwarded`",
    }
}

fn twice(field: &str, name: &str) -> Diagnostic {
    invalid(
        field,
        format!("{} is there twice, in another case", quote(name)),
    )
    .help("write each name once: case means nothing in names of headers")
}
