//! Answers, judged and counted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cases::{Case, Holds, Verdict};
use crate::client::Answer;
use crate::state::Moment;

#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    right: BTreeMap<&'static str, u64>,
    /// 502 and 503 while the backend restarted, and answers that it broke off.
    backend_away: BTreeMap<&'static str, u64>,
    /// The policy or the keys changed meanwhile: either answer is right.
    undecided: u64,
    wrong: u64,
    examples: Vec<String>,
}

impl Tally {
    /// Judges the answer to a case.
    pub fn judge(
        &self,
        case: &Case,
        id: &str,
        answer: Option<&Answer>,
        before: &Moment,
        after: &Moment,
    ) {
        let known = match case.holds {
            Holds::Always => true,
            Holds::Policy => before.one_policy(after),
            Holds::Keys => before.one_key(after),
        };
        let away = !before.backend_up(after);
        let status = answer.map(|answer| answer.status);
        let right = match case.verdict {
            Verdict::Abandoned => true,
            Verdict::BrokenOff => answer.is_none(),
            Verdict::Accepted => answer.is_some_and(|answer| is_own(answer, case, id)),
            Verdict::Refused(expected) | Verdict::Answered(expected) => status == Some(expected),
        };
        let excused = away
            && matches!(case.verdict, Verdict::Accepted | Verdict::BrokenOff)
            && matches!(status, None | Some(502 | 503));
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if right {
            *counts.right.entry(case.name).or_default() += 1;
        } else if excused {
            *counts.backend_away.entry(case.name).or_default() += 1;
        } else if !known {
            counts.undecided += 1;
        } else {
            drop(counts);
            self.wrongly(
                case.name,
                format!("expected {:?}, got {answer:?}", case.verdict),
            );
        }
    }

    /// Something that must not happen.
    pub fn wrongly(&self, name: &str, what: String) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.wrong += 1;
        if counts.examples.len() < 20 {
            counts.examples.push(format!("{name}: {what:.2000}"));
        }
    }

    /// How many were wrong.
    pub fn wrong(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wrong
    }
}

/// Whether the backend answered this request, and knew who asked.
fn is_own(answer: &Answer, case: &Case, id: &str) -> bool {
    let text = String::from_utf8_lossy(&answer.body);
    let mut words = text.split(' ');
    let same = answer.status == 200 && words.next() == Some(id);
    let Some(subject) = &case.subject else {
        return same && words.next() == Some("");
    };
    let told = words
        .next()
        .and_then(|told| URL_SAFE_NO_PAD.decode(told.trim_end_matches('=')).ok());
    let told = told.map(|told| String::from_utf8_lossy(&told).into_owned());
    same && told.is_some_and(|told| told.contains(&format!("\"{subject}\"")))
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, count) in &counts.right {
            writeln!(f, "{count:>9} {name}")?;
        }
        let away: u64 = counts.backend_away.values().sum();
        writeln!(
            f,
            "{away:>9} met the backend's restart: {:?}",
            counts.backend_away
        )?;
        writeln!(
            f,
            "{:>9} met a swap or a rotation: either answer is right",
            counts.undecided
        )?;
        write!(f, "{:>9} wrong", counts.wrong)?;
        for example in &counts.examples {
            write!(f, "\n{example}")?;
        }
        Ok(())
    }
}
