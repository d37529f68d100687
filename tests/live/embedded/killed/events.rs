//! Numbered events written to one segment by appends, conditional appends or merges.

use bytes::{BufMut as _, Bytes, BytesMut};
use pravega_protocol::wire::{
    ConditionalAppend, CreateTransientSegment, EventFrame, EventNumber, MergeSegments, NO_VALUE, Offset, RequestId,
    Segment, WireCommand, WriterId,
};
use rand::Rng as _;
use rand::rngs::StdRng;
use uuid::Uuid;

use crate::embedded::client::{Client, Gone, block, named, token};

/// Blocks in flight at most.
const WINDOW: u64 = 32;

/// Length from which a segment is truncated after a round.
const TRUNCATED_AT: i64 = 8 * 1024 * 1024;

/// How events are written to the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Blocks of a few events, many in flight.
    Blocks,
    /// One at a time, conditional on an offset.
    Conditional,
    /// One at a time, merged from a transient segment.
    Merged,
}

/// What was sent to one segment, and what is known to be stored.
#[derive(Debug)]
pub(super) struct Events {
    way: Way,
    segment: Segment,
    writer_id: WriterId,
    /// Numbers below this were sent.
    sent: u64,
    /// Numbers below this were acknowledged.
    acknowledged: u64,
    /// The segment's head.
    start: Place,
    /// Where the checked part ends.
    checked: Place,
    /// The segment's length that the next conditional append expects.
    length: i64,
}

/// An event's position.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    offset: i64,
    number: u64,
}

/// The event with this number: mostly a few bytes, sometimes more than a chunk of the store.
fn event(number: u64) -> Vec<u8> {
    let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let length = if number % 97 == 96 { 60_000 + scattered % 140_000 } else { 8 + scattered % 300 };
    let mut bytes = vec![scattered as u8; length as usize];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn put_event(number: u64, out: &mut BytesMut) {
    let event = event(number);
    out.put_i32(0);
    out.put_i32(event.len() as i32);
    out.put_slice(&event);
}

impl Events {
    pub(super) async fn begin(way: Way, name: &str, client: &mut Client) -> Self {
        let segment = named(name);
        client.create(&segment).await;
        let writer_id = WriterId(Uuid::new_v4());
        let (start, checked) = Default::default();
        Self { way, segment, writer_id, sent: 0, acknowledged: 0, start, checked, length: 0 }
    }

    /// Number of events acknowledged so far.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Sends events until the store is gone.
    pub(super) async fn send(&mut self, client: &mut Client, random: &mut StdRng) {
        let Err(Gone) = match self.way {
            Way::Blocks => self.send_blocks(client, random).await,
            Way::Conditional => self.send_conditionally(client).await,
            Way::Merged => self.merge(client).await,
        };
    }

    async fn send_blocks(
        &mut self,
        client: &mut Client,
        random: &mut StdRng,
    ) -> Result<std::convert::Infallible, Gone> {
        client.set_up(&self.segment, self.writer_id).await?;
        let mut in_flight = 0;
        loop {
            while in_flight < WINDOW {
                let count = random.random_range(1..8);
                let mut data = BytesMut::new();
                (self.sent..self.sent + count).for_each(|number| put_event(number, &mut data));
                self.sent += count;
                in_flight += 1;
                client.send(block(self.writer_id, self.sent as i64 - 1, count as i32, data)).await?;
            }
            let (number, previous) = acknowledged(client.receive().await?);
            assert_eq!(previous, last(self.acknowledged), "acknowledged out of order");
            self.acknowledged = number + 1;
            in_flight -= 1;
        }
    }

    async fn send_conditionally(&mut self, client: &mut Client) -> Result<std::convert::Infallible, Gone> {
        client.set_up(&self.segment, self.writer_id).await?;
        loop {
            let event = event(self.sent);
            let (number, bytes) = (self.sent, event.len() as i64 + 8);
            self.sent += 1;
            let append = ConditionalAppend {
                writer_id: self.writer_id,
                event_number: EventNumber(number as i64),
                expected_offset: Offset(self.length),
                event: EventFrame(Bytes::from(event)),
                request_id: RequestId(number as i64),
            };
            assert_eq!(acknowledged(client.ask(append).await?), (number, last(number)));
            self.acknowledged = self.sent;
            self.length += bytes;
        }
    }

    async fn merge(&mut self, client: &mut Client) -> Result<std::convert::Infallible, Gone> {
        loop {
            let request_id = client.request_id();
            let (writer_id, parent_segment, delegation_token) = (self.writer_id, self.segment.clone(), token());
            let create = CreateTransientSegment { request_id, writer_id, parent_segment, delegation_token };
            let source = match client.ask(create).await? {
                WireCommand::SegmentCreated(created) => created.segment,
                other => panic!("not created: {other:?}"),
            };
            client.set_up(&source, writer_id).await?;
            let mut data = BytesMut::new();
            put_event(self.sent, &mut data);
            acknowledged(client.ask(block(writer_id, 0, 1, data)).await?);
            self.sent += 1;
            let (request_id, target, source) = (client.request_id(), self.segment.clone(), source.0);
            let (delegation_token, attribute_updates) = (token(), vec![]);
            let merge = MergeSegments { request_id, target, source, delegation_token, attribute_updates };
            let reply = client.ask(merge).await?;
            assert!(matches!(reply, WireCommand::SegmentsMerged(_)), "{reply:?}");
            self.acknowledged = self.sent;
        }
    }

    /// Checks that each acknowledged event is stored once and in order, the others at most once and after them, and
    /// continues from there. Reads the whole segment if `whole`, else only what is new.
    pub(super) async fn check(&mut self, client: &mut Client, whole: bool) {
        let info = client.info(&self.segment).await;
        assert_eq!(info.start_offset.0, self.start.offset, "{:?}", self.segment);
        let from = if whole { self.start } else { self.checked };
        let bytes = client.read(&self.segment, from.offset, info.write_offset.0).await;
        let count = from.number + self.count(&bytes, from.number);
        assert!(
            (self.acknowledged..=self.sent).contains(&count),
            "{:?}: {} acknowledged, {count} there, {} sent",
            self.segment,
            self.acknowledged,
            self.sent
        );
        (self.sent, self.acknowledged, self.length) = (count, count, info.write_offset.0);
        self.checked = Place { offset: self.length, number: count };
        if self.way != Way::Merged {
            let stored = client.set_up(&self.segment, self.writer_id).await.expect("it runs");
            assert_eq!(stored, last(count), "{:?}", self.segment);
        }
        if self.length - self.start.offset > TRUNCATED_AT {
            let reply = client.truncate(&self.segment, self.length).await;
            assert!(matches!(reply, WireCommand::SegmentTruncated(_)), "{reply:?}");
            self.start = self.checked;
        }
    }

    /// Counts the events in these bytes, which must be numbered from `first` on.
    fn count(&self, mut bytes: &[u8], first: u64) -> u64 {
        let mut number = first;
        while !bytes.is_empty() {
            let mut expected = BytesMut::new();
            put_event(number, &mut expected);
            bytes =
                bytes.strip_prefix(&expected[..]).unwrap_or_else(|| panic!("{:?}: no event {number}", self.segment));
            number += 1;
        }
        number - first
    }
}

/// The last number that a segment reports after this many events.
fn last(count: u64) -> i64 {
    count.checked_sub(1).map_or(NO_VALUE, u64::cast_signed)
}

fn acknowledged(reply: WireCommand) -> (u64, i64) {
    match reply {
        WireCommand::DataAppended(appended) => {
            (appended.event_number.0.cast_unsigned(), appended.previous_event_number.0)
        }
        other => panic!("not appended: {other:?}"),
    }
}
