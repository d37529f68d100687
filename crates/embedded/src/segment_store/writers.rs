//! The writers of a connection: what their append commands amount to, and which mistakes end the connection.

use std::collections::HashMap;

use bytes::{Buf as _, Bytes, BytesMut};
use pravega_protocol::wire::event::{EVENT_HEADER_BYTES, put_event};
use pravega_protocol::wire::{
    AppendBlock, AppendBlockEnd, ConditionalAppend, ConditionalBlockEnd, HEADER_BYTES, JavaStr, RequestId, Segment,
    WriterId,
};

use super::close_reason::CloseReason;

/// Most writers of one connection. Java clients set up 2,000 and take another.
const MAX_WRITERS: usize = 100_000;

/// Codes that may follow the whole events of a block.
const PADDING: i32 = -1;
const PARTIAL_EVENT: i32 = -2;

/// The writers that were set up on one connection, and the block that one of them has begun.
#[derive(Debug, Default)]
pub(super) struct Writers {
    writers: HashMap<WriterId, Writer>,
    block: Option<AppendBlock>,
}

#[derive(Debug)]
struct Writer {
    /// Of the latest set-up, whether it succeeded or not.
    segment: Segment,
    /// The last number that was sent since then.
    sent: i64,
    state: WriterState,
}

/// What became of a writer.
#[derive(Debug, Clone)]
pub(super) enum WriterState {
    /// Its appends end the connection.
    NotSetUp,
    /// The last number that is stored for it.
    Stored(i64),
    /// An append had no room. Later ones must not be stored without it, so they get the same reply.
    Full(JavaStr),
}

/// One append, whichever commands it came in.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) writer_id: WriterId,
    pub(super) segment: Segment,
    pub(super) data: Bytes,
    pub(super) number: i64,
    pub(super) events: i32,
    /// Where the segment must end.
    pub(super) expected: Option<u64>,
    pub(super) request_id: RequestId,
}

impl Writers {
    /// Notes the result of a set-up. One that failed leaves what the writer has on the same segment.
    pub(super) fn set_up(&mut self, id: WriterId, segment: &Segment, stored: Option<i64>) -> Result<(), CloseReason> {
        if self.writers.len() >= MAX_WRITERS {
            return Err(CloseReason("too many writers on one connection"));
        }
        let state = match (stored, self.writers.remove(&id)) {
            (Some(number), _) => WriterState::Stored(number),
            (None, Some(writer)) if writer.segment == *segment => writer.state,
            (None, _) => WriterState::NotSetUp,
        };
        self.writers.insert(id, Writer { segment: segment.clone(), sent: 0, state });
        Ok(())
    }

    /// Nothing else of the append commands may come between a block and its end.
    pub(super) fn expect_no_block(&self) -> Result<(), CloseReason> {
        if self.block.is_some() {
            Err(CloseReason("a block is followed by another command than its end"))
        } else {
            Ok(())
        }
    }

    /// Begins a block.
    pub(super) fn begin(&mut self, block: AppendBlock) -> Result<(), CloseReason> {
        self.expect_no_block()?;
        self.writer(block.writer_id)?;
        self.block = Some(block);
        Ok(())
    }

    /// Completes a block, or is a whole one.
    pub(super) fn end(&mut self, end: AppendBlockEnd) -> Result<Append, CloseReason> {
        let AppendBlockEnd { writer_id, size_of_whole_events, data, num_events, last_event_number, request_id } = end;
        if num_events <= 0 {
            return Err(CloseReason("a block without events"));
        }
        let data = match self.block.take() {
            None => data.0.0,
            Some(block) if block.writer_id != writer_id => {
                return Err(CloseReason("a block and its end have two writers"));
            }
            Some(block) => joined(block.data.0, size_of_whole_events, data.0.0)?,
        };
        let segment = self.sent(writer_id, last_event_number.0)?;
        let (number, events) = (last_event_number.0, num_events);
        Ok(Append { writer_id, segment, data, number, events, expected: None, request_id })
    }

    /// One event for an offset.
    pub(super) fn conditional(&mut self, append: ConditionalAppend) -> Result<Append, CloseReason> {
        let ConditionalAppend { writer_id, event_number, expected_offset, event, request_id } = append;
        self.expect_no_block()?;
        let segment = self.sent(writer_id, event_number.0)?;
        let mut data = BytesMut::with_capacity(EVENT_HEADER_BYTES + event.0.len());
        put_event(&event.0, &mut data);
        let expected = u64::try_from(expected_offset.0).ok();
        let (data, number) = (data.freeze(), event_number.0);
        Ok(Append { writer_id, segment, data, number, events: 1, expected, request_id })
    }

    /// Bytes for an offset.
    pub(super) fn conditional_block(&mut self, block: ConditionalBlockEnd) -> Result<Append, CloseReason> {
        let ConditionalBlockEnd { writer_id, event_number, expected_offset, data, request_id } = block;
        self.expect_no_block()?;
        let segment = self.sent(writer_id, event_number.0)?;
        let expected = u64::try_from(expected_offset.0).ok();
        Ok(Append { writer_id, segment, data: data.0.0, number: event_number.0, events: 1, expected, request_id })
    }

    /// What became of a writer, who sends this number now.
    pub(super) fn state(&mut self, id: WriterId, number: i64) -> Result<&mut WriterState, CloseReason> {
        match &mut self.writer(id)?.state {
            WriterState::NotSetUp => Err(CloseReason("an append of a writer that is not set up")),
            WriterState::Stored(last) if number < *last => Err(CloseReason("an event number that went back")),
            state => Ok(state),
        }
    }

    fn writer(&mut self, id: WriterId) -> Result<&mut Writer, CloseReason> {
        self.writers.get_mut(&id).ok_or(CloseReason("an append of a writer that was never set up"))
    }

    fn sent(&mut self, id: WriterId, number: i64) -> Result<Segment, CloseReason> {
        let writer = self.writer(id)?;
        if number < writer.sent {
            return Err(CloseReason("an event number that went back"));
        }
        writer.sent = number;
        Ok(writer.segment.clone())
    }
}

/// The bytes that a block and its end stand for. What the end brings for a block of whole events only is dropped, as
/// stores do. Source: AppendDecoder.java, `getAppendDataBuf`.
fn joined(mut block: Bytes, whole: i32, end: Bytes) -> Result<Bytes, CloseReason> {
    let whole =
        usize::try_from(whole).ok().filter(|whole| *whole <= block.len()).ok_or(CloseReason("a block is too short"))?;
    let mut rest = block.split_off(whole);
    if rest.is_empty() {
        return Ok(block);
    }
    if rest.len() < HEADER_BYTES {
        return Err(CloseReason("stray bytes at the end of a block"));
    }
    let (code, length) = (rest.get_i32(), rest.get_i32());
    if usize::try_from(length).is_ok_and(|length| length != rest.len()) || length < 0 {
        return Err(CloseReason("a frame at the end of a block has another length"));
    }
    match code {
        PADDING if end.is_empty() => Ok(block),
        PADDING => Err(CloseReason("a padded block has more bytes in its end")),
        PARTIAL_EVENT => Ok([block, rest, end].concat().into()),
        _ => Err(CloseReason("neither partial event nor padding at the end of a block")),
    }
}
