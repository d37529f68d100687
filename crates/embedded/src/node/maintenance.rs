//! What keeps a node in a directory: opening it, checkpoints, and giving back the disk that nothing needs any more.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::change::SegmentKey;
use super::checkpoint_format::BadImage;
use super::dirty::Dirty;
use super::error::{NoRoom, NodeBroken};
use super::journal::Journal;
use super::node::{Held, Node, NodeLimits};
use super::record::{self, BadRecord};
use super::room::Purpose;
use super::segment_data::{Part, Stretch};
use super::state::State;
use super::undurable::Position;
use crate::checkpoint::{Checkpoint, CheckpointError, EntryChange};
use crate::log::{self, FileSpan, Log, LogFailed, Records, ReplayError};

/// Memory for the checkpoint's database, which is read at the start only.
const CHECKPOINT_CACHE: usize = 1024 * 1024;

/// How often is looked whether one is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long nothing is tried again that failed.
const PAUSE: Duration = Duration::from_secs(10);

/// Bytes of dead data that are not worth moving what lives among them.
const WASTE_ALLOWED: u64 = 192 * 1024 * 1024;

/// Most bytes that a stretch takes in a record.
const STRETCH_BYTES: usize = 25;

/// Most bytes that are moved as one.
const MOVED_AT_ONCE: u64 = 1024 * 1024;

/// Why a node's directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] log::OpenError),
    /// The log cannot be read back.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The checkpoint cannot be opened or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint holds something else.
    #[error(transparent)]
    Image(#[from] BadImage),
    /// The log holds something else.
    #[error(transparent)]
    Record(#[from] BadRecord),
}

/// Why a checkpoint was not made; what was acknowledged is in the log all the same.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error(transparent)]
    Log(#[from] LogFailed),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Room(#[from] NoRoom),
    #[error(transparent)]
    Broken(#[from] NodeBroken),
    #[error("the log cannot be read or removed: {0}")]
    Io(#[from] std::io::Error),
}

/// What lives in the log.
struct Live {
    segment: SegmentKey,
    stretch: Stretch,
}

impl Node {
    /// Opens the node that a directory keeps, or begins one there. Blocks.
    ///
    /// # Errors
    /// [`OpenError`]: in use by another process, damaged, of another version, or not to be read or written.
    pub(crate) fn open(dir: &Path, limits: NodeLimits) -> Result<Arc<Self>, OpenError> {
        Self::open_with(dir, limits, log::Options::default())
    }

    pub(crate) fn open_with(dir: &Path, limits: NodeLimits, options: log::Options) -> Result<Arc<Self>, OpenError> {
        let (log, replay) = Log::open(dir, options)?;
        let checkpoint = Checkpoint::open(dir, CHECKPOINT_CACHE)?;
        let loaded = checkpoint.load()?;
        let mut state = State::default();
        for entry in loaded.entries {
            let (key, value) = entry?;
            state.restore(&key, value)?;
        }
        state.dirty = Dirty::kept();
        let end = replay.end();
        apply_all(&mut state, replay.records_from(loaded.applied)?)?;
        let journal = Journal::new(log, checkpoint, loaded.applied);
        let held = Held::restored(state, Position(end));
        Ok(Self::with(held, limits, Some(journal)))
    }

    /// Makes checkpoints and gives back disk until `stop`, then makes a last one and closes the log. Does nothing for a
    /// node in memory.
    ///
    /// # Cancel safety
    /// What was acknowledged is safe whenever it is dropped; a restart only takes longer.
    pub(crate) async fn run_maintenance(&self, stop: CancellationToken) {
        let Some(journal) = &self.journal else { return };
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            tokio::select! {
                _ = looks.tick() => {}
                () = stop.cancelled() => {}
            }
            if (stop.is_cancelled() || journal.is_due())
                && let Err(error) = self.tidy(journal).await
            {
                tracing::warn!(%error, "a checkpoint was not made");
                let _ = timeout(PAUSE, stop.cancelled()).await;
            }
        }
        if let Err(error) = journal.log.close().await {
            tracing::error!(%error, "the log was closed with records that could not be written");
        }
        assert!(journal.applied() <= journal.log.durable_end(), "the last checkpoint knows no more than the log");
    }

    /// Makes a checkpoint, and gives back the disk that nothing needs any more; all that can be had if it is full.
    pub(super) async fn tidy(&self, journal: &Journal) -> Result<(), KeepError> {
        self.check()?;
        if journal.log.no_space().is_none() {
            return self.tidy_beyond(journal, WASTE_ALLOWED).await;
        }
        // a checkpoint needs room itself
        self.give_back(journal).await?;
        self.tidy_beyond(journal, 0).await?;
        journal.log.look_for_space();
        Ok(())
    }

    /// As [`tidy`](Self::tidy), where this many bytes may be wasted.
    pub(super) async fn tidy_beyond(&self, journal: &Journal, allowed: u64) -> Result<(), KeepError> {
        self.checkpoint(journal).await?;
        let live = self.live();
        let files = journal.log.files();
        if is_wasteful(&files, &live, allowed) {
            self.empty_first_file(journal, &files, &live).await?;
            self.checkpoint(journal).await?;
        }
        self.give_back(journal).await
    }

    /// Saves what has changed.
    pub(super) async fn checkpoint(&self, journal: &Journal) -> Result<(), KeepError> {
        let (dirty, entries, position) = {
            let Held { state, last, .. } = &mut *self.held();
            let (dirty, entries) = state.take_dirty();
            (dirty, entries, *last)
        };
        let saved = self.save(journal, entries, position).await;
        if saved.is_err() {
            self.held().state.dirty.mark_again(dirty);
        }
        saved
    }

    async fn save(&self, journal: &Journal, entries: Vec<EntryChange>, position: Position) -> Result<(), KeepError> {
        // a checkpoint must not know more than the log
        journal.reached(position).await?;
        let bytes = entries.iter().map(entry_bytes).sum();
        let checkpoint = Arc::clone(&journal.checkpoint);
        let saving = spawn_blocking(move || checkpoint.save(entries, position.0));
        saving.await.map_err(std::io::Error::other)??;
        journal.saved(position.0, bytes);
        Ok(())
    }

    /// Removes the files that hold nothing alive and that no restart needs.
    async fn give_back(&self, journal: &Journal) -> Result<(), KeepError> {
        let (first, last) = {
            let held = self.held();
            (held.state.stretches().map(|(_, stretch)| stretch.position).min(), held.last)
        };
        // else a crash could bring back what needs them
        journal.reached(last).await?;
        let before = first.unwrap_or(u64::MAX).min(journal.applied());
        let log = Arc::clone(&journal.log);
        spawn_blocking(move || log.remove_before(before)).await.map_err(std::io::Error::other)??;
        Ok(())
    }

    /// All that lives, by its place in the log.
    fn live(&self) -> Vec<Live> {
        let held = self.held();
        let mut live: Vec<Live> = held.state.stretches().map(|(segment, stretch)| Live { segment, stretch }).collect();
        drop(held);
        live.sort_unstable_by_key(|live| live.stretch.position);
        live
    }

    /// Moves all that lives in the first file to the end of the log, neighbours together.
    async fn empty_first_file(&self, journal: &Journal, files: &[FileSpan], live: &[Live]) -> Result<(), KeepError> {
        let Some(first) = files.first() else { return Ok(()) };
        let inside = live.partition_point(|live| live.stretch.position < first.end);
        let mut moved: Vec<&Live> = live[..inside].iter().collect();
        moved.sort_unstable_by_key(|live| (live.segment, live.stretch.offset));
        let mut room_left = 0;
        let together = |one: &&Live, next: &&Live| {
            let is_next = one.segment == next.segment && one.stretch.end() == next.stretch.offset;
            room_left = if is_next { room_left } else { 0 };
            let fits = u64::from(next.stretch.len) <= room_left;
            room_left = if fits { room_left } else { MOVED_AT_ONCE } - u64::from(next.stretch.len).min(room_left);
            is_next && fits
        };
        for run in moved.chunk_by(together) {
            self.relocate(journal, run).await?;
        }
        Ok(())
    }

    async fn relocate(&self, journal: &Journal, run: &[&Live]) -> Result<(), KeepError> {
        let Some(first) = run.first() else { return Ok(()) };
        let stretches: Vec<Stretch> = run.iter().map(|live| live.stretch).collect();
        let parts = stretches.iter().map(|at| Part::Logged { position: at.position, len: at.len as usize });
        let data = journal.fetch(parts.collect()).await?.concat();
        let bytes = data.len() + stretches.len() * STRETCH_BYTES;
        let room = journal.reserve(bytes, Purpose::Add).await.map_err(|error| NoRoom::from(Arc::new(error)))?;
        self.run(Some(room), |step| step.relocate(first.segment, stretches, data.into())).into_inner();
        Ok(())
    }
}

fn apply_all(state: &mut State, records: Records) -> Result<(), OpenError> {
    let mut end = None;
    for found in records {
        let found = found?;
        assert!(end.replace(found.end).is_none_or(|end| end == found.start), "records follow each other without gaps");
        for (change, body) in record::decode(found.payload, found.payload_at)? {
            state.apply(&change, body);
        }
    }
    Ok(())
}

/// Whether more than half of the log is dead, and not only a little.
fn is_wasteful(files: &[FileSpan], live: &[Live], allowed: u64) -> bool {
    let (Some(first), Some(last)) = (files.first(), files.last()) else { return false };
    let alive: u64 = live.iter().map(|live| u64::from(live.stretch.len)).sum();
    files.len() > 1 && last.end - first.first > 2 * alive + allowed
}

fn entry_bytes(entry: &EntryChange) -> u64 {
    match entry {
        EntryChange::Put { key, value } => (key.len() + value.len()) as u64,
        EntryChange::Remove { key } => key.len() as u64,
    }
}
