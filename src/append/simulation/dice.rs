use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

/// Random choices, which all follow from a schedule's seed.
pub(super) struct Dice(SmallRng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// Separate dice for a task that draws concurrently.
    pub(super) fn split(&mut self) -> Self {
        Self::new(self.0.random())
    }

    pub(super) fn seed(&mut self) -> u64 {
        self.0.random()
    }

    pub(super) fn chance(&mut self, odds: f64) -> bool {
        odds > 0.0 && self.0.random_bool(odds)
    }

    /// A number below `count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }

    pub(super) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    pub(super) fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    pub(super) fn position(&mut self) -> f64 {
        self.0.random()
    }

    pub(super) fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() { None } else { all.get(self.below(all.len())) }
    }
}
