//! The numbers, names and bytes that commands are made of.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;
use uuid::Uuid;

use super::error::FieldProblem;
use super::field::{WireField, put_count};
use super::info::{Kind, Role};
use super::input::Input;
use super::string::JavaStr;

/// An attribute that was never set, a writer that never wrote, a table key without a version.
/// Source: `io.pravega.segmentstore.contracts.Attributes.NULL_ATTRIBUTE_VALUE`.
pub const NO_VALUE: i64 = i64::MIN;

/// Lays a newtype out as the value that it holds.
macro_rules! field_as {
    ($ty:ty, $inner:ty, $role:ident) => {
        impl WireField for $ty {
            const KIND: Kind = <$inner as WireField>::KIND;
            const ROLE: Role = Role::$role;
            const MIN_LEN: usize = <$inner as WireField>::MIN_LEN;

            fn encoded_len(&self) -> usize {
                self.0.encoded_len()
            }

            fn encode(&self, out: &mut BytesMut) {
                self.0.encode(out);
            }

            fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
                WireField::decode(input).map(Self)
            }

            fn to_json(&self) -> Value {
                self.0.to_json()
            }

            fn from_json(value: &Value) -> Result<Self, FieldProblem> {
                WireField::from_json(value).map(Self)
            }
        }
    };
}

/// Chosen by the client, echoed in the reply; the high half is the flow id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub i64);

impl RequestId {
    /// Puts the flow into the high half, so that a reply can be matched to it.
    pub fn of_flow(flow: u32, sequence: u32) -> Self {
        Self(((u64::from(flow) << 32) | u64::from(sequence)) as i64)
    }

    /// The flow that the request belongs to.
    pub fn flow(self) -> u32 {
        (self.0 as u64 >> 32) as u32
    }
}

impl WireField for RequestId {
    const KIND: Kind = Kind::I64;
    const ROLE: Role = Role::RequestId;
    const MIN_LEN: usize = 8;

    fn encoded_len(&self) -> usize {
        8
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_i64(self.0);
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        input.i64().map(Self)
    }

    fn to_json(&self) -> Value {
        Value::from(self.0)
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        i64::from_json(value).map(Self)
    }

    fn as_request_id(&self) -> Option<RequestId> {
        Some(*self)
    }
}

/// Number of an event of one writer in one segment. It increases, and acknowledgements refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventNumber(pub i64);
field_as!(EventNumber, i64, Plain);

/// Byte position inside one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(pub i64);
field_as!(Offset, i64, Plain);

/// One writer. Kept across reconnects, because the store detects duplicates by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriterId(pub Uuid);
field_as!(WriterId, Uuid, WriterId);

/// One attribute of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeId(pub Uuid);
field_as!(AttributeId, Uuid, Plain);

/// Full name of the segment that decides which store takes a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Segment(pub JavaStr);
field_as!(Segment, JavaStr, Segment);

/// The controller's permission for one stream, presented to the segment store. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct DelegationToken(pub JavaStr);
field_as!(DelegationToken, JavaStr, Token);

impl DelegationToken {
    /// The empty token, for stores without authorization.
    pub fn none() -> Self {
        Self::default()
    }
}

impl fmt::Debug for DelegationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.as_str().is_empty() { "[none]" } else { "[redacted]" })
    }
}

/// Bytes behind an i32 length.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Buf(pub Bytes);

/// The bulk bytes of a command, behind an i32 length.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Data(pub Buf);
field_as!(Data, Buf, Body);

/// The bulk bytes of a command, up to the end of the frame.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Raw(pub Bytes);

impl From<Bytes> for Data {
    fn from(bytes: Bytes) -> Self {
        Self(Buf(bytes))
    }
}

impl WireField for Uuid {
    const KIND: Kind = Kind::Uuid;
    const MIN_LEN: usize = 16;

    fn encoded_len(&self) -> usize {
        16
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(self.as_bytes());
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        input.u128().map(Uuid::from_u128)
    }

    fn to_json(&self) -> Value {
        Value::from(self.to_string())
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        let text = value.as_str().unwrap_or_default();
        Uuid::try_parse(text).map_err(|_| FieldProblem::wrong_json("a UUID", value))
    }
}

impl WireField for Buf {
    const KIND: Kind = Kind::Buf;
    const MIN_LEN: usize = 4;

    fn encoded_len(&self) -> usize {
        4 + self.0.len()
    }

    fn encode(&self, out: &mut BytesMut) {
        put_count(self.0.len(), out);
        out.put_slice(&self.0);
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        input.sized().map(Self)
    }

    fn to_json(&self) -> Value {
        bytes_to_json(&self.0)
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        bytes_from_json(value).map(Self)
    }
}

impl WireField for Raw {
    const KIND: Kind = Kind::Raw;
    const ROLE: Role = Role::Body;
    const MIN_LEN: usize = 0;

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.0);
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        Ok(Self(input.take_rest()))
    }

    fn to_json(&self) -> Value {
        bytes_to_json(&self.0)
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        bytes_from_json(value).map(Self)
    }
}

pub(crate) fn bytes_to_json(bytes: &[u8]) -> Value {
    serde_json::json!({ "hex": hex::encode(bytes) })
}

/// Accepts `{"hex"}`, `{"text"}` or `{"base64"}`.
pub(crate) fn bytes_from_json(value: &Value) -> Result<Bytes, FieldProblem> {
    use base64::Engine as _;
    let wrong = || FieldProblem::wrong_json(r#"one of {"hex"}, {"text"}, {"base64"}"#, value);
    let object = value.as_object().filter(|object| object.len() == 1).ok_or_else(wrong)?;
    let (form, content) = object.iter().next().ok_or_else(wrong)?;
    let content = content.as_str().ok_or_else(wrong)?;
    let bytes = match form.as_str() {
        "hex" => hex::decode(content).map_err(|_| wrong())?,
        "base64" => base64::engine::general_purpose::STANDARD.decode(content).map_err(|_| wrong())?,
        "text" => content.as_bytes().to_vec(),
        _ => return Err(wrong()),
    };
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_not_shown_by_debug() {
        let token = DelegationToken(JavaStr::new("secret").expect("short"));
        assert_eq!(format!("{token:?}"), "[redacted]");
    }

    #[test]
    fn bytes_are_taken_in_three_forms() {
        for form in [r#"{"hex":"6869"}"#, r#"{"text":"hi"}"#, r#"{"base64":"aGk="}"#] {
            let value: Value = serde_json::from_str(form).expect("valid JSON");
            assert_eq!(bytes_from_json(&value), Ok(Bytes::from_static(b"hi")), "{form}");
        }
    }

    #[test]
    fn bytes_in_two_forms_at_once_are_refused() {
        let value = serde_json::json!({ "hex": "6869", "text": "hi" });
        assert!(bytes_from_json(&value).is_err());
    }
}
