//! The fuzz targets, compiled and run over their seeds: what `make fuzz` starts from holds in every
//! test run, and a finding becomes a seed.
// What the targets check is a failed test when it fails.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz");

#[test]
fn every_target_holds_on_its_seeds() {
    for (name, run) in targets::TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "fuzz/seeds/{name} is empty");
        for (path, bytes) in seeds {
            if std::panic::catch_unwind(|| run(&bytes)).is_err() {
                panic!("{name} fails on {}", path.display());
            }
        }
    }
}

#[test]
fn every_target_is_one_that_cargo_fuzz_and_make_fuzz_know() {
    let manifest = fs::read_to_string(format!("{FUZZ}/Cargo.toml")).unwrap();
    let known: BTreeSet<_> = manifest
        .lines()
        .filter_map(|line| {
            line.strip_prefix("path = \"fuzz_targets/")?
                .strip_suffix(".rs\"")
        })
        .collect();
    let ours: BTreeSet<_> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, ours);
    for name in ours {
        let target = fs::read_to_string(format!("{FUZZ}/fuzz_targets/{name}.rs")).unwrap();
        assert!(
            target.contains(&format!("endpoints_fuzz::{name}::run(data)")),
            "{name}"
        );
    }
}

/// One way to spoil a text.
#[derive(Clone, Debug)]
enum Change {
    Drop(Index, usize),
    Insert(Index, &'static str),
    Repeat(Index, usize),
    Replace(Index, u8),
}

/// What parsers trip over.
const PIECES: &[&str] = &[
    "\0",
    "\t",
    "\r\n",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "é",
    "\u{202e}",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "%",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "|\n",
    "- ",
    ": ",
    "#",
    "~",
    "$ref",
    "..",
    "//",
    "**",
    "\\ud800",
    "18446744073709551616",
    "-0",
    "1e999",
    ".nan",
    "null",
    "\n---\n",
    "...",
    "{}",
    "[]",
    ":x",
    "%2F",
];

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Change::Drop(at, count)),
        (any::<Index>(), prop::sample::select(PIECES))
            .prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<Index>(), 1..60_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
    ]
}

fn spoil(bytes: &mut Vec<u8>, change: &Change) {
    let (at, len) = match change {
        Change::Drop(at, _)
        | Change::Insert(at, _)
        | Change::Repeat(at, _)
        | Change::Replace(at, _) => (at.index(bytes.len() + 1), bytes.len()),
    };
    match change {
        Change::Drop(_, count) => drop(bytes.drain(at..len.min(at + count))),
        Change::Insert(_, piece) => drop(bytes.splice(at..at, piece.bytes())),
        Change::Repeat(_, count) => {
            let again = bytes[at..len.min(at + count)].to_vec();
            bytes.splice(at..at, again);
        }
        Change::Replace(_, byte) if at < len => bytes[at] = *byte,
        Change::Replace(..) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_target_holds_on_spoilt_seeds(
        target in prop::sample::select(targets::TARGETS),
        seed in any::<Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let (name, run) = target;
        let seeds = seeds(name);
        let (_, mut bytes) = seeds[seed.index(seeds.len())].clone();
        changes.iter().for_each(|change| spoil(&mut bytes, change));
        prop_assert!(
            std::panic::catch_unwind(|| run(&bytes)).is_ok(),
            "{} fails on {:?}", name, String::from_utf8_lossy(&bytes)
        );
    }
}

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(Path::new(FUZZ).join("seeds").join(target))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}
