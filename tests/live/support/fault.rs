//! Network faults at positions chosen by a seed.

use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::watch;

use super::PATIENCE;

/// Bytes between two faults in one direction are below 2 to the power of this. Small orders of magnitude are as likely
/// as large ones, so that handshakes are hit too.
const MOST_BYTES_LOG2: u32 = 17;

/// Stalls are shorter than this.
const LONGEST_STALL: Duration = Duration::from_millis(800);

/// Something that happens in one direction of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Number of bytes before it.
    pub(crate) after: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// The connection closes in both directions.
    Cut,
    /// Nothing passes for a while.
    Stall(Duration),
    /// The next bytes arrive in pieces of this size.
    Split(usize),
}

/// A limited number of faults.
#[derive(Debug)]
pub(crate) struct Faults {
    random: Mutex<StdRng>,
    left: watch::Sender<usize>,
    happened: Mutex<Happened>,
}

/// How often each kind happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) cuts: usize,
    pub(crate) stalls: usize,
    pub(crate) splits: usize,
}

impl Faults {
    /// This many faults; the seed chooses positions and kinds.
    pub(crate) fn new(seed: u64, count: usize) -> Self {
        Self {
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            left: watch::Sender::new(count),
            happened: Mutex::default(),
        }
    }

    /// The next fault in one direction of a connection.
    pub(crate) fn draw(&self) -> Fault {
        let mut random = self.random.lock();
        let magnitude = random.random_range(0..=MOST_BYTES_LOG2);
        let after = random.random_range(0..1_usize << magnitude);
        let kind = match random.random_range(0..4) {
            0 => Kind::Stall(LONGEST_STALL.mul_f64(random.random())),
            1 => Kind::Split(random.random_range(1..8)),
            _ => Kind::Cut,
        };
        Fault { after, kind }
    }

    /// Uses up one fault; `false` if none is left.
    pub(crate) fn happens(&self, kind: Kind) -> bool {
        let is_left = self.left.send_if_modified(|left| match left.checked_sub(1) {
            Some(fewer) => {
                *left = fewer;
                true
            }
            None => false,
        });
        if is_left {
            let mut happened = self.happened.lock();
            match kind {
                Kind::Cut => happened.cuts += 1,
                Kind::Stall(_) => happened.stalls += 1,
                Kind::Split(_) => happened.splits += 1,
            }
        }
        is_left
    }

    /// Waits until all have happened.
    pub(crate) async fn await_end(&self) -> Happened {
        let mut left = self.left.subscribe();
        let over = tokio::time::timeout(PATIENCE, left.wait_for(|left| *left == 0)).await;
        assert!(over.is_ok(), "faults are left: {}", *self.left.borrow());
        *self.happened.lock()
    }
}
