//! What must be true after every schedule.

use std::collections::BTreeMap;

use pravega_protocol::stream::SegmentId;

use super::callers::{EventRecord, Fate};
use super::history::{segment_of_neighbour, the_neighbour};
use super::odds::{Odds, StreamFate};
use super::segment::{Stored, short};
use super::world::State;
use crate::append::{Error, EventPlace, Target, Written};

/// What writers promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// What is acknowledged is stored, at the reported place.
    NothingLost,
    /// The place is reported unless one acknowledgement, or none, stood for several blocks.
    PlaceTold,
    /// Nothing is stored twice.
    NothingDoubled,
    /// Events of one caller with one key are stored in the order of their submission.
    OrderKept,
    /// Everything is answered.
    AllAnswered,
    /// What is reported as not written is not stored, and what the gateway could know so is not called possible.
    TruthTold,
    /// An event is stored only in segments of its key, or in the one that its caller named.
    RightSegment,
    /// An event fails only for a reason that really existed.
    NoFalseAlarm,
    /// Writers send only what the protocol allows.
    Protocol,
    /// Once all faults are over, every event is stored.
    SuccessReturns,
    /// Readers get what is stored, and once all faults are over, all of it.
    ReadsAreTrue,
    /// Controller and stores are asked no more often than the work and the faults explain.
    Proportion,
    /// Without callers, nothing is left: bytes of the budget, tasks, writer ids, calls and flows of sessions.
    NothingHeld,
}

/// A claim that does not hold, and the evidence.
pub(super) type Breach = (Claim, String);

/// Compares everything that is stored with everything that was reported.
///
/// All faults were over when the event `calm_from` was submitted.
pub(super) fn breaches(state: &State, records: &[EventRecord], calm_from: usize) -> Vec<Breach> {
    let stored = Contents::of(state);
    let misdeeds = state.misdeeds.iter().map(|misdeed| (Claim::Protocol, misdeed.clone()));
    let misreadings = state.misreadings.iter().map(|misreading| (Claim::ReadsAreTrue, misreading.clone()));
    let last = records.iter().enumerate().skip(calm_from).filter(|(_, record)| !state.is_as_in_calm(record));
    let last = last.map(|(event, record)| (Claim::SuccessReturns, format!("event {event}: {record:?}")));
    let answers = records.iter().enumerate().flat_map(|(event, record)| stored.check(state, event, record));
    misdeeds
        .chain(misreadings)
        .chain(last)
        .chain(state.disproportion(records.len()))
        .chain(answers)
        .chain(stored.disorder(state, records))
        .collect()
}

/// Where each event lies.
struct Contents<'a> {
    places: BTreeMap<usize, Vec<(SegmentId, &'a Stored)>>,
    deleted: BTreeMap<usize, Vec<(SegmentId, &'a Stored)>>,
}

impl<'a> Contents<'a> {
    fn of(state: &'a State) -> Self {
        let mut contents = Self { places: BTreeMap::new(), deleted: BTreeMap::new() };
        for (id, segment) in &state.segments {
            let places = if segment.is_deleted { &mut contents.deleted } else { &mut contents.places };
            segment.stored.iter().for_each(|stored| places.entry(stored.event).or_default().push((*id, stored)));
        }
        contents
    }

    fn check(&self, state: &State, event: usize, record: &EventRecord) -> Vec<Breach> {
        let live = self.places.get(&event).map_or(&[][..], Vec::as_slice);
        let deleted = self.deleted.get(&event).map_or(&[][..], Vec::as_slice);
        let mut breaches = Vec::new();
        let mut breach = |claim, what: &str| breaches.push((claim, format!("event {event} {what}: {:?}", record.fate)));
        let twice_in_deleted =
            deleted.iter().any(|(id, _)| deleted.iter().filter(|(other, _)| other == id).count() > 1);
        if live.len() > 1 || twice_in_deleted {
            let places: Vec<_> = live.iter().map(|(id, stored)| format!("{}@{}", short(*id), stored.offset)).collect();
            breach(Claim::NothingDoubled, &format!("is stored at {places:?}"));
        }
        match &record.fate {
            Fate::Written(written) if !live.iter().chain(deleted).any(|place| is_reported(place, written)) => {
                breach(Claim::NothingLost, "is not stored where it was reported");
            }
            Fate::Open => breach(Claim::AllAnswered, "is not answered"),
            Fate::Written(Written { place: None, .. }) if state.witness.is_place_known(event) => {
                breach(Claim::PlaceTold, "was acknowledged alone");
            }
            fate if fate.is_certainly_unwritten() && !live.is_empty() => breach(Claim::TruthTold, "is stored"),
            Fate::Withdrawn { may_have_been_written: true } if state.witness.is_never_sent(event) => {
                breach(Claim::TruthTold, "never left");
            }
            Fate::Failed(error) if error.may_have_been_written() && state.witness.is_known_unwritten(event) => {
                breach(Claim::TruthTold, "is certainly not stored");
            }
            Fate::Failed(error) if !state.may_fail_with(error, record) => {
                breach(Claim::NoFalseAlarm, "should not have failed");
            }
            _ => {}
        }
        if live.iter().any(|(id, _)| !state.may_hold(*id, record)) {
            breach(Claim::RightSegment, "is in a segment of another key");
        }
        breaches
    }

    /// Reads the events of each caller and key as a reader does, one segment after the other.
    fn disorder(&self, state: &State, records: &[EventRecord]) -> Vec<Breach> {
        let mut last: Vec<(&EventRecord, usize)> = Vec::new();
        let mut breaches = Vec::new();
        for (id, stored) in state.in_reading_order() {
            let record = &records[stored.event];
            match last.iter_mut().find(|(other, _)| other.caller == record.caller && other.target == record.target) {
                Some((_, before)) if *before > stored.event => {
                    let what = format!("event {} lies in {} behind {before}", stored.event, short(id));
                    breaches.push((Claim::OrderKept, what));
                }
                Some((_, before)) => *before = stored.event,
                None => last.push((record, stored.event)),
            }
        }
        breaches
    }
}

fn is_reported((id, stored): &(SegmentId, &Stored), written: &Written) -> bool {
    let Written { segment, place } = written;
    let is_there = |place: EventPlace| (place.offset, place.next_offset) == (stored.offset, stored.next_offset);
    id == segment && place.is_none_or(is_there)
}

impl State {
    /// Segments of later epochs come later on every path; ids rise with the epochs.
    fn in_reading_order(&self) -> impl Iterator<Item = (SegmentId, &Stored)> {
        let live = self.segments.iter().filter(|(_, segment)| !segment.is_deleted);
        live.flat_map(|(id, segment)| segment.stored.iter().map(|stored| (*id, stored)))
    }

    fn may_hold(&self, id: SegmentId, record: &EventRecord) -> bool {
        match record.target {
            _ if record.stream == the_neighbour() => id == segment_of_neighbour(),
            Target::Position(position) => self.history.path_of(position).contains(&id),
            Target::Segment(named) => named == id,
        }
    }

    fn may_fail_with(&self, error: &Error, record: &EventRecord) -> bool {
        let is_neighbours = record.stream == the_neighbour();
        match error {
            Error::StreamSealed(_) => !is_neighbours && self.character.fate != StreamFate::Lives,
            Error::SegmentSealed(_) => match record.target {
                Target::Segment(id) => self.segments.get(&id).is_some_and(|known| known.is_sealed || known.is_deleted),
                Target::Position(_) => !is_neighbours && self.segments.values().any(|known| known.is_sealed_alone),
            },
            Error::SegmentNotFound { .. } => matches!(record.target, Target::Segment(_)),
            Error::Controller(crate::controller::Error::StreamNotFound(_)) => {
                !is_neighbours && self.character.fate == StreamFate::Recreated
            }
            Error::Controller(_) | Error::Store { .. } => self.character.outages,
            Error::Refused { .. } | Error::Failed { .. } => self.character.store_errors > 0.0,
            Error::Stopped { .. } | Error::Stalled(_) => false,
        }
    }

    /// Whether an event that was submitted once all faults were over is stored, or refused for good.
    fn is_as_in_calm(&self, record: &EventRecord) -> bool {
        let is_sealed_alone = || {
            let Target::Position(position) = record.target else { return false };
            let last = self.history.path_of(position).last().copied();
            last.is_some_and(|id| self.segments[&id].is_sealed_alone)
        };
        match &record.fate {
            Fate::Written(_) => true,
            _ if record.stream == the_neighbour() => false,
            Fate::Failed(Error::StreamSealed(_)) => self.character.fate == StreamFate::Sealed,
            Fate::Failed(Error::SegmentSealed(_)) => is_sealed_alone(),
            _ => false,
        }
    }

    /// Calls beyond what the work explains: a loop without pauses makes thousands.
    fn disproportion(&self, events: usize) -> Vec<Breach> {
        let Odds { faults, scales, pages, .. } = self.character;
        let work = events + pages + 10 * (1 + faults + scales);
        let calls = [
            ("calls to the controller", self.controller_calls, 6 * work),
            ("set-ups", self.set_ups as usize, 2 * work),
            ("connections", self.connections.len(), work),
        ];
        let beyond = calls.into_iter().filter(|(_, count, most)| count > most);
        beyond.map(|(what, count, most)| (Claim::Proportion, format!("{count} {what}, not {most}"))).collect()
    }
}
