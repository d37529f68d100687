//! Which readers of a group are online.
//!
//! Java's clients agree on that among themselves, by a log that they keep in the group's own stream. Each event is an
//! entry: either the whole state, or a list of updates that follow each other.
//!
//! ```text
//! entry   i32 1, object                           the state from here on
//!         i32 2, {i32 length, object} …           updates
//! object  u8 0, u8 type, u8 version, u8 count, {u8 revision, i32 length, bytes} …
//! ```
//!
//! All that determines who is online lies in the first revision of an object; the rest is skipped by its length, as are
//! updates of other types. Source: ReaderGroupState.java, UpdateOrInitSerializer.java, VersionedSerializer.java.

use std::collections::BTreeSet;

use bytes::Bytes;
use pravega_protocol::wire::event::{Deframed, deframe};
use pravega_protocol::wire::{FieldProblem, Input, JavaStr, WireField as _};
use thiserror::Error;

/// Types of entries.
const STATE: i32 = 1;
const UPDATES: i32 = 2;

/// Types of objects.
const NEW_STATE: u8 = 0;
const COMPACT_STATE: u8 = 1;
const ADD_READER: u8 = 2;
const REMOVE_READER: u8 = 3;

/// Why a log cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum BrokenLog {
    /// Its bytes are no events.
    #[error("the log of the group's state does not consist of events")]
    NotEvents,
    /// It does not begin with a state, as that of a group that no client has initialised.
    #[error("the log of the group's state does not begin with a state")]
    NoState,
    /// An entry, object, or version of it that is not known.
    #[error("the log of the group's state holds {what} {value}, which is unknown")]
    Unknown { what: &'static str, value: i64 },
    /// A field that cannot be read.
    #[error("a field in the log of the group's state {0}")]
    Field(#[from] FieldProblem),
}

/// The readers that are online at the end of a log, which begins with a state.
///
/// # Errors
/// When the log is broken.
pub(crate) fn online(mut log: Bytes) -> Result<BTreeSet<String>, BrokenLog> {
    let mut readers = None;
    while !log.is_empty() {
        let room = log.len();
        let Deframed::Event(entry) = deframe(&mut log, room) else { return Err(BrokenLog::NotEvents) };
        follow(&mut readers, Input::new(entry))?;
    }
    readers.ok_or(BrokenLog::NoState)
}

fn follow(readers: &mut Option<BTreeSet<String>>, mut entry: Input) -> Result<(), BrokenLog> {
    match entry.i32()? {
        STATE => apply(readers, entry),
        UPDATES => {
            while entry.left() > 0 {
                apply(readers, Input::new(entry.sized()?))?;
            }
            Ok(())
        }
        kind => Err(BrokenLog::Unknown { what: "an entry of type", value: kind.into() }),
    }
}

fn apply(readers: &mut Option<BTreeSet<String>>, mut object: Input) -> Result<(), BrokenLog> {
    expect_zero(&mut object, "an object of format")?;
    let kind = object.u8()?;
    if let NEW_STATE | COMPACT_STATE = kind {
        let mut state = first_revision(object)?;
        *readers = Some(if kind == NEW_STATE { BTreeSet::new() } else { assigned(&mut state)? });
        return Ok(());
    }
    let online = readers.as_mut().ok_or(BrokenLog::NoState)?;
    match kind {
        ADD_READER => drop(online.insert(text(&mut first_revision(object)?)?)),
        REMOVE_READER => drop(online.remove(&text(&mut first_revision(object)?)?)),
        _ => {}
    }
    Ok(())
}

fn first_revision(mut object: Input) -> Result<Input, BrokenLog> {
    expect_zero(&mut object, "an object of version")?;
    // how many revisions there are
    object.u8()?;
    expect_zero(&mut object, "a first revision")?;
    Ok(Input::new(object.sized()?))
}

fn expect_zero(input: &mut Input, what: &'static str) -> Result<(), BrokenLog> {
    match input.u8()? {
        0 => Ok(()),
        value => Err(BrokenLog::Unknown { what, value: value.into() }),
    }
}

/// The readers of a compact state are those that segments are assigned to, even if to none.
fn assigned(state: &mut Input) -> Result<BTreeSet<String>, FieldProblem> {
    let (_config, _checkpoints) = (array(state)?, array(state)?);
    let _distances_to_tail = each(state, offset_of)?;
    let _future_segments = each(state, |entry| {
        text(entry)?;
        let predecessors = count(entry)?;
        entry.take(predecessors * size_of::<i64>())
    })?;
    let readers = each(state, |entry| {
        let reader = text(entry)?;
        each(entry, offset_of)?;
        Ok(reader)
    })?;
    Ok(readers.into_iter().collect())
}

/// Reads a collection. An item takes at least a byte, so that there are no more than bytes.
fn each<T>(
    input: &mut Input,
    mut item: impl FnMut(&mut Input) -> Result<T, FieldProblem>,
) -> Result<Vec<T>, FieldProblem> {
    (0..count(input)?).map(|_| item(input)).collect()
}

/// A name, and a number with it.
fn offset_of(entry: &mut Input) -> Result<i64, FieldProblem> {
    text(entry)?;
    entry.i64()
}

fn text(input: &mut Input) -> Result<String, FieldProblem> {
    Ok(JavaStr::decode(input)?.as_str().to_owned())
}

fn array(input: &mut Input) -> Result<Bytes, FieldProblem> {
    let len = count(input)?;
    input.take(len)
}

/// One byte, or two or four if its first bits are 10 or 11. Source: RevisionDataInputStream.java, `readCompactInt`.
fn count(input: &mut Input) -> Result<usize, FieldProblem> {
    let first = input.u8()?;
    let more = match first >> 6 {
        0 | 1 => return Ok(first.into()),
        2 => input.take(1)?,
        _ => input.take(3)?,
    };
    Ok(more.iter().fold((first & 0x3f).into(), |count, byte| count << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    /// The state of a group of Java's clients, by what happened to it; `tests/golden/capture/ReaderGroupStates.java`
    /// printed it.
    #[derive(Debug, Deserialize)]
    struct Golden {
        after: String,
        mark: Option<usize>,
        start: usize,
        segment: String,
        online: BTreeSet<String>,
    }

    impl Golden {
        fn all() -> Vec<Self> {
            let lines = include_str!("../../../tests/golden/reader-group-states.jsonl").lines();
            lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
        }

        fn segment(&self) -> Bytes {
            BASE64.decode(&self.segment).expect("base64").into()
        }

        /// What a client reads.
        fn log(&self) -> Bytes {
            let from = self.mark.unwrap_or(self.start);
            self.segment().split_off(from - self.start)
        }
    }

    fn updates(updates: &[&[u8]]) -> Vec<u8> {
        let sized = updates.iter().flat_map(|update| [&(update.len() as u32).to_be_bytes(), *update].concat());
        event(&[&[0, 0, 0, 2], &*sized.collect::<Vec<_>>()].concat())
    }

    fn event(payload: &[u8]) -> Vec<u8> {
        [&[0; 4], &(payload.len() as u32).to_be_bytes()[..], payload].concat()
    }

    fn new_state() -> Vec<u8> {
        event(&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0])
    }

    #[test]
    fn online_are_those_whom_the_java_client_sees_online() {
        for golden in Golden::all() {
            assert_eq!(online(golden.log()), Ok(golden.online), "after: {}", golden.after);
        }
    }

    #[test]
    fn what_stands_before_the_mark_changes_nothing() {
        let is_whole = |golden: &Golden| golden.start == 0 && golden.mark.is_some();
        let whole: Vec<_> = Golden::all().into_iter().filter(is_whole).collect();
        assert!(!whole.is_empty());
        for golden in whole {
            assert_eq!(online(golden.segment()), Ok(golden.online), "after: {}", golden.after);
        }
    }

    #[test]
    fn update_of_an_unknown_type_is_skipped() {
        let add = [0, 2, 0, 1, 0, 0, 0, 0, 3, 0, 1, b'a'];
        let log = [new_state(), updates(&[&[0, 99, 7, 7, 7], &add])].concat();
        assert_eq!(online(log.into()), Ok(BTreeSet::from(["a".to_owned()])));
    }

    #[test]
    fn log_without_a_state_is_broken() {
        assert_eq!(online(Bytes::new()), Err(BrokenLog::NoState));
        assert_eq!(online(updates(&[&[0, 4, 0, 0]]).into()), Err(BrokenLog::NoState));
    }

    #[test]
    fn unknown_entries_and_formats_are_named() {
        let unknown = |what, value| Err(BrokenLog::Unknown { what, value });
        assert_eq!(online(event(&[0, 0, 0, 3]).into()), unknown("an entry of type", 3));
        assert_eq!(online(event(&[0, 0, 0, 1, 1]).into()), unknown("an object of format", 1));
        assert_eq!(online(event(&[0, 0, 0, 1, 0, 0, 4]).into()), unknown("an object of version", 4));
        assert_eq!(online(Bytes::from_static(&[0, 0, 0, 1])), Err(BrokenLog::NotEvents));
    }

    #[test]
    fn every_cut_of_a_log_is_an_answer_or_an_error() {
        let log = Golden::all().pop().expect("some").segment();
        for end in 0..log.len() {
            let _ = online(log.slice(..end));
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_on_any_bytes(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)) {
            let _ = online(entries.concat().into());
            let log: Vec<u8> = entries.iter().flat_map(|entry| event(&[&[0, 0, 0, 1, 0, 1, 0, 1, 0], &**entry].concat())).collect();
            let _ = online(log.into());
        }

        #[test]
        fn nothing_panics_on_changed_states(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8) {
            let all = Golden::all();
            let mut log = which.get(&all).log().to_vec();
            *at.get_mut(&mut log) = byte;
            let _ = online(log.into());
        }
    }
}
