//! A disk that fails, or forgets what was not synced.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::log::disk::Disk;

/// What a disk writes as a whole.
const SECTOR: u64 = 512;

/// A disk that keeps in memory what was not synced, and does what tests tell it.
#[derive(Debug, Default)]
pub(crate) struct TestDisk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    unsynced: Vec<Write>,
    /// Syncs wait.
    held: bool,
    /// Syncs that wait.
    waiting: usize,
    /// Syncs of data that were done.
    syncs: usize,
    /// Everything fails.
    dead: bool,
    /// The next call of this kind fails so.
    fault: Option<(Call, i32)>,
    /// Bytes that may still be allocated.
    room: Option<u64>,
}

#[derive(Debug)]
struct Write {
    file: File,
    offset: u64,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Allocate,
    Write,
    SyncData,
    SyncAll,
}

impl TestDisk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Lets syncs wait, until `release`.
    pub(crate) fn hold(&self) {
        self.state().held = true;
    }

    pub(crate) fn release(&self) {
        self.state().held = false;
        self.changed.notify_all();
    }

    /// Waits until a sync waits.
    pub(crate) fn await_sync(&self) {
        self.await_syncs(1);
    }

    /// Waits until this many syncs wait.
    pub(crate) fn await_syncs(&self, count: usize) {
        self.changed.wait_while(&mut self.state(), |state| state.waiting < count);
    }

    pub(crate) fn syncs(&self) -> usize {
        self.state().syncs
    }

    pub(crate) fn fail_next(&self, call: Call, errno: rustix::io::Errno) {
        self.state().fault = Some((call, errno.raw_os_error()));
    }

    pub(crate) fn set_room(&self, bytes: u64) {
        self.state().room = Some(bytes);
    }

    /// The machine loses power: of what was not synced, those sectors are on the disk that `survives` says.
    pub(crate) fn crash(&self, mut survives: impl FnMut() -> bool) {
        let mut state = self.state();
        state.dead = true;
        for Write { file, offset, bytes } in state.unsynced.drain(..) {
            let mut at = 0;
            while at < bytes.len() {
                let to_boundary = SECTOR - (offset + at as u64) % SECTOR;
                let end = bytes.len().min(at + to_boundary as usize);
                if survives() {
                    file.write_all_at(&bytes[at..end], offset + at as u64).expect("written");
                }
                at = end;
            }
        }
        self.changed.notify_all();
    }

    fn begin(&self, call: Call) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        match state.fault.take_if(|(failing, _)| *failing == call) {
            Some((_, errno)) => Err(io::Error::from_raw_os_error(errno)),
            None if state.dead => Err(io::Error::other("no power")),
            None => Ok(state),
        }
    }

    fn sync(&self, call: Call, file: &File) -> io::Result<()> {
        let mut state = self.begin(call)?;
        state.waiting += 1;
        self.changed.notify_all();
        self.changed.wait_while(&mut state, |state| state.held && !state.dead);
        state.waiting -= 1;
        if state.dead {
            return Err(io::Error::other("no power"));
        }
        state.syncs += usize::from(call == Call::SyncData);
        let inode = file.metadata()?.ino();
        let synced = state.unsynced.extract_if(.., |write| write.file.metadata().is_ok_and(|meta| meta.ino() == inode));
        for Write { file, offset, bytes } in synced.collect::<Vec<_>>() {
            file.write_all_at(&bytes, offset)?;
        }
        Ok(())
    }
}

impl Disk for TestDisk {
    fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        let mut state = self.begin(Call::Allocate)?;
        if let Some(room) = &mut state.room {
            let left = room.checked_sub(bytes).ok_or(io::ErrorKind::StorageFull)?;
            *room = left;
        }
        file.set_len(bytes)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let write = Write { file: file.try_clone()?, offset, bytes: bytes.to_vec() };
        self.begin(Call::Write)?.unsynced.push(write);
        Ok(())
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        self.sync(Call::SyncData, file)
    }

    fn sync_all(&self, file: &File) -> io::Result<()> {
        self.sync(Call::SyncAll, file)
    }
}
