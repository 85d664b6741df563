//! Which compilation is next: namespaces take turns, and one of them never takes the last thread, so
//! that nobody waits for more than what is under way.

use std::collections::{BTreeMap, VecDeque};

use super::Job;
use crate::push::wire::ServiceKey;

/// Compilations at once.
const CONCURRENT: usize = 2;

/// What tells jobs apart: of two of the same, only the newest is wanted.
type Subject = (ServiceKey, bool);

/// Compilations that wait, and those under way.
#[derive(Debug, Default)]
pub struct Queue {
    /// Each namespace's, the oldest first.
    waiting: BTreeMap<String, VecDeque<Job>>,
    /// Namespaces that have something waiting and nothing under way, in the order in which they came to
    /// that.
    turns: VecDeque<String>,
    running: Vec<Subject>,
}

impl Queue {
    /// Adds a job. One that waits for the same thing is not wanted any more, but its place is kept: who
    /// edits all the time is compiled all the same.
    pub fn push(&mut self, job: Job) {
        let namespace = job.key.namespace.clone();
        let waiting = self.waiting.entry(namespace.clone()).or_default();
        let subject = subject(&job);
        match waiting
            .iter_mut()
            .find(|other| self::subject(other) == subject)
        {
            Some(older) => *older = job,
            None => waiting.push_back(job),
        }
        self.queue_up(namespace);
    }

    /// Takes what is to be done now; it is under way until [`Queue::done`].
    pub fn take(&mut self) -> Option<Job> {
        if self.running.len() >= CONCURRENT {
            return None;
        }
        let namespace = self.turns.pop_front()?;
        let waiting = self.waiting.get_mut(&namespace)?;
        let job = waiting.pop_front()?;
        if waiting.is_empty() {
            self.waiting.remove(&namespace);
        }
        self.running.push(subject(&job));
        Some(job)
    }

    /// A job has ended, however it did.
    pub fn done(&mut self, key: &ServiceKey, of_revision: bool) {
        let ended = (key.clone(), of_revision);
        self.running.retain(|running| *running != ended);
        self.queue_up(key.namespace.clone());
    }

    fn queue_up(&mut self, namespace: String) {
        let mut running = self.running.iter();
        let is_busy = running.any(|(key, _)| key.namespace == namespace);
        if !is_busy && self.waiting.contains_key(&namespace) && !self.turns.contains(&namespace) {
            self.turns.push_back(namespace);
        }
    }

    /// How many wait or are under way.
    pub fn len(&self) -> usize {
        let waiting: usize = self.waiting.values().map(VecDeque::len).sum();
        waiting + self.running.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn subject(job: &Job) -> Subject {
    (job.key.clone(), job.is_revision())
}

#[cfg(test)]
mod tests;
