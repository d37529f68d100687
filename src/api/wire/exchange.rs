//! A conversation with a store on a connection of its own: which frames have a reply, and which reply is whose.

use futures::FutureExt as _;
use pravega_protocol::wire::{
    CommandType, Direction, EventNumber, Frame, FrameError, Level, Offset, RequestId, WireCommand, WriterId,
};

use crate::budget::{Overloaded, Permit};
use crate::segment_store::Lease;

/// Why a conversation ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The store closed while replies were outstanding.
    #[error("the segment store closed the connection without an answer")]
    Closed,
    /// The connection failed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The replies are larger than what is left of the budget.
    #[error("there is no room for the replies: {0}")]
    Overloaded(#[from] Overloaded),
}

/// A leased connection, what was said on it and what is still to be answered.
#[derive(Debug)]
pub(crate) struct Exchange {
    lease: Lease,
    awaited: Vec<Sent>,
    replies: Vec<Reply>,
    reply_bytes: usize,
    permit: Permit,
    has_writer: bool,
    has_sent: bool,
    /// Whether a command was sent that may change something.
    has_changed: bool,
}

/// A reply, and which request it answers as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Of which command; `None` for one that the table does not know.
    pub(crate) request: Option<CommandType>,
    /// As it came.
    pub(crate) frame: Frame,
}

/// All replies of a conversation, with the budget that they take.
#[derive(Debug)]
pub(crate) struct Replies {
    /// In the order of their arrival.
    pub(crate) list: Vec<Reply>,
    /// To be held until they are passed on.
    pub(crate) permit: Permit,
}

/// A frame that was sent and has a reply to come.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sent {
    command: Option<CommandType>,
    awaited: Awaited,
}

/// A frame that has a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Awaited {
    Hello,
    KeepAlive,
    Request {
        request_id: Option<RequestId>,
        read_offset: Option<Offset>,
    },
    Append {
        writer_id: WriterId,
        number: EventNumber,
        request_id: RequestId,
    },
    /// Of a type that the table does not know; any reply may be its own.
    Unknown,
}

impl Exchange {
    /// Begins; `permit` grows with the replies.
    pub(crate) fn new(lease: Lease, permit: Permit) -> Self {
        Self {
            lease,
            awaited: Vec::new(),
            replies: Vec::new(),
            reply_bytes: 0,
            permit,
            has_writer: false,
            has_sent: false,
            has_changed: false,
        }
    }

    /// Sends a frame, unless the store has answered nothing but WrongHost: it would refuse this one, too. Where the
    /// protocol has it so, first waits until everything before it is answered.
    pub(crate) async fn send(&mut self, frame: Frame) -> Result<(), ExchangeError> {
        let command = frame.to_command().ok().map(|(command, _)| command);
        let kind = CommandType::from_code(frame.code);
        let waits = kind.is_some_and(waits);
        if waits {
            self.settle().await?;
        }
        if self.is_redirected() {
            return Ok(());
        }
        self.has_writer |= kind == Some(CommandType::SetupAppend);
        let awaited = awaited_by(kind, command.as_ref());
        self.awaited.extend(awaited.map(|awaited| Sent { command: kind, awaited }));
        self.has_sent = true;
        self.has_changed |= kind.is_none_or(|kind| kind.info().level > Level::Read);
        self.lease.send(frame).await?;
        if waits {
            self.settle().await?;
        }
        self.take_ready().await
    }

    /// Takes what is there, so that the store is never kept from writing. That it closes matters only to who is owed a
    /// reply.
    async fn take_ready(&mut self) -> Result<(), ExchangeError> {
        while !self.awaited.is_empty()
            && let Some(received) = self.lease.receive().now_or_never()
        {
            let frame = received?.ok_or(ExchangeError::Closed)?;
            self.take(frame).await?;
        }
        Ok(())
    }

    /// Waits until every frame that was sent is answered.
    pub(crate) async fn settle(&mut self) -> Result<(), ExchangeError> {
        while !self.awaited.is_empty() {
            let frame = self.lease.receive().await?.ok_or(ExchangeError::Closed)?;
            self.take(frame).await?;
        }
        Ok(())
    }

    async fn take(&mut self, frame: Frame) -> Result<(), ExchangeError> {
        self.reply_bytes += frame.encoded_len();
        self.permit.grow_to(self.reply_bytes).await?;
        let reply = frame.to_command().ok().map(|(reply, _)| reply);
        let index = match &reply {
            Some(reply) => self.awaited.iter().position(|sent| sent.awaited.is_answered_by(reply)),
            None => None,
        };
        let index = index.or_else(|| self.awaited.iter().position(|sent| sent.awaited == Awaited::Unknown));
        let request = index.and_then(|index| self.settle_at(index, reply.as_ref()));
        self.replies.push(Reply { request, frame });
        Ok(())
    }

    /// An acknowledgement covers every earlier append of its writer, and so does a failure: the store reports only one.
    fn settle_at(&mut self, index: usize, reply: Option<&WireCommand>) -> Option<CommandType> {
        let settled = self.awaited.remove(index);
        if let Awaited::Append { writer_id, number, .. } = settled.awaited {
            let number = match reply {
                Some(WireCommand::DataAppended(ack)) => ack.event_number,
                _ => number,
            };
            self.awaited.retain(|sent| !sent.awaited.is_append_up_to(writer_id, number));
        }
        settled.command
    }

    /// Sends a sequence of frames and waits until all that were sent are answered.
    pub(crate) async fn play(&mut self, frames: &[Frame]) -> Result<(), ExchangeError> {
        for frame in frames {
            self.send(frame.clone()).await?;
        }
        self.settle().await
    }

    /// The replies so far, in the order of their arrival.
    pub(crate) fn replies(&self) -> &[Reply] {
        &self.replies
    }

    /// Whether anything was sent, so that the store may have acted.
    pub(crate) fn has_sent(&self) -> bool {
        self.has_sent
    }

    /// Whether the store may have changed something.
    pub(crate) fn may_have_changed_something(&self) -> bool {
        self.has_changed
    }

    /// Whether the store has answered, and everything with WrongHost: it carried nothing out, so that all of it can be
    /// sent again elsewhere.
    pub(crate) fn is_redirected(&self) -> bool {
        self.awaited.is_empty() && !self.replies.is_empty() && self.replies.iter().all(Reply::is_wrong_host)
    }

    /// Ends the conversation. The connection is kept for others if all is answered and no writer was set up on it.
    pub(crate) fn finish(self) -> Replies {
        if self.awaited.is_empty() && !self.has_writer {
            self.lease.give_back();
        }
        Replies { list: self.replies, permit: self.permit }
    }
}

impl Reply {
    fn is_wrong_host(&self) -> bool {
        matches!(self.frame.to_command(), Ok((WireCommand::WrongHost(_), _)))
    }
}

impl Awaited {
    fn is_answered_by(&self, reply: &WireCommand) -> bool {
        match (self, reply) {
            (Self::Hello, WireCommand::Hello(_)) | (Self::KeepAlive, WireCommand::KeepAlive(_)) => true,
            (Self::Hello | Self::KeepAlive | Self::Unknown, _) => false,
            (Self::Append { writer_id, number, .. }, WireCommand::DataAppended(ack)) => {
                ack.writer_id == *writer_id && *number <= ack.event_number
            }
            (Self::Append { request_id, .. }, reply) => reply.request_id() == Some(*request_id),
            // For a read the store puts the offset where the request id belongs.
            (Self::Request { read_offset: Some(offset), .. }, WireCommand::AuthTokenCheckFailed(failed))
                if failed.request_id.0 == offset.0 =>
            {
                true
            }
            (Self::Request { request_id: None, .. }, reply) => reply.request_id().is_some(),
            (Self::Request { request_id, .. }, reply) => reply.request_id() == *request_id,
        }
    }

    fn is_append_up_to(&self, writer: WriterId, last: EventNumber) -> bool {
        matches!(self, Self::Append { writer_id, number, .. } if *writer_id == writer && *number <= last)
    }
}

/// What a frame is answered with, if anything.
fn awaited_by(kind: Option<CommandType>, command: Option<&WireCommand>) -> Option<Awaited> {
    let append = |writer_id, number, request_id| Awaited::Append { writer_id, number, request_id };
    match (kind, command) {
        (None, _) => Some(Awaited::Unknown),
        (_, Some(WireCommand::Hello(_))) => Some(Awaited::Hello),
        (_, Some(WireCommand::KeepAlive(_))) => Some(Awaited::KeepAlive),
        (_, Some(WireCommand::AppendBlockEnd(end))) => {
            Some(append(end.writer_id, end.last_event_number, end.request_id))
        }
        (_, Some(WireCommand::ConditionalAppend(one))) => Some(append(one.writer_id, one.event_number, one.request_id)),
        (_, Some(WireCommand::ConditionalBlockEnd(block))) => {
            Some(append(block.writer_id, block.event_number, block.request_id))
        }
        (_, Some(WireCommand::ReadSegment(read))) => {
            Some(Awaited::Request { request_id: Some(read.request_id), read_offset: Some(read.offset) })
        }
        (Some(kind), command) if kind.info().direction == Direction::Request => {
            let request_id = command.and_then(WireCommand::request_id);
            Some(Awaited::Request { request_id, read_offset: None })
        }
        _ => None,
    }
}

/// Whether a frame is sent only when all before it is answered, and the next only when it is. A set-up resets what
/// the store knows of a writer, and a block behind an unanswered one closes the connection; appends next to a
/// conditional one fail by timing.
fn waits(command: CommandType) -> bool {
    matches!(command, CommandType::SetupAppend | CommandType::ConditionalAppend | CommandType::ConditionalBlockEnd)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use pravega_protocol::wire::{
        AuthErrorCode, AuthTokenCheckFailed, DataAppended, JavaStr, Segment, SegmentIsSealed,
    };

    const WRITER: WriterId = WriterId(Uuid::nil());

    fn append(number: i64, request_id: i64) -> Awaited {
        Awaited::Append { writer_id: WRITER, number: EventNumber(number), request_id: RequestId(request_id) }
    }

    fn acknowledged(number: i64) -> WireCommand {
        DataAppended {
            writer_id: WRITER,
            event_number: EventNumber(number),
            previous_event_number: EventNumber(-1),
            request_id: RequestId(77),
            current_segment_write_offset: Offset(-1),
        }
        .into()
    }

    #[test]
    fn acknowledgement_answers_every_block_up_to_its_number() {
        assert!(append(3, 1).is_answered_by(&acknowledged(5)));
        assert!(append(5, 1).is_answered_by(&acknowledged(5)));
        assert!(!append(6, 1).is_answered_by(&acknowledged(5)));
    }

    #[test]
    fn seal_answers_the_append_that_it_names() {
        let sealed: WireCommand = SegmentIsSealed {
            request_id: RequestId(2),
            segment: Segment(JavaStr::default()),
            server_stack_trace: JavaStr::default(),
            offset: Offset(5),
        }
        .into();
        assert!(append(5, 2).is_answered_by(&sealed));
        assert!(!append(5, 1).is_answered_by(&sealed));
    }

    #[test]
    fn refused_token_of_a_read_is_known_by_the_offset() {
        let refused: WireCommand = AuthTokenCheckFailed {
            request_id: RequestId(4711),
            server_stack_trace: JavaStr::default(),
            error_code: AuthErrorCode(0),
        }
        .into();
        let read = |offset| Awaited::Request { request_id: Some(RequestId(1)), read_offset: Some(Offset(offset)) };
        assert!(read(4711).is_answered_by(&refused));
        assert!(!read(0).is_answered_by(&refused));
    }

    #[test]
    fn only_frames_with_a_reply_are_awaited() {
        let awaited = |command: CommandType| awaited_by(Some(command), None).is_some();
        assert!(awaited(CommandType::GetStreamSegmentInfo));
        assert!(!awaited(CommandType::AppendBlock));
        assert!(!awaited(CommandType::Padding));
        assert_eq!(awaited_by(None, None), Some(Awaited::Unknown));
    }
}
