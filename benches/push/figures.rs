//! Figures, and how they are told.

use std::time::Duration;

use crate::operator::Answered;

/// Durations, in order.
#[derive(Debug, Default)]
pub struct Quantiles(Vec<Duration>);

impl Quantiles {
    pub fn push(&mut self, one: Duration) {
        self.add(std::iter::once(one));
    }

    pub fn add(&mut self, more: impl Iterator<Item = Duration>) {
        self.0.extend(more);
        self.0.sort_unstable();
    }

    /// In hundredths.
    pub fn at(&self, hundredths: usize) -> Duration {
        let place = (self.0.len() * hundredths).div_ceil(100).max(1) - 1;
        self.0.get(place).copied().unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// What one case came to.
#[derive(Debug, Default)]
pub struct Figures {
    pub sidecars: usize,
    pub services: usize,
    /// Of one service at a time: until the last of its sidecars runs it.
    pub edits: Quantiles,
    /// Operator's time on a processor for one push of these, its share of compiling and status included.
    pub edit_cpu: Duration,
    /// The same while every service is edited at once,
    pub waves: Quantiles,
    /// from the first of these edits until the last sidecar runs its own, at most,
    pub wave: Duration,
    /// until the API server had stored all of them,
    pub stored: Quantiles,
    /// and until every status says so.
    pub told: Quantiles,
    pub wave_cpu: Duration,
    /// Bytes of a stream for one policy.
    pub bytes: u64,
    pub status_writes: f64,
    /// How many edits those were of, and how long it all took.
    pub edited: usize,
    pub took: Duration,
    /// MiB without pods, with pods that have no stream yet, with streams, and at most.
    pub memory: [f64; 4],
    /// Of one processor, with a hundred reviews a second and nothing else to do.
    pub idle_cpu: f64,
    /// Reviews of tokens a second by the API server alone.
    pub token_reviews: f64,
    /// From the kill until the new process is ready,
    pub ready: Duration,
    /// and from then until every sidecar has a stream and was told what it has.
    pub back: Duration,
    pub dials: usize,
    /// Time on a processor from the kill until then: operator, API server and store, sidecars.
    pub restart_cpu: [Duration; 3],
    pub restart_memory: f64,
    /// Reviews of pods seen by the client, during edits and from the new process's first answer on.
    pub reviews: Quantiles,
    pub restart_reviews: Quantiles,
    /// The same two by the operator's own clock.
    pub answered: [Answered; 2],
}

impl Figures {
    /// Lines of the table of docs/performance.md: a name, a tab, what it came to.
    pub fn print(&self) {
        for (name, value) in self.rows() {
            println!("{name}\t{value}");
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let is_small = self.sidecars <= 1000;
        let [empty, known, idle, most] = self.memory;
        let [operator, api_server, sidecars] = self.restart_cpu.map(seconds);
        let minutes = self.took.as_secs_f64() / 60.0;
        let per_edit = self.status_writes / f64::from(u32::try_from(self.edited).unwrap());
        let percent = |answered: Answered| 100.0 * answered.in_time / answered.all.max(1.0);
        vec![
            (
                "sidecars / services",
                format!("{} / {}", self.sidecars, self.services),
            ),
            (
                "an edit of one service → its sidecars run it, p50 / p99 (target 1 s)",
                target(
                    format!("{} / {}", ms(self.edits.at(50)), ms(self.edits.at(99))),
                    !is_small || self.edits.at(99) <= Duration::from_secs(1),
                ),
            ),
            (
                "the same while every service is edited at once, p50 / p99 (target 1 s)",
                target(
                    format!("{} / {}", ms(self.waves.at(50)), ms(self.waves.at(99))),
                    !is_small || self.waves.at(99) <= Duration::from_secs(1),
                ),
            ),
            (
                "– from the first edit until the API server stored the last, p50 / all run theirs, most / every status says so, p50",
                format!(
                    "{} / {} / {}",
                    ms(self.stored.at(50)),
                    ms(self.wave),
                    ms(self.told.at(50))
                ),
            ),
            (
                "operator's CPU a push: one service / every service",
                format!("{} / {}", cost(self.edit_cpu), cost(self.wave_cpu)),
            ),
            ("bytes a push", self.bytes.to_string()),
            (
                "status writes an edit / a minute",
                format!("{per_edit:.1} / {:.0}", self.status_writes / minutes),
            ),
            (
                "operator's memory: no pods / pods known / connected / most (target 100 MiB)",
                target(
                    format!("{empty:.0} / {known:.0} / {idle:.0} / {most:.0} MiB"),
                    !is_small || most <= 100.0,
                ),
            ),
            (
                "operator's CPU when nothing is edited, of one core",
                format!("{:.1} %", self.idle_cpu * 100.0),
            ),
            (
                "restart: killed → ready / → all connected (target 10 s)",
                target(
                    format!(
                        "{} s / {} s",
                        seconds(self.ready),
                        seconds(self.ready + self.back)
                    ),
                    self.ready + self.back <= Duration::from_secs(10),
                ),
            ),
            (
                "– CPU meanwhile: operator / API server and etcd / sidecars",
                format!("{operator} / {api_server} / {sidecars} s"),
            ),
            (
                "– dials a sidecar, operator's memory at most",
                format!(
                    "{:.2}, {:.0} MiB",
                    f64::from(u32::try_from(self.dials).unwrap())
                        / f64::from(u32::try_from(self.sidecars).unwrap()),
                    self.restart_memory
                ),
            ),
            (
                "token reviews a second, API server alone",
                format!("{:.0}", self.token_reviews),
            ),
            (
                "admission during edits, p50 / p99 (target 5 ms)",
                reviews(&self.reviews),
            ),
            (
                "admission during the restart, p50 / p99 (target 5 ms)",
                reviews(&self.restart_reviews),
            ),
            (
                "– within 5 ms by the operator's own clock",
                format!(
                    "{:.1} % / {:.1} %",
                    percent(self.answered[0]),
                    percent(self.answered[1])
                ),
            ),
        ]
    }
}

fn reviews(of: &Quantiles) -> String {
    let text = format!(
        "{:.1} / {:.1} ms",
        of.at(50).as_secs_f64() * 1e3,
        of.at(99).as_secs_f64() * 1e3
    );
    target(text, of.len() > 0 && of.at(99) <= Duration::from_millis(5))
}

fn target(text: String, is_met: bool) -> String {
    match is_met {
        true => text,
        false => format!("**{text} missed**"),
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1e3)
}

/// Of what is more than the idle operator's.
fn cost(more: Duration) -> String {
    match more.is_zero() {
        true => String::from("no more than idle"),
        false => us(more),
    }
}

fn us(duration: Duration) -> String {
    format!("{:.0} µs", duration.as_secs_f64() * 1e6)
}

fn seconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64())
}
