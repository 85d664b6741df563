//! Which files the arguments name.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::Unread;

/// The most files of all folders together: more is a folder named by mistake.
const MAX_FILES: usize = 20_000;
/// The deepest folder that is entered.
const MAX_DEPTH: usize = 64;

/// A file to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// Standard input.
    Stdin,
    /// Named by an argument: it has to be something that can be checked.
    Named(PathBuf),
    /// Found in a folder: what is something else is passed over.
    Found(PathBuf),
}

/// What the arguments come to.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files, each once, in the order of the arguments, those of a folder by name.
    pub(super) files: Vec<File>,
    /// What could not be read.
    pub(super) unread: Vec<Unread>,
}

/// Looks up the arguments.
pub(super) fn find(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    let mut seen = HashSet::new();
    let mut left = MAX_FILES;
    for path in paths {
        if path.as_os_str() == "-" {
            if seen.insert(path.clone()) {
                found.files.push(File::Stdin);
            }
        } else if path.is_dir() {
            folder(path, &mut left, &mut found, &mut seen);
        } else if seen.insert(tidy(path)) {
            found.files.push(File::Named(tidy(path)));
        }
    }
    found
}

fn folder(root: &Path, left: &mut usize, found: &mut Found, seen: &mut HashSet<PathBuf>) {
    // Links to folders are not followed: they could lead round in a circle, or through the machine.
    let walk = WalkDir::new(root)
        .max_depth(MAX_DEPTH)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || is_entered(entry));
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(root).display().to_string();
                let why = error
                    .io_error()
                    .map_or_else(|| error.to_string(), ToString::to_string);
                found.unread.push(Unread { path, why });
                continue;
            }
        };
        if !is_candidate(&entry) {
            continue;
        }
        let Some(rest) = left.checked_sub(1) else {
            found.unread.push(Unread {
                path: root.display().to_string(),
                why: format!(
                    "there are more than {MAX_FILES} YAML and JSON files: name a smaller folder"
                ),
            });
            return;
        };
        *left = rest;
        let path = tidy(entry.path());
        if seen.insert(path.clone()) {
            found.files.push(File::Found(path));
        }
    }
}

fn is_entered(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    !entry.file_type().is_dir() || !(name.starts_with('.') || name == "node_modules")
}

/// Whether it is a file, or a link to one, that may hold YAML or JSON.
fn is_candidate(entry: &DirEntry) -> bool {
    let path = entry.path();
    let ending = path.extension().and_then(|ending| ending.to_str());
    let fits = matches!(
        ending.map(str::to_ascii_lowercase).as_deref(),
        Some("yaml" | "yml" | "json")
    );
    fits && path.is_file()
}

/// `a.yaml`, not `./a.yaml`.
fn tidy(path: &Path) -> PathBuf {
    match path.strip_prefix(".") {
        Ok(rest) if !rest.as_os_str().is_empty() => rest.to_owned(),
        _ => path.to_owned(),
    }
}
