use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use tokio::sync::{Semaphore, watch};

use super::directory::Directory;
use super::disk::Disk;
use super::error::{LogFailed, Refused};
use super::files::Files;
use super::write_buffer::{Gather, Group, Sizes, Spare, SpareFile};

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
    pub(super) gather: Mutex<Gather>,
    /// Told when there is something to write, and when it ends.
    pub(super) work: Condvar,
    /// Told when a spare file is wanted, and when it ends.
    pub(super) spare_wanted: Condvar,
    /// Spare files that were made; each has its own name, since the last one may still be waiting to be used.
    pub(super) spares: AtomicU64,
    /// Told when an attempt at a spare file has ended, and when the log has.
    pub(super) spare_tried: watch::Sender<()>,
}

impl Shared {
    pub(super) fn gather(&self) -> MutexGuard<'_, Gather> {
        self.gather.lock().expect("nobody panics while holding it")
    }

    /// Waits for something to write; `None` when there never will be.
    pub(super) fn next_group(&self) -> Option<Group> {
        let idle = |gather: &mut Gather| gather.is_idle() && !gather.is_ending();
        let gather = self.work.wait_while(self.gather(), idle);
        gather.expect("nobody panics while holding it").next_group()
    }

    /// Waits until a spare file is wanted; `false` when none ever will be.
    pub(super) fn await_want(&self) -> bool {
        let content = |gather: &mut Gather| !matches!(gather.spare, Spare::Wanted) && !gather.is_ending();
        let gather = self.spare_wanted.wait_while(self.gather(), content);
        !gather.expect("nobody panics while holding it").is_ending()
    }

    pub(super) fn spare_is_made(&self, made: Result<SpareFile, Refused>) {
        let mut gather = self.gather();
        (gather.spare, gather.no_space) = match made {
            Ok(spare) => (Spare::Ready(spare), None),
            // It was left unfinished, and nobody needs it.
            Err(_) if gather.is_ending() => return,
            Err(refused) if refused.is_full() => (Spare::Absent, Some(Arc::new(refused))),
            Err(refused) => return self.fail(gather, refused.into()),
        };
        drop(gather);
        self.spare_tried.send_replace(());
    }

    /// Ends the log, whoever finds it broken first.
    pub(super) fn fail(&self, mut gather: MutexGuard<'_, Gather>, failed: LogFailed) {
        tracing::error!(log.dir = %self.directory.path.display(), error = %failed, "no more records are taken");
        gather.fail(failed);
        drop(gather);
        self.wake_all();
    }

    /// Lets the threads end, once all that was gathered is written.
    pub(super) fn close(&self) {
        self.gather().closing = true;
        self.wake_all();
    }

    fn wake_all(&self) {
        self.memory.close();
        self.work.notify_all();
        self.spare_wanted.notify_all();
        self.spare_tried.send_replace(());
    }
}
