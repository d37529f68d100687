use pravega_protocol::wire::{
    ErrorMessage, JavaStr, NoSuchSegment, Offset, OperationUnsupported, RequestId, Segment, SegmentAlreadyExists,
    SegmentIsSealed, SegmentIsTruncated, ServerErrorCode, TableKeyBadVersion, TableKeyDoesNotExist,
    TableSegmentNotEmpty, WireCommand,
};

use crate::node::{SegmentError, Stepped, TableError};
use crate::table::Refusal;

/// Why a command has no ordinary reply.
#[derive(Debug)]
pub(super) enum Refused {
    /// The client is told, for a reason that has nothing to do with the state.
    Told(Box<WireCommand>),
    /// The connection ends without a word, as a real store's would; why is for the log.
    Closed(&'static str),
}

/// A command's reply.
pub(super) type Answered = Result<Stepped<WireCommand>, Refused>;

impl Refused {
    pub(super) fn told(reply: impl Into<WireCommand>) -> Self {
        Self::Told(Box::new(reply.into()))
    }
}

/// What a refusal repeats of the request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) request_id: RequestId,
    pub(super) segment: Segment,
    /// What the request said of a place in the segment; −1 if nothing.
    pub(super) offset: Offset,
}

impl Asked {
    pub(super) fn new(request_id: RequestId, segment: &Segment) -> Self {
        Self { request_id, segment: segment.clone(), offset: Offset(-1) }
    }

    pub(super) fn at(self, offset: Offset) -> Self {
        Self { offset, ..self }
    }

    /// The reply to a refused operation; some end the connection.
    /// Source: PravegaRequestProcessor.java, `handleException`.
    pub(super) fn refuse(self, error: SegmentError) -> Result<WireCommand, &'static str> {
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
            SegmentError::BadOffset { .. } => return Err("an offset that only appends may get wrong"),
            SegmentError::BadAttribute => return Err("an attribute has another value"),
            SegmentError::TruncatedSource => return Err("the source of a merge is truncated"),
            SegmentError::MergeIntoItself => return Err("a segment can't be merged into itself"),
        })
    }

    /// As [`refuse`](Self::refuse), for a table.
    pub(super) fn refuse_table(self, error: TableError) -> Result<WireCommand, &'static str> {
        let refusal = match error {
            TableError::Segment(error) => return self.refuse(error),
            TableError::NoTable => return Err("a command for tables and a segment that is none"),
            TableError::Refused(refusal) => refusal,
        };
        let Self { request_id, segment, offset } = self;
        let server_stack_trace = JavaStr::default();
        Ok(match refusal {
            Refusal::KeyDoesNotExist => TableKeyDoesNotExist { request_id, segment, server_stack_trace }.into(),
            Refusal::BadVersion => TableKeyBadVersion { request_id, segment, server_stack_trace }.into(),
            Refusal::NotEmpty => TableSegmentNotEmpty { request_id, segment, server_stack_trace }.into(),
            Refusal::Truncated { length } => {
                let start_offset = Offset(length);
                SegmentIsTruncated { request_id, segment, start_offset, server_stack_trace, offset }.into()
            }
            Refusal::Unsupported(operation) => {
                let operation_name = text(operation);
                OperationUnsupported { request_id, operation_name, server_stack_trace }.into()
            }
            Refusal::IllegalArgument(message) => {
                let (message, error_code) = (text(&message), ServerErrorCode::ILLEGAL_ARGUMENT);
                ErrorMessage { request_id, segment, message, error_code }.into()
            }
            Refusal::ClosesConnection(why) => return Err(why),
        })
    }

    /// The reply to what a step came to.
    pub(super) fn answer<T, E: Refuses>(
        self,
        stepped: Stepped<Result<T, E>>,
        reply: impl FnOnce(T) -> WireCommand,
    ) -> Answered {
        let answered = stepped.map(|result| match result {
            Ok(value) => Ok(reply(value)),
            Err(error) => error.refuse(self),
        });
        answered.transpose().map_err(Refused::Closed)
    }
}

/// Something that a client is told of.
pub(super) trait Refuses {
    /// The reply, or why the connection ends.
    fn refuse(self, asked: Asked) -> Result<WireCommand, &'static str>;
}

impl Refuses for SegmentError {
    fn refuse(self, asked: Asked) -> Result<WireCommand, &'static str> {
        asked.refuse(self)
    }
}

impl Refuses for TableError {
    fn refuse(self, asked: Asked) -> Result<WireCommand, &'static str> {
        asked.refuse_table(self)
    }
}

pub(super) fn text(text: &str) -> JavaStr {
    JavaStr::new(text).expect("our own words are short")
}

/// A place in a segment as the wire has it.
pub(super) fn offset_of(place: u64) -> Offset {
    Offset(i64::try_from(place).expect("no segment has 2^63 bytes"))
}
