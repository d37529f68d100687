//! What a command results in: a reply that may wait for the log, an error reply, or the end of the connection.

use pravega_protocol::wire::{
    ErrorMessage, JavaStr, NoSuchSegment, Offset, OperationUnsupported, RequestId, Segment, SegmentAlreadyExists,
    SegmentIsSealed, SegmentIsTruncated, ServerErrorCode, TableKeyBadVersion, TableKeyDoesNotExist,
    TableSegmentNotEmpty, WireCommand,
};

use super::close_reason::CloseReason;
use crate::node::{SegmentError, TableError, Undurable};
use crate::table::TableRejection;

/// Why a command has no ordinary reply.
#[derive(Debug)]
pub(super) enum Rejection {
    /// The client gets this reply, for a reason that has nothing to do with the state.
    Reply(Box<WireCommand>),
    /// The connection ends without a reply, as a real store's would.
    Close(CloseReason),
}

/// A command's reply.
pub(super) type CommandResult = Result<Undurable<WireCommand>, Rejection>;

impl Rejection {
    pub(super) fn with_reply(reply: impl Into<WireCommand>) -> Self {
        Self::Reply(Box::new(reply.into()))
    }

    pub(super) fn close(why: &'static str) -> Self {
        Self::Close(CloseReason(why))
    }
}

/// What an error reply repeats of the request.
#[derive(Debug, Clone)]
pub(super) struct RequestContext {
    pub(super) request_id: RequestId,
    pub(super) segment: Segment,
    /// What the request said of a place in the segment; −1 if nothing.
    pub(super) offset: Offset,
}

impl RequestContext {
    pub(super) fn new(request_id: RequestId, segment: &Segment) -> Self {
        Self { request_id, segment: segment.clone(), offset: Offset(-1) }
    }

    pub(super) fn at(self, offset: Offset) -> Self {
        Self { offset, ..self }
    }

    /// The reply to an operation that failed; some errors end the connection.
    /// Source: PravegaRequestProcessor.java, `handleException`.
    pub(super) fn error_reply(self, error: SegmentError) -> Result<WireCommand, CloseReason> {
        let Self { request_id, segment, offset } = self;
        let server_stack_trace = JavaStr::default();
        Ok(match error {
            SegmentError::NotFound => NoSuchSegment { request_id, segment, server_stack_trace, offset }.into(),
            SegmentError::Exists => SegmentAlreadyExists { request_id, segment, server_stack_trace }.into(),
            SegmentError::Sealed => SegmentIsSealed { request_id, segment, server_stack_trace, offset }.into(),
            SegmentError::Truncated { start } => {
                let start_offset = offset_of(start);
                SegmentIsTruncated { request_id, segment, start_offset, server_stack_trace, offset }.into()
            }
            SegmentError::BadOffset { .. } => return Err(CloseReason("an offset that only appends may get wrong")),
            SegmentError::BadAttribute => return Err(CloseReason("an attribute has another value")),
            SegmentError::TruncatedSource => return Err(CloseReason("the source of a merge is truncated")),
            SegmentError::MergeIntoItself => return Err(CloseReason("a segment can't be merged into itself")),
        })
    }

    /// As [`error_reply`](Self::error_reply), for a table.
    pub(super) fn table_error_reply(self, error: TableError) -> Result<WireCommand, CloseReason> {
        let rejection = match error {
            TableError::Segment(error) => return self.error_reply(error),
            TableError::NoTable => return Err(CloseReason("a command for tables names a segment that is not a table")),
            TableError::Rejected(rejection) => rejection,
        };
        let Self { request_id, segment, offset } = self;
        let server_stack_trace = JavaStr::default();
        Ok(match rejection {
            TableRejection::KeyDoesNotExist => TableKeyDoesNotExist { request_id, segment, server_stack_trace }.into(),
            TableRejection::BadVersion => TableKeyBadVersion { request_id, segment, server_stack_trace }.into(),
            TableRejection::NotEmpty => TableSegmentNotEmpty { request_id, segment, server_stack_trace }.into(),
            TableRejection::Truncated { length } => {
                let start_offset = Offset(length);
                SegmentIsTruncated { request_id, segment, start_offset, server_stack_trace, offset }.into()
            }
            TableRejection::Unsupported(operation) => {
                let operation_name = text(operation);
                OperationUnsupported { request_id, operation_name, server_stack_trace }.into()
            }
            TableRejection::IllegalArgument(message) => {
                let (message, error_code) = (text(&message), ServerErrorCode::ILLEGAL_ARGUMENT);
                ErrorMessage { request_id, segment, message, error_code }.into()
            }
            TableRejection::ClosesConnection(why) => return Err(CloseReason(why)),
        })
    }

    /// The reply to the result of a step.
    pub(super) fn respond<T, E: ErrorReply>(
        self,
        undurable: Undurable<Result<T, E>>,
        reply: impl FnOnce(T) -> WireCommand,
    ) -> CommandResult {
        let result = undurable.map(|value| match value {
            Ok(value) => Ok(reply(value)),
            Err(error) => error.error_reply(self),
        });
        result.transpose().map_err(Rejection::Close)
    }
}

/// An error that a client may get as a reply.
pub(super) trait ErrorReply {
    /// The reply, or why the connection ends.
    fn error_reply(self, request: RequestContext) -> Result<WireCommand, CloseReason>;
}

impl ErrorReply for SegmentError {
    fn error_reply(self, request: RequestContext) -> Result<WireCommand, CloseReason> {
        request.error_reply(self)
    }
}

impl ErrorReply for TableError {
    fn error_reply(self, request: RequestContext) -> Result<WireCommand, CloseReason> {
        request.table_error_reply(self)
    }
}

pub(super) fn text(text: &str) -> JavaStr {
    JavaStr::new(text).expect("our own words are short")
}

/// A place in a segment as the wire has it.
pub(super) fn offset_of(place: u64) -> Offset {
    Offset(i64::try_from(place).expect("no segment has 2^63 bytes"))
}
