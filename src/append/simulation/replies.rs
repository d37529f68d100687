//! The replies of stores, and how they reach the gateway or don't.

use pravega_protocol::stream::SegmentId;
use pravega_protocol::wire::{
    AuthErrorCode, AuthTokenCheckFailed, DataAppended, ErrorMessage, EventNumber, InvalidEventNumber, JavaStr,
    NoSuchSegment, Offset, RequestId, Segment, SegmentIsSealed, ServerErrorCode, WireCommand, WrongHost,
};
use tokio::time::Instant;

use super::connection::{ConnectionId, FromStore, Reason, RefusedAppend, WriterAt};
use super::segment::short;
use super::world::{Event, State};
use crate::segment_store::{LostCause, wire_name};

impl State {
    pub(super) fn wire_name(&self, segment: SegmentId) -> Segment {
        wire_name(&self.history.name_of(segment))
    }

    /// Sends a reply; replies arrive in order.
    pub(super) fn reply(&mut self, connection: ConnectionId, reply: WireCommand) {
        let at = Instant::now() + self.hop();
        let wire = &mut self.connections[connection];
        if wire.is_closed {
            return;
        }
        wire.last_reply_at = wire.last_reply_at.max(at);
        let at = wire.last_reply_at;
        self.at(at, Event::Reply(connection, reply));
    }

    pub(super) fn deliver(&mut self, connection: ConnectionId, reply: WireCommand) {
        let wire = &self.connections[connection];
        if !wire.is_lost && !wire.is_mute {
            if let WireCommand::ErrorMessage(error) = &reply
                && let Some(number) = wire.refused.get(&error.request_id)
            {
                self.witness.sees_told(connection, error.request_id, *number);
            }
            wire.to_client.try_send(FromStore::Reply(reply)).expect("the gateway reads its replies");
        }
    }

    pub(super) fn reply_appended(
        &mut self,
        writer: WriterAt,
        number: i64,
        previous: i64,
        request_id: RequestId,
        end_offset: i64,
    ) {
        self.trace.note(|| format!("c{} DataAppended {number} after {previous}", writer.connection));
        let ack = DataAppended {
            writer_id: writer.id,
            event_number: EventNumber(number),
            previous_event_number: EventNumber(previous),
            request_id,
            current_segment_write_offset: Offset(end_offset),
        };
        self.reply(writer.connection, ack.into());
    }

    pub(super) fn reply_refusal(&mut self, writer: WriterAt, segment: SegmentId, refusal: RefusedAppend) {
        let RefusedAppend { why, number, request_id } = refusal;
        let (name, server_stack_trace) = (self.wire_name(segment), JavaStr::default());
        self.trace.note(|| format!("c{} {why:?} {number} of {}", writer.connection, short(segment)));
        let reply = match why {
            Reason::Sealed => {
                SegmentIsSealed { request_id, segment: name, server_stack_trace, offset: Offset(number) }.into()
            }
            Reason::InvalidNumber => {
                let (writer_id, event_number) = (writer.id, EventNumber(number));
                InvalidEventNumber { writer_id, request_id, server_stack_trace, event_number }.into()
            }
            Reason::Missing | Reason::Elsewhere | Reason::Broken | Reason::Unauthorized => {
                self.connections[writer.connection].refused.insert(request_id, number);
                return self.reply_reason(writer.connection, why, segment, request_id);
            }
        };
        self.reply(writer.connection, reply);
    }

    /// Replies why the store does nothing with a segment.
    pub(super) fn reply_reason(
        &mut self,
        connection: ConnectionId,
        why: Reason,
        segment: SegmentId,
        request_id: RequestId,
    ) {
        let (name, server_stack_trace) = (self.wire_name(segment), JavaStr::default());
        self.trace.note(|| format!("c{connection} {} is {why:?}", short(segment)));
        let reply: WireCommand = match why {
            Reason::Missing => {
                NoSuchSegment { request_id, segment: name, server_stack_trace, offset: Offset(-1) }.into()
            }
            Reason::Broken => {
                let message = JavaStr::new("not now").expect("short");
                ErrorMessage { request_id, segment: name, message, error_code: ServerErrorCode(-1) }.into()
            }
            Reason::Unauthorized => {
                AuthTokenCheckFailed { request_id, server_stack_trace, error_code: AuthErrorCode(-1) }.into()
            }
            _ => {
                let correct_host = JavaStr::default();
                WrongHost { request_id, segment: name, correct_host, server_stack_trace }.into()
            }
        };
        self.reply(connection, reply);
    }

    /// The store closes a connection: what it did not read is lost, what it replied before arrives or not.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        if self.connections[connection].is_closed {
            return;
        }
        self.trace.note(|| format!("c{connection} closed by the store"));
        self.witness.sees_lost();
        let forgets_replies = self.dice.chance(0.3);
        let at = Instant::now() + self.hop();
        let wire = &mut self.connections[connection];
        wire.is_closed = true;
        wire.is_mute |= forgets_replies;
        wire.inbound.clear();
        wire.writers.clear();
        let at = wire.last_reply_at.max(at);
        self.at(at, Event::End(connection, LostCause::Closed));
    }

    pub(super) fn end(&mut self, connection: ConnectionId, cause: LostCause) {
        self.witness.sees_lost();
        let wire = &mut self.connections[connection];
        if !std::mem::replace(&mut wire.is_lost, true) {
            wire.to_client.try_send(FromStore::End(cause)).expect("the gateway reads its replies");
        }
    }
}
