//! Room for a record, taken before the step that writes it.

use std::sync::Arc;

use super::error::{LogFailed, ReserveError};
use super::layout::RECORD_HEADER;
use super::shared::Shared;

/// Room for one record, in memory and on disk. Dropped, it is given back.
#[derive(Debug)]
#[must_use = "is room for one record"]
pub(crate) struct Reservation {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Reservation {
    /// Gives it up, and returns how many bytes of it a record holds in memory until it is written.
    pub(super) fn spend(mut self, payload_bytes: u64) -> usize {
        let held = self.bytes.min(RECORD_HEADER + payload_bytes);
        self.shared.memory.add_permits((self.bytes - held) as usize);
        self.bytes = 0;
        held as usize
    }

    pub(super) fn promised(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.shared.buffer().take_back(self.bytes);
            self.shared.memory.add_permits(self.bytes as usize);
        }
    }
}

/// Waits until there is room for a record, but for `kept` bytes.
pub(super) async fn reserve(
    shared: &Arc<Shared>,
    payload_bytes: usize,
    kept: u64,
) -> Result<Reservation, ReserveError> {
    let bytes = RECORD_HEADER + payload_bytes as u64;
    let permits = shared.check_size(bytes)?;
    let Ok(memory) = shared.memory.acquire_many(permits).await else {
        return Err(shared.buffer().ended().unwrap_or_else(LogFailed::closed).into());
    };
    shared.promise(bytes, kept).await?;
    memory.forget();
    Ok(Reservation { shared: Arc::clone(shared), bytes })
}

/// Takes room for a record, but for `kept` bytes, if it is there now.
pub(super) fn try_reserve(shared: &Arc<Shared>, payload_bytes: usize, kept: u64) -> Option<Reservation> {
    let bytes = RECORD_HEADER + payload_bytes as u64;
    let permits = shared.check_size(bytes).ok()?;
    let memory = shared.memory.try_acquire_many(permits).ok()?;
    shared.buffer().promise(bytes, kept).then(|| {
        memory.forget();
        Reservation { shared: Arc::clone(shared), bytes }
    })
}

impl Shared {
    fn check_size(&self, bytes: u64) -> Result<u32, ReserveError> {
        let max = self.sizes.gathered;
        let fits = u32::try_from(bytes).ok().filter(|_| bytes <= max);
        fits.ok_or(ReserveError::TooLarge { bytes: bytes - RECORD_HEADER, max: max - RECORD_HEADER })
    }

    async fn promise(&self, bytes: u64, kept: u64) -> Result<(), ReserveError> {
        let mut tried = self.spare_tried.subscribe();
        let mut has_waited = false;
        let mut counts = false;
        loop {
            match self.try_promise(bytes, kept, counts)? {
                Room::Promised => return Ok(()),
                Room::Asked => counts = true,
                // What ran before this asked may have met a fuller disk; what began since then has not.
                Room::AskedBefore => counts = has_waited,
            }
            tried.changed().await.expect("this owns the other end");
            has_waited = true;
        }
    }

    /// Promises room; without any, asks for a spare file, or returns why there cannot be one, where the failure of the
    /// last attempt counts.
    fn try_promise(&self, bytes: u64, kept: u64, counts: bool) -> Result<Room, ReserveError> {
        let mut buffer = self.buffer();
        if let Some(ended) = buffer.ended() {
            return Err(ended.into());
        }
        if buffer.promise(bytes, kept) {
            return Ok(Room::Promised);
        }
        if let Some(refused) = buffer.no_space.clone().filter(|_| counts) {
            return Err(ReserveError::NoSpace(refused));
        }
        if !buffer.wants_spare() {
            return Ok(Room::AskedBefore);
        }
        self.spare_wanted.notify_one();
        Ok(Room::Asked)
    }
}

/// What became of a wish for room.
enum Room {
    /// It is there.
    Promised,
    /// A spare file was asked for.
    Asked,
    /// A spare file is being made already, or is there and too small.
    AskedBefore,
}
