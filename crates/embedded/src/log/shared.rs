//! What the log shares with its two threads.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::{Semaphore, watch};

use super::directory::Directory;
use super::disk::Disk;
use super::error::{DiskError, LogFailed};
use super::files::Files;
use super::write_buffer::{RecordGroup, Sizes, Spare, SpareFile, WriteBuffer};

/// How far the log is.
#[derive(Debug)]
pub(super) struct Progress {
    /// All before it is durable.
    pub(super) durable: u64,
    /// Why nothing more will be.
    pub(super) ended: Option<LogFailed>,
}

/// What the log's handle and its two threads share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) directory: Directory,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) sizes: Sizes,
    pub(super) files: Files,
    /// Bytes that may still gather.
    pub(super) memory: Semaphore,
    pub(super) buffer: Mutex<WriteBuffer>,
    /// Notified when there is something to write, and when the log ends.
    pub(super) work: Condvar,
    /// Notified when a spare file is wanted, and when the log ends.
    pub(super) spare_wanted: Condvar,
    /// Spare files that were made; each has its own name, since the last one may still be waiting to be used.
    pub(super) spares: AtomicU64,
    /// Notified when an attempt at a spare file has ended, and when the log has.
    pub(super) spare_tried: watch::Sender<()>,
}

impl Shared {
    pub(super) fn buffer(&self) -> MutexGuard<'_, WriteBuffer> {
        self.buffer.lock()
    }

    /// Waits for something to write; `None` when there never will be.
    pub(super) fn next_group(&self) -> Option<RecordGroup> {
        let idle = |buffer: &mut WriteBuffer| buffer.is_idle() && !buffer.is_ending();
        let mut buffer = self.buffer();
        self.work.wait_while(&mut buffer, idle);
        buffer.next_group()
    }

    /// Waits until a spare file is wanted; `false` when none ever will be.
    pub(super) fn await_want(&self) -> bool {
        let content = |buffer: &mut WriteBuffer| !matches!(buffer.spare, Spare::Wanted) && !buffer.is_ending();
        let mut buffer = self.buffer();
        self.spare_wanted.wait_while(&mut buffer, content);
        !buffer.is_ending()
    }

    pub(super) fn spare_is_made(&self, made: Result<SpareFile, DiskError>) {
        let mut buffer = self.buffer();
        (buffer.spare, buffer.no_space) = match made {
            Ok(spare) => (Spare::Ready(spare), None),
            // It was left unfinished, and no one needs it.
            Err(_) if buffer.is_ending() => return,
            Err(refused) if refused.is_full() => (Spare::Absent, Some(Arc::new(refused))),
            Err(refused) => return self.fail(buffer, refused.into()),
        };
        drop(buffer);
        self.spare_tried.send_replace(());
    }

    /// Ends the log; called by the thread that finds it broken first.
    pub(super) fn fail(&self, mut buffer: MutexGuard<'_, WriteBuffer>, failed: LogFailed) {
        tracing::error!(log.dir = %self.directory.path.display(), error = %failed, "the log takes no more records");
        buffer.fail(failed);
        drop(buffer);
        self.wake_all();
    }

    /// Lets the threads end, once all that was gathered is written.
    pub(super) fn close(&self) {
        self.buffer().closing = true;
        self.wake_all();
    }

    fn wake_all(&self) {
        self.memory.close();
        self.work.notify_all();
        self.spare_wanted.notify_all();
        self.spare_tried.send_replace(());
    }
}
