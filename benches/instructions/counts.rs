//! The committed counts, and what is said of new ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.json");
/// How far a count may be from the committed one, in percent.
const SLACK: u64 = 5;
/// What libraries choose their code by, of what valgrind lets through.
const FLAGS: [&str; 14] = [
    "abm",
    "aes",
    "avx",
    "avx2",
    "bmi1",
    "bmi2",
    "cx16",
    "erms",
    "f16c",
    "fma",
    "movbe",
    "pclmulqdq",
    "rdrand",
    "sse4_2",
];

/// `instructions.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// The class of machine that the counts are of, as flags of its processor.
    cpu: BTreeSet<String>,
    cases: BTreeMap<String, Count>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    instructions: u64,
    target: u64,
}

impl Counts {
    /// Reads the file.
    pub fn read() -> Self {
        let text = std::fs::read(Path::new(FILE)).expect("the file is there");
        serde_json::from_slice(&text).expect("the file is right")
    }

    /// Compares; on another class of machine the counts are only told.
    pub fn judge(mut self, measured: &[(&str, u64)]) -> ExitCode {
        let cpu = flags();
        if std::env::var_os("UPDATE_COUNTS").is_some() {
            self.cpu = cpu;
            for (name, count) in measured {
                self.of(name).instructions = *count;
            }
            let text = serde_json::to_string_pretty(&self).expect("it is JSON");
            std::fs::write(FILE, text + "\n").expect("the file can be written");
            return ExitCode::SUCCESS;
        }
        if self.cpu != cpu {
            println!(
                "no verdict: instructions.json is of processors with {:?}",
                self.cpu
            );
            println!("this one has {cpu:?}");
            return ExitCode::SUCCESS;
        }
        let mut passed = true;
        for (name, count) in measured {
            let Count {
                instructions,
                target,
            } = *self.of(name);
            if *count > target {
                // A target that was never met is said each time; one that was met stays so.
                passed &= instructions > target;
                println!("{name}: {count} is more than the target, {target}");
            }
            if count.abs_diff(instructions) * 100 > instructions * SLACK {
                passed = false;
                println!(
                    "{name}: {count} is more than {SLACK} % from {instructions}, which is committed: \
                     find out why, or UPDATE_COUNTS=1 make instructions"
                );
            }
        }
        match passed {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }
    }

    fn of(&mut self, name: &str) -> &mut Count {
        self.cases.get_mut(name).expect("each case is in the file")
    }
}

/// What this processor has of [`FLAGS`].
fn flags() -> BTreeSet<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("flags"));
    let own: BTreeSet<_> = line.unwrap_or_default().split_whitespace().collect();
    let known = FLAGS.iter().filter(|flag| own.contains(*flag));
    known.map(|flag| (*flag).to_owned()).collect()
}
