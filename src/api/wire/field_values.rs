//! The fields of a command as a request gives them: parameters, `Wire-…` headers, JSON or bulk bytes in the body.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use pravega_protocol::wire::{CommandType, WireCommand};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::params::Params;
use crate::api::wire::by_fields::field_error;

const HEADER_PREFIX: &str = "wire-";

/// Where a field was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldSource {
    Parameter,
    Header,
    Body,
}

/// What was given so far, each field once.
#[derive(Debug, Default)]
pub(crate) struct FieldValues {
    values: Map<String, Value>,
    sources: Vec<(String, FieldSource)>,
}

impl FieldValues {
    /// Takes parameters and headers; `scope`, `stream` and `segment` among them.
    pub(crate) fn gather(query: Option<&str>, headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut values = Self::default();
        for (name, value) in Params::parse(query)?.into_rest() {
            values.add(name, value.into(), FieldSource::Parameter)?;
        }
        for (name, value) in headers {
            let Some(kebab) = name.as_str().strip_prefix(HEADER_PREFIX) else {
                continue;
            };
            let text = std::str::from_utf8(value.as_bytes())
                .map_err(|_| ApiError::new(ErrorCode::HeaderInvalid, format!("header {name} is not UTF-8")))?;
            let text = percent_encoding::percent_decode_str(text).decode_utf8().map_err(|_| {
                ApiError::new(ErrorCode::HeaderInvalid, format!("header {name} does not decode to UTF-8"))
            })?;
            values.add(camel_case(kebab), text.as_ref().into(), FieldSource::Header)?;
        }
        Ok(values)
    }

    fn add(&mut self, name: String, value: Value, source: FieldSource) -> Result<(), ApiError> {
        if self.values.contains_key(&name) {
            let detail = format!("field {name} is given more than once");
            return Err(ApiError::new(ErrorCode::ParameterRepeated, detail).member("field", name));
        }
        self.sources.push((name.clone(), source));
        self.values.insert(name, value);
        Ok(())
    }

    /// Takes the body of a command that has no bulk bytes: its fields in JSON, or nothing.
    pub(crate) fn take_document(&mut self, command: CommandType, body: &Bytes) -> Result<(), ApiError> {
        if body.is_empty() {
            return Ok(());
        }
        let ObjectMembers(fields) = serde_json::from_slice(body).map_err(|error| {
            let detail = format!("the body of {} is not a JSON object of its fields: {error}", command.info().name);
            ApiError::new(ErrorCode::BodyInvalid, detail)
        })?;
        fields.into_iter().try_for_each(|(name, value)| self.add(name, value, FieldSource::Body))
    }

    /// Takes a field that is text.
    pub(crate) fn take_text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.values.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
            Some(other) => {
                let detail = format!("field {name} should be a string, found {other}");
                Err(ApiError::new(ErrorCode::BodyInvalid, detail).member("field", name))
            }
        }
    }

    /// Takes a whole number.
    pub(crate) fn take_number(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.take_text(name)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            let detail = format!("field {name} is {text:?}; expected a 64-bit integer");
            ApiError::new(ErrorCode::ParameterInvalid, detail).member("field", name)
        })
    }

    /// Gives a field a value.
    pub(crate) fn set(&mut self, name: &str, text: &str) {
        self.values.insert(name.to_owned(), text.into());
    }

    /// Gives a field a value unless it has one.
    pub(crate) fn default_to(&mut self, name: &str, value: impl Into<Value>) {
        if !self.values.contains_key(name) {
            self.values.insert(name.to_owned(), value.into());
        }
    }

    /// Builds the command; defaults for fields that it does not have are left out.
    pub(crate) fn build(mut self, command: CommandType) -> Result<WireCommand, ApiError> {
        let fields = command.info().fields;
        let is_field = |name: &str| fields.iter().any(|field| field.name == name);
        for name in ["requestId", "delegationToken", "writerId", "segment"] {
            if !is_field(name) && self.source(name).is_none_or(|_| name == "segment") {
                self.values.remove(name);
            }
        }
        let sources = self.sources;
        WireCommand::from_fields(command, self.values).map_err(|error| {
            let source = sources.iter().find(|(name, _)| *name == error.field).map(|(_, source)| *source);
            field_error(&error, source)
        })
    }

    /// Refuses what nothing took.
    pub(crate) fn finish(self, command: CommandType) -> Result<(), ApiError> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(unknown) => {
                let detail = format!("field {unknown} is not one of {}", command.info().name);
                Err(ApiError::new(ErrorCode::ParameterUnknown, detail).member("field", unknown.as_str()))
            }
        }
    }

    fn source(&self, name: &str) -> Option<FieldSource> {
        self.sources.iter().find(|(given, _)| given == name).map(|(_, source)| *source)
    }
}

/// The members of a JSON object, also those that have one name.
struct ObjectMembers(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for ObjectMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = ObjectMembers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ObjectMembers, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(ObjectMembers(members))
    }
}

/// `attribute-id` → `attributeId`.
fn camel_case(kebab: &str) -> String {
    let mut words = kebab.split('-');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.extend(letters);
    }
    camel
}

/// `attributeId` → `attribute-id`.
pub(crate) fn kebab_case(camel: &str) -> String {
    let mut kebab = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_name_survives_the_way_through_a_header() {
        for field in CommandType::ALL.iter().flat_map(|command| command.info().fields) {
            assert_eq!(camel_case(&kebab_case(field.name)), field.name);
        }
    }

    #[test]
    fn field_in_parameter_and_header_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("wire-attribute-id", http::HeaderValue::from_static("x"));
        let gathered = FieldValues::gather(Some("attributeId=y"), &headers);
        assert_eq!(gathered.map_err(|error| error.code()).err(), Some(ErrorCode::ParameterRepeated));
    }
    #[test]
    fn field_twice_in_the_document_or_beside_it_is_refused() {
        let command = CommandType::GetSegmentAttribute;
        let mut values = FieldValues::default();
        let twice = Bytes::from_static(br#"{"attributeId": "x", "attributeId": "x"}"#);
        let refused = values.take_document(command, &twice).map_err(|error| error.code());
        assert_eq!(refused.err(), Some(ErrorCode::ParameterRepeated));
        let mut values = FieldValues::gather(Some("attributeId=x"), &HeaderMap::new()).expect("given once");
        let beside = values.take_document(command, &Bytes::from_static(br#"{"attributeId": "x"}"#));
        assert_eq!(beside.map_err(|error| error.code()).err(), Some(ErrorCode::ParameterRepeated));
    }
}
