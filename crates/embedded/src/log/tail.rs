//! Where the last file's records end.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tracing::warn;

use super::directory::log_file;
use super::disk::{Disk, write_zeros};
use super::error::{DiskError, OpenError};
use super::layout::{FILE_HEADER, LogId, RECORD_HEADER};
use super::scan::Scan;

/// What a disk writes as a whole, at least.
const SECTOR_BYTES: usize = 512;

const CHUNK_BYTES: u64 = 256 * 1024;

/// The last file, ready for more records.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) file: File,
    pub(super) first: u64,
    /// Where the last record ends.
    pub(super) end: u64,
    /// Bytes for records behind it.
    pub(super) left: u64,
}

impl Tail {
    /// Finds the end of the records, and puts zeros over what a crash left behind it.
    pub(super) fn open(dir: &Path, id: LogId, first: u64, disk: &dyn Disk) -> Result<Self, OpenError> {
        let mut scan = Scan::open(dir, id, first, first, u64::MAX)?;
        while scan.next()?.is_some() {}
        let path = log_file(dir, first);
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(DiskError::to("write", &path))?;
        let bytes = file.metadata().map_err(DiskError::to("read", &path))?.len();
        let end = scan.position();
        let tail = Self { file, first, end, left: bytes - tail_offset(first, end) };
        let garbage_bytes = tail.garbage_bytes(bytes).map_err(DiskError::to("read", &path))?;
        if garbage_bytes > 0 {
            let behind = tail.read(tail.offset(), bytes).map_err(DiskError::to("read", &path))?;
            if tail.proves_damage(id, &behind, garbage_bytes) {
                return Err(scan.damage().into());
            }
            tail.wipe(disk, garbage_bytes).map_err(DiskError::to("write", &path))?;
            let at = tail.offset();
            warn!(
                log.file = %path.display(),
                log.offset = at,
                log.cut_bytes = garbage_bytes,
                "removed an incomplete write at the end of the log"
            );
        }
        Ok(tail)
    }

    fn offset(&self) -> u64 {
        tail_offset(self.first, self.end)
    }

    /// Bytes behind the records, without the zeros at the file's end.
    fn garbage_bytes(&self, mut end: u64) -> io::Result<usize> {
        let zeros = vec![0; CHUNK_BYTES as usize];
        while end > self.offset() {
            let start = self.offset().max(end.saturating_sub(CHUNK_BYTES));
            let chunk = self.read(start, end)?;
            // most are, and are seen to be at once
            if chunk != zeros[..chunk.len()] {
                let last = chunk.iter().rposition(|byte| *byte != 0).expect("one differs");
                return Ok((start - self.offset()) as usize + last + 1);
            }
            end = start;
        }
        Ok(0)
    }

    fn read(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; (end - start) as usize];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    }

    /// Whether a whole record among the first `garbage_bytes` of what lies behind the end proves that one was at the
    /// end: its group was begun later, or it is of the same group and nothing was left unwritten between.
    fn proves_damage(&self, id: LogId, behind: &[u8], garbage_bytes: usize) -> bool {
        (1..garbage_bytes).any(|at| {
            let position = self.end + at as u64;
            whole_record(id, position, &behind[at..]).is_some_and(|since_group| {
                position.saturating_sub(since_group) > self.end || !self.has_hole(&behind[..at])
            })
        })
    }

    /// Whether a sector of these bytes, which begin at the end, is still as it was before.
    fn has_hole(&self, bytes: &[u8]) -> bool {
        let to_boundary = SECTOR_BYTES - (self.offset() % SECTOR_BYTES as u64) as usize;
        let (edge, rest) = bytes.split_at(to_boundary.min(bytes.len()));
        std::iter::once(edge).chain(rest.chunks(SECTOR_BYTES)).any(|sector| sector.iter().all(|byte| *byte == 0))
    }

    fn wipe(&self, disk: &dyn Disk, bytes: usize) -> io::Result<()> {
        write_zeros(disk, &self.file, self.offset(), bytes as u64)?;
        disk.sync_data(&self.file)
    }
}

fn tail_offset(first: u64, end: u64) -> u64 {
    FILE_HEADER + end - first
}

/// How long before the record at the start of these bytes its group began, if a whole one is there.
fn whole_record(id: LogId, position: u64, bytes: &[u8]) -> Option<u64> {
    let header = id.record_at(position, bytes)?;
    let payload = bytes.get(RECORD_HEADER as usize..)?.get(..header.payload_bytes as usize)?;
    (crc32fast::hash(payload) == header.payload_crc).then_some(u64::from(header.since_group))
}
