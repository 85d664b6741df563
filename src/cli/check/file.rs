//! One file: read, understood, compiled.

use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Unread;
use super::files::File;
use super::stream;
use crate::cli::manifest::{self, ConfigMaps, Contents, Entry};
use crate::cli::report::{Home, Located, Source};
use crate::openapi::diagnostic::{Place, Position, code};
use crate::openapi::source::positions;
use crate::openapi::{Diagnostic, lost_in_text};
use crate::policy::{Policy, ServiceIdentity};

/// The most that is read of one file, in bytes; one service has 2 MiB at most.
const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;

/// The most findings of one file; what comes after them is not looked at.
const MAX_FINDINGS: usize = 1000;

/// The most YAML documents of one file that may be broken: what comes after them is not looked at.
const MAX_BROKEN: usize = 8;
/// What a file without content is.
const EMPTY: &str = "empty";

/// A file, checked.
#[derive(Debug)]
pub(super) struct Checked {
    /// Its name.
    pub(super) file: String,
    /// Its services.
    pub(super) services: Vec<Service>,
    /// Its findings, in their order in the file.
    pub(super) findings: Vec<Located>,
    /// How many Kubernetes objects of other kinds it holds.
    pub(super) others: usize,
    /// Its ConfigMaps, for the services of other files.
    config_maps: ConfigMaps,
    /// Its services name ConfigMaps that it does not hold.
    is_unresolved: bool,
}

/// One service.
#[derive(Debug)]
pub(super) struct Service {
    /// What it is called: a bare document by its file.
    pub(super) identity: ServiceIdentity,
    /// Its policy, unless a finding is an error.
    pub(super) policy: Option<Policy>,
}

/// Checks files; results are in their order. `None`: there is nothing of ours in the file. `keep`:
/// policies are kept.
pub(super) fn check_all(files: &[File], keep: bool) -> Vec<Result<Option<Checked>, Unread>> {
    let all: Vec<_> = files.iter().collect();
    let mut results = check_each(&all, keep, &ConfigMaps::default());
    let mut known = ConfigMaps::default();
    let mut unresolved = Vec::new();
    for (index, (result, file)) in results.iter().zip(files).enumerate() {
        let Ok(Some(checked)) = result else { continue };
        known.add(&checked.config_maps);
        // Standard input cannot be read twice: it has to hold its own.
        if checked.is_unresolved && !matches!(file, File::Stdin) {
            unresolved.push((index, file));
        }
    }
    if !known.is_empty() {
        let again: Vec<_> = unresolved.iter().map(|(_, file)| *file).collect();
        let checked = check_each(&again, keep, &known);
        for ((index, _), result) in unresolved.into_iter().zip(checked) {
            results[index] = result;
        }
    }
    results
}

/// Checks files, as many at once as there are processors; results are in their order. `known`: the
/// ConfigMaps of other files.
fn check_each(
    files: &[&File],
    keep: bool,
    known: &ConfigMaps,
) -> Vec<Result<Option<Checked>, Unread>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut results = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(index) else {
                return results;
            };
            results.push((index, check(file, keep, known)));
        }
    };
    let mut results = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads.min(files.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let mut results = work();
        for helper in helpers {
            results.extend(helper.join().expect("checking a file does not panic"));
        }
        results
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn check(file: &File, keep: bool, known: &ConfigMaps) -> Result<Option<Checked>, Unread> {
    let (path, stem, is_named) = match file {
        File::Stdin => (Path::new("<stdin>"), String::from("stdin"), true),
        File::Named(path) => (&**path, manifest::stem(path), true),
        File::Found(path) => (&**path, manifest::stem(path), false),
    };
    let bytes = match file {
        File::Stdin => read(std::io::stdin().lock()),
        File::Named(path) | File::Found(path) => std::fs::File::open(path).and_then(read),
    };
    let bytes = bytes.map_err(|error| Unread {
        path: path.display().to_string(),
        why: error.to_string(),
    })?;
    let mut checked = Checked {
        file: path.display().to_string(),
        services: Vec::new(),
        findings: Vec::new(),
        others: 0,
        config_maps: ConfigMaps::default(),
        is_unresolved: false,
    };
    let stranger = checked.understand(&stem, &bytes, keep, known);
    if checked.services.is_empty()
        && let Some(what) = stranger
    {
        if !is_named {
            return Ok(None);
        }
        let finding = Diagnostic::error(
            code::INVALID_OPENAPI,
            Place::document("", None),
            format!("this is neither an OpenAPI document nor an EndpointsService: it is {what}"),
        )
        .help(match what == EMPTY {
            true => "write one of them into it, or look whether what should have written it failed",
            false => "name a folder, and what is neither is passed over",
        });
        checked.findings = Source::new("", None).locate(&Home::File, vec![finding]);
    }
    Ok(Some(checked))
}

/// All of it, and one byte more if there is too much.
fn read(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Checked {
    /// Findings about an object of a cluster.
    pub(super) fn of_object(object: String, findings: Vec<Located>) -> Self {
        Self {
            file: object,
            services: Vec::new(),
            findings,
            others: 0,
            config_maps: ConfigMaps::default(),
            is_unresolved: false,
        }
    }

    /// Takes what the file holds. Returns what it looks like where that is none of ours.
    fn understand(
        &mut self,
        stem: &str,
        bytes: &[u8],
        keep: bool,
        known: &ConfigMaps,
    ) -> Option<String> {
        let text = String::from_utf8_lossy(bytes);
        if let Some(finding) = unreadable(bytes) {
            return self.broken(stem, &text, finding, "not text in UTF-8");
        }
        let index = match positions(&text) {
            Ok(index) => index,
            Err(finding) => {
                let at = finding.place.position;
                let parts = at.and_then(|at| stream::part(&text, at.line));
                let broken = parts.as_ref().map_or(&*text, |parts| &parts.broken);
                let lost = lost_in_text(broken, &finding);
                let finding = with_template_help(lost.unwrap_or(finding), &text);
                let what = "text that is not valid YAML or JSON";
                let stranger = self.broken(stem, &text, finding, what);
                return match parts {
                    // The other documents of the stream have findings of their own.
                    Some(parts) if stranger.is_none() && self.services.len() < MAX_BROKEN => {
                        let stranger = self.understand(stem, parts.others.as_bytes(), keep, known);
                        self.findings.sort_by_key(|located| located.spot.position);
                        stranger
                    }
                    _ => stranger,
                };
            }
        };
        let source = Source::new(&text, Some(&index));
        let mut contents = manifest::read(stem, &text, &index);
        contents.resolve_with(known);
        let Contents {
            services,
            others,
            strangers,
            config_maps,
        } = contents;
        self.config_maps = config_maps;
        self.is_unresolved = services.iter().any(Entry::is_unresolved);
        for entry in services {
            if self.findings.len() >= MAX_FINDINGS {
                let message = format!(
                    "there are {MAX_FINDINGS} findings before this: the rest of the file is not checked"
                );
                let place = match entry.home {
                    Home::Resource { .. } => Place::resource(""),
                    Home::File | Home::Document(_) => Place::document("", None),
                };
                let finding = Diagnostic::error(code::INVALID_SPEC, place, message);
                self.findings
                    .extend(source.locate(&entry.home, vec![finding]));
                break;
            }
            let (compiled, findings) = entry.compile();
            self.findings.extend(source.locate(&entry.home, findings));
            self.services.push(Service {
                identity: entry.identity,
                policy: compiled.map(|compiled| compiled.policy).filter(|_| keep),
            });
        }
        self.others = others;
        match (strangers.into_iter().next(), others) {
            (None, 0) => Some(String::from(EMPTY)),
            (stranger, _) => stranger,
        }
    }

    /// Takes a file that cannot be understood: a finding, if it wanted to be one of ours.
    fn broken(
        &mut self,
        stem: &str,
        text: &str,
        finding: Diagnostic,
        what: &str,
    ) -> Option<String> {
        if !manifest::claims_to_be_ours(text) {
            return Some(what.to_owned());
        }
        let entry = manifest::bare(stem, "");
        self.findings
            .extend(Source::new(text, None).locate(&entry.home, vec![finding]));
        self.services.push(Service {
            identity: entry.identity,
            policy: None,
        });
        None
    }
}

/// What keeps bytes from being looked into.
fn unreadable(bytes: &[u8]) -> Option<Diagnostic> {
    let finding = |position, message: String| {
        Diagnostic::error(
            code::INVALID_OPENAPI,
            Place::document("", position),
            message,
        )
    };
    if bytes.len() > MAX_FILE_BYTES {
        let message = format!("the file is larger than {MAX_FILE_BYTES} bytes (4 MiB)");
        return Some(
            finding(None, message)
                .help("one document has 1 MiB at most: put services into files of their own"),
        );
    }
    let error = std::str::from_utf8(bytes).err()?;
    let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
    let last = good.rsplit('\n').next().unwrap_or_default();
    let position = Position {
        line: good.matches('\n').count() + 1,
        column: last.chars().count() + 1,
    };
    let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
    let message = format!("the byte 0x{byte:02x} is not UTF-8");
    Some(finding(Some(position), message).help("save the file as UTF-8"))
}

/// A template is no YAML until it is rendered.
fn with_template_help(finding: Diagnostic, text: &str) -> Diagnostic {
    let position = finding.place.position;
    let line = position.and_then(|position| text.lines().nth(position.line.checked_sub(1)?));
    match line {
        Some(line) if line.contains("{{") => finding
            .help("a Helm template is checked rendered: `helm template . | endpoints check -`"),
        _ => finding,
    }
}
