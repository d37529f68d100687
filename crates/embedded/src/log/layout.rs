//! The headers of files and records, byte by byte.

use bytes::{Buf, BufMut};
use crc32fast::Hasher;
use uuid::Uuid;

/// Bytes before a file's first record.
pub(super) const FILE_HEADER: u64 = 40;

/// Bytes before a record's payload.
pub(super) const RECORD_HEADER: u64 = 16;

const MAGIC: [u8; 8] = *b"pravglog";

/// Version of the headers, and the newest that is read.
pub(super) const VERSION: u32 = 1;

/// Distinguishes the headers of one log from those of all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogId(pub(super) Uuid);

impl LogId {
    /// What the first bytes of every header are checked with.
    fn hasher(self) -> Hasher {
        Hasher::new_with_initial(crc32fast::hash(self.0.as_bytes()))
    }

    /// The header of a file whose first record is at this position.
    pub(super) fn file_header(self, first: u64) -> [u8; FILE_HEADER as usize] {
        let mut header = [0; FILE_HEADER as usize];
        let mut fields = &mut header[..];
        fields.put_slice(&MAGIC);
        fields.put_u32(VERSION);
        fields.put_slice(self.0.as_bytes());
        fields.put_u64(first);
        let crc = crc32fast::hash(&header[..36]);
        (&mut header[36..]).put_u32(crc);
        header
    }

    /// The version in a header of another one, if these bytes are a file's whole header.
    pub(super) fn other_version(header: &[u8]) -> Option<u32> {
        let (checked, mut crc) = header.split_at_checked(FILE_HEADER as usize - 4)?;
        let mut version = checked.strip_prefix(&MAGIC)?;
        let is_whole = crc.try_get_u32().ok()? == crc32fast::hash(checked);
        version.try_get_u32().ok().filter(|version| is_whole && *version != VERSION)
    }

    /// A record's header in the bytes at `position`, if they are one.
    pub(super) fn record_at(self, position: u64, mut bytes: &[u8]) -> Option<RecordHeader> {
        let checked = bytes.get(..12)?;
        let header = RecordHeader {
            payload_bytes: bytes.try_get_u32().ok()?,
            since_group: bytes.try_get_u32().ok()?,
            payload_crc: bytes.try_get_u32().ok()?,
        };
        let crc = bytes.try_get_u32().ok()?;
        (header.payload_bytes > 0 && crc == self.record_crc(position, checked)).then_some(header)
    }

    fn record_crc(self, position: u64, fields: &[u8]) -> u32 {
        let mut hasher = self.hasher();
        hasher.update(&position.to_be_bytes());
        hasher.update(fields);
        hasher.finalize()
    }
}

/// What precedes a record's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    /// Never 0, so that zeros are no record.
    pub(super) payload_bytes: u32,
    /// From the start of its group to its own.
    pub(super) since_group: u32,
    pub(super) payload_crc: u32,
}

impl RecordHeader {
    /// Bytes of header and payload.
    pub(super) fn record_bytes(self) -> u64 {
        RECORD_HEADER + u64::from(self.payload_bytes)
    }

    pub(super) fn encode(self, id: LogId, position: u64) -> [u8; RECORD_HEADER as usize] {
        let mut header = [0; RECORD_HEADER as usize];
        let mut fields = &mut header[..];
        fields.put_u32(self.payload_bytes);
        fields.put_u32(self.since_group);
        fields.put_u32(self.payload_crc);
        let crc = id.record_crc(position, &header[..12]);
        (&mut header[12..]).put_u32(crc);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::golden;

    const ID: LogId = LogId(Uuid::from_u128(7));
    const HEADER: RecordHeader = RecordHeader { payload_bytes: 300, since_group: 40, payload_crc: 0xabcd_ef01 };

    #[test]
    fn headers_are_the_pinned_ones() {
        let id = LogId(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        let file = hex::encode(id.file_header(66_941_321));
        let record = hex::encode(HEADER.encode(id, 66_941_321));
        golden::check("log.txt", &[("file".to_owned(), file), ("record".to_owned(), record)]);
    }

    #[test]
    fn a_header_is_a_record_at_its_own_position_of_its_own_log_only() {
        let bytes = HEADER.encode(ID, 1000);
        assert_eq!(ID.record_at(1000, &bytes), Some(HEADER));
        assert_eq!(ID.record_at(1001, &bytes), None);
        assert_eq!(LogId(Uuid::from_u128(8)).record_at(1000, &bytes), None);
    }

    #[test]
    fn a_header_with_any_bit_flipped_or_any_byte_missing_is_none() {
        let bytes = HEADER.encode(ID, 1000);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ID.record_at(1000, &flipped), None);
        }
        for length in 0..bytes.len() {
            assert_eq!(ID.record_at(1000, &bytes[..length]), None);
        }
    }

    #[test]
    fn an_empty_record_is_none_even_where_its_crc_is_right() {
        let empty = RecordHeader { payload_bytes: 0, since_group: 0, payload_crc: 0 };
        assert_eq!(ID.record_at(5, &empty.encode(ID, 5)), None);
    }
}
