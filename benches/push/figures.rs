//! Figures, and how they are told.

use std::time::Duration;

/// Durations, in order.
#[derive(Debug, Default)]
pub struct Quantiles(Vec<Duration>);

impl Quantiles {
    pub fn push(&mut self, one: Duration) {
        let place = self.0.partition_point(|known| *known <= one);
        self.0.insert(place, one);
    }

    pub fn extend(&mut self, more: &Self) {
        self.0.extend(&more.0);
        self.0.sort();
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn last(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// In hundredths.
    pub fn at(&self, hundredths: usize) -> Duration {
        let place = (self.0.len() * hundredths).div_ceil(100).max(1) - 1;
        self.0.get(place).copied().unwrap_or_default()
    }
}

/// What one case came to.
#[derive(Debug, Default)]
pub struct Figures {
    sidecars: usize,
    services: usize,
    /// Of one service: until the last of its sidecars runs it.
    pub edit: Quantiles,
    /// Of one service: for each of its sidecars.
    pub push: Quantiles,
    /// Of the operator, for one sidecar of an edit, its share of compiling and status included.
    pub cpu: Quantiles,
    /// Of every service at once: until the last sidecar runs it.
    pub waves: Quantiles,
    pub wave_cpu: Quantiles,
    /// And until every status says so.
    pub wave_said: Quantiles,
    /// A minute.
    pub status_writes: f64,
    pub edits: usize,
    /// KiB.
    pub idle_rss: u64,
    pub rss: u64,
    pub restart_rss: u64,
    /// From the moment when the new process takes streams until every sidecar has one.
    pub reconnect: Duration,
    /// Reviews of pods, by the webhook, during all of the above.
    pub reviews: Quantiles,
    /// Bytes of a snapshot's frame.
    pub frame: usize,
}

impl Figures {
    pub fn new(sidecars: usize, services: usize) -> Self {
        Self {
            sidecars,
            services,
            ..Self::default()
        }
    }

    /// A line of the table of docs/performance.md.
    pub fn print(&self) {
        let ms = |duration: Duration| format!("{:.0} ms", duration.as_secs_f64() * 1e3);
        let mib = |kib: u64| format!("{:.0} MiB", kib_to_mib(kib));
        let cells = [
            format!("{} / {}", self.sidecars, self.services),
            format!("{} / {}", ms(self.edit.at(50)), ms(self.edit.at(99))),
            format!("{} / {}", ms(self.waves.at(50)), ms(self.waves.last())),
            ms(self.wave_said.last()),
            format!("{:.2} ms", self.cpu.at(50).as_secs_f64() * 1e3),
            format!("{} B", self.frame),
            format!("{} → {}", mib(self.idle_rss), mib(self.rss)),
            format!(
                "{:.1} s, {}",
                self.reconnect.as_secs_f64(),
                mib(self.restart_rss)
            ),
            format!("{:.0} ({} edits)", self.status_writes, self.edits),
            format!(
                "{:.1} / {:.1} ms",
                self.reviews.at(50).as_secs_f64() * 1e3,
                self.reviews.at(99).as_secs_f64() * 1e3
            ),
        ];
        println!("| {} |", cells.join(" | "));
        let verdict = |name: &str, good: bool, figure: String, target: &str| {
            let word = if good { "met" } else { "MISSED" };
            eprintln!(
                "{:>5}/{:<3} {name:<34} {figure:>10}   target {target:<8} {word}",
                self.sidecars, self.services
            );
        };
        let all = self.edit.at(99).max(self.waves.last());
        if self.sidecars <= 1000 {
            verdict(
                "edit → all applied, p99",
                all <= Duration::from_secs(1),
                ms(all),
                "1 s",
            );
            verdict(
                "resident memory",
                kib_to_mib(self.rss) <= 100.0,
                mib(self.rss),
                "100 MiB",
            );
        }
        verdict(
            "all reconnected",
            self.reconnect <= Duration::from_secs(10),
            format!("{:.1} s", self.reconnect.as_secs_f64()),
            "10 s",
        );
        let review = self.reviews.at(99);
        verdict(
            "admission meanwhile, p99",
            review <= Duration::from_millis(5),
            format!("{:.1} ms", review.as_secs_f64() * 1e3),
            "5 ms",
        );
    }
}

fn kib_to_mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}
