//! The sidecar's process: its memory, its descriptors, its end.

use std::fmt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};

use crate::client::Client;

pub struct Sidecar {
    child: Mutex<Child>,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

/// Of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    kilobytes: u64,
    descriptors: usize,
}

/// What became of memory and descriptors.
#[derive(Debug)]
pub struct Growth {
    early: Sample,
    late: Sample,
}

impl Sidecar {
    pub fn new(child: Child, log: PathBuf, folder: tempfile::TempDir) -> Self {
        Self {
            child: Mutex::new(child),
            log,
            _folder: folder,
        }
    }

    pub fn sample(&self) -> Sample {
        let id = self
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let words = line.expect("it runs").split_whitespace().next();
        let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).expect("it runs");
        Sample {
            kilobytes: words.and_then(|word| word.parse().ok()).expect("a number"),
            descriptors: descriptors.count(),
        }
    }

    /// Ends it as kubelet does; its exit code, and the end of its log.
    pub fn stop(&self) -> (Option<i32>, String) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let killed = Command::new("kill").arg(child.id().to_string()).status();
        killed.expect("kill runs");
        let code = child.wait().expect("it ends").code();
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(20).collect();
        let lines: Vec<_> = lines.into_iter().rev().collect();
        (code, lines.join("\n"))
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // Gone already, if all went well.
        let _ = self
            .child
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .kill();
    }
}

/// The most of the time after the warm-up (five minutes, or a third of a short run), and the most of
/// the last third.
pub fn growth(samples: &[Sample], seconds: u64) -> Growth {
    let third = samples.len() / 3;
    let warm = match seconds {
        // As many samples as five minutes have.
        900.. => samples.len() * 300 / usize::try_from(seconds).unwrap_or(usize::MAX),
        _ => third,
    };
    let most = |samples: &[Sample]| Sample {
        kilobytes: samples
            .iter()
            .map(|sample| sample.kilobytes)
            .max()
            .unwrap_or(0),
        descriptors: samples
            .iter()
            .map(|sample| sample.descriptors)
            .max()
            .unwrap_or(0),
    };
    Growth {
        early: most(&samples[warm..samples.len() - third]),
        late: most(&samples[samples.len() - third..]),
    }
}

impl Growth {
    /// By more than the noise of an allocator: 5 % and 1 MiB, or eight descriptors.
    pub fn grew(&self) -> bool {
        self.late.kilobytes > self.early.kilobytes * 105 / 100 + 1024
            || self.late.descriptors > self.early.descriptors + 8
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { early, late } = self;
        write!(
            f,
            "resident: {} kB at most after the warm-up, {} kB in the last third; descriptors: {}, {}",
            early.kilobytes, late.kilobytes, early.descriptors, late.descriptors
        )
    }
}

/// The sum of a metric whose name has this part.
pub async fn metric(admin: u16, part: &str) -> Option<u64> {
    let mut client = Client::connect(([127, 0, 0, 1], admin).into()).await.ok()?;
    let answer = client
        .ask(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        .await?;
    let text = String::from_utf8(answer.body).ok()?;
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && line.contains(part));
    lines
        .map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// Seconds since 1970.
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}
