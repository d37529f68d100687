//! Fields that are made of several values, apart from those of table segments.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::FieldProblem;
use super::event::{EVENT_HEADER_BYTES, put_event};
use super::field::{WireField, member, put_count};
use super::info::{Kind, Role};
use super::input::Input;
use super::string::JavaStr;
use super::types::{Buf, bytes_to_json};

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

/// Zero bytes up to the end of the frame, stored as their count.
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

/// A change of one attribute, made together with a merge: `uuid, i8 type, i64 new value, i64 old value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttributeUpdate {
    /// Attribute to change.
    pub attribute_id: Uuid,
    /// 0 none, 1 replace, 2 replace if greater, 3 accumulate, 4 replace if equal.
    pub update_type: i8,
    /// Value to set or add.
    pub new_value: i64,
    /// Value that it must have, for type 4.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_contains_only_zeros() {
        let decoded = |bytes: &'static [u8]| Zeros::decode(&mut Input::new(Bytes::from_static(bytes)));
        assert_eq!([decoded(&[]), decoded(&[0, 0])], [Ok(Zeros(0)), Ok(Zeros(2))]);
        assert_eq!(decoded(&[0, 1]), Err(FieldProblem::NotZero));
    }

    #[test]
    fn padding_is_bounded_by_a_frame() {
        assert_eq!(Zeros::from_json(&json!(16_777_207)), Ok(Zeros(16_777_207)));
        for count in [-1, 16_777_208] {
            assert!(Zeros::from_json(&json!(count)).is_err(), "{count}");
        }
    }

    #[test]
    fn merged_sources_need_an_offset_each() {
        let taken = |members: Value| {
            let Value::Object(mut members) = members else { panic!("{members} is an object") };
            MergedSources::take_members("sources", &mut members)
        };
        let name = JavaStr::new("a").expect("short");
        let both = json!({ "sources": ["a"], "newTargetWriteOffset": [5] });
        assert_eq!(taken(both), Ok(Some(MergedSources(vec![(name, 5)]))));
        assert_eq!(taken(json!({})), Ok(None));
        let unequal = json!({ "sources": ["a"], "newTargetWriteOffset": [] });
        for members in [unequal, json!({ "sources": ["a"] }), json!({ "newTargetWriteOffset": [5] })] {
            assert_eq!(taken(members), Err(FieldProblem::Missing));
        }
    }
}
