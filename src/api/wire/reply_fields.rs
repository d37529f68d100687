//! A reply by its fields: scalars as headers and bytes as the body, or all of it as JSON.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pravega_protocol::wire::{CommandInfo, CommandType, Frame, Kind, Role, WireCommand};
use serde_json::{Map, Value, json};

use crate::api::request::accept_header::preferred;
use crate::api::request::body_permit::hold;
use crate::api::wire::exchange::Replies;
use crate::api::wire::field_values::kebab_case;
use crate::api::wire::reply_status::{status_of, with_retry};

/// What a header value cannot hold as it is.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// Not passed on to callers: it can be long, and describes the store's internals.
const STACK_TRACE: &str = "serverStackTrace";

/// Answers with the last reply.
pub(crate) fn respond(request: CommandType, headers: &HeaderMap, replies: Replies) -> Response {
    let Replies { list, permit } = replies;
    let Some(reply) = list.last() else {
        return StatusCode::NO_CONTENT.into_response();
    };
    with_retry(typed_or_not(request, headers, &reply.frame)).map(|body| hold(body, permit))
}

fn typed_or_not(request: CommandType, headers: &HeaderMap, reply: &Frame) -> Response {
    let Ok((command, _)) = reply.to_command() else {
        return untyped(reply);
    };
    let info = command.command_type().info();
    let mut fields = command.to_fields();
    fields.remove(STACK_TRACE);
    let offered = ["application/octet-stream", "application/json"];
    let wants_json = preferred(headers, &offered) == Some("application/json");
    let mut response =
        if wants_json || !fits_headers(info) { as_json(info, fields) } else { as_headers(&command, fields) };
    *response.status_mut() = status_of(Some(request), &command);
    name_reply(response.headers_mut(), info);
    response
}

/// Whether all fields but the bulk bytes are scalars.
fn fits_headers(info: &CommandInfo) -> bool {
    info.fields.iter().all(|field| {
        field.role == Role::Body
            || matches!(
                field.kind,
                Kind::I8 | Kind::I32 | Kind::I64 | Kind::Bool | Kind::Uuid | Kind::Str | Kind::ErrorCode
            )
    })
}

fn as_json(info: &CommandInfo, fields: Map<String, Value>) -> Response {
    let document = json!({ "type": info.type_name, "code": info.code, "name": info.name, "fields": fields });
    Json(document).into_response()
}

fn as_headers(command: &WireCommand, mut fields: Map<String, Value>) -> Response {
    let bulk = command.command_type().info().field(Role::Body);
    if let Some(bulk) = bulk {
        fields.remove(bulk.name);
    }
    let mut response = bulk_bytes(command).into_response();
    let headers = response.headers_mut();
    if bulk.is_none() {
        headers.remove(CONTENT_TYPE);
    }
    for (name, value) in &fields {
        let name = HeaderName::try_from(format!("wire-{}", kebab_case(name))).expect("field names are letters");
        headers.insert(name, header_value(value));
    }
    response
}

fn bulk_bytes(command: &WireCommand) -> Bytes {
    match command {
        WireCommand::SegmentRead(read) => read.data.0.0.clone(),
        _ => Bytes::new(),
    }
}

fn header_value(value: &Value) -> HeaderValue {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(code) => code.get("code").map(Value::to_string).unwrap_or_default(),
        other => other.to_string(),
    };
    let escaped = utf8_percent_encode(&text, ESCAPED).to_string();
    HeaderValue::try_from(escaped).expect("escaped text is visible ASCII")
}

fn name_reply(headers: &mut HeaderMap, info: &CommandInfo) {
    headers.insert("message-type", HeaderValue::from(info.code));
    headers.insert("message-name", HeaderValue::from_static(info.name));
}

/// A reply that the table does not know keeps its bytes.
fn untyped(reply: &Frame) -> Response {
    let mut response = reply.payload.clone().into_response();
    response.headers_mut().insert("message-type", HeaderValue::from(reply.code));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_segment_read_has_bulk_bytes_among_the_replies() {
        let with_bulk = CommandType::ALL.iter().map(|command| command.info()).filter(|info| {
            info.direction == pravega_protocol::wire::Direction::Reply && info.field(Role::Body).is_some()
        });
        assert_eq!(with_bulk.map(|info| info.name).collect::<Vec<_>>(), ["SegmentRead"]);
    }

    #[test]
    fn header_values_are_escaped() {
        assert_eq!(header_value(&json!("a%b\né")), "a%25b%0A%C3%A9");
        assert_eq!(header_value(&json!(-5)), "-5");
        assert_eq!(header_value(&json!({ "name": "X", "code": 1 })), "1");
    }
}
