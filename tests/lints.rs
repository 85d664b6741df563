//! `docs/lints.md` is true: every finding's name has its section, every section's bad example has
//! exactly that finding, and the good one has none.

// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;

use endpoints::api::{EndpointsService, EndpointsServiceSpec};
use endpoints::openapi::Diagnostic;
use endpoints::openapi::diagnostic::code;
use endpoints::openapi::lints::{LINTS, lint};
use endpoints::policy::{ServiceIdentity, compile};
use serde_json::json;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// The codes of errors that are no lints.
const CODES: [&str; 5] = [
    code::INVALID_OPENAPI,
    code::INVALID_SPEC,
    code::UNSUPPORTED_FEATURE,
    code::UNSUPPORTED_SECURITY,
    code::CONFLICTING_ROUTES,
];

/// Names that are no lints, since they are not about documents: the module `codes` of these folders. What
/// pages they are on is checked beside them, and by `conditions.rs`.
const OTHER_REGISTRIES: [&str; 2] = ["src/cli/check/cluster/", "src/operator/"];

/// A section of the page.
struct Section {
    name: String,
    bad: Vec<String>,
    good: Vec<String>,
}

#[test]
fn every_finding_has_a_section_and_every_section_a_finding() {
    let documented: Vec<_> = sections().into_iter().map(|section| section.name).collect();
    let known: Vec<_> = CODES
        .into_iter()
        .chain(LINTS.iter().map(|lint| lint.name))
        .collect();
    assert_eq!(
        documented, known,
        "docs/lints.md, in the order of the registry"
    );
}

#[test]
fn names_of_lints_are_stable_in_form_and_order() {
    let names: Vec<_> = LINTS.iter().map(|lint| lint.name).collect();
    assert!(names.is_sorted(), "{names:#?}");
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    for lint in LINTS {
        let is_kebab = lint
            .name
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()));
        assert!(is_kebab, "{}", lint.name);
        assert!(CODES.contains(&lint.reason), "{}", lint.name);
    }
}

#[test]
fn each_bad_example_has_exactly_its_finding() {
    for section in sections() {
        assert!(!section.bad.is_empty(), "{}: no bad example", section.name);
        for example in &section.bad {
            let findings = findings(example);
            let names: BTreeSet<_> = findings.iter().map(|finding| finding.code).collect();
            assert_eq!(
                names.into_iter().collect::<Vec<_>>(),
                [section.name.as_str()],
                "{example}\n{findings:#?}"
            );
            assert!(
                findings.iter().all(|finding| finding.help.is_some()),
                "no remedy: {findings:#?}"
            );
        }
    }
}

#[test]
fn no_good_example_has_a_finding() {
    for section in sections() {
        assert!(
            !section.good.is_empty(),
            "{}: no good example",
            section.name
        );
        for example in &section.good {
            let findings = findings(example);
            assert!(
                findings.is_empty(),
                "{}: {example}\n{findings:#?}",
                section.name
            );
        }
    }
}

#[test]
fn findings_take_their_names_from_the_registry() {
    let mut checked = Names::default();
    read_sources(Path::new("src"), &mut checked);
    assert!(checked.calls > 20, "found {} calls only", checked.calls);
    assert_eq!(checked.strange, Vec::<String>::new());
}

/// Sections with their examples: the fenced block after a line that begins with `Bad` or `Good`.
fn sections() -> Vec<Section> {
    let page = std::fs::read_to_string("docs/lints.md").expect("the page of lints");
    let mut sections: Vec<Section> = Vec::new();
    let mut is_bad = None;
    let mut block: Option<String> = None;
    for line in page.lines() {
        if let Some(text) = &mut block {
            if line != "```" {
                text.push_str(line);
                text.push('\n');
                continue;
            }
            let (section, text) = (sections.last_mut().unwrap(), block.take().unwrap());
            match is_bad.take() {
                Some(true) => section.bad.push(text),
                Some(false) => section.good.push(text),
                None => panic!("{}: an example that is neither bad nor good", section.name),
            }
        } else if let Some(name) = line.strip_prefix("### ") {
            sections.push(Section {
                name: name.to_owned(),
                bad: Vec::new(),
                good: Vec::new(),
            });
        } else if line.starts_with("Bad") {
            is_bad = Some(true);
        } else if line.starts_with("Good") {
            is_bad = Some(false);
        } else if line == "```yaml" {
            block = Some(String::new());
        }
    }
    sections
}

/// What compiling an example finds: an OpenAPI document, or an EndpointsService.
fn findings(example: &str) -> Vec<Diagnostic> {
    let is_resource = example.lines().any(|line| line == "kind: EndpointsService");
    let spec: EndpointsServiceSpec = if is_resource {
        let resource: EndpointsService = serde_yaml::from_str(example).expect(example);
        resource.spec
    } else {
        serde_json::from_value(json!({"openapi": {"inline": example}})).unwrap()
    };
    let identity = ServiceIdentity {
        name: String::from("bookstore"),
        namespace: String::from("shop"),
    };
    match compile(&spec, &identity) {
        Ok(compiled) => compiled.warnings,
        Err(findings) => findings,
    }
}

/// The names that sources give to findings.
#[derive(Default)]
struct Names {
    file: String,
    calls: usize,
    strange: Vec<String>,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(function) = &*call.func {
            let segments: Vec<_> = function
                .path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
            if let [.., constructor, function] = segments.as_slice()
                && constructor == "Diagnostic"
                && (function == "error" || function == "warning")
            {
                self.calls += 1;
                self.check(function == "warning", call.args.first());
            }
        }
        visit::visit_expr_call(self, call);
    }
}

impl Names {
    /// A warning is a lint of the registry; an error may also have one of the codes, which are reasons
    /// of a condition. A name that is passed on was checked where it came from.
    fn check(&mut self, is_warning: bool, name: Option<&syn::Expr>) {
        let known = |path: &syn::ExprPath| {
            let segments: Vec<_> = path
                .path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
            match segments.as_slice() {
                [.., module, _] => {
                    let other = || OTHER_REGISTRIES.iter().any(|it| self.file.starts_with(it));
                    module == "lints"
                        || (module == "codes" && other())
                        || (!is_warning && (module == "code" || module == "reason"))
                }
                [name] => name.chars().all(|c| c.is_lowercase() || c == '_'),
                [] => false,
            }
        };
        match name {
            Some(syn::Expr::Path(path)) if known(path) => {}
            Some(syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(text),
                ..
            })) if lint(&text.value()).is_some() => {}
            other => {
                let line = other.map(|name| name.span().start().line);
                self.strange.push(format!("{}:{line:?}", self.file));
            }
        }
    }
}

fn read_sources(folder: &Path, names: &mut Names) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_test {
            read_sources(&path, names);
        } else if path.extension().is_some_and(|end| end == "rs") && !is_test {
            let file = syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap();
            names.file = path.display().to_string();
            names.visit_file(&file);
        }
    }
}
