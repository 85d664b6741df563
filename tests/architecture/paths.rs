//! Every path that a tree of sources names, made absolute, re-exports followed.
//!
//! Works on tokens, so that paths inside macros, attributes and nested functions count as well.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr as _;
use std::sync::LazyLock;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One file under `src/`.
pub struct Source {
    /// Relative to `src/`.
    file: String,
    /// The module it holds: `["policy", "jwt"]`.
    module: Vec<String>,
    tokens: TokenStream,
}

/// A path somebody uses.
pub struct Used {
    /// The file that names it.
    pub file: String,
    /// The line it stands in.
    pub line: usize,
    /// The place (first module) of the file.
    pub place: String,
    /// Absolute: `["crate", "policy", …]`, or a crate's name first.
    pub resolved: Vec<String>,
}

/// A tree of sources.
pub struct Crate {
    sources: Vec<Source>,
    /// `crate::policy::Client` → `kube::Client`.
    exports: BTreeMap<Vec<String>, Vec<String>>,
}

struct Found {
    path: Vec<String>,
    alias: Option<String>,
    line: usize,
    is_use: bool,
    is_public: bool,
}

impl Source {
    /// A file with this text.
    pub fn new(file: &str, text: &str) -> Self {
        let module = file
            .trim_end_matches(".rs")
            .split('/')
            .map(str::to_owned)
            .collect();
        let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        Self {
            file: file.to_owned(),
            module,
            tokens,
        }
    }

    /// All files below `root`, but `lib.rs`, which is the tree itself.
    pub fn read_tree(root: &Path) -> Vec<Self> {
        let mut sources = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let file = path
                        .strip_prefix(root)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned();
                    if file != "lib.rs" {
                        sources.push(Self::new(&file, &std::fs::read_to_string(&path).unwrap()));
                    }
                }
            }
        }
        sources
    }

    /// The first module of the file.
    pub fn place(&self) -> Option<String> {
        self.module.first().cloned()
    }
}

impl Crate {
    /// Reads the re-exports of all sources.
    pub fn new(sources: Vec<Source>) -> Self {
        let mut exports = BTreeMap::new();
        for source in &sources {
            for found in scan(&source.tokens) {
                let (true, true) = (found.is_use, found.is_public) else {
                    continue;
                };
                let Some(target) = absolute(&found.path, &source.module, true) else {
                    continue;
                };
                let Some(name) = found.alias.or_else(|| found.path.last().cloned()) else {
                    continue;
                };
                let mut exported = vec!["crate".to_owned()];
                exported.extend(source.module.iter().cloned());
                exported.push(name);
                exports.insert(exported, target);
            }
        }
        Self { sources, exports }
    }

    /// Every path of every source, as written and as re-exports resolve it.
    pub fn paths(&self) -> Vec<Used> {
        let mut all = Vec::new();
        for source in &self.sources {
            let found = scan(&source.tokens);
            let imported = imports(&found, &source.module);
            for found in &found {
                // `time::SystemTime` after `use std::time`.
                let import = imported.get(&found.path[0]).filter(|_| !found.is_use);
                let path = match import {
                    Some(target) => target.iter().chain(&found.path[1..]).cloned().collect(),
                    None => match absolute(&found.path, &source.module, found.is_use) {
                        Some(path) => path,
                        None => continue,
                    },
                };
                for resolved in self.resolve(path) {
                    let place = source.place().unwrap_or_default();
                    all.push(Used {
                        file: source.file.clone(),
                        line: found.line,
                        place,
                        resolved,
                    });
                }
            }
        }
        all
    }

    /// The path itself, and each path that it stands for.
    fn resolve(&self, path: Vec<String>) -> BTreeSet<Vec<String>> {
        let mut all = BTreeSet::new();
        let mut next = Some(path);
        while let Some(path) = next.take() {
            // Two globs that name each other would lengthen the path for ever.
            if !all.insert(path.clone()) || all.len() > 16 {
                break;
            }
            next = (1..=path.len()).rev().find_map(|length| {
                // `pub use compile::compile`: a module and its function share the name.
                let target = self.exports.get(&path[..length]);
                let target = target.filter(|target| !target.starts_with(&path[..length]))?;
                Some(target.iter().chain(&path[length..]).cloned().collect())
            });
        }
        all
    }
}

/// Names that this file's imports bring in, with what they stand for.
fn imports(found: &[Found], module: &[String]) -> BTreeMap<String, Vec<String>> {
    let imports = found.iter().filter(|found| found.is_use);
    imports
        .filter_map(|found| {
            let name = found.alias.clone().or_else(|| found.path.last().cloned())?;
            Some((name, absolute(&found.path, module, true)?))
        })
        .collect()
}

/// Makes a path absolute. None for what is certainly local: a lone name in code, an associated
/// item of a type, a path into a child module that no import names.
fn absolute(path: &[String], module: &[String], is_use: bool) -> Option<Vec<String>> {
    let first = path.first()?;
    let mut base = vec!["crate".to_owned()];
    base.extend(module.iter().cloned());
    match first.as_str() {
        "crate" => Some(path.to_vec()),
        "self" | "super" => {
            let mut rest = path;
            while let [step @ ("self" | "super"), tail @ ..] = rest
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .as_slice()
            {
                if *step == "super" {
                    base.pop();
                }
                rest = &rest[rest.len() - tail.len()..];
            }
            base.extend(rest.iter().cloned());
            Some(base)
        }
        _ if path.len() == 1 && !is_use => None,
        name if known(name) => Some(path.to_vec()),
        _ if is_use => {
            base.extend(path.iter().cloned());
            Some(base)
        }
        _ => None,
    }
}

/// Crates: the dependencies that `Cargo.toml` names, and those that need no naming there.
fn known(name: &str) -> bool {
    static CRATES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let mut crates: BTreeSet<_> = ["std", "core", "alloc"].map(str::to_owned).into();
        let mut dependencies = false;
        for line in include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).lines() {
            if line.starts_with('[') {
                dependencies = line.ends_with("dependencies]");
            } else if let (true, Some((key, _))) = (dependencies, line.split_once(" = ")) {
                crates.insert(key.replace('-', "_"));
            }
        }
        crates
    });
    CRATES.contains(name)
}

fn scan(tokens: &TokenStream) -> Vec<Found> {
    let mut found = Vec::new();
    walk(&tokens.clone().into_iter().collect::<Vec<_>>(), &mut found);
    found
}

fn walk(tokens: &[TokenTree], found: &mut Vec<Found>) {
    let mut at = 0;
    let mut is_public = false;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if *word == "pub" => {
                is_public = true;
                at += 1;
                // `pub(crate)` is public to whom this test is about.
                if matches!(tokens.get(at), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
                {
                    at += 1;
                }
                continue;
            }
            // `use<'a>` is a bound, not an import.
            TokenTree::Ident(word) if *word == "use" && !is_punct(tokens.get(at + 1), '<') => {
                let end = position(tokens, at, ';');
                tree(&tokens[at + 1..end], &[], (true, is_public), found);
                at = end;
            }
            TokenTree::Ident(word)
                if *word == "extern" && is_ident(tokens.get(at + 1), "crate") =>
            {
                let end = position(tokens, at, ';');
                tree(&tokens[at + 2..end], &[], (true, is_public), found);
                at = end;
            }
            TokenTree::Ident(_) => {
                let end = at + path_length(&tokens[at..]);
                tree(&tokens[at..end], &[], (false, false), found);
                at = end.max(at + 1) - 1;
            }
            TokenTree::Group(group) => {
                walk(&group.stream().into_iter().collect::<Vec<_>>(), found);
            }
            _ => {}
        }
        is_public = false;
        at += 1;
    }
}

/// Reads a path or a tree of paths (`a::{b, c::d as e}`), each with `prefix` before it.
fn tree(tokens: &[TokenTree], prefix: &[String], kind: (bool, bool), found: &mut Vec<Found>) {
    let mut path = prefix.to_vec();
    let mut line = 0;
    let mut alias = None;
    let mut tokens = tokens.iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if *word == "as" => {
                alias = tokens.next().map(ToString::to_string);
            }
            TokenTree::Ident(word) => {
                line = word.span().start().line;
                let word = word.to_string();
                // `a::{self}` is `a`.
                if word != "self" || path.is_empty() {
                    path.push(word.trim_start_matches("r#").to_owned());
                }
            }
            TokenTree::Punct(mark) if mark.as_char() == '*' => path.push("*".to_owned()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                for item in inner.split(|token| is_punct(Some(token), ',')) {
                    if !item.is_empty() {
                        tree(item, &path, kind, found);
                    }
                }
                return;
            }
            _ => {}
        }
    }
    if path.is_empty() {
        return;
    }
    found.push(Found {
        path,
        alias,
        line,
        is_use: kind.0,
        is_public: kind.1,
    });
}

/// How many tokens the path at the start takes: identifiers joined by `::`.
fn path_length(tokens: &[TokenTree]) -> usize {
    let mut length = 1;
    while is_punct(tokens.get(length), ':')
        && is_punct(tokens.get(length + 1), ':')
        && matches!(tokens.get(length + 2), Some(TokenTree::Ident(_)))
    {
        length += 3;
    }
    length
}

fn position(tokens: &[TokenTree], from: usize, mark: char) -> usize {
    let end = tokens[from..]
        .iter()
        .position(|token| is_punct(Some(token), mark));
    end.map_or(tokens.len(), |end| from + end)
}

fn is_punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

fn is_ident(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == name)
}
