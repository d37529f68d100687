//! Room for what steps add, in memory and on disk. A step that was given room can be written down whatever the disk is
//! like, so a full one refuses steps and never breaks the log.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::error::{ChangeError, NoRoom};
use super::journal::Journal;
use super::node::Node;
use super::step::Step;
use super::undurable::Undurable;
use crate::log::Reservation;

/// What a change does to the room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Takes some.
    Add,
    /// Leads to some being given back, so it may take the last of it.
    Free,
}

/// The right to add this many bytes in a step.
#[derive(Debug)]
pub(crate) struct Room {
    node: Arc<Node>,
    /// Promised in memory.
    bytes: u64,
    reservation: Option<Reservation>,
}

impl Room {
    pub(super) fn take_reservation(&mut self) -> Option<Reservation> {
        self.reservation.take()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.node.take_back(self.bytes);
        }
    }
}

impl Node {
    /// Waits for room for `bytes` more of events or entries; keep it until the step is done. Cancel safe.
    ///
    /// # Errors
    /// [`NoRoom`] if nothing made room in time, or the disk is full.
    pub(crate) async fn room_for(self: &Arc<Self>, bytes: usize) -> Result<Room, NoRoom> {
        let (promised, reservation) = match &self.journal {
            None => (bytes as u64, None),
            Some(journal) => (0, Some(journal.reserve(bytes, Purpose::Add).await.map_err(Arc::new)?)),
        };
        let deadline = Instant::now() + self.limits.wait_for_room;
        let mut freed = self.freed.subscribe();
        while !self.promise(promised) {
            if timeout_at(deadline, freed.changed()).await.is_err() {
                return Err(NoRoom::Memory { max_bytes: self.limits.max_bytes });
            }
        }
        Ok(self.room(promised, reservation))
    }

    /// Room for a change of few bytes, beside `bytes` that are known, if it is there now; in memory it always is.
    pub(crate) fn try_room_to_change(self: &Arc<Self>, bytes: usize, purpose: Purpose) -> Option<Room> {
        let reservation = match &self.journal {
            None => None,
            Some(journal) => Some(journal.try_reserve(bytes + change_bytes(journal), purpose)?),
        };
        Some(self.room(0, reservation))
    }

    /// Waits for room as [`try_room_to_change`](Self::try_room_to_change) takes it. Cancel safe.
    ///
    /// # Errors
    /// [`NoRoom`] if the disk is full, or the log has ended.
    pub(crate) async fn room_to_change(self: &Arc<Self>, bytes: usize, purpose: Purpose) -> Result<Room, NoRoom> {
        let reservation = match &self.journal {
            None => None,
            Some(journal) => Some(journal.reserve(bytes + change_bytes(journal), purpose).await.map_err(Arc::new)?),
        };
        Ok(self.room(0, reservation))
    }

    /// Runs one atomic step that changes a few bytes, once there is room for it, and waits until it is durable.
    ///
    /// # Errors
    /// [`ChangeError::NoRoom`] or [`ChangeError::Broken`] if the step did not run, [`ChangeError::Log`] if it may be lost.
    ///
    /// # Cancel safety
    /// Dropped, the step has happened or has not.
    pub(crate) async fn change<T>(
        self: &Arc<Self>,
        purpose: Purpose,
        act: impl FnOnce(&mut Step<'_>) -> T,
    ) -> Result<T, ChangeError> {
        self.check()?;
        let room = self.room_to_change(0, purpose).await?;
        let undurable: Undurable<T> = self.step_in(room, act);
        Ok(self.durable(undurable).await?)
    }

    fn room(self: &Arc<Self>, bytes: u64, reservation: Option<Reservation>) -> Room {
        Room { node: Arc::clone(self), bytes, reservation }
    }

    fn promise(&self, bytes: u64) -> bool {
        let state = &mut self.held().state;
        let fits = state.fits(bytes, self.limits.max_bytes);
        if fits {
            state.promised += bytes;
        }
        fits
    }
}

/// More than a change of a few bytes takes, and little beside what is kept for freeing. What it does not take is given
/// back at once.
fn change_bytes(journal: &Journal) -> usize {
    (journal.log.kept_bytes() / 4) as usize
}
