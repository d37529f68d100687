//! The records of a log as it was when it was opened.

use std::path::PathBuf;

use bytes::Bytes;

use super::error::ReplayError;
use super::layout::LogId;
use super::scan::Scan;

/// One record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where it begins.
    pub(crate) start: u64,
    /// Where its payload begins, for [`Log::read`](super::Log::read).
    pub(crate) payload_at: u64,
    /// Where the next record begins.
    pub(crate) end: u64,
    /// What was appended.
    pub(crate) payload: Bytes,
}

/// What was in the log when it was opened.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(super) dir: PathBuf,
    pub(super) id: LogId,
    /// First positions of the files, rising.
    pub(super) firsts: Vec<u64>,
    pub(super) end: u64,
}

impl Replay {
    /// Where the first record that is left begins; more than 0 once files were removed.
    pub(crate) fn first(&self) -> u64 {
        self.firsts[0]
    }

    /// Where the last record ends.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// All records from this position on, which must be where a record begins or the last one ends. They are read from
    /// disk one by one.
    ///
    /// # Errors
    /// [`ReplayError::Outside`], when records of before the position are needed to reach it, or are lost.
    pub(crate) fn records_from(self, from: u64) -> Result<Records, ReplayError> {
        if from < self.first() || from > self.end {
            return Err(ReplayError::Outside { from, first: self.first(), end: self.end });
        }
        let file = self.firsts.partition_point(|first| *first <= from) - 1;
        let mut records = Records { replay: self, file, scan: None };
        records.open(from)?;
        Ok(records)
    }
}

/// The records of a [`Replay`]. After an error it ends.
#[derive(Debug)]
pub(crate) struct Records {
    replay: Replay,
    file: usize,
    scan: Option<Scan>,
}

impl Records {
    fn open(&mut self, position: u64) -> Result<(), ReplayError> {
        let Replay { dir, id, firsts, .. } = &self.replay;
        let limit = self.file_end();
        self.scan = Some(Scan::open(dir, *id, firsts[self.file], position, limit)?);
        Ok(())
    }

    fn file_end(&self) -> u64 {
        self.replay.firsts.get(self.file + 1).copied().unwrap_or(self.replay.end)
    }

    fn step(&mut self) -> Result<Option<Record>, ReplayError> {
        loop {
            let file_end = self.file_end();
            let Some(scan) = &mut self.scan else { return Ok(None) };
            if scan.position() < file_end {
                return Ok(Some(scan.next()?.ok_or_else(|| scan.damage())?));
            }
            if file_end == self.replay.end {
                return Ok(None);
            }
            self.file += 1;
            self.open(file_end)?;
        }
    }
}

impl Iterator for Records {
    type Item = Result<Record, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if !matches!(step, Ok(Some(_))) {
            self.scan = None;
        }
        step.transpose()
    }
}
