//! Every command of the segment store, as a raw message and by its fields.

use pravega_protocol::wire::*;
use serde_json::Value;

use super::callers::Needs;
use super::case::Case;
use super::ground::{Found, Target, one_entry, one_key};
use super::{CHANGE, NOTHING, READ};
use crate::support::http::escape;
use crate::support::wire::framed;

/// Any number will do.
const REQUEST: RequestId = RequestId(7);

/// Where messages go that name no segment.
pub(super) const ORDERS: &str = "scope=shop&stream=orders&segment=0.%23epoch.0";

/// A command that can be sent alone.
pub(super) struct Row {
    pub(super) command: CommandType,
    pub(super) needs: Needs,
    found: Found,
    status: u16,
    pub(super) message: fn(&Target) -> WireCommand,
}

macro_rules! rows {
    ($($command:ident $needs:ident $found:ident $status:literal |$target:ident| { $($fields:tt)* })*) => {
        vec![$(Row {
            command: CommandType::$command,
            needs: $needs,
            found: Found::$found,
            status: $status,
            message: |$target| {
                let _ = $target;
                $command { $($fields)* }.into()
            },
        }),*]
    };
}

/// What each command needs; the design decides it, not the code's own table.
#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    rows! {
        Hello NOTHING Stream 200 |_t| { high_version: WIRE_VERSION, low_version: OLDEST_COMPATIBLE_VERSION }
        KeepAlive NOTHING Stream 200 |_t| {}
        ReadSegment READ Segment 200 |t| { segment: t.segment(), offset: Offset(0), suggested_length: 100, delegation_token: t.token.clone(), request_id: REQUEST }
        GetStreamSegmentInfo READ Segment 200 |t| { request_id: REQUEST, segment_name: t.segment(), delegation_token: t.token.clone() }
        GetSegmentAttribute READ Segment 200 |t| { request_id: REQUEST, segment_name: t.segment(), attribute_id: AttributeId(t.writer.0), delegation_token: t.token.clone() }
        LocateOffset READ Segment 502 |t| { request_id: REQUEST, segment: t.segment(), target_offset: Offset(0), delegation_token: t.token.clone() }
        GetTableSegmentInfo READ Table 200 |t| { request_id: REQUEST, segment_name: t.segment(), delegation_token: t.token.clone() }
        ReadTable READ Table 200 |t| { request_id: REQUEST, segment: t.segment(), delegation_token: t.token.clone(), keys: vec![one_key()] }
        ReadTableKeys READ Table 200 |t| { request_id: REQUEST, segment: t.segment(), delegation_token: t.token.clone(), suggested_key_count: 1, args: IteratorArgs::default() }
        ReadTableEntries READ Table 200 |t| { request_id: REQUEST, segment: t.segment(), delegation_token: t.token.clone(), suggested_entry_count: 1, args: IteratorArgs::default() }
        ReadTableEntriesDelta READ Table 200 |t| { request_id: REQUEST, segment: t.segment(), delegation_token: t.token.clone(), from_position: 0, suggested_entry_count: 1 }
        SetupAppend CHANGE Segment 200 |t| { request_id: REQUEST, writer_id: t.writer, segment: t.segment(), delegation_token: t.token.clone() }
        UpdateSegmentAttribute CHANGE Segment 200 |t| { request_id: REQUEST, segment_name: t.segment(), attribute_id: AttributeId(t.writer.0), new_value: 1, expected_value: NO_VALUE, delegation_token: t.token.clone() }
        TruncateSegment CHANGE Segment 200 |t| { request_id: REQUEST, segment: t.segment(), truncation_offset: Offset(t.tail), delegation_token: t.token.clone() }
        CreateTransientSegment CHANGE Segment 200 |t| { request_id: REQUEST, writer_id: t.writer, parent_segment: t.segment(), delegation_token: t.token.clone() }
        UpdateTableEntries CHANGE Table 200 |t| { request_id: REQUEST, segment: t.segment(), delegation_token: t.token.clone(), table_entries: one_entry(), table_segment_offset: Offset(-1) }
        RemoveTableKeys CHANGE Table 200 |t| { request_id: REQUEST, segment: t.segment(), delegation_token: t.token.clone(), keys: vec![one_key()], table_segment_offset: Offset(-1) }
        CreateSegment CHANGE Nothing 200 |t| { request_id: REQUEST, segment: t.segment(), target_rate: 0, scale_type: 0, delegation_token: t.token.clone(), rollover_size_bytes: 0 }
        DeleteSegment CHANGE Segment 200 |t| { request_id: REQUEST, segment: t.segment(), delegation_token: t.token.clone() }
        SealSegment CHANGE Segment 200 |t| { request_id: REQUEST, segment: t.segment(), delegation_token: t.token.clone() }
        MergeSegments CHANGE Mergeable 200 |t| { request_id: REQUEST, target: t.segment(), source: t.source(), delegation_token: t.token.clone(), attribute_updates: Vec::new() }
        MergeSegmentsBatch CHANGE Mergeable 200 |t| { request_id: REQUEST, target_segment_id: t.segment(), source_segment_ids: vec![t.source()], delegation_token: t.token.clone() }
        UpdateSegmentPolicy CHANGE Segment 200 |t| { request_id: REQUEST, segment: t.segment(), target_rate: 1, scale_type: 0, delegation_token: t.token.clone() }
        CreateTableSegment CHANGE Nothing 200 |t| { request_id: REQUEST, segment: t.segment(), delegation_token: t.token.clone(), sorted_deprecated: false, key_length: 0, rollover_size_bytes: 0 }
        DeleteTableSegment CHANGE Table 200 |t| { request_id: REQUEST, segment: t.segment(), must_be_empty: false, delegation_token: t.token.clone() }
        FlushToStorage CHANGE Stream 501 |t| { container_id: 0, delegation_token: t.token.clone(), request_id: REQUEST }
        ListStorageChunks CHANGE Stream 501 |t| { segment: t.segment(), delegation_token: t.token.clone(), request_id: REQUEST }
    }
}

/// What each append needs, by its fields and with the body as its bytes; alone it would have no writer.
const APPENDS: [CommandType; 5] = [
    CommandType::Event,
    CommandType::AppendBlock,
    CommandType::AppendBlockEnd,
    CommandType::ConditionalAppend,
    CommandType::ConditionalBlockEnd,
];

/// What no client can send: neither alone nor in a sequence, or only inside a block.
const NEVER_ALONE: [CommandType; 2] = [CommandType::Padding, CommandType::PartialEvent];

pub(super) fn cases() -> Vec<Case> {
    let rows = rows().into_iter().flat_map(|row| [raw(&row), by_fields(&row)]);
    rows.chain(APPENDS.into_iter().map(append_by_fields)).chain(unusual()).collect()
}

impl Row {
    fn case(
        &self,
        way: &str,
        make_request: impl Fn(&crate::support::Gateway, &Target) -> reqwest::RequestBuilder + 'static,
    ) -> Case {
        let info = self.command.info();
        // That only an admin port takes it may be said to anyone, or to those who hold what the command needs.
        let needs = if info.is_admin_port_only() { NOTHING } else { self.needs };
        let case = Case::new(format!("{way} {}", info.name), needs, self.found, self.status, make_request);
        match self.command {
            // The controller is asked where the segment is, which it tells those who may read the stream.
            CommandType::Hello | CommandType::KeepAlive => case.may_need(READ),
            _ => case.may_need(self.needs),
        }
    }
}

fn raw(row: &Row) -> Case {
    let message = row.message;
    row.case("PUT", move |gateway, target| {
        let frame = message(target).frame();
        let path =
            if names_segment(&message(target)) { "/v1/events".to_owned() } else { format!("/v1/events?{ORDERS}") };
        let request = gateway.put(&path).header("Message-Type", frame.code);
        request.header("Message-Length", frame.payload.len()).body(frame.payload)
    })
}

fn by_fields(row: &Row) -> Case {
    let message = row.message;
    row.case("POST /v1/wire", move |gateway, target| {
        let message = message(target);
        let name = message.command_type().info().name;
        let query = if names_segment(&message) { String::new() } else { format!("?{ORDERS}") };
        let request = gateway.post(&format!("/v1/wire/{name}{query}")).header("Content-Type", "application/json");
        request.body(Value::Object(message.to_fields()).to_string())
    })
}

fn names_segment(message: &WireCommand) -> bool {
    message.command_type().info().field(Role::Segment).is_some()
}

fn append_by_fields(command: CommandType) -> Case {
    let name = command.info().name;
    let is_conditional = matches!(command, CommandType::ConditionalAppend | CommandType::ConditionalBlockEnd);
    let is_payload = matches!(command, CommandType::Event | CommandType::ConditionalAppend);
    Case::new(format!("POST /v1/wire {name}"), CHANGE, Found::Segment, 200, move |gateway, target| {
        let expected = if is_conditional { format!("&expectedOffset={}", target.tail) } else { String::new() };
        let token = escape(target.token.0.as_str());
        let path = format!("/v1/wire/{name}?segment={}&delegationToken={token}{expected}", escape(&target.name()));
        gateway.post(&path).body(if is_payload { b"one".to_vec() } else { framed(b"one") })
    })
}

/// Messages that name no segment, or that no table knows: the parameters say whose stream they are for.
fn unusual() -> Vec<Case> {
    let unknown = |way: &str, code: i32| {
        Case::new(format!("PUT {way}"), CHANGE, Found::Stream, 502, move |gateway, _| {
            let request = gateway.put(&format!("/v1/events?{ORDERS}")).header("Message-Type", code);
            request.header("Message-Length", 3).body("abc")
        })
    };
    let conditional =
        Case::new("PUT ConditionalAppend without a writer", CHANGE, Found::Stream, 502, |gateway, target| {
            let message = ConditionalAppend {
                writer_id: target.writer,
                event_number: EventNumber(1),
                expected_offset: Offset(target.tail),
                event: EventFrame("one".into()),
                request_id: REQUEST,
            };
            let frame = WireCommand::from(message).frame();
            let request = gateway.put(&format!("/v1/events?{ORDERS}")).header("Message-Type", frame.code);
            request.header("Message-Length", frame.payload.len()).body(frame.payload)
        });
    vec![unknown("an unknown code", 4711), unknown("an unknown negative code", -4711), conditional]
}

#[test]
fn every_command_that_a_client_may_send_is_in_the_matrix() {
    let mut left: Vec<_> = CommandType::ALL.to_vec();
    left.retain(|command| command.info().direction != Direction::Reply);
    left.retain(|command| !APPENDS.contains(command) && !NEVER_ALONE.contains(command));
    left.retain(|command| rows().iter().all(|row| row.command != *command));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn levels_of_the_wire_table_are_what_the_matrix_expects() {
    for row in rows() {
        let expected = match row.command.info().level {
            Level::None => NOTHING,
            Level::Read => READ,
            Level::Write | Level::Admin => CHANGE,
        };
        assert_eq!(row.needs, expected, "{}", row.command.info().name);
    }
}
