//! Pages as bodies, made piece by piece as they are taken: text takes up to six times its bytes as JSON, and the budget
//! knows only of the bytes.

use std::convert::Infallible;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures::stream;
use pravega_protocol::stream::SegmentId;
use pravega_protocol::wire::event::event_header;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::read::portable_json::is_portable;
use crate::read::Event;

/// Bytes after which a piece is whole.
const PIECE_BYTES: usize = 64 * 1024;

/// Bytes of one payload that are turned into JSON at once; a multiple of 3, as base64 has it.
const SLICE_BYTES: usize = 12 * 1024;

/// How payloads stand in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Text,
    Base64,
}

impl std::str::FromStr for Encoding {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            "base64" => Ok(Self::Base64),
            _ => Err(()),
        }
    }
}

/// How a page's events stand together.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// In one JSON document.
    Document(Option<Encoding>, PageEnd),
    /// In a JSON object per line.
    Lines(Option<Encoding>),
    /// As they lie in the segment.
    Framed,
}

/// The members of a document after its events.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageEnd {
    pub(crate) next_offset: i64,
    pub(crate) up_to_date: bool,
    pub(crate) closed: bool,
}

/// A body of these events, which takes little more memory than they do. A short one has a length.
pub(crate) fn body(segment: SegmentId, events: Vec<Event>, shape: Shape) -> Body {
    let mut pieces = Pieces { segment, events: events.into_iter(), shape, payload: None, begun: false, ended: false };
    let first = pieces.next().unwrap_or_default();
    if pieces.is_done() {
        return Body::from(first);
    }
    Body::from_stream(stream::iter(std::iter::once(first).chain(pieces).map(Ok::<_, Infallible>)))
}

struct Pieces {
    segment: SegmentId,
    events: std::vec::IntoIter<Event>,
    shape: Shape,
    /// What is left of the event at hand.
    payload: Option<Payload>,
    /// Whether an event was begun.
    begun: bool,
    ended: bool,
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut piece = Vec::new();
        while piece.len() < PIECE_BYTES && !self.is_done() {
            self.write_some(&mut piece);
        }
        (!piece.is_empty()).then(|| piece.into())
    }
}

impl Pieces {
    fn is_done(&self) -> bool {
        self.ended && self.payload.is_none()
    }

    fn write_some(&mut self, out: &mut Vec<u8>) {
        if let Some(payload) = self.payload.take() {
            self.payload = payload.write_slice(out);
            if self.payload.is_none() {
                self.end_event(out);
            }
            return;
        }
        if !self.begun && matches!(self.shape, Shape::Document(..)) {
            out.extend_from_slice(b"{\"events\":[");
        }
        match self.events.next() {
            Some(event) => self.begin_event(event, out),
            None => self.end(out),
        }
        self.begun = true;
    }

    fn begin_event(&mut self, event: Event, out: &mut Vec<u8>) {
        let Event { offset, next_offset, payload } = event;
        let encoding = match self.shape {
            Shape::Framed => {
                out.extend_from_slice(&event_header(payload.len()));
                self.payload = Some(Payload::raw(payload));
                return;
            }
            Shape::Document(encoding, _) => {
                if self.begun {
                    out.push(b',');
                }
                encoding
            }
            Shape::Lines(encoding) => encoding,
        };
        write_open(&EventPlace { segment: self.segment, offset, next_offset }, out);
        let payload = Payload::of(payload, encoding);
        out.extend_from_slice(payload.kind.member().as_bytes());
        self.payload = Some(payload);
    }

    fn end_event(&self, out: &mut Vec<u8>) {
        match self.shape {
            Shape::Document(..) => out.push(b'}'),
            Shape::Lines(_) => out.extend_from_slice(b"}\n"),
            Shape::Framed => {}
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        if let Shape::Document(_, end) = self.shape {
            out.extend_from_slice(b"],");
            let start = out.len();
            write_json(&end, out);
            out.remove(start);
        }
    }
}

/// What stands before a payload.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventPlace {
    segment: SegmentId,
    offset: i64,
    next_offset: i64,
}

/// An object that goes on.
fn write_open(object: &impl Serialize, out: &mut Vec<u8>) {
    write_json(object, out);
    out.pop();
}

fn write_json(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a vector takes any bytes");
}

/// A payload, or what is left of it.
struct Payload {
    kind: Kind,
    rest: Bytes,
    begun: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// UTF-8.
    Text,
    Base64,
    /// Source text, so that no digit and no member is lost.
    Json,
    Raw,
}

impl Kind {
    /// The name of the member that holds it, and what separates it from the one before.
    fn member(self) -> &'static str {
        match self {
            Self::Text => ",\"text\":",
            Self::Base64 => ",\"base64\":",
            Self::Json => ",\"json\":",
            Self::Raw => "",
        }
    }
}

impl Payload {
    fn raw(rest: Bytes) -> Self {
        Self { kind: Kind::Raw, rest, begun: false }
    }

    /// A payload that cannot take the form that was asked for comes as text, or else as base64.
    fn of(bytes: Bytes, encoding: Option<Encoding>) -> Self {
        let json = if encoding == Some(Encoding::Json) { one_line(&bytes) } else { None };
        let (kind, rest) = match json {
            Some(json) => (Kind::Json, json),
            None if encoding != Some(Encoding::Base64) && std::str::from_utf8(&bytes).is_ok() => (Kind::Text, bytes),
            None => (Kind::Base64, bytes),
        };
        Self { kind, rest, begun: false }
    }

    /// Writes what one slice holds; gives what is left.
    fn write_slice(mut self, out: &mut Vec<u8>) -> Option<Self> {
        let slice = self.rest.split_to(self.slice_len());
        let is_last = self.rest.is_empty();
        match self.kind {
            Kind::Json | Kind::Raw => out.extend_from_slice(&slice),
            Kind::Text => {
                let text = std::str::from_utf8(&slice).expect("cut between characters of what was checked");
                write_within(text, self.begun, is_last, out);
            }
            Kind::Base64 => write_within(&BASE64.encode(&slice), self.begun, is_last, out),
        }
        self.begun = true;
        (!is_last).then_some(self)
    }

    /// Where a slice may end: for text, between characters.
    fn slice_len(&self) -> usize {
        if self.rest.len() <= SLICE_BYTES {
            return self.rest.len();
        }
        let is_inside = |at: &usize| self.kind == Kind::Text && self.rest[*at] & 0xC0 == 0x80;
        (0..=SLICE_BYTES).rev().find(|at| !is_inside(at)).expect("the first byte begins a character")
    }
}

/// Writes part of a JSON string: its first part opens it, its last closes it.
fn write_within(part: &str, is_begun: bool, is_last: bool, out: &mut Vec<u8>) {
    let start = out.len();
    write_json(part, out);
    if !is_last {
        out.pop();
    }
    if is_begun {
        out.remove(start);
    }
}

/// JSON as it is, but for line ends between its tokens, which would break a line of NDJSON; strings have none. `None`
/// for what is no JSON, or what some parsers refuse: one event must not keep its readers from a page.
fn one_line(bytes: &Bytes) -> Option<Bytes> {
    let value: &RawValue = serde_json::from_slice(bytes).ok()?;
    let json = value.get();
    if !is_portable(json) {
        return None;
    }
    let breaks = ['\n', '\r'];
    Some(if json.contains(breaks) { json.replace(breaks, " ").into() } else { bytes.slice_ref(json.as_bytes()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use http_body::Body as _;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    const END: PageEnd = PageEnd { next_offset: 99, up_to_date: true, closed: false };

    fn events(payloads: &[&[u8]]) -> Vec<Event> {
        let event = |(index, payload): (usize, &&[u8])| {
            let offset = i64::try_from(index).expect("few");
            Event { offset, next_offset: offset + 1, payload: Bytes::copy_from_slice(payload) }
        };
        payloads.iter().enumerate().map(event).collect()
    }

    fn rendered(payloads: &[&[u8]], shape: Shape) -> Vec<u8> {
        let body = body(SegmentId::new(0, 0), events(payloads), shape);
        body.collect().now_or_never().expect("it waits for nothing").expect("it cannot fail").to_bytes().to_vec()
    }

    fn document(payloads: &[&[u8]], encoding: Option<Encoding>) -> Value {
        serde_json::from_slice(&rendered(payloads, Shape::Document(encoding, END))).expect("a document")
    }

    fn shown(payload: &[u8], encoding: Option<Encoding>) -> String {
        let line = String::from_utf8(rendered(&[payload], Shape::Lines(encoding))).expect("text");
        let (_, payload) = line.split_once("\"nextOffset\":1,").expect("a payload follows");
        payload.strip_suffix("}\n").expect("a line").to_owned()
    }

    #[test]
    fn document_holds_events_and_where_to_go_on() {
        let event = |offset: i64, text: &str| json!({ "segment": "0.#epoch.0", "offset": offset, "nextOffset": offset + 1, "text": text });
        for (payloads, expected) in [(&[][..], json!([])), (&[&b"a"[..], b""], json!([event(0, "a"), event(1, "")]))] {
            let whole = json!({ "events": expected, "nextOffset": 99, "upToDate": true, "closed": false });
            assert_eq!(document(payloads, None), whole);
        }
    }

    #[test]
    fn payload_is_text_where_it_can_be() {
        assert_eq!(shown("é\n".as_bytes(), None), r#""text":"é\n""#);
        assert_eq!(shown(b"\xff", None), r#""base64":"/w==""#);
        assert_eq!(shown(b"a", Some(Encoding::Base64)), r#""base64":"YQ==""#);
    }

    #[test]
    fn json_keeps_every_digit_and_member_and_stays_on_a_line() {
        let payload = b"{\"b\":12345678901234567890123,\r\n\"a\":1E2,\"a\":1e300}";
        let expected = "\"json\":{\"b\":12345678901234567890123,  \"a\":1E2,\"a\":1e300}";
        assert_eq!(shown(payload, Some(Encoding::Json)), expected);
        assert_eq!(shown(b" 1 ", Some(Encoding::Json)), "\"json\":1");
        assert_eq!(shown(b"{", Some(Encoding::Json)), r#""text":"{""#);
        assert_eq!(shown(b"\xff", Some(Encoding::Json)), r#""base64":"/w==""#);
    }

    #[test]
    fn framed_events_are_as_they_lie_in_the_segment() {
        assert_eq!(rendered(&[b"a", b""], Shape::Framed), b"\0\0\0\0\0\0\0\x01a\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn slices_are_cut_between_characters_and_add_up() {
        for unit in ["a", "é", "€", "😀", "\"\u{1}\n", "x€"] {
            for length in [SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + 1, 5 * SLICE_BYTES + 7] {
                let text = unit.repeat(length / unit.len() + 1);
                let bytes = text.as_bytes();
                assert_eq!(document(&[bytes, bytes], None)["events"][1]["text"], text, "{unit:?} {length}");
                let base64 = document(&[bytes], Some(Encoding::Base64))["events"][0]["base64"].clone();
                assert_eq!(base64, BASE64.encode(bytes), "{unit:?} {length}");
            }
        }
    }

    #[test]
    fn pieces_are_short_however_long_an_event_is() {
        let control = vec![1; 1024 * 1024];
        let shape = Shape::Document(None, END);
        let pieces = Pieces {
            segment: SegmentId::new(0, 0),
            events: events(&[&control]).into_iter(),
            shape,
            payload: None,
            begun: false,
            ended: false,
        };
        let lengths: Vec<_> = pieces.map(|piece| piece.len()).collect();
        assert!(lengths.iter().sum::<usize>() > 6 * control.len());
        assert!(lengths.iter().all(|length| *length < PIECE_BYTES + 6 * SLICE_BYTES + 256), "{lengths:?}");
        assert!(body(SegmentId::new(0, 0), events(&[b"short"]), shape).size_hint().exact().is_some());
    }
}
