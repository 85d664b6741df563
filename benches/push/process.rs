//! What processes cost, by /proc.

use std::path::Path;
use std::time::Duration;

/// Of the kernel: a hundredth of a second.
const TICK: Duration = Duration::from_millis(10);

/// Time on a processor since the process started; nothing for one that is gone.
pub fn cpu(pid: u32) -> Duration {
    let stat = read(pid, "stat");
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return Duration::ZERO;
    };
    let fields = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = fields.filter_map(|it| it.parse::<u32>().ok()).sum();
    TICK * ticks
}

/// Of all processes that live in a folder.
pub fn cpu_in(folder: &Path) -> Duration {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let of_folder = all.filter(|entry| {
        std::fs::read_link(entry.path().join("cwd")).is_ok_and(|place| place == folder)
    });
    let pids = of_folder.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.map(cpu).sum()
}

/// Resident memory now, MiB.
pub fn resident(pid: u32) -> f64 {
    memory(pid, "VmRSS:")
}

/// The most resident memory so far, MiB.
pub fn peak(pid: u32) -> f64 {
    memory(pid, "VmHWM:")
}

fn memory(pid: u32, name: &str) -> f64 {
    let status = read(pid, "status");
    let line = status.lines().find_map(|it| it.strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no {name} of process {pid}"));
    let kib: f64 = line.trim_end_matches("kB").trim().parse().unwrap();
    kib / 1024.0
}

fn read(pid: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}
