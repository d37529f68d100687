//! Pauses between attempts.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// Doubles from 10 ms to 1 s; each pause is drawn from its upper half, so that gateways which lost the same
/// controller do not come back in step.
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { next: FIRST }
    }

    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::random_range(0.5..=1.0));
        self.next = (self.next * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second_and_no_further() {
        let mut backoff = Backoff::new();
        assert!(backoff.pause() <= FIRST);
        let late = (0..20).map(|_| backoff.pause()).last().expect("twenty pauses");
        assert!((LONGEST / 2..=LONGEST).contains(&late), "{late:?}");
    }
}
