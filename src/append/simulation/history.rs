//! The stream's epochs, as far as they happened and as far as the controller reports them.

use pravega_protocol::stream::{
    KeyPosition, KeyRange, ScopedStream, SegmentId, SegmentName, StreamSegments, Successor,
};

/// Segments that together cover the key space.
pub(super) type Epoch = Vec<(SegmentId, KeyRange)>;

/// What the controller knows of the stream, and how much of it it reports.
pub(super) struct History {
    stream: ScopedStream,
    epochs: Vec<Epoch>,
    /// The epoch that the controller reports as the current one.
    named: usize,
    /// The first epoch of the stream that currently has the name.
    first: usize,
    pub(super) reported: Reported,
    next_number: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reported {
    Lives,
    Sealed,
    Missing,
}

pub(super) fn the_stream() -> ScopedStream {
    "simulated/stream".parse().expect("a name")
}

/// A stream that shares stores and sessions with the other one, and has a single segment for good.
pub(super) fn the_neighbour() -> ScopedStream {
    "simulated/neighbour".parse().expect("a name")
}

/// The neighbour's segment, a number that the other stream never gets to.
pub(super) fn segment_of_neighbour() -> SegmentId {
    SegmentId::new(1_000_000_000, 0)
}

impl History {
    pub(super) fn new(segments: usize) -> Self {
        let mut history = Self {
            stream: the_stream(),
            epochs: Vec::new(),
            named: 0,
            first: 0,
            reported: Reported::Lives,
            next_number: 0,
        };
        history.begin(segments);
        history
    }

    /// Creates a stream of this name, which is not announced yet.
    pub(super) fn begin(&mut self, segments: usize) {
        let segments = self.make(KeyRange::FULL, segments, 0);
        self.epochs.push(segments);
        self.first = self.epochs.len() - 1;
    }

    /// Replaces neighbouring segments by `into` others, which is not announced yet. Returns the old ones.
    pub(super) fn scale(&mut self, at: usize, neighbours: usize, into: usize) -> Vec<SegmentId> {
        let mut epoch = self.latest().to_vec();
        let generation = (self.epochs.len() - self.first) as u32;
        let (low, high) = (epoch[at].1.low(), epoch[at + neighbours - 1].1.high());
        let range = KeyRange::new(low, high).expect("segments stand in order");
        let made = self.make(range, into, generation);
        let replaced = epoch.splice(at..at + neighbours, made).map(|(id, _)| id).collect();
        self.epochs.push(epoch);
        replaced
    }

    fn make(&mut self, range: KeyRange, count: usize, generation: u32) -> Epoch {
        let width = (range.high() - range.low()) / count as f64;
        let bound = |at: usize| if at == count { range.high() } else { range.low() + width * at as f64 };
        let part = |at| KeyRange::new(bound(at), bound(at + 1)).expect("not empty");
        let first = self.next_number;
        self.next_number += count as u32;
        (0..count).map(|at| (SegmentId::new(first + at as u32, generation), part(at))).collect()
    }

    pub(super) fn announce(&mut self) {
        self.named = self.epochs.len() - 1;
        self.reported = Reported::Lives;
    }

    pub(super) fn latest(&self) -> &Epoch {
        self.epochs.last().expect("there is always one")
    }

    /// The epochs of the stream that currently has the name, in order.
    pub(super) fn epochs(&self) -> &[Epoch] {
        &self.epochs[self.first..]
    }

    pub(super) fn name_of(&self, segment: SegmentId) -> SegmentName {
        let stream = if segment == segment_of_neighbour() { the_neighbour() } else { self.stream.clone() };
        SegmentName::new(stream, segment)
    }

    pub(super) fn current(&self) -> StreamSegments {
        let segments = if self.reported == Reported::Lives { self.epochs[self.named].clone() } else { Vec::new() };
        StreamSegments::new(segments).expect("epochs cover the key space")
    }

    /// Every segment that was announced, oldest first.
    pub(super) fn all_named(&self) -> Vec<SegmentId> {
        let first = self.first.min(self.named);
        let mut all: Vec<_> = self.epochs[first..=self.named].iter().flatten().map(|(id, _)| *id).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    pub(super) fn successors(&self, segment: SegmentId) -> Vec<Successor> {
        let has = |epoch: &Epoch| epoch.iter().any(|(id, _)| *id == segment);
        let Some(last) = self.epochs[self.first..=self.named.max(self.first)].iter().rposition(has) else {
            return Vec::new();
        };
        let (before, after) = (self.first + last, self.first + last + 1);
        if after > self.named {
            return Vec::new();
        }
        successors_between(&self.epochs[before], &self.epochs[after], segment)
    }

    /// The segments that hold a position one after the other, which is what a reader of its events reads.
    pub(super) fn path_of(&self, position: KeyPosition) -> Vec<SegmentId> {
        let holder = |epoch: &Epoch| StreamSegments::new(epoch.clone()).expect("whole").segment_for(position);
        let mut path: Vec<_> = self.epochs().iter().filter_map(holder).collect();
        path.dedup();
        path
    }
}

fn successors_between(before: &Epoch, after: &Epoch, segment: SegmentId) -> Vec<Successor> {
    let overlap = |one: KeyRange, other: KeyRange| one.low() < other.high() && other.low() < one.high();
    let (_, range) = before.iter().find(|(id, _)| *id == segment).expect("it was found there");
    let successor = |(id, part): &(SegmentId, KeyRange)| Successor {
        id: *id,
        range: *part,
        predecessors: before.iter().filter(|(_, old)| overlap(*old, *part)).map(|(id, _)| *id).collect(),
    };
    after.iter().filter(|(_, part)| overlap(*part, *range)).map(successor).collect()
}
