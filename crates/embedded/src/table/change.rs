//! A change of a table, and its records as they lie in the log.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use pravega_protocol::wire::NO_VALUE;

/// Bytes of a record before its key: version of the layout, two lengths, the entry's own version.
/// Source: `EntrySerializer.HEADER_LENGTH`.
pub(super) const RECORD_HEADER_BYTES: usize = 17;

/// Value length of a removal.
const REMOVED: i32 = -1;

/// One key's part of a change: its new value, or none if it is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyChange {
    pub(super) key: Bytes,
    pub(super) value: Option<Bytes>,
}

impl KeyChange {
    pub(super) fn len(&self) -> usize {
        RECORD_HEADER_BYTES + self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// A batch that a table found right, to be applied to it as it is, or again after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableChange {
    pub(super) records: Vec<KeyChange>,
}

/// Bytes are not the records of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not records of a table")]
pub(crate) struct BadRecords;

impl TableChange {
    /// Bytes that [`encode`](Self::encode) writes.
    pub(crate) fn encoded_len(&self) -> usize {
        self.records.iter().map(KeyChange::len).sum()
    }

    /// Writes the records as they would lie in the table's segment.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.reserve(self.encoded_len());
        for record in &self.records {
            out.put_u8(0);
            out.put_i32(record.key.len() as i32);
            out.put_i32(record.value.as_ref().map_or(REMOVED, |value| value.len() as i32));
            out.put_i64(NO_VALUE);
            out.put_slice(&record.key);
            out.put_slice(record.value.as_deref().unwrap_or_default());
        }
    }

    /// Reads what [`encode`](Self::encode) wrote, without copying.
    ///
    /// # Errors
    /// [`BadRecords`] if it was something else.
    pub(crate) fn decode(mut bytes: Bytes) -> Result<Self, BadRecords> {
        let mut records = Vec::new();
        while bytes.has_remaining() {
            records.push(take_record(&mut bytes).ok_or(BadRecords)?);
        }
        Ok(Self { records })
    }
}

fn take_record(bytes: &mut Bytes) -> Option<KeyChange> {
    let layout = bytes.try_get_u8().ok()?;
    let key_length = bytes.try_get_i32().ok()?;
    let value_length = bytes.try_get_i32().ok()?;
    let version = bytes.try_get_i64().ok()?;
    if (layout, version) != (0, NO_VALUE) {
        return None;
    }
    let key = take(bytes, key_length)?;
    let value = if value_length == REMOVED { None } else { Some(take(bytes, value_length)?) };
    Some(KeyChange { key, value })
}

fn take(bytes: &mut Bytes, length: i32) -> Option<Bytes> {
    let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len())?;
    Some(bytes.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> TableChange {
        let updated = KeyChange { key: "a".into(), value: Some("12".into()) };
        let removed = KeyChange { key: "b".into(), value: None };
        TableChange { records: vec![updated, removed] }
    }

    fn encoded() -> Bytes {
        let mut bytes = BytesMut::new();
        change().encode(&mut bytes);
        bytes.freeze()
    }

    #[test]
    fn records_are_laid_out_as_in_a_segment() {
        let expected = "00 00000001 00000002 8000000000000000 61 3132 00 00000001 ffffffff 8000000000000000 62";
        assert_eq!(hex::encode(encoded()), expected.replace(' ', ""));
        assert_eq!(change().encoded_len(), encoded().len());
    }

    #[test]
    fn a_change_is_read_back() {
        assert_eq!(TableChange::decode(encoded()), Ok(change()));
    }

    #[test]
    fn records_cut_short_are_bad() {
        let whole = encoded();
        let boundaries = [0, 20, whole.len()];
        for length in 0..whole.len() {
            let cut = TableChange::decode(whole.slice(..length));
            assert_eq!(cut.is_ok(), boundaries.contains(&length), "{length}");
        }
    }
}
