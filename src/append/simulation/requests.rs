//! What a store does with the frames of a connection. Facts: AppendProcessor.java, WriterState.java.

use bytes::Bytes;
use pravega_protocol::stream::{SegmentId, SegmentName};
use pravega_protocol::wire::{
    AppendBlockEnd, AppendSetup, EventNumber, Frame, Offset, RequestId, Segment, SegmentRead, StreamSegmentInfo,
    WireCommand, WriterId,
};
use tokio::time::Instant;

use super::connection::{ConnectionId, Reason, RefusedAppend, WriterAt, WriterState};
use super::segment::{Append, Operation, Seen, Sight, events_in, short};
use super::world::{Event, State};

impl State {
    /// Frames leave the gateway.
    pub(super) fn sent(&mut self, connection: ConnectionId, frames: Vec<Frame>) {
        self.witness.sees(connection, &frames);
        if !self.connections[connection].is_up() {
            return;
        }
        for frame in frames {
            let at = Instant::now() + self.hop();
            let inbound = &mut self.connections[connection].inbound;
            let at = inbound.back().map_or(at, |(before, _)| at.max(*before));
            inbound.push_back((at, frame));
        }
        self.expect_arrival(connection);
    }

    fn expect_arrival(&mut self, connection: ConnectionId) {
        let wire = &mut self.connections[connection];
        if let Some((at, _)) = wire.inbound.front()
            && !std::mem::replace(&mut wire.arriving, true)
        {
            let at = *at;
            self.at(at, Event::Arrive(connection));
        }
    }

    pub(super) fn arrive(&mut self, connection: ConnectionId) {
        let wire = &mut self.connections[connection];
        wire.arriving = false;
        if let Some((_, frame)) = wire.inbound.pop_front_if(|(at, _)| *at <= Instant::now()) {
            self.take(connection, &frame);
        }
        self.expect_arrival(connection);
    }

    fn take(&mut self, connection: ConnectionId, frame: &Frame) {
        let (command, rest) = frame.to_command().expect("the gateway encodes what the table says");
        if rest > 0 {
            self.misdeeds.push(format!("{rest} bytes after {}", command.command_type().info().name));
        }
        let has_block = self.connections[connection].block.is_some();
        match command {
            WireCommand::AppendBlockEnd(end) => self.take_block(connection, &end),
            _ if has_block => self.misdeeds.push("something between AppendBlock and its end".into()),
            WireCommand::AppendBlock(block) => {
                self.connections[connection].block = Some((block.writer_id, block.data.0));
            }
            WireCommand::SetupAppend(request) => {
                let segment = id_of(&request.segment);
                self.take_set_up(connection, request.writer_id, segment, request.request_id);
            }
            WireCommand::GetStreamSegmentInfo(request) => {
                let segment = id_of(&request.segment_name);
                let delay = self.hop();
                self.after(delay, Event::Inform { connection, segment, request_id: request.request_id });
            }
            WireCommand::ReadSegment(request) => {
                let (segment, request_id) = (id_of(&request.segment), request.request_id);
                let most = usize::try_from(request.suggested_length).expect("a length");
                let delay = self.hop();
                self.after(delay, Event::Read { connection, segment, request_id, offset: request.offset.0, most });
            }
            other => self.misdeeds.push(format!("the gateway sent {}", other.command_type().info().name)),
        }
    }

    fn take_set_up(&mut self, connection: ConnectionId, writer: WriterId, segment: SegmentId, request_id: RequestId) {
        if self.dice.chance(self.odds.deaf_set_up) {
            self.trace.note(|| format!("c{connection} SetupAppend {} is not answered", short(segment)));
            return;
        }
        if self.dice.chance(self.odds.store_errors) {
            let why = if self.dice.chance(0.5) { Reason::Broken } else { Reason::Unauthorized };
            return self.reply_reason(connection, why, segment, request_id);
        }
        let delay = self.hop();
        self.after(delay, Event::Install { connection, writer, segment, request_id });
    }

    /// A segment as the store of this connection sees it; where it has none, it says why.
    fn see(&mut self, connection: ConnectionId, segment: SegmentId, request_id: RequestId) -> Option<Seen<'_>> {
        let host = self.connections[connection].host;
        let why = match self.segments.get(&segment).map(|known| known.seen_from(host)) {
            Some(Sight::Here) => return Some(Seen { known: &self.segments[&segment], stale: None }),
            Some(Sight::Stale) => {
                let known = &self.segments[&segment];
                return Some(Seen { known, stale: known.stale.as_ref() });
            }
            Some(Sight::Elsewhere) => Reason::Elsewhere,
            None | Some(Sight::Missing) => Reason::Missing,
        };
        self.reply_reason(connection, why, segment, request_id);
        None
    }

    pub(super) fn install(
        &mut self,
        connection: ConnectionId,
        writer: WriterId,
        segment: SegmentId,
        request_id: RequestId,
    ) {
        if self.connections[connection].is_closed {
            return;
        }
        let Some(seen) = self.see(connection, segment, request_id) else { return };
        let committed = seen.stale.map_or(&seen.known.committed, |stale| &stale.committed);
        let number = committed.get(&writer).copied();
        self.set_ups += 1;
        let is_deaf = self.dice.chance(self.odds.deaf_acks);
        self.witness.sees_set_up(writer, is_deaf);
        let state = WriterState::new(self.set_ups, segment, number, is_deaf);
        let last_number = state.last_number;
        self.connections[connection].writers.insert(writer, state);
        self.trace.note(|| format!("c{connection} AppendSetup {} reports {last_number}", short(segment)));
        let last_event_number = EventNumber(last_number);
        let name = self.wire_name(segment);
        self.reply(connection, AppendSetup { request_id, segment: name, writer_id: writer, last_event_number }.into());
    }

    pub(super) fn inform(&mut self, connection: ConnectionId, segment: SegmentId, request_id: RequestId) {
        let Some(seen) = self.see(connection, segment, request_id) else { return };
        let (is_sealed, length) = (seen.is_sealed(), seen.data().len() as i64);
        self.trace.note(|| format!("c{connection} StreamSegmentInfo {} sealed={is_sealed}", short(segment)));
        let info = StreamSegmentInfo {
            request_id,
            segment_name: self.wire_name(segment),
            exists: true,
            is_sealed,
            is_deleted: false,
            last_modified: 0,
            write_offset: Offset(length),
            start_offset: Offset(0),
        };
        self.reply(connection, info.into());
    }

    pub(super) fn read(
        &mut self,
        connection: ConnectionId,
        segment: SegmentId,
        request_id: RequestId,
        offset: i64,
        most: usize,
    ) {
        let Some(seen) = self.see(connection, segment, request_id) else { return };
        let (data, is_sealed) = (seen.data(), seen.is_sealed());
        let from = usize::try_from(offset).expect("an offset").min(data.len());
        let until = data.len().min(from + most);
        let part = Bytes::copy_from_slice(&data[from..until]);
        if part.is_empty() && !is_sealed {
            // It waits for bytes to come, and here for longer than anyone asks.
            return;
        }
        // Replies break off where they like.
        let part = if part.is_empty() { part } else { part.slice(..1 + self.dice.below(part.len())) };
        let end_of_segment = is_sealed && part.is_empty();
        let name = self.wire_name(segment);
        let offset = Offset(offset);
        let read = SegmentRead { segment: name, offset, at_tail: false, end_of_segment, data: part.into(), request_id };
        self.reply(connection, read.into());
    }

    fn take_block(&mut self, connection: ConnectionId, end: &AppendBlockEnd) {
        let Some((writer, data)) = self.connections[connection].block.take() else {
            return self.misdeeds.push("AppendBlockEnd without its AppendBlock".into());
        };
        let whole =
            writer == end.writer_id && end.size_of_whole_events as usize == data.len() && end.data.0.0.is_empty();
        let payloads = events_in(data).filter(|payloads| whole && payloads.len() == end.num_events as usize);
        match payloads {
            Some(payloads) if !payloads.is_empty() => self.append(connection, end, payloads),
            _ => self.misdeeds.push(format!("a block that is not what its end says: {end:?}")),
        }
    }

    fn append(&mut self, connection: ConnectionId, end: &AppendBlockEnd, payloads: Vec<Bytes>) {
        let (number, request_id) = (end.last_event_number.0, end.request_id);
        let wire = &mut self.connections[connection];
        let host = wire.host;
        let Some(state) = wire.writers.get_mut(&end.writer_id).filter(|state| number >= state.last_number) else {
            self.trace.note(|| format!("c{connection} append {number}: not set up, or below the last number"));
            if !self.witness.was_acknowledged(connection, request_id) {
                self.misdeeds
                    .push(format!("append {number} on c{connection}, where nothing is known to be stored yet"));
            }
            return self.close(connection);
        };
        let follows = std::mem::replace(&mut state.last_number, number);
        let segment = state.segment;
        if let Some(refusal) = &mut state.refusal {
            (refusal.number, refusal.request_id) = (number, request_id);
            return;
        }
        let writer = WriterAt { connection, id: end.writer_id, set_up: state.set_up };
        let is_broken = self.dice.chance(self.odds.store_errors);
        let known = self.segments.get_mut(&segment).expect("set up only where there is a segment");
        let why = match known.seen_from(host) {
            Sight::Missing => Some(Reason::Missing),
            Sight::Elsewhere => Some(Reason::Elsewhere),
            Sight::Stale => return self.fence(connection, segment),
            Sight::Here if is_broken => Some(Reason::Broken),
            Sight::Here if known.is_sealing => Some(Reason::Sealed),
            Sight::Here if !known.accepts_after(writer.id, follows) => Some(Reason::InvalidNumber),
            Sight::Here => None,
        };
        self.trace.note(|| {
            let events: Vec<_> = payloads.iter().map(|payload| super::segment::event_of(payload)).collect();
            format!("c{connection} append {number} after {follows} to {}: {events:?} {why:?}", short(segment))
        });
        match why {
            Some(why) => self.fail(writer, RefusedAppend { why, number, request_id }),
            None => {
                state.in_flight += 1;
                state.unacknowledged.push(number);
                known.accepted.insert(writer.id, number);
                self.accept(segment, Operation::Append(Append { writer, number, request_id, payloads }));
            }
        }
    }

    /// A store that lost the segment notices when it writes: nothing is stored, and the connection closes.
    fn fence(&mut self, connection: ConnectionId, segment: SegmentId) {
        self.trace.note(|| format!("c{connection} append to {}, which has moved", short(segment)));
        let delay = self.dice.millis(0..=100);
        self.after(delay, Event::Close(connection));
    }

    /// Records a failed append. One reply answers all of them, once earlier appends are committed.
    pub(super) fn fail(&mut self, writer: WriterAt, refusal: RefusedAppend) {
        let Some(state) = self.connections[writer.connection].writer(writer) else {
            return;
        };
        if state.refusal.is_none() {
            state.refusal = Some(refusal);
            self.witness.sees_refused(writer.connection, refusal.request_id);
            let delay = self.hop();
            self.after(delay, Event::Refuse(writer));
        }
    }

    pub(super) fn refuse(&mut self, writer: WriterAt) {
        let overtakes = self.dice.chance(self.odds.overtaking);
        let Some(state) = self.connections[writer.connection].writer(writer) else {
            return;
        };
        if state.in_flight > 0 && !overtakes {
            return self.after(std::time::Duration::from_millis(2), Event::Refuse(writer));
        }
        let (segment, refusal) = (state.segment, state.refusal.expect("only failed appends are refused"));
        self.connections[writer.connection].writers.remove(&writer.id);
        if self.dice.chance(self.odds.lost_refusal) {
            self.trace.note(|| format!("c{} {:?} {} is not sent", writer.connection, refusal.why, refusal.number));
            return self.close(writer.connection);
        }
        self.reply_refusal(writer, segment, refusal);
        if refusal.why == Reason::InvalidNumber {
            self.close(writer.connection);
        }
    }

    pub(super) fn complete(&mut self, writer: WriterAt, number: i64, request_id: RequestId, end_offset: i64) {
        let Some(state) = self.connections[writer.connection].writer(writer) else {
            return;
        };
        state.in_flight = state.in_flight.saturating_sub(1);
        if state.last_acked >= number {
            return;
        }
        let previous = std::mem::replace(&mut state.last_acked, number);
        let covered: Vec<_> = state.unacknowledged.extract_if(.., |block| *block <= number).collect();
        self.witness.sees_acknowledged(writer.connection, request_id, &covered);
        if !state.is_deaf {
            self.reply_appended(writer, number, previous, request_id, end_offset);
        }
    }
}

fn id_of(name: &Segment) -> SegmentId {
    let name: SegmentName = name.0.as_str().parse().expect("the gateway names segments in full");
    name.id
}
