//! Records that wait to be written, and the room that was promised for more. Does no I/O.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::error::{DiskError, LogFailed};
use super::layout::{FILE_HEADER, RECORD_HEADER};

/// Where a record will be, once it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Where it begins.
    pub(crate) start: u64,
    /// Where its payload begins, for [`Log::read`](super::Log::read).
    pub(crate) payload_at: u64,
    /// Where it ends; durable up to there, it is durable.
    pub(crate) end: u64,
}

/// A file full of zeros.
#[derive(Debug)]
pub(super) struct SpareFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// Bytes for records.
    pub(super) room: u64,
}

/// The file that is to follow the one that is written.
#[derive(Debug)]
pub(super) enum Spare {
    Absent,
    Wanted,
    Ready(SpareFile),
}

/// With which file a group begins.
#[derive(Debug)]
pub(super) enum Begins {
    Spare(SpareFile),
    /// None was ready: more was appended than was reserved.
    Unprepared {
        /// Bytes for records.
        room: u64,
    },
}

/// Records that are written to one file and synced as one.
#[derive(Debug)]
pub(super) struct RecordGroup {
    /// Where its first record begins.
    pub(super) start: u64,
    /// The file that it begins, if it is not the one of the group before.
    pub(super) begins: Option<Begins>,
    /// Their payloads, in parts.
    pub(super) records: Vec<Vec<Bytes>>,
    /// Bytes that its records hold of what may gather.
    pub(super) held: usize,
}

/// How much fits where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Bytes for records in a new file.
    pub(super) room: u64,
    /// Bytes that may gather, and of the largest record with its header. No more than a file has room for, but for the
    /// kept bytes: a spare file then takes all that is promised.
    pub(super) gathered: u64,
    /// The last bytes on a full disk, which only records that lead to freeing some may take.
    pub(super) kept: u64,
    /// Bytes of the disk that files leave to what else lies in the directory: without a checkpoint nothing is freed.
    pub(super) beside: u64,
}

/// Most that is kept for freeing.
const MAX_KEPT: u64 = 1024 * 1024;

/// Most that is left for checkpoints.
const MAX_BESIDE: u64 = 8 * 1024 * 1024;

impl Sizes {
    /// For files of about this size, of which at most `gathered` bytes wait to be written.
    pub(super) fn new(file_bytes: u64, gathered: u64) -> Self {
        let room = file_bytes.saturating_sub(FILE_HEADER);
        let kept = MAX_KEPT.min(room / 8);
        Self { room, gathered: gathered.min(room - kept), kept, beside: MAX_BESIDE.min(room / 8) }
    }
}

/// Records that are not written yet, and the room for more. Does no I/O.
#[derive(Debug)]
pub(super) struct WriteBuffer {
    sizes: Sizes,
    /// Where the next record begins.
    pub(super) end: u64,
    /// Bytes that the file of the next record has left.
    left: u64,
    /// Bytes reserved for records that are still to come.
    promised: u64,
    groups: VecDeque<RecordGroup>,
    pub(super) spare: Spare,
    /// Whether a spare file was wanted ahead of need already, so that a full disk is not asked by every append.
    looked_ahead: bool,
    /// Why the last attempt at a spare file failed, if it did.
    pub(super) no_space: Option<Arc<DiskError>>,
    /// Ends what is running: nothing more is gathered.
    pub(super) closing: bool,
    pub(super) failed: Option<LogFailed>,
}

impl WriteBuffer {
    pub(super) fn new(sizes: Sizes, end: u64, left: u64) -> Self {
        Self {
            sizes,
            end,
            left,
            promised: 0,
            groups: VecDeque::new(),
            spare: Spare::Absent,
            looked_ahead: false,
            no_space: None,
            closing: false,
            failed: None,
        }
    }

    /// Promises room for a record of this many bytes, if it is there. All that is promised can be written: in the file that
    /// is written now, or, since it never is more than a file has room for, in the spare one.
    pub(super) fn promise(&mut self, bytes: u64, kept: u64) -> bool {
        let wanted = self.promised + bytes + kept;
        let fits = wanted <= self.left || matches!(&self.spare, Spare::Ready(spare) if wanted <= spare.room);
        if fits {
            self.promised += bytes;
            assert!(self.promised <= self.sizes.gathered, "no more is promised than may wait in memory");
        }
        fits
    }

    pub(super) fn take_back(&mut self, promised: u64) {
        assert!(promised <= self.promised, "no more room is given back than was promised");
        self.promised -= promised;
    }

    /// Gathers a record, which holds `held` bytes of what may gather.
    pub(super) fn push(&mut self, parts: Vec<Bytes>, payload_bytes: u64, held: usize) -> Receipt {
        let bytes = RECORD_HEADER + payload_bytes;
        let receipt = Receipt { start: self.end, payload_at: self.end + RECORD_HEADER, end: self.end + bytes };
        if self.is_ending() {
            self.end = receipt.end;
            return receipt;
        }
        if bytes > self.left {
            self.begin_file(bytes);
        } else if self.groups.is_empty() {
            self.groups.push_back(RecordGroup::new(self.end, None));
        }
        assert!(bytes <= self.left, "a file that is begun for a record has room for it");
        let group = self.groups.back_mut().expect("was begun");
        group.records.push(parts);
        group.held += held;
        self.left -= bytes;
        self.end = receipt.end;
        receipt
    }

    fn begin_file(&mut self, bytes: u64) {
        let begins = match std::mem::replace(&mut self.spare, Spare::Absent) {
            Spare::Ready(spare) if spare.room >= bytes => Begins::Spare(spare),
            other => {
                self.spare = other;
                Begins::Unprepared { room: self.sizes.room.max(bytes) }
            }
        };
        self.left = begins.room();
        self.looked_ahead = false;
        self.groups.push_back(RecordGroup::new(self.end, Some(begins)));
    }

    /// Whether it is time to make a spare file, so that it is there when it is needed.
    pub(super) fn looks_ahead(&mut self) -> bool {
        let due = self.left < self.sizes.room / 2 && !self.looked_ahead;
        self.looked_ahead |= due;
        due && self.wants_spare()
    }

    /// Asks for a spare file; `false` if there is one, or one is being made.
    pub(super) fn wants_spare(&mut self) -> bool {
        let absent = matches!(self.spare, Spare::Absent);
        if absent {
            self.spare = Spare::Wanted;
        }
        absent
    }

    /// Bytes reserved for records that are still to come.
    pub(super) fn promised(&self) -> u64 {
        self.promised
    }

    pub(super) fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether nothing more will be gathered.
    pub(super) fn is_ending(&self) -> bool {
        self.closing || self.failed.is_some()
    }

    /// Why nothing more is gathered, if it is not.
    pub(super) fn ended(&self) -> Option<LogFailed> {
        self.failed.clone().or_else(|| self.closing.then(LogFailed::closed))
    }

    /// What to write next.
    pub(super) fn next_group(&mut self) -> Option<RecordGroup> {
        self.groups.pop_front()
    }

    /// Gives up what was gathered.
    pub(super) fn fail(&mut self, failed: LogFailed) {
        self.groups.clear();
        self.failed = Some(failed);
    }
}

impl RecordGroup {
    fn new(start: u64, begins: Option<Begins>) -> Self {
        Self { start, begins, records: Vec::new(), held: 0 }
    }
}

impl Begins {
    fn room(&self) -> u64 {
        match self {
            Self::Spare(spare) => spare.room,
            Self::Unprepared { room } => *room,
        }
    }
}
