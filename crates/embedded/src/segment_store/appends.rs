//! Appends, as steps that move a writer's number on.

use pravega_protocol::wire::{
    AttributeUpdate, ConditionalCheckFailed, DataAppended, EventNumber, InvalidEventNumber, JavaStr, Offset,
    WireCommand,
};

use super::attributes::EVENT_COUNT;
use super::close_reason::CloseReason;
use super::command_result::{RequestContext, offset_of};
use super::conversation::{Conversation, Next};
use super::room::Deferred;
use super::writers::{Append, WriterState};
use crate::node::{ACCUMULATE, Appended, REPLACE_IF_EQUALS, Room, SegmentError, Step};

impl Conversation {
    /// Appends the result of a block's commands.
    pub(super) fn try_append(&mut self, append: Result<Append, CloseReason>) -> Next {
        match append {
            Ok(append) => self.append(append, None),
            Err(why) => Next::Close(why),
        }
    }

    /// Appends, in the room that was waited for, if any.
    pub(super) fn append(&mut self, append: Append, room: Option<Room>) -> Next {
        let state = match self.writers.state(append.writer_id, append.number) {
            Ok(state) => state,
            Err(why) => return Next::Close(why),
        };
        let last = match state {
            WriterState::Full(message) => {
                let message = message.clone();
                return self.reply_failure(append.request_id, &append.segment, message);
            }
            WriterState::Stored(last) => *last,
            WriterState::NotSetUp => unreachable!("refused above"),
        };
        let bytes = append.data.len();
        let node = &self.context.node;
        let act = |step: &mut Step<'_>| {
            step.append(append.segment.0.as_str(), append.data.clone(), &updates(&append, last), append.expected)
        };
        let appended = match room {
            Some(room) => node.step_in(room, |step| Some(act(step))),
            None => node.step(|step| step.has_room_for(bytes).then(|| act(step))),
        };
        let (appended, place) = appended.split();
        match appended {
            None => Next::WaitForRoom(Deferred::Append(append)),
            Some(Ok(Appended { length })) => {
                assert!(last <= append.number, "a writer's numbers rise");
                assert!(bytes as u64 <= length, "a segment holds what was appended to it");
                *state = WriterState::Stored(append.number);
                self.replies.appended(bytes, place.with(()));
                if last < append.number {
                    self.replies.push(place.with(acknowledged(&append, last, length)));
                }
                Next::Hear
            }
            Some(Err(error)) => {
                let (reply, next) = refused(&append, error);
                self.replies.push(place.with(reply));
                if let Next::Close(_) = next {
                    self.drop_transients();
                }
                next
            }
        }
    }

    /// Refuses an append, and the writer's later ones until it is set up again.
    pub(super) fn refuse_append(&mut self, append: &Append, message: JavaStr) -> Next {
        let state = self.writers.state(append.writer_id, append.number);
        state.map(|state| *state = WriterState::Full(message.clone())).expect("the append was checked");
        self.reply_failure(append.request_id, &append.segment, message)
    }
}

/// What an append does beside its bytes: the writer's number moves on from the last one, and its events are counted.
fn updates(append: &Append, last: i64) -> [AttributeUpdate; 2] {
    let number = AttributeUpdate {
        attribute_id: append.writer_id.0,
        update_type: REPLACE_IF_EQUALS,
        new_value: append.number,
        old_value: last,
    };
    let events = i64::from(append.events);
    [number, AttributeUpdate { attribute_id: EVENT_COUNT, update_type: ACCUMULATE, new_value: events, old_value: 0 }]
}

fn acknowledged(append: &Append, last: i64, length: u64) -> WireCommand {
    DataAppended {
        writer_id: append.writer_id,
        event_number: EventNumber(append.number),
        previous_event_number: EventNumber(last),
        request_id: append.request_id,
        current_segment_write_offset: offset_of(length),
    }
    .into()
}

/// The reply to an append that was refused, and whether the connection goes on.
/// Source: AppendProcessor.java, `handleAppendResult` and `handleException`.
fn refused(append: &Append, error: SegmentError) -> (WireCommand, Next) {
    let Append { writer_id, number, request_id, .. } = *append;
    let event_number = EventNumber(number);
    match error {
        SegmentError::BadOffset { .. } => {
            (ConditionalCheckFailed { writer_id, event_number, request_id }.into(), Next::Hear)
        }
        SegmentError::BadAttribute => {
            let server_stack_trace = JavaStr::default();
            let reply = InvalidEventNumber { writer_id, request_id, server_stack_trace, event_number };
            (reply.into(), Next::close("another connection wrote with the same writer id"))
        }
        error => {
            let request = RequestContext::new(request_id, &append.segment);
            let request = if error == SegmentError::Sealed { request.at(Offset(number)) } else { request };
            (request.error_reply(error).expect("appends meet nothing else"), Next::Hear)
        }
    }
}
