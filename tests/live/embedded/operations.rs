//! Random wire commands, mostly for existing segments.

use bytes::{BufMut as _, Bytes, BytesMut};
use pravega_protocol::wire::{
    AppendBlock, AppendBlockEnd, AttributeId, AttributeUpdate, ConditionalAppend, ConditionalBlockEnd, CreateSegment,
    CreateTransientSegment, DelegationToken, DeleteSegment, EventFrame, EventNumber, Frame, GetSegmentAttribute,
    GetStreamSegmentInfo, Hello, JavaStr, KeepAlive, MergeSegments, MergeSegmentsBatch, NO_VALUE, Offset, Raw,
    ReadSegment, RequestId, SealSegment, Segment, SetupAppend, TruncateSegment, UpdateSegmentAttribute,
    UpdateSegmentPolicy, WireCommand, WriterId,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;

use super::link::{Both, Writer};

/// Number of stream segments. Transactions, a transient segment and one that is never created follow.
const STREAM_SEGMENTS: usize = 4;
const TRANSACTIONS: usize = 3;
pub(crate) const TRANSIENT: usize = STREAM_SEGMENTS + TRANSACTIONS;
const MISSING: usize = TRANSIENT + 1;
pub(crate) const SEGMENTS: usize = MISSING + 1;

/// Bytes before a frame's payload.
const HEADER_BYTES: usize = 8;

/// A segment as the generator knows it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) names: Both<Segment>,
    pub(crate) exists: bool,
    /// Whether it was removed. The real store accepts its name again only once it has forgotten the segment.
    pub(crate) is_spent: bool,
    /// Whether it was removed by a merge; then only merges name it. How the real store answers anything else depends on
    /// what it has forgotten already.
    pub(crate) is_merged: bool,
    /// Whether reads are waiting for it.
    pub(crate) is_awaited: bool,
    pub(crate) is_sealed: bool,
    pub(crate) start: i64,
    pub(crate) length: i64,
}

/// The next thing to send on a link.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) what: String,
    pub(crate) frames: Both<BytesMut>,
    pub(crate) request_id: RequestId,
    /// Index of the segment whose state is requested afterwards.
    pub(crate) segment: usize,
    pub(crate) kind: Kind,
}

/// What to learn from the replies.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Other,
    SetUp(WriterId),
    Append(WriterId),
    Read { offset: i64 },
    Transient,
    Merge,
}

/// Draws an operation of one kind.
type Draw = fn(&mut Operations) -> Operation;

/// Draws random operations on the known segments.
pub(crate) struct Operations {
    dice: StdRng,
    last_request: i64,
    writers: Vec<WriterId>,
    prefix: String,
    generation: usize,
    pub(crate) segments: Vec<Known>,
}

/// A new segment of the kind at this index.
fn fresh(prefix: &str, index: usize, generation: usize) -> Known {
    let segment = |number| format!("{prefix}/stream/{number}.#epoch.{generation}");
    let name = match index {
        0..STREAM_SEGMENTS => segment(index),
        STREAM_SEGMENTS..TRANSIENT => format!("{}#transaction.{:032x}", segment(0), index),
        TRANSIENT => format!("{}#transient.none", segment(0)),
        _ => format!("{prefix}/missing/0.#epoch.0"),
    };
    Known {
        names: [named(&name), named(&name)],
        exists: false,
        is_spent: false,
        is_merged: false,
        is_awaited: false,
        is_sealed: false,
        start: 0,
        length: 0,
    }
}

pub(crate) fn named(name: &str) -> Segment {
    Segment(JavaStr::new(name).expect("short"))
}

fn token() -> DelegationToken {
    DelegationToken::none()
}

impl Operations {
    pub(crate) fn new(seed: u64, prefix: &str) -> Self {
        let writers = (1..=5).map(|id| WriterId(Uuid::from_u128(id))).collect();
        let segments = (0..SEGMENTS).map(|index| fresh(prefix, index, 0)).collect();
        let (dice, prefix) = (StdRng::seed_from_u64(seed), prefix.to_owned());
        Self { dice, last_request: 0, writers, prefix, generation: 0, segments }
    }

    /// Stops using the transient segment.
    pub(crate) fn forget_transient(&mut self) {
        self.generation += 1;
        self.segments[TRANSIENT] = fresh(&self.prefix, TRANSIENT, self.generation);
    }

    /// Keeps using the names of removed segments for a while, then replaces them by new ones; returns which.
    pub(crate) fn rename(&mut self) -> Vec<usize> {
        let spent = (0..TRANSIENT).filter(|index| self.segments[*index].is_spent).collect::<Vec<_>>();
        let renamed: Vec<_> = spent.into_iter().filter(|_| self.chance(0.2)).collect();
        for &index in &renamed {
            self.generation += 1;
            self.segments[index] = fresh(&self.prefix, index, self.generation);
        }
        renamed
    }

    pub(crate) fn request_id(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.dice.random_range(0..count)
    }

    fn chance(&mut self, odds: f64) -> bool {
        self.dice.random_bool(odds)
    }

    /// The next operation on a link with these writers.
    pub(crate) fn next(&mut self, writers: &[Writer]) -> Operation {
        if self.segments.iter().filter(|segment| segment.exists && !segment.is_sealed).count() < 2 {
            return self.create();
        }
        let choices: &[(u32, Draw)] = &[
            (12, Self::set_up),
            (22, Self::read),
            (5, Self::info),
            (6, Self::attribute),
            (8, Self::update_attribute),
            (4, Self::update_policy),
            (8, Self::create),
            (4, Self::create_transient),
            (3, Self::seal),
            (3, Self::delete_any),
            (6, Self::truncate),
            (7, Self::merge),
            (4, Self::merge_batch),
            (2, Self::greet),
            (1, Self::mistake),
        ];
        let appends = if writers.is_empty() { 0 } else { 60 };
        let all: u32 = choices.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.dice.random_range(0..all + appends);
        for (weight, choice) in choices {
            match drawn.checked_sub(*weight) {
                None => return choice(self),
                Some(rest) => drawn = rest,
            }
        }
        let writer = writers.choose(&mut self.dice).expect("there are some").clone();
        self.append(&writer)
    }

    /// Mostly an existing segment.
    fn segment(&mut self) -> usize {
        let existing = |index: &usize| self.segments[*index].exists;
        let unmerged = |index: &usize| !self.segments[*index].is_merged;
        let existing: Vec<_> = (0..SEGMENTS).filter(existing).collect();
        let unmerged: Vec<_> = (0..SEGMENTS).filter(unmerged).collect();
        let drawn = if self.chance(0.08) { &unmerged } else { &existing };
        *drawn.choose(&mut self.dice).unwrap_or(&MISSING)
    }

    /// One command for a segment, encoded for both sides.
    fn one(&mut self, segment: usize, kind: Kind, command: impl Fn(RequestId, Segment) -> WireCommand) -> Operation {
        let request_id = self.request_id();
        let commands = self.segments[segment].names.clone().map(|name| command(request_id, name));
        self.operation(segment, request_id, kind, commands.map(|command| vec![command]))
    }

    fn operation(
        &self,
        segment: usize,
        request_id: RequestId,
        kind: Kind,
        commands: Both<Vec<WireCommand>>,
    ) -> Operation {
        let what = shortened(&commands[1]);
        let frames = commands.map(|commands| {
            let mut frames = BytesMut::new();
            commands.iter().for_each(|command| command.encode_frame(&mut frames));
            frames
        });
        Operation { what, frames, request_id, segment, kind }
    }

    fn set_up(&mut self) -> Operation {
        let writer_id = *self.writers.choose(&mut self.dice).expect("there are some");
        let segment = self.segment();
        self.one(segment, Kind::SetUp(writer_id), |request_id, segment| {
            SetupAppend { request_id, writer_id, segment, delegation_token: token() }.into()
        })
    }

    fn read(&mut self) -> Operation {
        let segment = self.segment();
        let Known { start, length, is_sealed, .. } = self.segments[segment];
        let offset = match self.below(20) {
            // below 0 the real store closes or answers ErrorMessage, depending on what it has in memory
            0 => (start - 1).max(0),
            1 => length + 1,
            2 if is_sealed => length,
            2 => length + self.dice.random_range(1..200),
            3..8 => length,
            _ => self.dice.random_range(start..=length),
        };
        let suggested_length = *[0, 3, 8, 50, 1000, 100_000, 4_000_000].choose(&mut self.dice).expect("some");
        self.one(segment, Kind::Read { offset }, |request_id, segment| {
            let offset = Offset(offset);
            ReadSegment { segment, offset, suggested_length, delegation_token: token(), request_id }.into()
        })
    }

    fn info(&mut self) -> Operation {
        let segment = self.segment();
        self.one(segment, Kind::Other, |request_id, segment_name| {
            GetStreamSegmentInfo { request_id, segment_name, delegation_token: token() }.into()
        })
    }

    /// Core attributes that both stores have (not the creation time or long-term storage's state), writers, others.
    fn attribute_id(&mut self) -> AttributeId {
        let core = |low| Uuid::from_u64_pair(1 << 63, low);
        AttributeId(match self.below(12) {
            0 => core(1),
            1 => core(2),
            2 => core(3),
            3 => core(4),
            4 => core(9),
            5 => core(15),
            6 | 7 => self.writers.choose(&mut self.dice).expect("some").0,
            8 => Uuid::from_u128(2000 + self.below(2) as u128),
            9 => Uuid::from_u128(3000 + self.below(2) as u128),
            _ => Uuid::from_u128(1000 + self.below(3) as u128),
        })
    }

    fn attribute(&mut self) -> Operation {
        let (segment, attribute_id) = (self.segment(), self.attribute_id());
        self.one(segment, Kind::Other, |request_id, segment_name| {
            GetSegmentAttribute { request_id, segment_name, attribute_id, delegation_token: token() }.into()
        })
    }

    fn update_attribute(&mut self) -> Operation {
        let segment = self.segment();
        // the segment's type must not change, and the others are left to merges
        let left_alone =
            |id: &AttributeId| id.0 == Uuid::from_u64_pair(1 << 63, 9) || (2000..4000).contains(&id.0.as_u128());
        let mut drawn = std::iter::repeat_with(|| self.attribute_id());
        let attribute_id = drawn.find(|id| !left_alone(id)).expect("others are drawn too");
        // the real store distinguishes a core attribute that was removed from one that was never set
        let is_core = attribute_id.0.as_u64_pair().0 == 1 << 63;
        let new_values: &[i64] = if is_core { &[0, 1, 2] } else { &[NO_VALUE, 0, 1, 2] };
        let new_value = *new_values.choose(&mut self.dice).expect("some");
        let expected_value = *[NO_VALUE, 0, 1, 2].choose(&mut self.dice).expect("some");
        self.one(segment, Kind::Other, |request_id, segment_name| {
            let delegation_token = token();
            UpdateSegmentAttribute {
                request_id,
                segment_name,
                attribute_id,
                new_value,
                expected_value,
                delegation_token,
            }
            .into()
        })
    }

    fn update_policy(&mut self) -> Operation {
        let segment = self.segment();
        let (target_rate, scale_type) = (self.dice.random_range(0..100), self.dice.random_range(0..3));
        self.one(segment, Kind::Other, |request_id, segment| {
            UpdateSegmentPolicy { request_id, segment, target_rate, scale_type, delegation_token: token() }.into()
        })
    }

    fn create(&mut self) -> Operation {
        let unspent: Vec<_> = (0..TRANSIENT).filter(|index| !self.segments[*index].is_spent).collect();
        let Some(&segment) = unspent.choose(&mut self.dice) else { return self.info() };
        let (target_rate, scale_type) = (self.dice.random_range(0..100), self.dice.random_range(-1..4));
        let rollover_size_bytes = *[0, -1, 1 << 20].choose(&mut self.dice).expect("some");
        self.one(segment, Kind::Other, |request_id, segment| {
            let delegation_token = token();
            CreateSegment { request_id, segment, target_rate, scale_type, delegation_token, rollover_size_bytes }.into()
        })
    }

    fn create_transient(&mut self) -> Operation {
        let request_id = self.request_id();
        let writer_id = *self.writers.choose(&mut self.dice).expect("some");
        let parent = self.below(STREAM_SEGMENTS);
        let commands = self.segments[parent].names.clone().map(|parent_segment| {
            vec![CreateTransientSegment { request_id, writer_id, parent_segment, delegation_token: token() }.into()]
        });
        self.operation(parent, request_id, Kind::Transient, commands)
    }

    fn seal(&mut self) -> Operation {
        let segment = self.segment();
        self.one(segment, Kind::Other, |request_id, segment| {
            SealSegment { request_id, segment, delegation_token: token() }.into()
        })
    }

    /// Not a transient segment, which the real store reports as missing while it deletes it.
    fn delete_any(&mut self) -> Operation {
        let segment = Some(self.segment()).filter(|segment| *segment != TRANSIENT).unwrap_or(0);
        self.delete(segment)
    }

    pub(crate) fn delete(&mut self, segment: usize) -> Operation {
        self.one(segment, Kind::Other, |request_id, segment| {
            DeleteSegment { request_id, segment, delegation_token: token() }.into()
        })
    }

    fn truncate(&mut self) -> Operation {
        let segment = self.segment();
        let Known { start, length, .. } = self.segments[segment];
        let offset = match self.below(10) {
            0 => (start - 1).max(0),
            1 => length + 1,
            2 => length,
            3 => start,
            _ => self.dice.random_range(start..=length),
        };
        self.one(segment, Kind::Other, |request_id, segment| {
            let (truncation_offset, delegation_token) = (Offset(offset), token());
            TruncateSegment { request_id, segment, truncation_offset, delegation_token }.into()
        })
    }

    fn merge(&mut self) -> Operation {
        let target = self.target();
        let source = self.source(target);
        let attribute_updates = self.attribute_updates();
        let sources = self.segments[source].names.clone();
        let request_id = self.request_id();
        let targets = self.segments[target].names.clone();
        let command = |(target, source): (Segment, Segment)| {
            let (source, attribute_updates) = (source.0, attribute_updates.clone());
            vec![MergeSegments { request_id, target, source, delegation_token: token(), attribute_updates }.into()]
        };
        let commands = both(targets, sources).map(command);
        self.operation(target, request_id, Kind::Merge, commands)
    }

    /// A segment to merge into. Not a transient one, which the real store would lose.
    fn target(&mut self) -> usize {
        Some(self.segment()).filter(|segment| *segment != TRANSIENT).unwrap_or(0)
    }

    /// A source to merge into a segment. The real store never answers a merge of a segment into itself or some reads
    /// that wait for an empty source, and does not find an empty transient segment.
    fn source(&mut self, target: usize) -> usize {
        let merged: Vec<_> = (0..SEGMENTS).filter(|index| self.segments[*index].is_merged).collect();
        if self.chance(0.1) && !merged.is_empty() {
            return merged[self.below(merged.len())];
        }
        let drawn = (0..100).map(|_| self.segment()).collect::<Vec<_>>();
        let is_source = |index: &usize| {
            let Known { is_awaited, length, .. } = self.segments[*index];
            *index != target && (length > 0 || *index != TRANSIENT && !is_awaited)
        };
        drawn.into_iter().find(is_source).unwrap_or(MISSING)
    }

    /// Sources of a batch. What the real store reports for a removed or empty one races with the merges of the others,
    /// and it never answers for a truncated one.
    fn sources(&mut self, target: usize) -> Vec<usize> {
        let mut sources: Vec<_> = (0..self.dice.random_range(1..4)).map(|_| self.source(target)).collect();
        sources.sort_unstable();
        sources.dedup();
        sources.retain(|source| self.segments[*source].start == 0);
        match sources.iter().find(|source| self.segments[**source].length == 0) {
            Some(empty) => vec![*empty],
            None => sources,
        }
    }

    /// Attributes are either compared or not: after a comparison the real store treats an unset attribute as set.
    fn attribute_updates(&mut self) -> Vec<AttributeUpdate> {
        let count = [0, 0, 0, 1, 2][self.below(5)];
        let compares = self.chance(0.3);
        let update = |index: u128| {
            let update_type = if compares { 4 } else { self.dice.random_range(0..4) };
            AttributeUpdate {
                attribute_id: Uuid::from_u128(if compares { 3000 } else { 2000 } + index),
                update_type,
                new_value: self.dice.random_range(0..3),
                old_value: *[NO_VALUE, 0, 1].choose(&mut self.dice).expect("some"),
            }
        };
        (0..count).map(update).collect()
    }

    fn merge_batch(&mut self) -> Operation {
        let target = self.target();
        let sources = self.sources(target);
        let request_id = self.request_id();
        let names = |side: usize| sources.iter().map(|source| self.segments[*source].names[side].0.clone()).collect();
        let sources: Both<Vec<JavaStr>> = [names(0), names(1)];
        let commands =
            both(self.segments[target].names.clone(), sources).map(|(target_segment_id, source_segment_ids)| {
                let delegation_token = token();
                vec![MergeSegmentsBatch { request_id, target_segment_id, source_segment_ids, delegation_token }.into()]
            });
        self.operation(target, request_id, Kind::Merge, commands)
    }

    fn greet(&mut self) -> Operation {
        let request_id = self.request_id();
        let command: WireCommand = match self.below(6) {
            0..3 => KeepAlive {}.into(),
            3 => Hello { high_version: 17, low_version: 5 }.into(),
            4 => Hello { high_version: 99, low_version: 17 }.into(),
            _ => Hello { high_version: 4, low_version: 0 }.into(),
        };
        self.operation(0, request_id, Kind::Other, [vec![command.clone()], vec![command]])
    }

    /// Bytes that make the store close the connection.
    fn mistake(&mut self) -> Operation {
        let request_id = self.request_id();
        let code = *[6, 72, 41, 2, 7, 10, 0, -2, -3, -5, 13, 12345].choose(&mut self.dice).expect("some");
        let payload = match self.below(3) {
            0 => Bytes::new(),
            _ => Bytes::from(vec![0; 100]),
        };
        let frame = Frame { code, payload };
        let mut bytes = BytesMut::new();
        frame.encode(&mut bytes);
        if self.chance(0.2) {
            bytes.clear();
            bytes.put_i32(3);
            bytes.put_i32(*[-1, 16_777_208, i32::MAX].choose(&mut self.dice).expect("some"));
        }
        let what = format!("{:?}", hex::encode(&bytes));
        Operation { what, frames: [bytes.clone(), bytes], request_id, segment: 0, kind: Kind::Other }
    }

    fn data(&mut self) -> Bytes {
        let length = match self.below(40) {
            0 => 0,
            // rarely, since a standalone's cache is small
            1 => self.dice.random_range(10_000..120_000),
            _ => self.dice.random_range(1..120),
        };
        let mut data = vec![0; length];
        self.dice.fill(&mut data[..]);
        data.into()
    }

    fn number(&mut self, writer: &Writer) -> i64 {
        let next = if writer.last == NO_VALUE { 0 } else { writer.last + 1 };
        match self.below(50) {
            0 => next - 1,
            1 => next - 2,
            2 => -1,
            3..10 => next + self.dice.random_range(1..100),
            _ => next,
        }
    }

    fn append(&mut self, writer: &Writer) -> Operation {
        let request_id = self.request_id();
        let (writer_id, segment) = (writer.id, writer.segment);
        let event_number = EventNumber(self.number(writer));
        let length = self.segments[segment].length;
        let expected_offset = Offset(match self.below(10) {
            0 => length + 1,
            1 => -1,
            2 => 0,
            _ => length,
        });
        let data = self.data();
        let commands: Vec<WireCommand> = match self.below(16) {
            0..2 => {
                vec![
                    ConditionalAppend { writer_id, event_number, expected_offset, event: EventFrame(data), request_id }
                        .into(),
                ]
            }
            2..4 => {
                let data = data.into();
                vec![ConditionalBlockEnd { writer_id, event_number, expected_offset, data, request_id }.into()]
            }
            _ => self.block(writer_id, event_number, data, request_id),
        };
        self.operation(segment, request_id, Kind::Append(writer_id), [commands.clone(), commands])
    }

    /// A block in any form, occasionally an invalid one.
    fn block(
        &mut self,
        writer_id: WriterId,
        number: EventNumber,
        data: Bytes,
        request_id: RequestId,
    ) -> Vec<WireCommand> {
        let num_events = if self.chance(0.02) { 0 } else { self.dice.random_range(1..50) };
        let whole = i32::try_from(data.len()).expect("short");
        let end = |whole, data: Bytes| -> WireCommand {
            let (data, size_of_whole_events) = (data.into(), whole);
            AppendBlockEnd { writer_id, size_of_whole_events, data, num_events, last_event_number: number, request_id }
                .into()
        };
        let begin = |data: Bytes| -> WireCommand { AppendBlock { writer_id, data: Raw(data) }.into() };
        let rest = Bytes::new();
        let tail = self.data();
        match self.below(30) {
            0..10 => vec![end(12345, data)],
            10..18 => vec![begin(data), end(whole, Bytes::new())],
            18..22 => vec![begin(framed(&data, -2, &tail)), end(whole, data.clone())],
            22..25 => vec![begin(framed(&data, -1, &vec![0; tail.len()])), end(whole, Bytes::new())],
            25 => vec![begin(data), end(whole, tail)],
            26 => vec![begin(framed(&data, -1, &[0; 5])), end(whole, Bytes::from_static(b"more"))],
            27 => vec![begin(framed(&data, 0, &tail)), end(whole, rest)],
            28 => vec![begin(data), end(whole + 1, rest)],
            // an AppendBlockEnd after it could still be read as a separate block
            _ => vec![begin(data.clone()), begin(data)],
        }
    }
}

/// Whole events followed by a frame.
fn framed(whole: &[u8], code: i32, payload: &[u8]) -> Bytes {
    let mut data = BytesMut::with_capacity(whole.len() + HEADER_BYTES + payload.len());
    data.put_slice(whole);
    data.put_i32(code);
    data.put_i32(i32::try_from(payload.len()).expect("short"));
    data.put_slice(payload);
    data.freeze()
}

fn both<A, B>([a, b]: Both<A>, [c, d]: Both<B>) -> Both<(A, B)> {
    [(a, c), (b, d)]
}

fn shortened(commands: &[WireCommand]) -> String {
    let mut text = format!("{commands:?}");
    if let Some((end, _)) = text.char_indices().nth(1500) {
        text.truncate(end);
    }
    text
}
