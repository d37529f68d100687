//! Fields that are made of several values.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::FieldProblem;
use super::event::{EVENT_HEADER_BYTES, put_event};
use super::field::{WireField, member, put_count};
use super::info::{Kind, Role};
use super::input::Input;
use super::string::JavaStr;
use super::types::{Buf, NO_VALUE, bytes_from_json, bytes_to_json};

/// One event as it lies in a segment: `i32 0, i32 length, bytes`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct EventFrame(pub Bytes);

impl WireField for EventFrame {
    const KIND: Kind = Kind::Event;
    const ROLE: Role = Role::Body;
    const MIN_LEN: usize = EVENT_HEADER_BYTES;

    fn encoded_len(&self) -> usize {
        EVENT_HEADER_BYTES + self.0.len()
    }

    fn encode(&self, out: &mut BytesMut) {
        put_event(&self.0, out);
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        input.event().map(Self)
    }

    fn to_json(&self) -> Value {
        json!({ "data": bytes_to_json(&self.0) })
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        member::<Buf>(value, "data").map(|data| Self(data.0))
    }
}

/// Zero bytes up to the end of the frame, held as their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Zeros(pub u32);

impl WireField for Zeros {
    const KIND: Kind = Kind::Zeros;
    const MIN_LEN: usize = 0;

    fn encoded_len(&self) -> usize {
        self.0 as usize
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_bytes(0, self.encoded_len());
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        let zeros = input.take_rest();
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(FieldProblem::NotZero);
        }
        Ok(Self(u32::try_from(zeros.len()).expect("a payload has less than 2^24 bytes")))
    }

    fn to_json(&self) -> Value {
        Value::from(self.0)
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        let longest = super::MAX_PAYLOAD_TO_STORE as i64;
        match i64::from_json(value)? {
            count if (0..=longest).contains(&count) => Ok(Self(count as u32)),
            _ => Err(FieldProblem::wrong_json("a number of bytes from 0 to 16777207", value)),
        }
    }
}

/// A code with a name that peers of other versions may not know.
macro_rules! error_code {
    ($(#[$doc:meta])+ $ty:ident { $($code:literal => $name:literal,)+ }) => {
        $(#[$doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $ty(pub i32);

        impl $ty {
            /// Pravega's name of the code; `UNKNOWN` for one that this version does not know.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($code => $name,)+
                    _ => "UNKNOWN",
                }
            }
        }

        impl WireField for $ty {
            const KIND: Kind = Kind::ErrorCode;
            const MIN_LEN: usize = 4;

            fn encoded_len(&self) -> usize {
                4
            }

            fn encode(&self, out: &mut BytesMut) {
                out.put_i32(self.0);
            }

            fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
                input.i32().map(Self)
            }

            fn to_json(&self) -> Value {
                json!({ "name": self.name(), "code": self.0 })
            }

            fn from_json(value: &Value) -> Result<Self, FieldProblem> {
                member(value, "code").map(Self)
            }
        }
    };
}

error_code! {
    /// Why a delegation token was refused. Source: WireCommands.java, `AuthTokenCheckFailed.ErrorCode`.
    AuthErrorCode {
        -1 => "UNSPECIFIED",
        0 => "TOKEN_CHECK_FAILED",
        1 => "TOKEN_EXPIRED",
    }
}

impl AuthErrorCode {
    /// The code of a token that is none, or does not grant what is needed.
    pub const TOKEN_CHECK_FAILED: Self = Self(0);
    /// The code that tells an expired token from a refused one.
    pub const TOKEN_EXPIRED: Self = Self(1);
}

error_code! {
    /// What kind of failure an `ErrorMessage` tells. Source: WireCommands.java, `ErrorMessage.ErrorCode`.
    ServerErrorCode {
        -1 => "UNSPECIFIED",
        0 => "ILLEGAL_ARGUMENT_EXCEPTION",
    }
}

impl ServerErrorCode {
    /// The code that blames the request.
    pub const ILLEGAL_ARGUMENT: Self = Self(0);
}

/// A key of a table segment: `i32 12 + n, i32 n, n bytes, i64 version`. An empty key has no version on the wire,
/// though the first number still says 12.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableKey {
    /// The key's bytes.
    pub data: Bytes,
    /// In requests: [`NO_VALUE`] any, −1 must not exist, else the version it must have. In replies its version.
    pub version: i64,
}

/// Bytes of a key's version and of its length field.
const KEY_OVERHEAD: usize = 12;

impl WireField for TableKey {
    const KIND: Kind = Kind::TableKey;
    const MIN_LEN: usize = 8;

    fn encoded_len(&self) -> usize {
        8 + if self.data.is_empty() { 0 } else { self.data.len() + 8 }
    }

    fn encode(&self, out: &mut BytesMut) {
        put_count(KEY_OVERHEAD + self.data.len(), out);
        put_count(self.data.len(), out);
        if !self.data.is_empty() {
            out.put_slice(&self.data);
            out.put_i64(self.version);
        }
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        let declared = input.i32()?;
        let data = input.sized()?;
        if data.is_empty() {
            return Ok(Self { data, version: NO_VALUE });
        }
        let version = input.i64()?;
        skip_appended(input, declared, KEY_OVERHEAD + data.len())?;
        Ok(Self { data, version })
    }

    fn to_json(&self) -> Value {
        json!({ "data": bytes_to_json(&self.data), "keyVersion": self.version })
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        let Buf(data) = member(value, "data")?;
        Ok(Self { data, version: member(value, "keyVersion")? })
    }
}

/// Skips what a newer peer added at the end of a structure that carries its own length.
fn skip_appended(input: &mut Input, declared: i32, actual: usize) -> Result<(), FieldProblem> {
    let mismatch = FieldProblem::LengthMismatch { declared: i64::from(declared), actual };
    let declared = usize::try_from(declared).map_err(|_| mismatch.clone())?;
    let appended = declared.checked_sub(actual).ok_or(mismatch)?;
    input.take(appended).map(drop)
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableEntry {
    /// The key.
    pub key: TableKey,
    /// The value's bytes: on the wire `i32 4 + n, i32 n, n bytes`.
    pub value: Bytes,
}

/// Bytes of a value's length field.
const VALUE_OVERHEAD: usize = 4;

impl WireField for TableEntry {
    const KIND: Kind = Kind::TableEntries;
    const MIN_LEN: usize = TableKey::MIN_LEN + 8;

    fn encoded_len(&self) -> usize {
        self.key.encoded_len() + 8 + self.value.len()
    }

    fn encode(&self, out: &mut BytesMut) {
        self.key.encode(out);
        put_count(VALUE_OVERHEAD + self.value.len(), out);
        put_count(self.value.len(), out);
        out.put_slice(&self.value);
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        let key = TableKey::decode(input)?;
        let declared = input.i32()?;
        let value = input.sized()?;
        skip_appended(input, declared, VALUE_OVERHEAD + value.len())?;
        Ok(Self { key, value })
    }

    fn to_json(&self) -> Value {
        json!([self.key.to_json(), { "data": bytes_to_json(&self.value) }])
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        match value.as_array().map(Vec::as_slice) {
            Some([key, content]) => {
                let Buf(data) = member(content, "data")?;
                Ok(Self { key: TableKey::from_json(key)?, value: data })
            }
            _ => Err(FieldProblem::wrong_json("a pair of key and value", value)),
        }
    }
}

/// Entries of a table segment, as a list of pairs; in JSON `{"entries": […]}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TableEntries(pub Vec<TableEntry>);

impl WireField for TableEntries {
    const KIND: Kind = Kind::TableEntries;
    const MIN_LEN: usize = 4;

    fn encoded_len(&self) -> usize {
        self.0.encoded_len()
    }

    fn encode(&self, out: &mut BytesMut) {
        self.0.encode(out);
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        Vec::decode(input).map(Self)
    }

    fn to_json(&self) -> Value {
        json!({ "entries": self.0.to_json() })
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        member(value, "entries").map(Self)
    }
}

/// Where a table iteration goes on: `buf token, buf prefix filter, buf first key, buf last key`, each optional
/// from the right. The prefix filter is dead: stores ignore it, clients send it empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct IteratorArgs {
    /// Opaque token of the previous reply; empty at the beginning.
    pub continuation_token: Bytes,
    /// Ignored by stores.
    pub prefix_filter: Bytes,
    /// First key wanted, inclusive; only for fixed-key tables.
    pub from_key: Bytes,
    /// Last key wanted, inclusive; only for fixed-key tables.
    pub to_key: Bytes,
}

impl IteratorArgs {
    fn parts(&self) -> [&Bytes; 4] {
        [&self.continuation_token, &self.prefix_filter, &self.from_key, &self.to_key]
    }
}

impl WireField for IteratorArgs {
    const KIND: Kind = Kind::IteratorArgs;
    const MIN_LEN: usize = 0;

    fn encoded_len(&self) -> usize {
        self.parts().iter().map(|part| 4 + part.len()).sum()
    }

    fn encode(&self, out: &mut BytesMut) {
        for part in self.parts() {
            put_count(part.len(), out);
            out.put_slice(part);
        }
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        let mut part = || if input.left() < Buf::MIN_LEN { Ok(Bytes::new()) } else { input.sized() };
        Ok(Self { continuation_token: part()?, prefix_filter: part()?, from_key: part()?, to_key: part()? })
    }

    fn to_json(&self) -> Value {
        json!({
            "continuationToken": bytes_to_json(&self.continuation_token),
            "prefixFilter": bytes_to_json(&self.prefix_filter),
            "fromKey": bytes_to_json(&self.from_key),
            "toKey": bytes_to_json(&self.to_key),
        })
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        const NAMES: [&str; 4] = ["continuationToken", "prefixFilter", "fromKey", "toKey"];
        let expected = "an object of continuationToken, prefixFilter, fromKey, toKey";
        let object = value.as_object().ok_or_else(|| FieldProblem::wrong_json(expected, value))?;
        if object.keys().any(|key| !NAMES.contains(&key.as_str())) {
            return Err(FieldProblem::wrong_json(expected, value));
        }
        let part = |name| object.get(name).map_or(Ok(Bytes::new()), bytes_from_json);
        let [token, filter, from, to] = NAMES.map(part);
        Ok(Self { continuation_token: token?, prefix_filter: filter?, from_key: from?, to_key: to? })
    }
}

/// A change of one attribute, made together with a merge: `uuid, i8 type, i64 new value, i64 old value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttributeUpdate {
    /// Attribute to change.
    pub attribute_id: Uuid,
    /// 0 none, 1 replace, 2 replace if greater, 3 accumulate, 4 replace if equal.
    pub update_type: i8,
    /// Value to set or add.
    pub new_value: i64,
    /// Value it must have, for type 4.
    pub old_value: i64,
}

impl WireField for AttributeUpdate {
    const KIND: Kind = Kind::AttributeUpdate;
    const MIN_LEN: usize = 33;

    fn encoded_len(&self) -> usize {
        Self::MIN_LEN
    }

    fn encode(&self, out: &mut BytesMut) {
        self.attribute_id.encode(out);
        out.put_i8(self.update_type);
        out.put_i64(self.new_value);
        out.put_i64(self.old_value);
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        Ok(Self {
            attribute_id: Uuid::decode(input)?,
            update_type: i8::decode(input)?,
            new_value: input.i64()?,
            old_value: input.i64()?,
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "attributeId": self.attribute_id.to_json(),
            "attributeUpdateType": self.update_type,
            "newValue": self.new_value,
            "oldValue": self.old_value,
        })
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        Ok(Self {
            attribute_id: member(value, "attributeId")?,
            update_type: member(value, "attributeUpdateType")?,
            new_value: member(value, "newValue")?,
            old_value: member(value, "oldValue")?,
        })
    }
}

/// Where one chunk of a segment lies: `i64 × 3, str name, bool exists`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChunkInfo {
    /// Length that the metadata has, in bytes.
    pub length_in_metadata: i64,
    /// Length that the storage has, in bytes.
    pub length_in_storage: i64,
    /// Where the chunk begins in the segment, in bytes.
    pub start_offset: i64,
    /// Name in the storage.
    pub chunk_name: JavaStr,
    /// Whether the storage has it.
    pub exists_in_storage: bool,
}

impl WireField for ChunkInfo {
    const KIND: Kind = Kind::ChunkInfo;
    const MIN_LEN: usize = 27;

    fn encoded_len(&self) -> usize {
        24 + self.chunk_name.encoded_len() + 1
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_i64(self.length_in_metadata);
        out.put_i64(self.length_in_storage);
        out.put_i64(self.start_offset);
        self.chunk_name.encode(out);
        self.exists_in_storage.encode(out);
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        Ok(Self {
            length_in_metadata: input.i64()?,
            length_in_storage: input.i64()?,
            start_offset: input.i64()?,
            chunk_name: JavaStr::decode(input)?,
            exists_in_storage: bool::decode(input)?,
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "lengthInMetadata": self.length_in_metadata,
            "lengthInStorage": self.length_in_storage,
            "startOffset": self.start_offset,
            "chunkName": self.chunk_name.as_str(),
            "existsInStorage": self.exists_in_storage,
        })
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        Ok(Self {
            length_in_metadata: member(value, "lengthInMetadata")?,
            length_in_storage: member(value, "lengthInStorage")?,
            start_offset: member(value, "startOffset")?,
            chunk_name: member(value, "chunkName")?,
            exists_in_storage: member(value, "existsInStorage")?,
        })
    }
}

/// The sources of a batch merge, each with the target's length after it; in JSON two lists, `sources` and
/// `newTargetWriteOffset`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct MergedSources(pub Vec<(JavaStr, i64)>);

impl MergedSources {
    const OFFSETS: &'static str = "newTargetWriteOffset";
}

impl WireField for MergedSources {
    const KIND: Kind = Kind::MergedSources;
    const MIN_LEN: usize = 4;

    fn encoded_len(&self) -> usize {
        4 + self.0.iter().map(|(source, _)| source.encoded_len() + 8).sum::<usize>()
    }

    fn encode(&self, out: &mut BytesMut) {
        put_count(self.0.len(), out);
        for (source, offset) in &self.0 {
            source.encode(out);
            out.put_i64(*offset);
        }
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        let count = input.length()?;
        let merged = (0..count).map(|_| Ok((JavaStr::decode(input)?, input.i64()?)));
        merged.collect::<Result<_, _>>().map(Self)
    }

    fn to_json(&self) -> Value {
        self.0.iter().map(|(source, _)| source.as_str()).collect()
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        Err(FieldProblem::wrong_json("the lists sources and newTargetWriteOffset", value))
    }

    fn put_members(&self, name: &'static str, members: &mut Map<String, Value>) {
        members.insert(name.to_owned(), self.to_json());
        members.insert(Self::OFFSETS.to_owned(), self.0.iter().map(|(_, offset)| *offset).collect());
    }

    fn take_members(name: &'static str, members: &mut Map<String, Value>) -> Result<Option<Self>, FieldProblem> {
        let sources: Option<Vec<JavaStr>> = WireField::take_members(name, members)?;
        let offsets: Option<Vec<i64>> = WireField::take_members(Self::OFFSETS, members)?;
        match (sources, offsets) {
            (Some(sources), Some(offsets)) if sources.len() == offsets.len() => {
                Ok(Some(Self(sources.into_iter().zip(offsets).collect())))
            }
            (None, None) => Ok(None),
            _ => Err(FieldProblem::Missing),
        }
    }
}
