//! Streams in Pravega, created and read through the gateway.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::http::{client, escape};
use super::{Answer, Gateway};

/// A stream that only this test uses.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) scope: String,
    pub(crate) name: String,
    pub(crate) segments: u32,
}

/// An event as the gateway returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) segment: String,
    pub(crate) offset: i64,
    pub(crate) next_offset: i64,
    pub(crate) payload: Vec<u8>,
}

impl Stream {
    /// Creates a scope and a stream in it through the gateway's control path.
    pub(crate) async fn create(gateway: &Gateway, segments: u32) -> Self {
        let random = uuid::Uuid::new_v4().simple();
        let stream = Self { scope: format!("scope{random}"), name: format!("stream{random}"), segments };
        stream.create_scope(gateway).await;
        stream.create_again(gateway).await;
        stream
    }

    /// Creates its scope, which must not exist.
    pub(crate) async fn create_scope(&self, gateway: &Gateway) {
        control(gateway, "/v1/scopes", &json!({ "scopeName": self.scope })).await;
    }

    /// Recreates it in its scope after it was deleted or lost.
    pub(crate) async fn create_again(&self, gateway: &Gateway) {
        let policy = json!({ "type": "FIXED_NUM_SEGMENTS", "minSegments": self.segments });
        let path = format!("/v1/scopes/{}/streams", self.scope);
        control(gateway, &path, &json!({ "streamName": self.name, "scalingPolicy": policy })).await;
    }

    /// Seals it through the control path.
    pub(crate) async fn seal(&self, gateway: &Gateway) {
        let request = gateway.put(&format!("{}/state", self.control())).header("Content-Type", "application/json");
        Answer::of(request.body(json!({ "streamState": "SEALED" }).to_string())).await.expect(200);
    }

    /// Deletes it; Pravega requires it to be sealed.
    pub(crate) async fn delete(&self, gateway: &Gateway) {
        Answer::of(client().delete(gateway.url(&self.control()))).await.expect(204);
    }

    fn control(&self) -> String {
        format!("/v1/scopes/{}/streams/{}", self.scope, self.name)
    }

    /// `/v1/events` for this stream; more parameters can be appended.
    pub(crate) fn events(&self) -> String {
        format!("/v1/events?scope={}&stream={}", self.scope, self.name)
    }

    /// The full name of a segment of the first epoch.
    pub(crate) fn segment(&self, number: u32) -> String {
        format!("{}/{}/{number}.#epoch.0", self.scope, self.name)
    }

    /// Appends one event with an optional key; returns its segment.
    pub(crate) async fn append(&self, gateway: &Gateway, key: Option<&str>, payload: impl Into<Vec<u8>>) -> String {
        let key = key.map(|key| format!("&routing-key={}", escape(key))).unwrap_or_default();
        let request = gateway.post(&(self.events() + &key)).body(payload.into());
        let answer = Answer::of(request).await.expect(201).json();
        answer["segment"].as_str().expect("a segment").to_owned()
    }

    /// All current events, segment by segment.
    pub(crate) async fn read_all(&self, gateway: &Gateway) -> Vec<Stored> {
        let mut all = Vec::new();
        for number in 0..self.segments {
            all.extend(self.read_segment(gateway, number).await);
        }
        all
    }

    /// All current events of one segment.
    pub(crate) async fn read_segment(&self, gateway: &Gateway, number: u32) -> Vec<Stored> {
        let mut events = Vec::new();
        let mut path = format!("{}&segment={number}&encoding=base64", self.events());
        loop {
            let page = Answer::of(gateway.get(&path)).await.expect(200).json();
            let before = events.len();
            events.extend(page["events"].as_array().expect("events").iter().map(stored));
            if page["upToDate"] == true {
                return events;
            }
            assert!(events.len() > before, "a page that is not the last holds events");
            path = format!("{}&segment={number}&encoding=base64&offset={}", self.events(), page["nextOffset"]);
        }
    }
}

/// The payloads alone.
pub(crate) fn payloads(events: &[Stored]) -> Vec<&[u8]> {
    events.iter().map(|event| event.payload.as_slice()).collect()
}

fn stored(event: &Value) -> Stored {
    let payload = event["base64"].as_str().expect("base64 was asked for");
    Stored {
        segment: event["segment"].as_str().expect("a segment").to_owned(),
        offset: event["offset"].as_i64().expect("an offset"),
        next_offset: event["nextOffset"].as_i64().expect("an offset"),
        payload: BASE64.decode(payload).expect("base64"),
    }
}

async fn control(gateway: &Gateway, path: &str, body: &Value) {
    let request = gateway.post(path).header("Content-Type", "application/json").body(body.to_string());
    Answer::of(request).await.expect(201);
}
