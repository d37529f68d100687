//! The random choices that the gateway makes, in one place, so that a simulation can repeat them.

use std::time::Duration;

use rand::Rng;
use uuid::{Builder, Uuid};

/// A random time between half of `longest` and `longest`.
pub(crate) fn jittered(longest: Duration) -> Duration {
    draw(|lots| longest.mul_f64(lots.random_range(0.5..=1.0)))
}

/// A unique id.
pub(crate) fn fresh_id() -> Uuid {
    draw(|lots| Builder::from_random_bytes(lots.random()).into_uuid())
}

#[cfg(not(test))]
fn draw<T>(from: impl FnOnce(&mut rand::rngs::ThreadRng) -> T) -> T {
    from(&mut rand::rng())
}

#[cfg(test)]
fn draw<T>(from: impl FnOnce(&mut dyn rand::RngCore) -> T) -> T {
    seeded::LOTS.with_borrow_mut(|lots| match lots {
        Some(lots) => from(lots),
        None => from(&mut rand::rng()),
    })
}

#[cfg(test)]
pub(crate) mod seeded {
    use std::cell::RefCell;

    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    thread_local! {
        pub(super) static LOTS: RefCell<Option<SmallRng>> = const { RefCell::new(None) };
    }

    /// Makes every draw of this thread follow from a seed, until it is dropped.
    pub(crate) struct Seeded(());

    impl Seeded {
        pub(crate) fn with(seed: u64) -> Self {
            LOTS.set(Some(SmallRng::seed_from_u64(seed)));
            Self(())
        }
    }

    impl Drop for Seeded {
        fn drop(&mut self) {
            LOTS.set(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::seeded::Seeded;
    use super::*;

    #[test]
    fn one_seed_draws_the_same_ids_and_nothing_else_does() {
        let seeded = |seed| {
            let _seeded = Seeded::with(seed);
            fresh_id()
        };
        assert_eq!(seeded(1), seeded(1));
        assert_ne!(seeded(1), seeded(2));
        assert_ne!(fresh_id(), fresh_id());
    }
}
