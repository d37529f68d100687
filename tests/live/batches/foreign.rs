//! Batches that Pravega's Java client reads event by event, byte for byte.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{DESCRIBED, FRAMES, framed, post};
use crate::support::events::{Keyed, assert_same_by_key, random};
use crate::support::foreign::Foreign;
use crate::support::{Gateway, Stream};

const FRAMED_EVENTS: usize = 10_000;

/// What a Kubernetes API server sends to an audit webhook.
const EVENT_LIST: &str = include_str!("../data/audit-event-list.json");

/// What GitHub sends for a push.
const PUSH: &str = include_str!("../data/push-webhook.json");

async fn assert_java_reads(stream: &Stream, written: &[Keyed]) {
    let read = Foreign::Java.read(stream, written.len()).await;
    assert_same_by_key(&read, written);
}

/// The source text of each element of an array.
fn elements(array: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(array.get()).expect("an array")
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn json_array_is_an_event_per_element_as_it_stands() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 3).await;
    let body =
        "[ {\"id\" : 1, \"pi\":3.1400, \"pi\":3},\n \"text, ]\\u0041\", 12345678901234567890123, [1, [2]], null,true ]";
    let answer = post(&gateway, &stream, "application/json", "&split=&routing-key=one", body).await.expect(200).json();
    assert_eq!(answer["events"], 6);
    let texts = [
        "{\"id\" : 1, \"pi\":3.1400, \"pi\":3}",
        "\"text, ]\\u0041\"",
        "12345678901234567890123",
        "[1, [2]]",
        "null",
        "true",
    ];
    assert_java_reads(&stream, &texts.map(|text| Keyed::new("one", text))).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn audit_event_list_is_an_event_per_item_keyed_by_its_audit_id() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 3).await;
    let more = "&split=/items&key-from=/auditID";
    let answer = post(&gateway, &stream, "application/json", more, EVENT_LIST).await.expect(200).json();
    let list: std::collections::HashMap<&str, &RawValue> = serde_json::from_str(EVENT_LIST).expect("JSON");
    let items = elements(list["items"]);
    assert_eq!(answer["events"], items.len());
    let keyed = |item: &&RawValue| {
        let event: Value = serde_json::from_str(item.get()).expect("JSON");
        Keyed::new(event["auditID"].as_str().expect("an id"), item.get())
    };
    assert_java_reads(&stream, &items.iter().map(keyed).collect::<Vec<_>>()).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn webhook_is_one_event_keyed_by_a_member_of_its_body() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 3).await;
    let more = "&key-from=/repository/full_name";
    let created = post(&gateway, &stream, "application/json", more, PUSH).await.expect(201).json();
    let same_key = stream.append(&gateway, Some("octo/shop"), "after it").await;
    assert_eq!(created["segment"], same_key, "the key is the repository's name");
    assert_java_reads(&stream, &[Keyed::new("octo/shop", PUSH), Keyed::new("octo/shop", "after it")]).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn framed_batch_of_ten_thousand_lands_event_by_event() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let event = |number: usize| [number.to_be_bytes().to_vec(), random(1 + number % 300)].concat();
    let events: Vec<_> = (0..FRAMED_EVENTS).map(event).collect();
    let body = events.iter().flat_map(|event| framed(event)).collect::<Vec<_>>();
    let next_offset = body.len();
    let answer = post(&gateway, &stream, FRAMES, "&routing-key=k", body).await.expect(200).json();
    let sums = json!({ "segment": "0.#epoch.0", "events": FRAMED_EVENTS, "offset": 0, "nextOffset": next_offset });
    assert_eq!(answer, json!({ "events": FRAMED_EVENTS, "segments": [sums] }));
    let written: Vec<_> = events.into_iter().map(|event| Keyed::new("k", event)).collect();
    assert_java_reads(&stream, &written).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn described_events_have_their_own_keys_and_forms() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 3).await;
    let body = r#"{"events":[{"routingKey":"a","json":{"n": 1.0}},{"routingKey":"b","text":"é\n"},
        {"routingKey":"a","base64":"AP8="},{"text":"keyed by the request"},{"routingKey":"","json":null}]}"#;
    post(&gateway, &stream, DESCRIBED, "&routing-key=b", body).await.expect(200);
    let written = [
        Keyed::new("a", r#"{"n": 1.0}"#),
        Keyed::new("b", "é\n"),
        Keyed::new("a", [0, 0xff]),
        Keyed::new("b", "keyed by the request"),
        Keyed::new("", "null"),
    ];
    for (key, payload) in [("a", "1"), ("b", "2"), ("", "3")] {
        let segment = stream.append(&gateway, Some(key), payload).await;
        let of_key = written.iter().filter(|event| event.key == key);
        let events = stream.read_all(&gateway).await;
        let segment_of =
            |payload: &[u8]| &events.iter().find(|event| event.payload == payload).expect("stored").segment;
        of_key.for_each(|event| assert_eq!(*segment_of(&event.payload), segment, "{event:?}"));
    }
    let probes = [Keyed::new("a", "1"), Keyed::new("b", "2"), Keyed::new("", "3")];
    assert_java_reads(&stream, &[&written[..], &probes].concat()).await;
}
