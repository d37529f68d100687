//! Events to write, how to compare them with what is read, and every format in which the gateway returns them.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::{Answer, Gateway, Stream};

/// Largest payload of an event.
pub(crate) const MAX_EVENT: usize = 8_388_608;

/// An event to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keyed {
    pub(crate) key: String,
    pub(crate) payload: Vec<u8>,
}

impl Keyed {
    pub(crate) fn new(key: &str, payload: impl Into<Vec<u8>>) -> Self {
        Self { key: key.to_owned(), payload: payload.into() }
    }
}

/// `rounds` events for each key, alternating keys; no two payloads are equal.
pub(crate) fn numbered(keys: &[&str], rounds: usize) -> Vec<Keyed> {
    let round = |number| keys.iter().map(move |key| Keyed::new(key, format!("{key} no. {number}")));
    (0..rounds).flat_map(round).collect()
}

/// Payloads of every kind under one key: a byte, line ends, UTF-8, random bytes.
pub(crate) fn kinds(key: &str) -> Vec<Keyed> {
    let payloads = [vec![0], b"\r\n".to_vec(), "é日本😀\u{0}\"\\".into(), random(1), random(3000), (0..=255).collect()];
    payloads.map(|payload| Keyed::new(key, payload)).to_vec()
}

/// Random bytes that are not UTF-8.
pub(crate) fn random(len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len).map(|_| rand::random()).collect();
    bytes[0] = 0xff;
    bytes
}

/// Checks that exactly the written events were read, in order for each key.
#[track_caller]
pub(crate) fn assert_same_by_key(read: &[Vec<u8>], written: &[Keyed]) {
    let keys: HashMap<_, _> = written.iter().map(|event| (&event.payload, &event.key)).collect();
    assert_eq!(keys.len(), written.len(), "the payloads differ");
    let mut of_key: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for payload in read {
        let key = keys.get(payload).unwrap_or_else(|| panic!("no one wrote {:?}", brief(payload)));
        of_key.entry(key.as_str()).or_default().push(payload);
    }
    let mut expected: BTreeMap<_, Vec<_>> = BTreeMap::new();
    written.iter().for_each(|event| expected.entry(event.key.as_str()).or_default().push(&event.payload));
    let briefly = |of_key: &BTreeMap<&str, Vec<&Vec<u8>>>| format!("{:?}", briefs(of_key));
    assert!(of_key == expected, "read {}\nwritten {}", briefly(&of_key), briefly(&expected));
}

fn briefs<'a>(of_key: &BTreeMap<&'a str, Vec<&Vec<u8>>>) -> BTreeMap<&'a str, Vec<String>> {
    of_key.iter().map(|(key, payloads)| (*key, payloads.iter().map(|payload| brief(payload)).collect())).collect()
}

fn brief(payload: &[u8]) -> String {
    format!("{} ({} bytes)", payload[..payload.len().min(20)].escape_ascii(), payload.len())
}

/// The format in which the gateway returns events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON document.
    Document,
    /// A JSON object per line.
    Lines,
    /// Framed as in the segment.
    Framed,
    /// One event's payload alone.
    Bare,
}

impl Form {
    pub(crate) const ALL: [Self; 4] = [Self::Document, Self::Lines, Self::Framed, Self::Bare];

    fn accept(self) -> &'static str {
        match self {
            Self::Document => "application/json",
            Self::Lines => "application/x-ndjson",
            Self::Framed => "application/vnd.pravega.events",
            Self::Bare => "application/octet-stream",
        }
    }

    fn payloads(self, body: &[u8]) -> Vec<Vec<u8>> {
        match self {
            Self::Document => {
                let document: Value = serde_json::from_slice(body).expect("JSON");
                document["events"].as_array().expect("events").iter().map(payload).collect()
            }
            Self::Lines => {
                let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                lines.map(|line| payload(&serde_json::from_slice(line).expect("JSON"))).collect()
            }
            Self::Framed => deframe(body),
            Self::Bare => vec![body.to_vec()],
        }
    }
}

/// Reads a segment from its head to its tail in one format.
pub(crate) async fn read_as(gateway: &Gateway, stream: &Stream, segment: u32, form: Form) -> Vec<Vec<u8>> {
    let count = if form == Form::Bare { "&count=1" } else { "" };
    let path = format!("{}&segment={segment}{count}", stream.events());
    let mut payloads = Vec::new();
    let mut offset = String::new();
    loop {
        let answer = Answer::of(gateway.get(&(path.clone() + &offset)).header("Accept", form.accept())).await;
        if answer.status == 204 {
            assert_eq!((form, answer.header("up-to-date")), (Form::Bare, "true"));
            return payloads;
        }
        let answer = answer.expect(200);
        assert!(answer.header("content-type").starts_with(form.accept()));
        payloads.extend(form.payloads(&answer.body));
        if answer.headers.contains_key("up-to-date") {
            return payloads;
        }
        let next = format!("&offset={}", answer.header("next-offset"));
        assert_ne!(next, offset, "a page that is not the last holds events");
        offset = next;
    }
}

/// The payload of an event in JSON, which is text if it is UTF-8 and else base64.
fn payload(event: &Value) -> Vec<u8> {
    if let Some(text) = event["text"].as_str() {
        return text.as_bytes().to_vec();
    }
    let bytes = BASE64.decode(event["base64"].as_str().expect("text or base64")).expect("base64");
    assert!(std::str::from_utf8(&bytes).is_err(), "UTF-8 comes as text");
    bytes
}

/// The payloads of framed events.
pub(crate) fn deframe(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<8>() {
        assert_eq!(header[..4], [0; 4], "an event's type");
        let length = i32::from_be_bytes(header[4..].try_into().expect("four bytes"));
        let (payload, rest) = rest.split_at(usize::try_from(length).expect("a length"));
        payloads.push(payload.to_vec());
        bytes = rest;
    }
    assert!(bytes.is_empty(), "whole events only");
    payloads
}
