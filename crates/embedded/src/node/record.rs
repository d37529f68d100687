//! What a step looks like in the log.
//!
//! ```text
//! u32 length of the changes │ changes, by postcard │ their bodies, one after the other
//! ```
//!
//! Postcard numbers the kinds of [`Change`] in the order of their declaration and writes no names of fields, so that order
//! is the format. `tests/golden/format/records.txt` pins it: add kinds at the end, and raise the directory's version when
//! an older program would misread the new form.

use bytes::{Buf as _, Bytes};

use super::change::Change;
use super::segment_data::Body;
use crate::table::TableChange;

/// Bytes of the length before the changes.
const LENGTH_BYTES: usize = 4;

/// A record is not one of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log holds a record that cannot be decoded")]
pub(crate) struct BadRecord;

/// The record, in parts: the changes, then the bodies.
pub(super) fn encode(changes: &[Change], bodies: Vec<Bytes>) -> Vec<Bytes> {
    let mut head = vec![0; LENGTH_BYTES];
    head = postcard::to_extend(changes, head).expect("every change has a form");
    let length = u32::try_from(head.len() - LENGTH_BYTES).expect("a step is shorter");
    head[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    std::iter::once(Bytes::from(head)).chain(bodies.into_iter().filter(|body| !body.is_empty())).collect()
}

/// The changes, each with its body, of a record whose payload is at `payload_at`.
///
/// # Errors
/// [`BadRecord`].
pub(super) fn decode(mut payload: Bytes, payload_at: u64) -> Result<Vec<(Change, Body)>, BadRecord> {
    let length = payload.try_get_u32().map_err(|_| BadRecord)? as usize;
    let changes: Vec<Change> = postcard::from_bytes(payload.get(..length).ok_or(BadRecord)?).map_err(|_| BadRecord)?;
    let bodies = payload.split_off(length);
    if changes.iter().map(|change| u64::from(change.body_len())).sum::<u64>() != bodies.len() as u64 {
        return Err(BadRecord);
    }
    let first = payload_at + (LENGTH_BYTES + length) as u64;
    let places = places(&changes, first);
    let with_body = |(change, position): (Change, u64)| {
        let from = (position - first) as usize;
        let bytes = bodies.slice(from..from + change.body_len() as usize);
        let body = match change {
            Change::TableChanged { .. } => Body::Table(TableChange::decode(bytes).map_err(|_| BadRecord)?),
            _ => Body::Logged { position, len: change.body_len() },
        };
        Ok((change, body))
    };
    changes.into_iter().zip(places).map(with_body).collect()
}

/// Where the bodies of changes lie, the first at `place`.
pub(super) fn places(changes: &[Change], mut place: u64) -> Vec<u64> {
    let mut next = |change: &Change| {
        let here = place;
        place += u64::from(change.body_len());
        here
    };
    changes.iter().map(&mut next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::SegmentKey;

    fn append(len: u32) -> Change {
        Change::Appended { segment: SegmentKey(3), len, attributes: vec![(uuid::Uuid::from_u128(9), -1)], at: 5 }
    }

    #[test]
    fn bodies_are_found_where_they_were_written() {
        let changes = [append(3), Change::Sealed { segment: SegmentKey(1), at: 2 }, append(0), append(2)];
        let bodies = vec![Bytes::from("abc"), Bytes::new(), Bytes::new(), Bytes::from("de")];
        let parts = encode(&changes, bodies);
        let payload: Bytes = parts.concat().into();
        let found = decode(payload.clone(), 1000).expect("a record");
        assert_eq!(found.iter().map(|(change, _)| change.clone()).collect::<Vec<_>>(), changes);
        let places = places(&changes, 1000 + parts[0].len() as u64);
        for ((_, body), (place, text)) in found.iter().zip(places.into_iter().zip(["abc", "", "", "de"])) {
            let Body::Logged { position, len } = body else { panic!("{body:?}") };
            assert_eq!(*position, place);
            let from = (place - 1000) as usize;
            assert_eq!(payload.slice(from..from + *len as usize), text);
        }
    }

    #[test]
    fn record_cut_short_or_too_long_is_bad() {
        let payload: Bytes = encode(&[append(3)], vec![Bytes::from("abc")]).concat().into();
        for cut in 0..payload.len() {
            assert_eq!(decode(payload.slice(..cut), 0).err(), Some(BadRecord), "{cut}");
        }
        assert!(decode([payload, Bytes::from("x")].concat().into(), 0).is_err());
    }
}
