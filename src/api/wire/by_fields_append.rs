//! Appends by fields: the gateway sets a writer up, completes the block and waits for its acknowledgement.

use bytes::{Bytes, BytesMut};
use pravega_protocol::stream::SegmentName;
use pravega_protocol::wire::event::{Deframed, EVENT_HEADER_BYTES, deframe, put_event};
use pravega_protocol::wire::{
    AppendBlock, AppendBlockEnd, CommandType, ConditionalAppend, ConditionalBlockEnd, Data, DelegationToken,
    EventFrame, EventNumber, Frame, JavaStr, MAX_EVENT_BYTES, NO_VALUE, Offset, Raw, RequestId, Segment, SetupAppend,
    WireCommand, WriterId,
};
use tokio::time::sleep;

use crate::api::edge::deadline::Deadline;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::wire::by_fields::check_size;
use crate::api::wire::exchange::{Exchange, Replies, Reply};
use crate::api::wire::field_values::FieldValues;
use crate::api::wire::rights::Rights;
use crate::api::wire::route::{PlayError, Script, converse};
use crate::app::App;
use crate::retry::Backoff;
use crate::telemetry::labels::Limit;

const DEFAULT_REQUEST_ID: i64 = 1;

/// What an append by fields says.
struct Plan {
    command: CommandType,
    segment: String,
    token: DelegationToken,
    request_id: RequestId,
    number: Option<i64>,
    num_events: i32,
    expected_offset: Offset,
    body: Bytes,
}

/// Sets up a writer on a connection of its own, appends the body, and returns the replies, the append's last.
pub(crate) async fn append(
    app: &App,
    deadline: Deadline,
    command: CommandType,
    segment: &SegmentName,
    mut values: FieldValues,
    body: Bytes,
) -> Result<Replies, ApiError> {
    let given_id = take_writer_id(&mut values)?;
    let mut plan = Plan::take(app, command, values, body)?;
    let setup = plan.setup(WriterId(uuid::Uuid::nil())).frame();
    let rights = deadline.timeout(Rights::show(app, segment, &[setup])).await??;
    if plan.token == DelegationToken::none() {
        plan.token = deadline.timeout(rights.token_for(&plan.segment)).await??;
    }
    let borrowed = match given_id {
        Some(_) => None,
        None => Some(deadline.timeout(app.writer_ids().borrow(segment)).await?),
    };
    let writer_id = given_id.or(borrowed.as_ref().map(|borrowed| borrowed.id())).expect("given or borrowed");
    let script = AppendScript { plan, writer_id };
    let mut backoff = Backoff::default();
    loop {
        let replies = converse(app, deadline, &rights, segment, &script).await?;
        if !script.was_overtaken(&replies.list) || deadline.timeout(sleep(backoff.next_delay())).await.is_err() {
            return Ok(replies);
        }
    }
}

/// Sets the writer up, then appends with the number after the one that the store returns.
struct AppendScript {
    plan: Plan,
    writer_id: WriterId,
}

impl Script for AppendScript {
    async fn run(&self, exchange: &mut Exchange) -> Result<(), PlayError> {
        exchange.play(&[self.plan.setup(self.writer_id).frame()]).await?;
        if let Some(last_number) = set_up_number(exchange.replies()) {
            exchange.play(&self.plan.frames(self.writer_id, last_number)?).await?;
        }
        Ok(())
    }
}

impl AppendScript {
    /// Whether the number that the gateway chose was used meanwhile: by an append of a caller who no longer waited for
    /// it, or by another gateway with the same ids. Nothing was written, and the next set-up reports a newer number.
    fn was_overtaken(&self, replies: &[Reply]) -> bool {
        let last = replies.last().and_then(|reply| reply.frame.to_command().ok());
        self.plan.number.is_none() && matches!(last, Some((WireCommand::InvalidEventNumber(_), _)))
    }
}

fn take_writer_id(values: &mut FieldValues) -> Result<Option<WriterId>, ApiError> {
    let Some(text) = values.take_text("writerId")? else {
        return Ok(None);
    };
    uuid::Uuid::try_parse(&text).map(|id| Some(WriterId(id))).map_err(|_| {
        let detail = format!("field writerId is {text:?}; expected a UUID");
        ApiError::new(ErrorCode::ParameterInvalid, detail).member("field", "writerId")
    })
}

/// The writer's last number, if the last reply is its set-up.
fn set_up_number(replies: &[Reply]) -> Option<i64> {
    match replies.last()?.frame.to_command().ok()?.0 {
        WireCommand::AppendSetup(setup) => Some(setup.last_event_number.0),
        _ => None,
    }
}

impl Plan {
    fn take(app: &App, command: CommandType, mut values: FieldValues, body: Bytes) -> Result<Self, ApiError> {
        let number_field = match command {
            CommandType::AppendBlock | CommandType::AppendBlockEnd => "lastEventNumber",
            _ => "eventNumber",
        };
        let token = values.take_text("delegationToken")?.unwrap_or_default();
        let token = JavaStr::new(token).map_err(|problem| field_invalid("delegationToken", &problem))?;
        let is_conditional = matches!(command, CommandType::ConditionalAppend | CommandType::ConditionalBlockEnd);
        let expected_offset = if is_conditional { values.take_number("expectedOffset")? } else { Some(-1) };
        let plan = Self {
            command,
            segment: values.take_text("segment")?.unwrap_or_default(),
            token: DelegationToken(token),
            request_id: RequestId(values.take_number("requestId")?.unwrap_or(DEFAULT_REQUEST_ID)),
            number: values.take_number(number_field)?,
            num_events: take_num_events(command, &mut values, &body)?,
            expected_offset: Offset(expected_offset.ok_or_else(|| missing("expectedOffset"))?),
            body,
        };
        if command == CommandType::AppendBlockEnd {
            values.take_number("sizeOfWholeEvents")?;
        }
        values.finish(command)?;
        plan.check(app)?;
        Ok(plan)
    }

    fn check(&self, app: &App) -> Result<(), ApiError> {
        let is_one_event = matches!(self.command, CommandType::Event | CommandType::ConditionalAppend);
        if is_one_event && self.body.len() > MAX_EVENT_BYTES {
            let detail = format!("the event has {} bytes; the limit is {MAX_EVENT_BYTES}", self.body.len());
            return Err(ApiError::new(ErrorCode::EventTooLarge, detail).over(Limit::Event));
        }
        if is_one_event && self.body.is_empty() && !app.config().append.empty_events {
            let detail = "the event is empty; append.empty-events = true allows it";
            return Err(ApiError::new(ErrorCode::EmptyEvent, detail));
        }
        if self.number.is_some_and(|number| number < 0) {
            return Err(field_invalid("event number", &"must not be negative"));
        }
        let writer_id = WriterId(uuid::Uuid::nil());
        let limit = app.config().limits.raw_message.as_usize();
        self.commands(writer_id, 0).iter().try_for_each(|command| check_size(command, limit))
    }

    fn setup(&self, writer_id: WriterId) -> WireCommand {
        SetupAppend {
            request_id: self.request_id,
            writer_id,
            segment: Segment(JavaStr::new(self.segment.as_str()).expect("a valid segment name is short")),
            delegation_token: self.token.clone(),
        }
        .into()
    }

    /// The frames after the set-up. A number equal to the writer's last would be stored twice and never be answered.
    fn frames(&self, writer_id: WriterId, last_number: i64) -> Result<Vec<Frame>, ApiError> {
        let number = self.number.unwrap_or_else(|| match last_number {
            NO_VALUE => i64::from(self.num_events) - 1,
            last => last.saturating_add(i64::from(self.num_events)),
        });
        if number == last_number {
            let detail = format!("the writer's last event already has number {number}");
            return Err(ApiError::new(ErrorCode::ParameterInvalid, detail));
        }
        Ok(self.commands(writer_id, number).iter().map(WireCommand::frame).collect())
    }

    fn commands(&self, writer_id: WriterId, number: i64) -> Vec<WireCommand> {
        let (event_number, request_id, expected_offset) = (EventNumber(number), self.request_id, self.expected_offset);
        match self.command {
            CommandType::ConditionalAppend => {
                let event = EventFrame(self.body.clone());
                vec![ConditionalAppend { writer_id, event_number, expected_offset, event, request_id }.into()]
            }
            CommandType::ConditionalBlockEnd => {
                let data = self.body.clone().into();
                vec![ConditionalBlockEnd { writer_id, event_number, expected_offset, data, request_id }.into()]
            }
            CommandType::AppendBlockEnd => vec![self.end(writer_id, event_number, self.body.clone()).into()],
            _ => {
                let data = self.stored_bytes();
                let mut end = self.end(writer_id, event_number, Bytes::new());
                end.size_of_whole_events = i32::try_from(data.len()).expect("a message is far shorter");
                vec![AppendBlock { writer_id, data: Raw(data) }.into(), end.into()]
            }
        }
    }

    fn end(&self, writer_id: WriterId, last_event_number: EventNumber, data: Bytes) -> AppendBlockEnd {
        AppendBlockEnd {
            writer_id,
            size_of_whole_events: i32::try_from(data.len()).expect("a message is far shorter"),
            data: Data::from(data),
            num_events: self.num_events,
            last_event_number,
            request_id: self.request_id,
        }
    }

    /// The body as it lies in the segment: an event gets its header, a block has them.
    fn stored_bytes(&self) -> Bytes {
        if self.command != CommandType::Event {
            return self.body.clone();
        }
        let mut framed = BytesMut::with_capacity(EVENT_HEADER_BYTES + self.body.len());
        put_event(&self.body, &mut framed);
        framed.freeze()
    }
}

fn take_num_events(command: CommandType, values: &mut FieldValues, body: &Bytes) -> Result<i32, ApiError> {
    if !matches!(command, CommandType::AppendBlock | CommandType::AppendBlockEnd) {
        return Ok(1);
    }
    if let Some(given) = values.take_number("numEvents")? {
        let valid = i32::try_from(given).ok().filter(|count| *count >= 1);
        return valid.ok_or_else(|| field_invalid("numEvents", &format_args!("{given} is not from 1 to 2147483647")));
    }
    count_events(body).ok_or_else(|| {
        let detail = "the body is not a sequence of whole events (i32 0, i32 length, bytes); set numEvents to the number of events in it";
        ApiError::new(ErrorCode::BodyInvalid, detail).member("field", "numEvents")
    })
}

fn count_events(body: &Bytes) -> Option<i32> {
    let mut rest = body.clone();
    let mut count = 0;
    while !rest.is_empty() {
        let room = rest.len();
        match deframe(&mut rest, room) {
            Deframed::Event(_) => count += 1,
            Deframed::Partial(_) | Deframed::Garbage => return None,
        }
    }
    (count > 0).then_some(count)
}

fn missing(field: &'static str) -> ApiError {
    ApiError::new(ErrorCode::ParameterMissing, format!("field {field} is missing")).member("field", field)
}

fn field_invalid(field: &'static str, why: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::ParameterInvalid, format!("field {field}: {why}")).member("field", field)
}
