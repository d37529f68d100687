//! The files of a log, for reading and removing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use super::directory::log_file;
use super::layout::FILE_HEADER;

/// One file of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileSpan {
    /// Where its first record begins.
    pub(crate) first: u64,
    /// Where its last record ends; the next file begins there.
    pub(crate) end: u64,
    /// Bytes on disk.
    pub(crate) bytes: u64,
}

/// The log's files, for reading and removing.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    /// Bytes on disk by first position.
    bytes: Mutex<BTreeMap<u64, u64>>,
    /// By first position, those used last at the end.
    open: Mutex<Vec<(u64, Arc<File>)>>,
}

impl Files {
    /// Files that are kept open for reading.
    pub(super) const MAX_OPEN: usize = 32;

    pub(super) fn new(dir: PathBuf, bytes: BTreeMap<u64, u64>) -> Self {
        Self { dir, bytes: Mutex::new(bytes), open: Mutex::default() }
    }

    /// Adds the file that is written next; the one before it has been shortened to `bytes_before`.
    pub(super) fn add(&self, first: u64, bytes: u64, bytes_before: u64) {
        let mut files = self.bytes();
        if let Some(mut before) = files.last_entry() {
            before.insert(bytes_before);
        }
        files.insert(first, bytes);
    }

    /// All files in order; the last one ends at `end`.
    pub(super) fn spans(&self, end: u64) -> Vec<FileSpan> {
        let files = self.bytes();
        let ends = files.keys().skip(1).copied().chain([end]);
        files.iter().zip(ends).map(|((&first, &bytes), end)| FileSpan { first, end, bytes }).collect()
    }

    /// Whether what lies between two positions is in one file.
    pub(super) fn is_one(&self, from: u64, to: u64) -> bool {
        self.bytes().range(from + 1..=to).next().is_none()
    }

    /// Reads what is durable.
    pub(super) fn read(&self, position: u64, length: usize) -> io::Result<Bytes> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, format!("position {position} was removed from the log"));
        let first = self.bytes().range(..=position).next_back().map(|(&first, _)| first).ok_or_else(gone)?;
        let mut bytes = vec![0; length];
        self.open_file(first)?.read_exact_at(&mut bytes, FILE_HEADER + position - first)?;
        Ok(bytes.into())
    }

    fn open_file(&self, first: u64) -> io::Result<Arc<File>> {
        let known = |open: &mut Vec<(u64, Arc<File>)>| {
            let at = open.iter().position(|(known, _)| *known == first)?;
            let entry = open.remove(at);
            let file = Arc::clone(&entry.1);
            open.push(entry);
            Some(file)
        };
        if let Some(file) = known(&mut self.open()) {
            return Ok(file);
        }
        let file = Arc::new(File::open(log_file(&self.dir, first))?);
        let mut open = self.open();
        if open.len() >= Self::MAX_OPEN {
            open.remove(0);
        }
        open.push((first, Arc::clone(&file)));
        Ok(file)
    }

    /// Removes the files that end at or before `position`, oldest first and never the last one, so that whenever the
    /// process ends no file is missing between others.
    pub(super) fn remove_before(&self, position: u64) -> io::Result<()> {
        while let Some(first) = self.oldest_before(position) {
            fs::remove_file(log_file(&self.dir, first))?;
            self.bytes().remove(&first);
            self.open().retain(|(open, _)| *open != first);
            File::open(&self.dir)?.sync_all()?;
        }
        Ok(())
    }

    fn oldest_before(&self, position: u64) -> Option<u64> {
        let files = self.bytes();
        let mut firsts = files.keys();
        let oldest = *firsts.next()?;
        (*firsts.next()? <= position).then_some(oldest)
    }

    fn bytes(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        self.bytes.lock()
    }

    fn open(&self) -> MutexGuard<'_, Vec<(u64, Arc<File>)>> {
        self.open.lock()
    }
}
