//! The entries of table segments, and the arguments of an iteration over them.
//!
//! ```text
//! TableEntry   TableKey, then value
//! TableKey     ├ i32 12 + n ┼ i32 n ┼ n bytes ┼ i64 version ┤    an empty key ends after i32 n
//! value        ├ i32 4 + n ─┼ i32 n ┼ n bytes ┤
//! ```
//! The first number of each says how long the rest is, so that newer peers can append to it; what they append is
//! skipped.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};

use super::error::FieldProblem;
use super::field::{WireField, member, put_count};
use super::info::Kind;
use super::input::Input;
use super::types::{Buf, NO_VALUE, bytes_from_json, bytes_to_json};

/// A key of a table segment: `i32 12 + n, i32 n, n bytes, i64 version`. An empty key has no version on the wire,
/// though the first number still says 12.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableKey {
    /// The key's bytes.
    pub data: Bytes,
    /// In requests the condition: [`NO_VALUE`] for none, −1 if the key must not exist, else the version that it must
    /// have. In replies the key's version.
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

/// Where a table iteration continues: `buf token, buf prefix filter, buf first key, buf last key`, each optional
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

#[cfg(test)]
mod tests {
    use super::*;

    fn input(hex: &str) -> Input {
        Input::new(hex::decode(hex).expect("hex").into())
    }

    #[test]
    fn empty_key_has_no_version_on_the_wire() {
        let mut out = BytesMut::new();
        let key = TableKey { data: Bytes::new(), version: NO_VALUE };
        key.encode(&mut out);
        assert_eq!((hex::encode(&out), key.encoded_len()), ("0000000c00000000".to_owned(), 8));
        assert_eq!(TableKey::decode(&mut Input::new(out.freeze())), Ok(key));
    }

    #[test]
    fn what_a_newer_peer_appends_to_key_and_value_is_skipped() {
        let mut input =
            input("00000010 00000001 61 0000000000000005 aabbcc 00000006 00000001 62 dd 09".replace(' ', "").as_str());
        let entry = TableEntry::decode(&mut input).expect("only longer than expected");
        let key = TableKey { data: Bytes::from_static(b"a"), version: 5 };
        assert_eq!(entry, TableEntry { key, value: Bytes::from_static(b"b") });
        assert_eq!(input.left(), 1);
    }

    #[test]
    fn key_that_declares_less_than_it_takes_is_refused() {
        for (declared, hex) in [(12, "0000000c"), (-1, "ffffffff")] {
            let decoded = TableKey::decode(&mut input(&format!("{hex}00000001610000000000000005")));
            assert_eq!(decoded, Err(FieldProblem::LengthMismatch { declared, actual: 13 }));
        }
    }

    #[test]
    fn key_that_declares_more_than_there_is_is_refused() {
        let decoded = TableKey::decode(&mut input("0000000e00000001610000000000000005"));
        assert_eq!(decoded, Err(FieldProblem::Truncated { needed: 1, left: 0 }));
    }

    #[test]
    fn iterator_arguments_are_optional_from_the_right() {
        let token = |hex| IteratorArgs::decode(&mut input(hex));
        assert_eq!(token(""), Ok(IteratorArgs::default()));
        let expected = IteratorArgs { continuation_token: Bytes::from_static(b"t"), ..Default::default() };
        assert_eq!(token("0000000174"), Ok(expected));
    }

    #[test]
    fn unknown_iterator_argument_is_refused() {
        assert!(IteratorArgs::from_json(&json!({ "token": { "text": "t" } })).is_err());
        assert_eq!(IteratorArgs::from_json(&json!({})), Ok(IteratorArgs::default()));
    }
}
