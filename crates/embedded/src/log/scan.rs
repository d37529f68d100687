//! Reading the records of one file.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::directory::log_file;
use super::error::{Damage, DiskError, FileError, UnsupportedVersion};
use super::layout::{FILE_HEADER, LogId, RECORD_HEADER, VERSION};
use super::replay::Record;

const BUFFER_BYTES: usize = 64 * 1024;

/// Reads the records of one file, one after another.
#[derive(Debug)]
pub(super) struct Scan {
    path: PathBuf,
    reader: BufReader<File>,
    id: LogId,
    first: u64,
    /// Where the next record begins.
    position: u64,
    /// How far records may reach.
    limit: u64,
}

impl Scan {
    /// Of the file that begins at `first`, from the record at `position` on; none reaches beyond `limit`.
    pub(super) fn open(dir: &Path, id: LogId, first: u64, position: u64, limit: u64) -> Result<Self, FileError> {
        let path = log_file(dir, first);
        let file = File::open(&path).map_err(DiskError::to("read", &path))?;
        let mut scan = Self { path, reader: BufReader::with_capacity(BUFFER_BYTES, file), id, first, position, limit };
        scan.check_header()?;
        let offset = scan.offset();
        scan.io(|reader| reader.seek(SeekFrom::Start(offset)))?;
        Ok(scan)
    }

    fn check_header(&mut self) -> Result<(), FileError> {
        let mut header = [0; FILE_HEADER as usize];
        let read = self.io(|reader| read_up_to(reader, &mut header))?;
        if header[..read] == self.id.file_header(self.first) {
            return Ok(());
        }
        let path = self.path.clone();
        if let Some(found) = LogId::other_version(&header[..read]) {
            return Err(UnsupportedVersion { path, found: found.into(), newest: VERSION.into() }.into());
        }
        Err(Damage { file: path, offset: 0, what: "this is not the header of a file of this log" }.into())
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn offset(&self) -> u64 {
        FILE_HEADER + self.position - self.first
    }

    /// That no record is here where one should be.
    pub(super) fn damage(&self) -> Damage {
        Damage { file: self.path.clone(), offset: self.offset(), what: "no whole record begins here" }
    }

    /// The next record, if a whole one is there; else the scan ends.
    pub(super) fn next(&mut self) -> Result<Option<Record>, DiskError> {
        let mut header = [0; RECORD_HEADER as usize];
        let read = self.io(|reader| read_up_to(reader, &mut header))?;
        let Some(header) = self.id.record_at(self.position, &header[..read]) else { return Ok(None) };
        let (start, end) = (self.position, self.position + header.record_bytes());
        if end > self.limit {
            return Ok(None);
        }
        let mut payload = vec![0; header.payload_bytes as usize];
        let read = self.io(|reader| read_up_to(reader, &mut payload))?;
        if read < payload.len() || crc32fast::hash(&payload) != header.payload_crc {
            return Ok(None);
        }
        self.position = end;
        Ok(Some(Record { start, payload_at: start + RECORD_HEADER, end, payload: Bytes::from(payload) }))
    }

    fn io<T>(&mut self, read: impl FnOnce(&mut BufReader<File>) -> io::Result<T>) -> Result<T, DiskError> {
        read(&mut self.reader).map_err(DiskError::to("read", &self.path))
    }
}

/// Fills the buffer, as far as the file reaches.
fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match reader.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
