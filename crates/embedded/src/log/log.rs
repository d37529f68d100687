//! The log as its owner sees it: open, reserve, append, await, read, close.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::{self, JoinHandle};
use std::{fs, io};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Semaphore, watch};

use super::directory::{Directory, log_file, spare_file};
use super::disk::{Direct, Disk};
use super::error::{Damage, DiskError, LogFailed, OpenError, ReserveError};
use super::files::{FileSpan, Files};
use super::layout::FILE_HEADER;
use super::preallocate::{install, make_file, make_spares};
use super::replay::Replay;
use super::reserve::{Reservation, reserve, try_reserve};
use super::shared::{Progress, Shared};
use super::tail::Tail;
use super::write_buffer::{Receipt, Sizes, WriteBuffer};
use super::writer::LogWriter;

/// How a log is kept.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Bytes of a file, from 1 KiB to 4 GiB. New files are of this size.
    pub(crate) file_bytes: u32,
    /// Bytes that may gather while others are written; no more than a file takes, whatever is said here. Also what the
    /// largest record may have.
    pub(crate) max_gathered_bytes: u32,
    pub(super) disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        let bytes = 64 * 1024 * 1024;
        Self { file_bytes: bytes, max_gathered_bytes: bytes, disk: Arc::new(Direct) }
    }
}

/// A log that is open; its directory is locked until this is dropped.
///
/// Dropped, it first writes all that was gathered. That blocks, so await [`close`](Self::close) before.
#[derive(Debug)]
pub(crate) struct Log {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    threads: Vec<JoinHandle<()>>,
}

impl Log {
    /// Opens the log in a directory, which is made if it is not there. What a crash left at the end is cut.
    ///
    /// # Errors
    /// [`OpenError`]: in use by another process, of another kind or version, damaged, or not to be read or written.
    pub(crate) fn open(dir: &Path, options: Options) -> Result<(Self, Replay), OpenError> {
        let Options { file_bytes, max_gathered_bytes, disk } = options;
        let sizes = Sizes::new(file_bytes.max(1024).into(), max_gathered_bytes.into());
        let directory = Directory::open(dir)?;
        directory.remove_spares()?;
        let firsts = found_or_begun(&directory, &*disk, sizes)?;
        let files = measure(dir, &firsts)?;
        let last = *firsts.last().expect("one was begun");
        let tail = Tail::open(dir, directory.id, last, &*disk)?;
        let replay = Replay { dir: dir.to_owned(), id: directory.id, firsts, end: tail.end };
        let shared = Arc::new(Shared {
            files: Files::new(dir.to_owned(), files),
            directory,
            disk,
            sizes,
            memory: Semaphore::new(sizes.gathered as usize),
            buffer: Mutex::new(WriteBuffer::new(sizes, tail.end, tail.left)),
            work: Condvar::new(),
            spare_wanted: Condvar::new(),
            spares: AtomicU64::new(0),
            spare_tried: watch::Sender::new(()),
        });
        Ok((Self::start(shared, tail)?, replay))
    }

    fn start(shared: Arc<Shared>, tail: Tail) -> Result<Self, DiskError> {
        let (sender, progress) = watch::channel(Progress { durable: tail.end, ended: None });
        let writer = LogWriter::new(Arc::clone(&shared), sender, tail);
        let mut log = Self { shared: Arc::clone(&shared), progress, threads: Vec::new() };
        log.spawn("log-writer", move || writer.run())?;
        log.spawn("log-spare", move || make_spares(&shared))?;
        Ok(log)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), DiskError> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        let dir = &self.shared.directory.path;
        self.threads.push(thread.map_err(DiskError::to("start a thread for", dir))?);
        Ok(())
    }

    /// Waits for room for a record of this many bytes, in memory and on disk.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing was changed. A full disk is reported here, and never later.
    ///
    /// # Cancel safety
    /// Dropped, it has taken nothing and lost its place in the queue.
    pub(crate) async fn reserve(&self, bytes: usize) -> Result<Reservation, ReserveError> {
        reserve(&self.shared, bytes, self.shared.sizes.kept).await
    }

    /// Takes room for a record of this many bytes, if it is there now.
    pub(crate) fn try_reserve(&self, bytes: usize) -> Option<Reservation> {
        try_reserve(&self.shared, bytes, self.shared.sizes.kept)
    }

    /// As [`try_reserve`](Self::try_reserve), for a record that leads to room being freed.
    pub(crate) fn try_reserve_to_free(&self, bytes: usize) -> Option<Reservation> {
        try_reserve(&self.shared, bytes, 0)
    }

    /// Bytes that only records that lead to room being freed may take.
    pub(crate) fn kept_bytes(&self) -> u64 {
        self.shared.sizes.kept
    }

    /// Why there is no room for another file, if the disk was found full.
    pub(crate) fn no_space(&self) -> Option<Arc<DiskError>> {
        self.shared.buffer().no_space.clone()
    }

    /// Looks for room again in the background, if the disk was found full.
    pub(crate) fn look_for_space(&self) {
        let mut buffer = self.shared.buffer();
        if buffer.no_space.is_some() && buffer.wants_spare() {
            self.shared.spare_wanted.notify_one();
        }
    }

    /// As [`reserve`](Self::reserve), for a record that leads to room being freed: it may take the last bytes, too.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub(crate) async fn reserve_to_free(&self, bytes: usize) -> Result<Reservation, ReserveError> {
        reserve(&self.shared, bytes, 0).await
    }

    /// Appends a record, given in parts, and returns where it will be. Never blocks on the disk.
    ///
    /// A record that is larger than what was reserved is taken all the same; only that may make the disk full in the
    /// midst of it, and the log fail. After the log has ended, records get positions that never become durable.
    ///
    /// # Panics
    /// When the record is empty, or has 4 GiB.
    pub(crate) fn append(&self, parts: Vec<Bytes>, room: Reservation) -> Receipt {
        let payload_bytes = payload_bytes(&parts);
        let mut buffer = self.shared.buffer();
        buffer.take_back(room.promised());
        self.push(&mut buffer, parts, payload_bytes, room.spend(payload_bytes))
    }

    /// As [`append`](Self::append) when nothing could be reserved, for small records of the node's own: neither memory
    /// nor disk are known to have room.
    ///
    /// # Panics
    /// As there.
    pub(crate) fn append_unreserved(&self, parts: Vec<Bytes>) -> Receipt {
        let payload_bytes = payload_bytes(&parts);
        self.push(&mut self.shared.buffer(), parts, payload_bytes, 0)
    }

    fn push(&self, buffer: &mut WriteBuffer, parts: Vec<Bytes>, payload_bytes: u64, held: usize) -> Receipt {
        if buffer.is_ending() {
            // it is never written
            self.shared.memory.add_permits(held);
        }
        let receipt = buffer.push(parts, payload_bytes, held);
        self.shared.work.notify_one();
        if buffer.looks_ahead() {
            self.shared.spare_wanted.notify_one();
        }
        receipt
    }

    /// Waits until everything before `position` is durable.
    ///
    /// # Errors
    /// [`LogFailed`] when it never will be.
    ///
    /// # Cancel safety
    /// May be called again; the records are written all the same.
    pub(crate) async fn durable(&self, position: u64) -> Result<(), LogFailed> {
        let mut progress = self.progress.clone();
        let is_known = |progress: &Progress| progress.durable >= position || progress.ended.is_some();
        match progress.wait_for(is_known).await {
            Ok(progress) if progress.durable >= position => Ok(()),
            Ok(progress) => Err(progress.ended.clone().unwrap_or_else(LogFailed::closed)),
            Err(_) => Err(LogFailed::closed()),
        }
    }

    /// Why it takes no more, once it has ended.
    pub(crate) fn ended(&self) -> Option<LogFailed> {
        self.progress.borrow().ended.clone()
    }

    /// Up to where it is durable.
    pub(crate) fn durable_end(&self) -> u64 {
        self.progress.borrow().durable
    }

    /// Where the next record will begin.
    pub(crate) fn end(&self) -> u64 {
        self.shared.buffer().end
    }

    /// Reads bytes of a durable record, from any position in its payload on. Blocks.
    ///
    /// # Errors
    /// When they are not durable yet, were removed, or cannot be read.
    pub(crate) fn read(&self, position: u64, length: usize) -> io::Result<Bytes> {
        let durable = self.progress.borrow().durable;
        if position.saturating_add(length as u64) > durable {
            let message = format!("the log is durable up to {durable}, not to {position} + {length}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.shared.files.read(position, length)
    }

    /// Whether what lies between two positions can be read at once.
    pub(crate) fn is_in_one_file(&self, from: u64, to: u64) -> bool {
        self.shared.files.is_one(from, to)
    }

    /// The files in order. All but the last can be removed.
    pub(crate) fn files(&self) -> Vec<FileSpan> {
        self.shared.files.spans(self.progress.borrow().durable)
    }

    /// Removes the files that end at or before `position`: nothing in them is needed any more. Blocks.
    ///
    /// # Errors
    /// When one cannot be removed; those before it are.
    pub(crate) fn remove_before(&self, position: u64) -> io::Result<()> {
        self.shared.files.remove_before(position)
    }

    /// Takes no more records, and waits until all are durable.
    ///
    /// # Errors
    /// [`LogFailed`] when some are not.
    ///
    /// # Cancel safety
    /// The log ends all the same; may be called again.
    pub(crate) async fn close(&self) -> Result<(), LogFailed> {
        self.shared.close();
        let mut progress = self.progress.clone();
        let ended = match progress.wait_for(|progress| progress.ended.is_some()).await {
            Ok(progress) => progress.ended.clone(),
            Err(_) => None,
        };
        ended.filter(|ended| !ended.is_closed()).map_or(Ok(()), Err)
    }
}

/// Errors were logged by the thread that met them; a thread that panicked ends this one, too.
impl Drop for Log {
    fn drop(&mut self) {
        self.shared.close();
        let ended: Vec<thread::Result<()>> = self.threads.drain(..).map(JoinHandle::join).collect();
        if thread::panicking() {
            return;
        }
        ended.into_iter().for_each(|ended| ended.unwrap_or_else(|panic| resume_unwind(panic)));
        self.check_end();
    }
}

impl Log {
    /// Checks that all room was given back, unless someone still holds a reservation, which shares the log's state.
    fn check_end(&self) {
        if Arc::strong_count(&self.shared) > 1 {
            return;
        }
        let buffer = self.shared.buffer();
        assert_eq!(buffer.promised(), 0, "room that no one holds is given back");
        if buffer.failed.is_none() {
            let free = self.shared.memory.available_permits() as u64;
            assert_eq!(free, self.shared.sizes.gathered, "what is written holds no memory");
        }
    }
}

fn payload_bytes(parts: &[Bytes]) -> u64 {
    let bytes = parts.iter().map(|part| part.len() as u64).sum();
    assert!((1..u64::from(u32::MAX)).contains(&bytes), "a record has at least one byte, and less than 4 GiB");
    bytes
}

/// The files' first positions in order; a new log gets its first file.
fn found_or_begun(directory: &Directory, disk: &dyn Disk, sizes: Sizes) -> Result<Vec<u64>, DiskError> {
    let firsts = directory.log_files()?;
    if !firsts.is_empty() {
        return Ok(firsts);
    }
    let spare = make_file(disk, spare_file(&directory.path, 0), sizes.room, sizes.beside, || true)?;
    install(directory, disk, spare, 0)?;
    Ok(vec![0])
}

/// Bytes of each file, which must reach to where the next begins.
fn measure(dir: &Path, firsts: &[u64]) -> Result<BTreeMap<u64, u64>, OpenError> {
    let ends = firsts.iter().skip(1).chain(firsts.last());
    let mut files = BTreeMap::new();
    for (&first, &end) in firsts.iter().zip(ends) {
        let file = log_file(dir, first);
        let bytes = fs::metadata(&file).map_err(DiskError::to("read", &file))?.len();
        if bytes < FILE_HEADER + end - first {
            return Err(Damage { file, offset: bytes, what: "the file ends before the next one begins" }.into());
        }
        files.insert(first, bytes);
    }
    Ok(files)
}
