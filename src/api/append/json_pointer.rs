//! Takes the routing key of an event out of its JSON.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::api::request::content_type::BYTE_ORDER_MARK;

/// A JSON pointer. Source: RFC 6901.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPointer {
    tokens: Vec<String>,
}

impl std::str::FromStr for JsonPointer {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.is_empty() {
            return Ok(Self { tokens: Vec::new() });
        }
        let tokens = text.strip_prefix('/').ok_or(())?.split('/').map(unescape);
        Ok(Self { tokens: tokens.collect::<Option<_>>().ok_or(())? })
    }
}

fn unescape(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut unescaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escape, rest) = part.split_at_checked(1)?;
        unescaped.push(match escape {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        unescaped.push_str(rest);
    }
    Some(unescaped)
}

/// Why JSON has no routing key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyProblem {
    /// The bytes are no JSON document.
    #[error("is not JSON: {0}")]
    NotJson(serde_json::Error),
    /// Nothing is there, or null.
    #[error("has nothing at the pointer")]
    Missing,
    /// What is there is no scalar.
    #[error("has {0} at the pointer, where a string, number or boolean is needed")]
    NotAScalar(&'static str),
}

/// The routing key of a JSON document: a string as it is, a number or boolean by its source text.
/// A byte order mark before it is skipped.
pub(crate) fn routing_key(document: &[u8], pointer: &JsonPointer) -> Result<String, KeyProblem> {
    let document = document.strip_prefix(BYTE_ORDER_MARK).unwrap_or(document);
    let value = find(document, pointer).map_err(KeyProblem::NotJson)?.ok_or(KeyProblem::Missing)?.get();
    match value.as_bytes().first() {
        Some(b'"') => serde_json::from_str(value).map_err(KeyProblem::NotJson),
        Some(b'{') => Err(KeyProblem::NotAScalar("an object")),
        Some(b'[') => Err(KeyProblem::NotAScalar("an array")),
        Some(b'n') | None => Err(KeyProblem::Missing),
        Some(_) => Ok(value.to_owned()),
    }
}

/// The source text of what a pointer leads to, if there is something; the whole document must be JSON.
pub(crate) fn find<'d>(document: &'d [u8], pointer: &JsonPointer) -> serde_json::Result<Option<&'d RawValue>> {
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let found = Walk(&pointer.tokens).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(found)
}

/// Walks to the value that the tokens lead to, checking the syntax of all the rest. Of equal names the last counts.
struct Walk<'p>(&'p [String]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            [] => de::Deserialize::deserialize(deserializer).map(Some),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if name == self.0[0] {
                found = map.next_value_seed(Walk(&self.0[1..]))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let wanted = array_index(&self.0[0]);
        let mut index = 0;
        let mut found = None;
        loop {
            if Some(index) == wanted {
                match items.next_element_seed(Walk(&self.0[1..]))? {
                    Some(value) => found = value,
                    None => return Ok(found),
                }
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            index += 1;
        }
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Digits without a leading zero.
fn array_index(token: &str) -> Option<usize> {
    let is_index = token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    token.parse().ok().filter(|_| is_index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(document: &str, pointer: &str) -> Result<String, String> {
        let pointer = pointer.parse().expect("a pointer");
        routing_key(document.as_bytes(), &pointer).map_err(|problem| problem.to_string())
    }

    #[test]
    fn scalars_become_keys_by_their_text() {
        let document = r#"{"a":{"b/c":["x",{"~":"é\n"}]},"n":1.50,"big":12345678901234567890123,"t":true}"#;
        assert_eq!(key(document, "/a/b~1c/0").as_deref(), Ok("x"));
        assert_eq!(key(document, "/a/b~1c/1/~0").as_deref(), Ok("é\n"));
        assert_eq!(key(document, "/n").as_deref(), Ok("1.50"));
        assert_eq!(key(document, "/big").as_deref(), Ok("12345678901234567890123"));
        assert_eq!(key(document, "/t").as_deref(), Ok("true"));
        assert_eq!(key("\"whole\"", "").as_deref(), Ok("whole"));
    }

    #[test]
    fn missing_and_null_values_objects_and_arrays_are_no_keys() {
        for (document, pointer) in [("{}", "/a"), (r#"{"a":null}"#, "/a"), ("[1]", "/1"), ("[1]", "/00"), ("7", "/a")] {
            assert_eq!(key(document, pointer), Err("has nothing at the pointer".to_owned()), "{document} {pointer}");
        }
        assert!(key(r#"{"a":{}}"#, "/a").is_err_and(|problem| problem.contains("an object")));
        assert!(key(r#"{"a":[]}"#, "/a").is_err_and(|problem| problem.contains("an array")));
    }

    #[test]
    fn document_is_checked_beyond_the_key() {
        for document in [r#"{"a":1,"b":}"#, r#"{"a":1} x"#, r#"{"a":1"#, ""] {
            assert!(key(document, "/a").is_err_and(|problem| problem.starts_with("is not JSON")), "{document}");
        }
    }

    #[test]
    fn last_of_equal_names_counts() {
        assert_eq!(key(r#"{"a":"one","a":"two"}"#, "/a").as_deref(), Ok("two"));
    }

    #[test]
    fn pointers_begin_with_a_slash_and_escape_properly() {
        for text in ["a", "/~", "/~2", "#/a"] {
            assert!(text.parse::<JsonPointer>().is_err(), "{text}");
        }
    }
}
