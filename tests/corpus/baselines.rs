//! What Google's compiler makes of its own test inputs: routes, who may call them, and the errors.

use std::collections::{BTreeMap, BTreeSet};

use endpoints::policy::Policy;
use endpoints::policy::format::Alternative;
use endpoints::policy::route::shape;

use super::text_format::Message;
use super::{Corpus, Document, errors};

const PAGE: &str = include_str!("../../docs/compiler.md");
const HEADING: &str = "## Differences from Google's compiler";

/// Method and template, its variables' names left out.
type Route = (String, String);
/// Alternatives: provider and audiences.
type Callers = BTreeSet<(String, BTreeSet<String>)>;

#[test]
fn routes_callers_and_errors_are_those_of_googles_compiler_or_the_difference_is_documented() {
    let documented = documented();
    let Some(corpus) = Corpus::open() else { return };
    let mut found = BTreeSet::new();
    let mut compared = 0;
    for document in &corpus.documents {
        let Some(path) = document.note.strip_prefix("golden: ") else {
            continue;
        };
        let baseline = std::fs::read_to_string(corpus.folder.join(path)).unwrap();
        let differences = differences(&corpus, document, &baseline);
        found.extend(
            differences
                .into_iter()
                .map(|what| (document.short_name().to_owned(), what)),
        );
        compared += 1;
    }
    assert_eq!(compared, 26, "baselines that were found");
    println!("{compared} documents compared, {} differences", found.len());
    let list = |set: BTreeSet<&(String, String)>| {
        set.into_iter()
            .map(|(name, what)| format!("| `{name}` | {what} |"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let undocumented = list(found.difference(&documented).collect());
    let gone = list(documented.difference(&found).collect());
    assert!(
        undocumented.is_empty() && gone.is_empty(),
        "not in docs/compiler.md:\n{undocumented}\nno longer so:\n{gone}"
    );
}

/// The first two columns of the page's table.
fn documented() -> BTreeSet<(String, String)> {
    let (_, section) = PAGE.split_once(HEADING).expect(HEADING);
    let section = section.split("\n## ").next().unwrap_or(section);
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(name, rest)| {
            let what = rest.split(" | ").next().unwrap_or(rest);
            (name.to_owned(), what.to_owned())
        })
        .collect()
}

impl Document {
    /// The name of a test input of Google's compiler.
    fn short_name(&self) -> &str {
        self.file
            .rsplit_once("testdata_")
            .map_or(&self.file, |(_, name)| name)
    }
}

fn differences(corpus: &Corpus, document: &Document, baseline: &str) -> Vec<String> {
    let theirs = Message::parse(baseline).filter(|message| message.text("name").is_some());
    match (theirs, corpus.compile(document)) {
        (None, Err(_)) => Vec::new(),
        (None, Ok(_)) => vec![String::from("refused there, compiles here")],
        (Some(_), Err(findings)) => {
            let codes: BTreeSet<_> = errors(&findings).map(|finding| finding.code).collect();
            let codes: Vec<_> = codes.into_iter().map(|code| format!("`{code}`")).collect();
            vec![format!("refused here: {}", codes.join(", "))]
        }
        (Some(theirs), Ok(compiled)) => compare(&theirs, &compiled.policy),
    }
}

fn compare(theirs: &Message, policy: &Policy) -> Vec<String> {
    let service = theirs.text("name").expect("a service has a name");
    let mut differences = Vec::new();
    if service != policy.service {
        differences.push(format!("the service is `{}`", policy.service));
    }
    let theirs = their_operations(theirs, service);
    let ours = our_operations(policy);
    let routes: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    for route in routes {
        let (method, path) = route;
        match (theirs.get(route), ours.get(route)) {
            (Some(_), None) => differences.push(format!("no `{method} {path}` here")),
            (None, Some(_)) => differences.push(format!("`{method} {path}` only here")),
            (Some(theirs), Some(ours)) if theirs != ours => {
                differences.push(format!(
                    "`{method} {path}`: {} there, {} here",
                    told(theirs),
                    told(ours)
                ));
            }
            _ => {}
        }
    }
    differences
}

fn told(callers: &Callers) -> String {
    match callers.is_empty() {
        true => String::from("open"),
        false => {
            let each = callers.iter().map(|(provider, audiences)| {
                let audiences: Vec<_> = audiences.iter().map(String::as_str).collect();
                format!("`{provider}` ({})", audiences.join(", "))
            });
            each.collect::<Vec<_>>().join(" or ")
        }
    }
}

fn their_operations(service: &Message, name: &str) -> BTreeMap<Route, Callers> {
    let authentication: Vec<_> = service.messages("authentication").collect();
    let of_provider: BTreeMap<_, _> = authentication
        .iter()
        .flat_map(|block| block.messages("providers"))
        .filter_map(|provider| Some((provider.text("id")?, provider.text("audiences"))))
        .collect();
    let callers: BTreeMap<_, Callers> = authentication
        .iter()
        .flat_map(|block| block.messages("rules"))
        .map(|rule| {
            let callers = rule.messages("requirements").map(|requirement| {
                let provider = requirement.text("provider_id").expect("a provider");
                let audiences = requirement
                    .text("audiences")
                    .or(*of_provider.get(provider).expect("it is defined"))
                    .map_or_else(|| BTreeSet::from([name.to_owned()]), list);
                (provider.to_owned(), audiences)
            });
            (
                rule.text("selector").expect("a selector"),
                callers.collect(),
            )
        })
        .collect();
    service
        .messages("http")
        .flat_map(|block| block.messages("rules"))
        .map(|rule| {
            let (method, path) = match rule.messages("custom").next() {
                Some(custom) => (custom.text("kind").unwrap(), custom.text("path").unwrap()),
                None => rule
                    .texts()
                    .find(|(field, _)| {
                        matches!(*field, "get" | "put" | "post" | "delete" | "patch")
                    })
                    .expect("a method"),
            };
            let selector = rule.text("selector").expect("a selector");
            let callers = callers.get(selector).cloned().unwrap_or_default();
            (route(method, path), callers)
        })
        .collect()
}

fn list(audiences: &str) -> BTreeSet<String> {
    audiences
        .split(',')
        .map(|audience| audience.trim().to_owned())
        .collect()
}

fn our_operations(policy: &Policy) -> BTreeMap<Route, Callers> {
    policy
        .operations
        .iter()
        .map(|operation| {
            let callers = operation
                .security
                .iter()
                .flat_map(|Alternative(all)| all)
                .map(|one| {
                    let provider = &policy.providers[&one.provider];
                    let audiences = one.audiences.as_ref().or(provider.audiences.as_ref());
                    (one.provider.clone(), audiences.cloned().unwrap_or_default())
                });
            (route(&operation.method, &operation.path), callers.collect())
        })
        .collect()
}

fn route(method: &str, path: &str) -> Route {
    (
        method.to_ascii_uppercase(),
        shape(path).expect("a template"),
    )
}
