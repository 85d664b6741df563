//! What this process has cost, by Linux' own account.

use std::fs;

/// Time and memory.
#[derive(Debug)]
pub struct Cost {
    /// Time of the processor, in milliseconds.
    pub milliseconds: u64,
    /// The most memory at any time, in KiB.
    pub memory: u64,
}

const MARK: &str = "cost of this process: ";

impl Cost {
    /// Forgets the most memory so far: what comes is measured from here.
    pub fn start() -> Self {
        // Where that is not allowed, memory counts from the start of the process.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self::so_far()
    }

    /// Since the process started.
    pub fn so_far() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        // Behind the name in parentheses; utime and stime are the 14th and 15th fields (proc(5)).
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks: u64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().unwrap())
            .sum();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let memory = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let memory = memory.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        Self {
            // A hundred ticks a second, on every Linux.
            milliseconds: ticks * 10,
            memory,
        }
    }

    /// The time and the memory since then.
    pub fn since(self, before: &Self) -> Self {
        Self {
            milliseconds: self.milliseconds - before.milliseconds,
            memory: self.memory - before.memory,
        }
    }

    /// For [`Cost::find`].
    pub fn print(&self) {
        println!("\n{MARK}{} {}", self.milliseconds, self.memory);
    }

    /// What a child printed.
    pub fn find(output: &str) -> Option<Self> {
        let (milliseconds, memory) = output
            .lines()
            .find_map(|line| line.strip_prefix(MARK))?
            .split_once(' ')?;
        Some(Self {
            milliseconds: milliseconds.parse().ok()?,
            memory: memory.parse().ok()?,
        })
    }
}
