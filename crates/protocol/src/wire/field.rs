//! The trait of everything that a command is made of, and the primitive fields.

use bytes::{BufMut, BytesMut};
use serde_json::{Map, Value};

use super::error::FieldProblem;
use super::info::{Kind, Role};
use super::input::Input;
use super::types::RequestId;

/// A value that a command's layout can contain.
pub trait WireField: Sized {
    /// How the field is laid out.
    const KIND: Kind;
    /// What the field means to those who route and answer commands.
    const ROLE: Role = Role::Plain;
    /// Fewest bytes that a value takes: fewer left mean an absent tail, and a hostile count is checked against it.
    const MIN_LEN: usize;

    /// Exactly how many bytes [`encode`](Self::encode) appends.
    fn encoded_len(&self) -> usize;

    /// Appends the value's bytes.
    fn encode(&self, out: &mut BytesMut);

    /// Reads a value.
    ///
    /// # Errors
    /// If the bytes left do not begin with one.
    fn decode(input: &mut Input) -> Result<Self, FieldProblem>;

    /// The value in a command's JSON form.
    fn to_json(&self) -> Value;

    /// The value from a command's JSON form.
    ///
    /// # Errors
    /// If the JSON is of another kind or out of range.
    fn from_json(value: &Value) -> Result<Self, FieldProblem>;

    /// The value, if the field is what matches a reply to its request.
    fn as_request_id(&self) -> Option<RequestId> {
        None
    }

    /// Adds the field to a command's JSON members, of which it is usually one.
    fn put_members(&self, name: &'static str, members: &mut Map<String, Value>) {
        members.insert(name.to_owned(), self.to_json());
    }

    /// Takes the field out of a command's JSON members; `None` if they lack it.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    fn take_members(name: &'static str, members: &mut Map<String, Value>) -> Result<Option<Self>, FieldProblem> {
        members.remove(name).map(|value| Self::from_json(&value)).transpose()
    }
}

/// Reads an optional tail: fewer bytes than the shortest value mean that the peer is older and left it out.
pub(crate) fn decode_tail<F: WireField>(input: &mut Input, absent: F) -> Result<F, FieldProblem> {
    if input.left() < F::MIN_LEN { Ok(absent) } else { F::decode(input) }
}

macro_rules! integer_field {
    ($($ty:ty, $kind:ident, $len:literal, $put:ident, $get:ident, $expected:literal;)+) => {$(
        impl WireField for $ty {
            const KIND: Kind = Kind::$kind;
            const MIN_LEN: usize = $len;

            fn encoded_len(&self) -> usize {
                $len
            }

            fn encode(&self, out: &mut BytesMut) {
                out.$put(*self);
            }

            fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
                Ok(input.$get()? as $ty)
            }

            fn to_json(&self) -> Value {
                Value::from(*self)
            }

            fn from_json(value: &Value) -> Result<Self, FieldProblem> {
                integer(value)
                    .and_then(|number| <$ty>::try_from(number).ok())
                    .ok_or_else(|| FieldProblem::wrong_json($expected, value))
            }
        }
    )+};
}

integer_field! {
    i8, I8, 1, put_i8, u8, "a whole number from -128 to 127";
    i32, I32, 4, put_i32, i32, "a whole number of 32 bits";
    i64, I64, 8, put_i64, i64, "a whole number of 64 bits, or a string of its digits";
}

/// Accepts a number, or a string of digits, because JavaScript and jq lose digits beyond 2^53.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) if !digits.starts_with('+') => digits.parse().ok(),
        _ => None,
    }
}

impl WireField for bool {
    const KIND: Kind = Kind::Bool;
    const MIN_LEN: usize = 1;

    fn encoded_len(&self) -> usize {
        1
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(*self));
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        Ok(input.u8()? != 0)
    }

    fn to_json(&self) -> Value {
        Value::from(*self)
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        match value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(FieldProblem::wrong_json("true or false", value)),
        }
    }
}

/// An i32 count and that many items.
impl<F: WireField> WireField for Vec<F> {
    const KIND: Kind = Kind::List(&F::KIND);
    const MIN_LEN: usize = 4;

    fn encoded_len(&self) -> usize {
        4 + self.iter().map(WireField::encoded_len).sum::<usize>()
    }

    fn encode(&self, out: &mut BytesMut) {
        put_count(self.len(), out);
        self.iter().for_each(|item| item.encode(out));
    }

    fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
        let count = input.length()?;
        let needed = count.saturating_mul(F::MIN_LEN);
        if needed > input.left() {
            return Err(FieldProblem::Truncated { needed, left: input.left() });
        }
        (0..count).map(|_| F::decode(input)).collect()
    }

    fn to_json(&self) -> Value {
        self.iter().map(WireField::to_json).collect()
    }

    fn from_json(value: &Value) -> Result<Self, FieldProblem> {
        let items = value.as_array().ok_or_else(|| FieldProblem::wrong_json("an array", value))?;
        items.iter().map(F::from_json).collect()
    }
}

pub(crate) fn put_count(count: usize, out: &mut BytesMut) {
    out.put_i32(i32::try_from(count).expect("a payload under 2^31 bytes holds no more items"));
}

/// Takes one member of a nested structure's JSON object.
pub(crate) fn member<F: WireField>(value: &Value, name: &'static str) -> Result<F, FieldProblem> {
    match value.get(name) {
        Some(member) => F::from_json(member),
        None => Err(FieldProblem::wrong_json(name_as_expectation(name), value)),
    }
}

fn name_as_expectation(name: &'static str) -> &'static str {
    match name {
        "data" => "an object with the member data",
        "keyVersion" => "an object with the members data and keyVersion",
        "entries" => "an object with the member entries",
        "code" => "an object with the member code",
        _ => "an object with all members of the structure",
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_are_accepted_as_numbers_and_as_strings_of_digits() {
        for value in [json!(-7), json!("-7")] {
            assert_eq!(i64::from_json(&value), Ok(-7));
        }
        assert_eq!(i64::from_json(&json!("9223372036854775807")), Ok(i64::MAX));
        for value in [json!("+7"), json!(""), json!("7.0"), json!(7.5), json!(u64::MAX), json!(true), json!(null)] {
            assert!(i64::from_json(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn integer_out_of_range_is_refused() {
        assert_eq!(i8::from_json(&json!(-128)), Ok(-128));
        assert!(i8::from_json(&json!(128)).is_err());
        assert!(i32::from_json(&json!(1_i64 << 31)).is_err());
    }

    #[test]
    fn every_non_zero_byte_is_true() {
        let decoded = |byte: u8| bool::decode(&mut Input::new(vec![byte].into()));
        assert_eq!([decoded(0), decoded(1), decoded(0xff)], [Ok(false), Ok(true), Ok(true)]);
    }

    #[test]
    fn hostile_count_is_refused_before_anything_is_reserved() {
        let mut input = Input::new(Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 1]));
        let needed = i32::MAX as usize * i64::MIN_LEN;
        assert_eq!(Vec::<i64>::decode(&mut input), Err(FieldProblem::Truncated { needed, left: 1 }));
    }

    #[test]
    fn tail_shorter_than_any_value_is_absent() {
        let decoded = |bytes: &'static [u8]| decode_tail(&mut Input::new(Bytes::from_static(bytes)), -1_i32);
        assert_eq!([decoded(&[]), decoded(&[0, 0, 0]), decoded(&[0, 0, 0, 5])], [Ok(-1), Ok(-1), Ok(5)]);
    }
}
