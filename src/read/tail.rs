//! Waiting where a segment ends.
//!
//! A store answers a read at the tail when something is there, and has no way to take such a read back. So everyone who
//! waits at one place shares one read, and the next who comes there finds it still under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pravega_protocol::stream::SegmentName;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::reader::SegmentReader;

/// Places at which reads may be parked at the same time.
const MOST_PLACES: usize = 16 * 1024;

/// How long a read stays parked that nobody waits for.
const LINGER: Duration = Duration::from_secs(60);

/// Reads are parked at as many places as there may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("requests wait at {MOST_PLACES} places already, which is the most")]
pub struct TooManyWaits;

/// Waits at the tails of segments. Clones share the parked reads.
#[derive(Debug, Clone)]
pub struct Tails {
    reader: SegmentReader,
    parked: Arc<Mutex<HashMap<Place, Parked>>>,
}

type Place = (SegmentName, i64);

/// A read that the store holds until it has an answer.
#[derive(Debug)]
struct Parked {
    /// Closed when there is an answer.
    answered: watch::Receiver<()>,
    _task: AbortOnDropHandle<()>,
}

impl Tails {
    /// Waits through this reader.
    pub fn new(reader: SegmentReader) -> Self {
        Self { reader, parked: Arc::default() }
    }

    /// Waits at a segment's tail, `offset`, until it is worth looking again: there is something, or the segment was
    /// sealed, truncated or deleted, or could not be asked.
    ///
    /// # Errors
    /// [`TooManyWaits`]
    ///
    /// # Cancel safety
    /// The read stays parked for a while, and is found there by the next who waits at the same place.
    pub async fn moved(&self, segment: &SegmentName, offset: i64) -> Result<(), TooManyWaits> {
        let mut answered = self.park(segment, offset)?;
        // Nothing is ever sent: the answer closes it.
        let _ = answered.changed().await;
        Ok(())
    }

    fn park(&self, segment: &SegmentName, offset: i64) -> Result<watch::Receiver<()>, TooManyWaits> {
        let place = (segment.clone(), offset);
        let mut parked = self.lock();
        if let Some(read) = parked.get(&place) {
            return Ok(read.answered.clone());
        }
        if parked.len() >= MOST_PLACES {
            return Err(TooManyWaits);
        }
        let (answer, answered) = watch::channel(());
        let task = tokio::spawn(self.clone().ask(place.clone(), answer));
        parked.insert(place, Parked { answered: answered.clone(), _task: AbortOnDropHandle::new(task) });
        Ok(answered)
    }

    async fn ask(self, place: Place, answer: watch::Sender<()>) {
        let (segment, offset) = &place;
        tokio::select! {
            answered = self.reader.bytes(segment, *offset, 1) => {
                if let Err(error) = answered {
                    tracing::debug!(segment = %segment, offset, %error, "a parked read ended");
                }
            }
            () = nobody_waits(&answer) => {}
        }
        // Whoever looks again must not find this read. The map holds the task, so that this is the last that it does.
        let removed = self.lock().remove(&place);
        drop((answer, removed));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Parked>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when nobody but the map itself has listened for a while.
async fn nobody_waits(answer: &watch::Sender<()>) {
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
