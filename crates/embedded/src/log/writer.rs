//! The thread that writes records, group by group, and syncs them.

use std::fs::File;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use crc32fast::Hasher;
use tokio::sync::watch;

use super::directory::log_file;
use super::error::{DiskError, LogFailed};
use super::layout::{FILE_HEADER, RecordHeader};
use super::preallocate::install;
use super::shared::{Progress, Shared};
use super::tail::Tail;
use super::write_buffer::{Begins, RecordGroup};

/// Parts of at least this size are written from where they lie; smaller ones are put together.
const OWN_WRITE_BYTES: usize = 64 * 1024;

/// Bytes that are put together for one write, about.
const WRITE_BYTES: usize = 256 * 1024;

/// The thread that writes records.
#[derive(Debug)]
pub(super) struct LogWriter {
    shared: Arc<Shared>,
    progress: watch::Sender<Progress>,
    file: File,
    /// Position of the file's first record.
    first: u64,
    /// Bytes to write next.
    buffer: Vec<u8>,
    /// Where in the file they belong.
    offset: u64,
    /// Position up to which all is written.
    written: u64,
}

impl LogWriter {
    pub(super) fn new(shared: Arc<Shared>, progress: watch::Sender<Progress>, tail: Tail) -> Self {
        Self { shared, progress, file: tail.file, first: tail.first, buffer: Vec::new(), offset: 0, written: tail.end }
    }

    /// Writes group by group until the log ends.
    pub(super) fn run(mut self) {
        while let Some(mut group) = self.shared.next_group() {
            assert_eq!(group.start, self.written, "groups follow each other without gaps");
            match self.write_group(&mut group) {
                Ok(durable) => self.advance(durable),
                Err(refused) => return self.shared.fail(self.shared.buffer(), refused.into()),
            }
            self.shared.memory.add_permits(group.held);
        }
        assert!(self.shared.buffer().is_idle(), "what was gathered is written before the log ends");
        assert!(self.buffer.is_empty(), "a group is written to its end");
    }

    /// Reports that all before `durable` is.
    fn advance(&mut self, durable: u64) {
        assert!(durable > self.written, "a group has records, and none is empty");
        self.written = durable;
        self.progress.send_modify(|progress| progress.durable = durable);
    }

    /// Writes a group, and gives the position up to which all is durable.
    fn write_group(&mut self, group: &mut RecordGroup) -> Result<u64, DiskError> {
        if let Some(begins) = group.begins.take() {
            self.begin_file(begins, group.start)?;
        }
        self.offset = self.offset_of(group.start);
        let mut position = group.start;
        for parts in &group.records {
            position = self.write_record(position, position - group.start, parts)?;
        }
        self.flush()?;
        self.shared.disk.sync_data(&self.file).map_err(self.refused("sync"))?;
        Ok(position)
    }

    fn write_record(&mut self, position: u64, since_group: u64, parts: &[Bytes]) -> Result<u64, DiskError> {
        let header = RecordHeader {
            payload_bytes: small(parts.iter().map(|part| part.len() as u64).sum()),
            since_group: small(since_group),
            payload_crc: crc(parts),
        };
        self.write(&header.encode(self.shared.directory.id, position))?;
        parts.iter().try_for_each(|part| self.write(part))?;
        Ok(position + header.record_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        if bytes.len() >= OWN_WRITE_BYTES {
            self.flush()?;
            return self.write_out(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.write_out(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn write_out(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.shared.disk.write_at(&self.file, bytes, self.offset).map_err(self.refused("write"))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Goes on in another file. The blocks that the last one did not need are given back; that they may still be there
    /// after a crash does no harm.
    fn begin_file(&mut self, begins: Begins, first: u64) -> Result<(), DiskError> {
        let spare = match begins {
            Begins::Spare(spare) => spare,
            Begins::Unprepared { room } => self.shared.make_spare(room, 0, || true)?,
        };
        let bytes = FILE_HEADER + spare.room;
        let file = install(&self.shared.directory, &*self.shared.disk, spare, first)?;
        let needed = self.offset_of(first);
        let _ = self.file.set_len(needed);
        self.shared.files.add(first, bytes, needed);
        (self.file, self.first) = (file, first);
        Ok(())
    }

    fn offset_of(&self, position: u64) -> u64 {
        FILE_HEADER + position - self.first
    }

    fn refused(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> DiskError {
        let path = log_file(&self.shared.directory.path, self.first);
        move |source| DiskError::to(action, &path)(source)
    }
}

fn crc(parts: &[Bytes]) -> u32 {
    let mut hasher = Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

fn small(bytes: u64) -> u32 {
    u32::try_from(bytes).expect("a file, and so a record, has less than 4 GiB")
}

/// However the thread ends, no one waits for it in vain.
impl Drop for LogWriter {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.fail(self.shared.buffer(), LogFailed::panicked());
        }
        self.shared.close();
        let ended = self.shared.buffer().ended();
        self.progress.send_modify(|progress| progress.ended = ended);
    }
}
