//! A number of one thread.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Cell(AtomicU64);

/// One number per status from 100 to 599, made when it is first needed; others count as 599.
#[derive(Debug, Default)]
pub(super) struct Codes([OnceLock<Box<[Cell; 100]>>; 5]);

/// Zeros.
pub(super) fn row<const N: usize>() -> [Cell; N] {
    std::array::from_fn(|_| Cell::default())
}

// === impl Cell ===

impl Cell {
    /// Adds; only the thread that owns this cell may call it.
    pub(in crate::proxy) fn add(&self, count: u64) {
        self.0
            .store(self.read().wrapping_add(count), Ordering::Relaxed);
    }

    /// Takes away; only the thread that owns this cell may call it.
    pub(in crate::proxy) fn subtract(&self, count: u64) {
        self.0
            .store(self.read().wrapping_sub(count), Ordering::Relaxed);
    }

    /// Puts a number in its place; only the thread that owns this cell may call it.
    pub(in crate::proxy) fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    pub(in crate::proxy) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Codes ===

impl Codes {
    pub(super) fn cell(&self, code: u16) -> &Cell {
        let code = if (100..600).contains(&code) {
            usize::from(code)
        } else {
            599
        };
        let class = self.0[code / 100 - 1].get_or_init(|| Box::new(row()));
        &class[code % 100]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        let classes = self.0.iter().enumerate();
        classes
            .filter_map(|(class, cells)| Some((class, cells.get()?)))
            .flat_map(|(class, cells)| {
                let codes = cells.iter().enumerate();
                codes.map(move |(code, cell)| ((class + 1) * 100 + code, cell.read()))
            })
    }
}
