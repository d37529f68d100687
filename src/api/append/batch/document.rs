//! A JSON document that holds events.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::api::append::batch::elements::Elements;
use crate::api::append::batch::item::{Item, MalformedEvent};
use crate::api::append::json_pointer::{JsonPointer, find};
use crate::api::error::{ApiError, ErrorCode};
use crate::budget::Permit;

/// A document that is known to be JSON, and which of its events were taken. Events share its memory where they can.
pub(super) struct Document {
    text: Bytes,
    whole: Arc<Permit>,
    elements: Elements,
    kind: Kind,
    max_event: usize,
}

/// What the elements are.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Events.
    Events,
    /// Descriptions of events.
    Descriptions,
}

/// `{"events":[…]}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described<'d> {
    #[serde(borrow)]
    events: &'d RawValue,
}

/// An event and its routing key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Description<'d> {
    routing_key: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    json: Option<&'d RawValue>,
    #[serde(borrow, default)]
    text: Option<Text<'d>>,
    #[serde(borrow, default)]
    base64: Option<Text<'d>>,
}

/// Text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'d>(#[serde(borrow)] Cow<'d, str>);

/// `null` is a value, too.
fn present<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<&'d RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl Document {
    /// A document whose events are described one by one, in the array `events`.
    ///
    /// # Errors
    /// `400 body_invalid` where it is not.
    pub(super) fn described(text: Bytes, whole: Permit, max_event: usize) -> Result<Self, ApiError> {
        let described: Described<'_> = serde_json::from_slice(&text)
            .map_err(|error| invalid(format!("the body is not {{\"events\":[…]}}: {error}")))?;
        let elements = elements(&text, described.events, "member events")?;
        Ok(Self { text, whole: Arc::new(whole), elements, kind: Kind::Descriptions, max_event })
    }

    /// A document with an array of events at a pointer.
    ///
    /// # Errors
    /// `400 body_invalid` where it has none.
    pub(super) fn split(text: Bytes, whole: Permit, pointer: &JsonPointer, max_event: usize) -> Result<Self, ApiError> {
        let found = find(&text, pointer).map_err(|error| invalid(format!("the body is not JSON: {error}")))?;
        let array = found.ok_or_else(|| invalid("the body has nothing at the JSON pointer in split".to_owned()))?;
        let elements = elements(&text, array, "the value at the JSON pointer in split")?;
        Ok(Self { text, whole: Arc::new(whole), elements, kind: Kind::Events, max_event })
    }

    pub(super) fn next(&mut self, index: u64) -> Result<Option<Item>, ApiError> {
        let Some(element) = self.elements.next(&self.text) else {
            return Ok(None);
        };
        let (payload, key) = match self.kind {
            Kind::Events => (self.part(element), None),
            Kind::Descriptions => self.describe(element, index)?,
        };
        if payload.len() > self.max_event {
            return Err(MalformedEvent::TooLarge { max_event: self.max_event }.at(index));
        }
        let shares_memory = self.text.as_ptr_range().contains(&payload.as_ptr());
        let own_bytes = if shares_memory { 0 } else { payload.len() };
        Ok(Some(Item { payload, key, own_bytes, permit: Permit::part_of(&self.whole) }))
    }

    /// The bytes of a part, which stay in the memory of the whole.
    fn part(&self, text: &str) -> Bytes {
        self.text.slice_ref(text.as_bytes())
    }

    fn describe(&self, element: &str, index: u64) -> Result<(Bytes, Option<String>), ApiError> {
        let broken = |why: &dyn std::fmt::Display| invalid(format!("event {index} of the batch: {why}"));
        let Description { routing_key, json, text, base64 } =
            serde_json::from_str(element).map_err(|error| broken(&error))?;
        let payload = match (json, text, base64) {
            (Some(json), None, None) => self.part(json.get()),
            (None, Some(Text(Cow::Borrowed(text))), None) => self.part(text),
            (None, Some(Text(Cow::Owned(text))), None) => Bytes::from(text),
            (None, None, Some(Text(text))) => {
                let decoded = BASE64.decode(text.as_bytes());
                decoded.map_err(|error| broken(&format_args!("base64: {error}")))?.into()
            }
            _ => return Err(broken(&"expected one of json, text and base64")),
        };
        Ok((payload, routing_key))
    }

    pub(super) fn count_rest(mut self) -> u64 {
        std::iter::from_fn(|| self.elements.next(&self.text).map(drop)).count() as u64
    }
}

fn elements(text: &Bytes, array: &RawValue, name: &str) -> Result<Elements, ApiError> {
    let begin = array.get().as_ptr() as usize - text.as_ptr() as usize;
    Elements::of(text, begin).ok_or_else(|| invalid(format!("{name} is not an array")))
}

fn invalid(detail: String) -> ApiError {
    ApiError::new(ErrorCode::BodyInvalid, detail)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::budget::{Budget, Part};
    use crate::config::Size;

    fn permit() -> Permit {
        Budget::new(Size::kib(1), Duration::ZERO).nothing(Part::WholeBodies)
    }

    fn described(text: &'static str) -> Result<Document, String> {
        Document::described(text.into(), permit(), 20).map_err(|error| error.detail().to_owned())
    }

    fn split(text: &'static str, pointer: &str) -> Result<Document, String> {
        let pointer = pointer.parse().expect("a pointer");
        Document::split(text.into(), permit(), &pointer, 20).map_err(|error| error.detail().to_owned())
    }

    /// Payload and key of each event up to the first broken one, whose fault comes last.
    fn taken(document: Result<Document, String>) -> (Vec<(String, Option<String>)>, Option<String>) {
        let mut document = document.expect("well formed");
        let mut events = Vec::new();
        loop {
            match document.next(events.len() as u64) {
                Ok(None) => return (events, None),
                Err(error) => return (events, Some(error.detail().to_owned())),
                Ok(Some(item)) => events.push((String::from_utf8_lossy(&item.payload).into_owned(), item.key)),
            }
        }
    }

    fn event(payload: &str, key: Option<&str>) -> (String, Option<String>) {
        (payload.to_owned(), key.map(str::to_owned))
    }

    #[test]
    fn described_events_have_their_source_bytes_and_keys() {
        let text = r#" {"events" : [ {"routingKey":"k","json": {"a": 1.50, "a":2} }, {"json":null},
            {"text":"é\n","routingKey":""}, {"text":"plain","routingKey":null}, {"base64":"AP8="} ]} "#;
        let (events, broken) = taken(described(text));
        assert_eq!(broken, None);
        let expected = [
            event(r#"{"a": 1.50, "a":2}"#, Some("k")),
            event("null", None),
            event("é\n", Some("")),
            event("plain", None),
            event("\0\u{fffd}", None),
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn description_that_is_none_breaks_the_batch_there() {
        for (bad, says) in [
            (r#"{"events":[{"text":"a"},{"text":"a","json":1}]}"#, "one of json, text and base64"),
            (r#"{"events":[{"text":"a"},{"routingKey":"k"}]}"#, "one of json, text and base64"),
            (r#"{"events":[{"text":"a"},{"base64":"A"}]}"#, "base64"),
            (r#"{"events":[{"text":"a"},{"text":"a","key":"k"}]}"#, "unknown field `key`"),
            (r#"{"events":[{"text":"a"},{"text":7}]}"#, "string"),
            (r#"{"events":[{"text":"a"},"a"]}"#, "invalid type"),
            (r#"{"events":[{"text":"a"},{"text":"123456789012345678901"}]}"#, "more than 20 bytes"),
        ] {
            let (events, broken) = taken(described(bad));
            assert_eq!(events, [event("a", None)], "{bad}");
            let broken = broken.expect("the second is broken");
            assert!(broken.contains(says) && broken.starts_with("event 1 of the batch"), "{broken}");
        }
    }

    #[test]
    fn document_is_checked_before_anything_is_taken() {
        for bad in ["", "[]", r#"{"events":{}}"#, r#"{"events":[1]"#, r#"{"event":[]}"#, r#"{"events":[],"x":1}"#] {
            assert!(described(bad).is_err(), "{bad}");
        }
        for (bad, pointer) in [("", ""), ("{}", "/items"), (r#"{"items":{}}"#, "/items"), ("[1] x", "")] {
            assert!(split(bad, pointer).is_err(), "{bad}");
        }
    }

    #[test]
    fn split_elements_are_events_as_they_stand() {
        let (events, broken) = taken(split(r#"{"kind":"List","items":[{"a" :1}, "b",3]}"#, "/items"));
        assert_eq!((events.len(), broken), (3, None));
        assert_eq!(events[..2], [event(r#"{"a" :1}"#, None), event("\"b\"", None)]);
        assert!(taken(split("[]", "")).0.is_empty());
    }

    #[test]
    fn rest_is_counted() {
        let mut document = split("[1,2,3]", "").expect("an array");
        document.next(0).expect("an event");
        assert_eq!(document.count_rest(), 2);
    }
}
