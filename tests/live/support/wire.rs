//! Messages of the store's protocol, encoded and decoded by the program's own `wire encode` and `wire decode`.

use serde_json::{Value, json};

use super::process::gateway_cli;
use super::{Answer, Gateway, Stream};

/// Bytes before a frame's payload.
const HEADER_BYTES: usize = 8;

/// A whole frame, header included.
pub(crate) async fn encode(name: &str, fields: &Value) -> Vec<u8> {
    encode_all(&[(name, fields.clone())]).await
}

/// Whole frames, concatenated.
pub(crate) async fn encode_all(commands: &[(&str, Value)]) -> Vec<u8> {
    let line = |(name, fields): &(&str, Value)| json!({ "name": name, "fields": fields }).to_string() + "\n";
    let lines: String = commands.iter().map(line).collect();
    let frames = gateway_cli(&["wire", "encode"], lines).await.lines();
    assert_eq!(frames.len(), commands.len());
    frames.iter().flat_map(|frame| hex::decode(frame).expect("hex")).collect()
}

/// The commands in concatenated frames, as `{"type", "code", "name", "fields"}`.
pub(crate) async fn decode_all(mut bytes: &[u8]) -> Vec<Value> {
    let mut lines = String::new();
    while !bytes.is_empty() {
        let length = i32::from_be_bytes(bytes[4..HEADER_BYTES].try_into().expect("four bytes"));
        let (frame, rest) = bytes.split_at(HEADER_BYTES + usize::try_from(length).expect("a length"));
        lines += &(hex::encode(frame) + "\n");
        bytes = rest;
    }
    let decoded = gateway_cli(&["wire", "decode"], lines).await.lines();
    decoded.iter().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

/// Sends one message through `PUT /v1/events`, its type and length as headers, and decodes the reply by its headers.
pub(crate) async fn put(gateway: &Gateway, name: &str, fields: &Value) -> (u16, Value) {
    let frame = encode(name, fields).await;
    let payload = frame[HEADER_BYTES..].to_vec();
    let request = gateway.put("/v1/events").header("Message-Type", name).header("Message-Length", payload.len());
    let answer = Answer::of(request.body(payload)).await;
    let code: i32 = answer.header("message-type").parse().expect("a code");
    assert_eq!(answer.header("message-length"), answer.body.len().to_string());
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    let length = i32::try_from(answer.body.len()).expect("a frame's length");
    let reply = [&code.to_be_bytes(), &length.to_be_bytes(), &*answer.body].concat();
    let mut replies = decode_all(&reply).await;
    let reply = replies.pop().expect("one reply");
    assert_eq!(answer.header("message-name"), reply["name"]);
    (answer.status.as_u16(), reply)
}

/// Sends one message by its fields in a JSON body and returns the status and the reply as JSON.
pub(crate) async fn post_fields(gateway: &Gateway, name: &str, fields: &Value) -> (u16, Value) {
    let request = gateway.post(&format!("/v1/wire/{name}")).header("Content-Type", "application/json");
    let answer = Answer::of(request.header("Accept", "application/json").body(fields.to_string())).await;
    (answer.status.as_u16(), answer.json())
}

/// `/v1/wire/{name}` with parameters that name a stream's segment; more can be appended.
pub(crate) fn path(name: &str, stream: &Stream, segment: u32) -> String {
    format!("/v1/wire/{name}?scope={}&stream={}&segment={segment}", stream.scope, stream.name)
}

/// An event as it is framed in a segment.
pub(crate) fn framed(payload: &[u8]) -> Vec<u8> {
    let length = i32::try_from(payload.len()).expect("an event's length");
    [&0_i32.to_be_bytes(), &length.to_be_bytes(), payload].concat()
}
