//! Strings as Java's `DataOutput.writeUTF` lays them out.

use std::fmt;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use serde_json::Value;

use super::error::FieldProblem;
use super::field::WireField;
use super::info::Kind;
use super::input::Input;

/// Longest string on the wire, in bytes of modified UTF-8: its length is a u16.
const MAX_STRING_BYTES: usize = u16::MAX as usize;

/// First byte of plain UTF-8's four-byte sequences, which modified UTF-8 does not have.
const FOUR_BYTE_LEAD: u8 = 0xf0;

/// A string that fits a u16 length in Java's *modified* UTF-8.
///
/// U+0000 takes two bytes, and a character above U+FFFF is a surrogate pair of three bytes each (CESU-8).
/// Source: `java.io.DataOutput.writeUTF`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct JavaStr(Arc<str>);

impl JavaStr {
    /// Accepts any text that takes at most 65,535 bytes in modified UTF-8.
    ///
    /// # Errors
    /// [`FieldProblem::StringTooLong`] with the bytes that it would take.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, FieldProblem> {
        let text = text.into();
        match modified_len(&text) {
            len if len > MAX_STRING_BYTES => Err(FieldProblem::StringTooLong(len)),
            _ => Ok(Self(text)),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JavaStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for JavaStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl WireField for JavaStr {
    const KIND: Kind = Kind::Str;
    const MIN_LEN: usize = 2;

    fn encoded_len(&self) -> usize {
        2 + modified_len(&self.0)
    }

    fn encode(&self, out: &mut BytesMut) {
        let len = modified_len(&self.0);
        out.put_u16(u16::try_from(len).expect("checked when the string was made"));
        if len == self.0.len() {
            out.put_slice(self.0.as_bytes());
        } else {
            put_modified(&self.0, out);
        }
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        let len = usize::from(input.u16()?);
        let bytes = input.take(len)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) if !bytes.iter().any(|byte| *byte >= FOUR_BYTE_LEAD) => Ok(Self(text.into())),
            _ => decode_modified(&bytes).map(|text| Self(text.into())),
        }
    }

    fn to_json(&self) -> Value {
        Value::from(self.as_str())
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        match value {
            Value::String(text) => Self::new(text.as_str()),
            _ => Err(FieldProblem::wrong_json("a string", value)),
        }
    }
}

fn modified_len(text: &str) -> usize {
    text.chars()
        .map(|character| match character {
            '\0' => 2,
            '\u{10000}'.. => 6,
            _ => character.len_utf8(),
        })
        .sum()
}

fn put_modified(text: &str, out: &mut BytesMut) {
    let mut units = [0; 2];
    for unit in text.chars().flat_map(|character| character.encode_utf16(&mut units).to_vec()) {
        match unit {
            1..=0x7f => out.put_u8(unit as u8),
            0 | 0x80..=0x7ff => out.put_slice(&[0xc0 | (unit >> 6) as u8, 0x80 | (unit & 0x3f) as u8]),
            _ => out.put_slice(&[
                0xe0 | (unit >> 12) as u8,
                0x80 | ((unit >> 6) & 0x3f) as u8,
                0x80 | (unit & 0x3f) as u8,
            ]),
        }
    }
}

fn decode_modified(bytes: &[u8]) -> Result<String, FieldProblem> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (unit, len) = utf16_unit(&bytes[at..]).ok_or(FieldProblem::NotModifiedUtf8(at))?;
        units.push(unit);
        at += len;
    }
    String::from_utf16(&units).map_err(|_| FieldProblem::NotModifiedUtf8(0))
}

/// The first UTF-16 unit of modified UTF-8 and the bytes it takes.
fn utf16_unit(bytes: &[u8]) -> Option<(u16, usize)> {
    let continuation = |index: usize| bytes.get(index).filter(|byte| **byte & 0xc0 == 0x80).map(|byte| byte & 0x3f);
    let lead = u16::from(*bytes.first()?);
    match lead {
        0..=0x7f => Some((lead, 1)),
        0xc0..=0xdf => Some(((lead & 0x1f) << 6 | u16::from(continuation(1)?), 2)),
        0xe0..=0xef => {
            let tail = u16::from(continuation(1)?) << 6 | u16::from(continuation(2)?);
            Some(((lead & 0x0f) << 12 | tail, 3))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn encoded(text: &str) -> Vec<u8> {
        let mut out = BytesMut::new();
        JavaStr::new(text).expect("short").encode(&mut out);
        out.to_vec()
    }

    fn decoded(bytes: &'static [u8]) -> Result<JavaStr, FieldProblem> {
        JavaStr::decode(&mut Input::new(Bytes::from_static(bytes)))
    }

    #[test]
    fn null_and_supplementary_characters_are_written_as_java_writes_them() {
        assert_eq!(encoded("\0"), [0, 2, 0xc0, 0x80]);
        assert_eq!(encoded("😀"), [0, 6, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]);
    }

    #[test]
    fn plain_null_byte_is_tolerated() {
        assert_eq!(decoded(&[0, 1, 0]), JavaStr::new("\0"));
    }

    #[test]
    fn half_a_surrogate_pair_is_refused() {
        assert!(matches!(decoded(&[0, 3, 0xed, 0xa0, 0xbd]), Err(FieldProblem::NotModifiedUtf8(_))));
    }

    #[test]
    fn four_byte_sequence_is_refused() {
        assert_eq!(decoded(&[0, 4, 0xf0, 0x9f, 0x98, 0x80]), Err(FieldProblem::NotModifiedUtf8(0)));
    }

    #[test]
    fn longest_string_fits_and_one_byte_more_does_not() {
        assert!(JavaStr::new("x".repeat(65_535)).is_ok());
        assert_eq!(JavaStr::new("x".repeat(65_536)), Err(FieldProblem::StringTooLong(65_536)));
        assert_eq!(JavaStr::new("\0".repeat(32_768)), Err(FieldProblem::StringTooLong(65_536)));
    }
}
