//! Transactions.

use pravega_protocol::stream::{ScopedStream, SegmentId};

use super::records::{KnownStream, decode, known, name, read, write};
use super::status::{Ping, TransactionEnd, TransactionState};
use super::stream::{found, replace};
use super::{OperationError, segment, writer};
use crate::controller::catalog::{
    Cut, Epoch, EpochSegment, History, LeaseRefused, Outcome, Transaction, TransactionId, key, reaches,
};
use crate::node::{SegmentKind, State, Step};

/// A transaction begun, with the segments it may write to, under its own epoch.
pub(crate) struct Begun {
    pub(crate) id: TransactionId,
    pub(crate) segments: Vec<EpochSegment>,
}

pub(crate) fn begin(step: &mut Step<'_>, scope: &str, stream: &str, lease: i64) -> Result<Begun, OperationError> {
    let stream = found(step.state(), scope, stream)?;
    let transaction = Transaction::begin(lease, step.at()).map_err(|refused| match refused {
        LeaseRefused::TooShort => OperationError::unknown("lease should be greater than minimum lease"),
        LeaseRefused::TooLong | LeaseRefused::TooOld => {
            OperationError::unknown("lease value too large, max value is 600000")
        }
    })?;
    if stream.record.sealed {
        return Err(OperationError::internal(format!("stream {} is sealed", stream.name)));
    }
    let active = stream.active(step.state());
    let counter = read(step.state(), key::NEXT_TRANSACTION).unwrap_or(1);
    write(step, key::NEXT_TRANSACTION, &(counter + 1));
    let id = TransactionId::new(active.reference, counter);
    let own = |segment: &EpochSegment| {
        let id = SegmentId::new(segment.id.number(), active.reference);
        EpochSegment { id, ..*segment }
    };
    let segments: Vec<EpochSegment> = active.segments.iter().map(own).collect();
    for part in &segments {
        let name = segment::of_transaction(&stream.name, id, part.id.number());
        segment::create(step, name, SegmentKind::Stream);
    }
    write(step, &key::transaction(&stream.name, id), &transaction);
    Ok(Begun { id, segments })
}

pub(crate) fn ping(step: &mut Step<'_>, scope: &str, stream: &str, id: TransactionId, lease: i64) -> Ping {
    let Some((stream, transaction)) = lookup(step.state(), scope, stream, id) else { return Ping::NotFound };
    match transaction.outcome() {
        Some(Outcome::Committed) => return Ping::Committed,
        Some(Outcome::Aborted) => return Ping::Aborted,
        None => {}
    }
    match transaction.pinged(lease, step.at()) {
        Ok(pinged) => {
            write(step, &key::transaction(&stream.name, id), &pinged);
            Ping::Extended
        }
        Err(LeaseRefused::TooOld) => Ping::MaxAgeExceeded,
        Err(LeaseRefused::TooLong | LeaseRefused::TooShort) => Ping::LeaseTooLarge,
    }
}

fn lookup(state: &State, scope: &str, stream: &str, id: TransactionId) -> Option<(KnownStream, Transaction)> {
    let stream = known(state, scope, stream)?;
    let transaction = record(state, &stream.name, id)?;
    Some((stream, transaction))
}

fn record(state: &State, stream: &ScopedStream, id: TransactionId) -> Option<Transaction> {
    read(state, &key::transaction(stream, id)).or_else(|| read(state, &key::ended(stream, id)))
}

/// Open and ended transactions lie apart, so that looking for overdue ones costs nothing for the many that ended.
fn end(step: &mut Step<'_>, stream: &ScopedStream, id: TransactionId, transaction: &Transaction, outcome: Outcome) {
    let ended = transaction.ended(outcome, step.at());
    step.remove(&key::transaction(stream, id));
    write(step, &key::ended(stream, id), &ended);
}

/// What a writer says with a commit.
pub(crate) struct Note<'a> {
    pub(crate) writer: &'a str,
    /// In the writer's own time; `None` if it says nothing.
    pub(crate) time: Option<i64>,
}

/// Commits at once, all segments together.
pub(crate) fn commit(
    step: &mut Step<'_>,
    scope: &str,
    stream: &str,
    id: TransactionId,
    note: &Note<'_>,
) -> TransactionEnd {
    let Some((mut stream, transaction)) = lookup(step.state(), scope, stream, id) else {
        return TransactionEnd::Failed;
    };
    match transaction.outcome() {
        Some(Outcome::Committed) => return TransactionEnd::Done,
        Some(Outcome::Aborted) => return TransactionEnd::Failed,
        None => {}
    }
    let Some(position) = merge(step, &mut stream, id) else { return TransactionEnd::Failed };
    end(step, &stream.name, id, &transaction, Outcome::Committed);
    if let Some(time) = note.time.filter(|_| !note.writer.is_empty()) {
        // A writer that goes back in time has committed all the same.
        let _ = writer::note_known(step, &stream.name, note.writer, time, position);
    }
    TransactionEnd::Done
}

/// Moves what the transaction wrote into the stream; gives the ends of the segments it went into. `None`, without
/// a change, where a client spoilt a segment that it did not own.
fn merge(step: &mut Step<'_>, stream: &mut KnownStream, id: TransactionId) -> Option<Cut> {
    let own = stream.history(step.state()).epoch(id.epoch())?;
    let active = stream.active(step.state());
    if reaches(&own, &active) {
        let is_open = |id: SegmentId| {
            let segment = step.state().segment(&segment::of_stream(&stream.name, id));
            segment.is_some_and(|segment| !segment.is_sealed())
        };
        if !active.ids().all(is_open) || !is_whole(step.state(), &stream.name, id, &active) {
            return None;
        }
        return Some(merge_into(step, &stream.name, id, &active));
    }
    is_whole(step.state(), &stream.name, id, &own).then(|| roll(step, stream, id, &own, &active))
}

/// The transaction's segments do not fit the active ones any more: its own epoch is repeated for it, and the active
/// one after that.
fn roll(step: &mut Step<'_>, stream: &mut KnownStream, id: TransactionId, own: &Epoch, active: &Epoch) -> Cut {
    let own = own.repeated_as(active.number + 1, step.at().max(active.created + 1));
    let again = active.repeated_as(active.number + 2, own.created + 1);
    replace(step, stream, active, &own);
    let position = merge_into(step, &stream.name, id, &own);
    replace(step, stream, &own, &again);
    stream.save(step);
    position
}

fn is_whole(state: &State, stream: &ScopedStream, id: TransactionId, epoch: &Epoch) -> bool {
    let mut numbers = epoch.ids().map(SegmentId::number);
    numbers.all(|number| {
        let segment = state.segment(&segment::of_transaction(stream, id, number));
        segment.is_some_and(|segment| segment.data().start() == 0)
    })
}

fn merge_into(step: &mut Step<'_>, stream: &ScopedStream, id: TransactionId, epoch: &Epoch) -> Cut {
    let mut merge = |target: SegmentId| {
        let source = segment::of_transaction(stream, id, target.number());
        let merged = step.merge_segment(&segment::of_stream(stream, target), &source, &[]);
        (target, merged.expect("target and source were looked at").length.cast_signed())
    };
    epoch.ids().map(&mut merge).collect()
}

pub(crate) fn abort(step: &mut Step<'_>, scope: &str, stream: &str, id: TransactionId) -> TransactionEnd {
    let Some((stream, transaction)) = lookup(step.state(), scope, stream, id) else { return TransactionEnd::Failed };
    match transaction.outcome() {
        Some(Outcome::Committed) => TransactionEnd::Failed,
        Some(Outcome::Aborted) => TransactionEnd::Done,
        None => {
            abort_open(step, &stream, id, &transaction);
            TransactionEnd::Done
        }
    }
}

fn abort_open(step: &mut Step<'_>, stream: &KnownStream, id: TransactionId, transaction: &Transaction) {
    let own = stream.history(step.state()).epoch(id.epoch());
    for number in own.iter().flat_map(Epoch::ids).map(SegmentId::number) {
        segment::delete(step, &segment::of_transaction(&stream.name, id, number));
    }
    end(step, &stream.name, id, transaction, Outcome::Aborted);
}

/// Aborts what is open, before a stream is sealed.
pub(crate) fn abort_all(step: &mut Step<'_>, stream: &KnownStream) {
    for (id, transaction) in below(step.state(), &key::transactions(&stream.name)) {
        abort_open(step, stream, id, &transaction);
    }
}

fn below(state: &State, prefix: &str) -> Vec<(TransactionId, Transaction)> {
    let parse = |(key, record): (&str, &bytes::Bytes)| {
        let id = key[prefix.len()..].parse().expect("written by this module");
        (id, decode(record))
    };
    state.records(prefix).map(parse).collect()
}

pub(crate) fn check(state: &State, scope: &str, stream: &str, id: TransactionId) -> TransactionState {
    match name(scope, stream).and_then(|stream| record(state, &stream, id)).map(|transaction| transaction.outcome()) {
        None => TransactionState::NotFound,
        Some(None) => TransactionState::Open,
        Some(Some(Outcome::Committed)) => TransactionState::Committed,
        Some(Some(Outcome::Aborted)) => TransactionState::Aborted,
    }
}

/// What became of the transactions of the last day, also when the stream is gone.
pub(crate) fn completed(state: &State, scope: &str, stream: &str) -> Vec<(TransactionId, Outcome)> {
    let ended = name(scope, stream).map(|stream| below(state, &key::ended_of(&stream)));
    let ended = ended.unwrap_or_default().into_iter();
    ended.filter_map(|(id, transaction)| Some((id, transaction.outcome()?))).collect()
}

/// Aborts the transactions that are out of time.
pub(crate) fn abort_overdue(step: &mut Step<'_>) {
    for (stream, id) in matching(step.state(), key::TRANSACTIONS, |transaction| transaction.is_overdue(step.at())) {
        let found = known(step.state(), stream.scope.as_str(), stream.stream.as_str());
        let transaction = read(step.state(), &key::transaction(&stream, id));
        if let Some((stream, transaction)) = found.zip(transaction) {
            abort_open(step, &stream, id, &transaction);
        }
    }
}

/// Forgets the transactions that ended long ago.
pub(crate) fn forget_ended(step: &mut Step<'_>) {
    for (stream, id) in matching(step.state(), key::ENDED, |transaction| transaction.is_forgotten(step.at())) {
        step.remove(&key::ended(&stream, id));
    }
}

fn matching(state: &State, prefix: &str, wanted: impl Fn(&Transaction) -> bool) -> Vec<(ScopedStream, TransactionId)> {
    let place = |key: &str| {
        let (stream, id) = key[prefix.len()..].rsplit_once('/')?;
        Some((stream.parse().ok()?, id.parse().ok()?))
    };
    let wanted = state.records(prefix).filter(|(_, record)| wanted(&decode(record)));
    wanted.map(|(key, _)| place(key).expect("written by this module")).collect()
}
