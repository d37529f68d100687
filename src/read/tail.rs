//! Waits at the tail of a segment.
//!
//! A store answers a read at the tail once there is something to read, and such a read cannot be taken back. So all
//! requests that wait at one offset share one read, and later requests find it still waiting:
//!
//! ```text
//! park ─▶ ask ── answered, or no request waits any more ─▶ removed from the map ─▶ every waiting request looks again
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use pravega_protocol::stream::SegmentName;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::reader::SegmentReader;

/// Reads that may be parked at the same time.
const MOST_PARKED: usize = 16 * 1024;

/// How long a read stays parked without a request that waits for it.
const LINGER: Duration = Duration::from_secs(60);

/// No more reads can be parked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("requests already wait at {MOST_PARKED} offsets, the maximum")]
pub struct TooManyWaits;

/// Waits at the tails of segments. Clones share the parked reads.
#[derive(Debug, Clone, Default)]
pub struct Tails {
    parked: Arc<Mutex<HashMap<WaitPoint, Parked>>>,
}

/// The segment and its tail.
type WaitPoint = (SegmentName, i64);

/// A read that the store keeps until it has an answer.
#[derive(Debug)]
struct Parked {
    /// Closed once there is an answer.
    answered: watch::Receiver<()>,
    _task: AbortOnDropHandle<()>,
}

impl Tails {
    /// Waits at a segment's tail, `offset`, until it is worth looking again: there is something to read, or the segment
    /// was sealed, truncated or deleted, or could not be read. The first who waits there reads, with `reader`.
    ///
    /// # Errors
    /// [`TooManyWaits`]
    ///
    /// # Cancel safety
    /// The read stays parked for a while, for the next request that waits at the same offset.
    pub async fn wait_for_change(
        &self,
        reader: &SegmentReader,
        segment: &SegmentName,
        offset: i64,
    ) -> Result<(), TooManyWaits> {
        let mut answered = self.park(reader, segment, offset)?;
        // Nothing is ever sent: the answer closes the channel.
        let _ = answered.changed().await;
        Ok(())
    }

    fn park(
        &self,
        reader: &SegmentReader,
        segment: &SegmentName,
        offset: i64,
    ) -> Result<watch::Receiver<()>, TooManyWaits> {
        let point = (segment.clone(), offset);
        let mut parked = self.lock();
        if let Some(read) = parked.get(&point) {
            return Ok(read.answered.clone());
        }
        if parked.len() >= MOST_PARKED {
            return Err(TooManyWaits);
        }
        let (answer, answered) = watch::channel(());
        let task = tokio::spawn(self.clone().ask(reader.clone(), point.clone(), answer));
        parked.insert(point, Parked { answered: answered.clone(), _task: AbortOnDropHandle::new(task) });
        Ok(answered)
    }

    async fn ask(self, reader: SegmentReader, point: WaitPoint, answer: watch::Sender<()>) {
        let (segment, offset) = &point;
        tokio::select! {
            answered = reader.park(segment, *offset) => {
                if let Err(error) = answered {
                    tracing::debug!(segment = %segment, offset, %error, "a parked read ended");
                }
            }
            () = no_one_waits(&answer) => {}
        }
        // Requests that look again must not find this read. The map holds the task: nothing is awaited afterwards.
        let removed = self.lock().remove(&point);
        assert!(removed.is_some(), "a read stays in the map until it is answered");
        drop((answer, removed));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WaitPoint, Parked>> {
        self.parked.lock()
    }
}

/// Ends once the map alone has listened for a while.
async fn no_one_waits(answer: &watch::Sender<()>) {
    let mut ticks = tokio::time::interval(LINGER);
    ticks.tick().await;
    let mut was_alone = false;
    loop {
        ticks.tick().await;
        let is_alone = answer.receiver_count() <= 1;
        if is_alone && was_alone {
            return;
        }
        was_alone = is_alone;
    }
}
