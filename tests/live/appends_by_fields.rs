//! Appends of every form by their fields.

use serde_json::json;
use uuid::Uuid;

use crate::support::foreign::Foreign;
use crate::support::stream::payloads;
use crate::support::wire::{framed, path, post_fields};
use crate::support::{Answer, Gateway, Stream};

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn every_form_of_append_is_stored() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let two_events = |one: &[u8], other: &[u8]| [framed(one), framed(other)].concat();
    let mut end = 0;

    for (command, body) in [
        ("Event", b"event".to_vec()),
        ("AppendBlock", two_events(b"block 1", b"block 2")),
        ("AppendBlockEnd", two_events(b"end 1", b"end 2")),
        ("ConditionalAppend", b"conditional".to_vec()),
        ("ConditionalBlockEnd", two_events(b"conditional 1", b"conditional 2")),
        ("Event", b"event again".to_vec()),
    ] {
        let expected =
            if command.starts_with("Conditional") { format!("&expectedOffset={end}") } else { String::new() };
        let is_payload = matches!(command, "Event" | "ConditionalAppend");
        end += body.len() + if is_payload { 8 } else { 0 };
        let request = gateway.post(&(path(command, &stream, 0) + &expected)).body(body);
        let answer = Answer::of(request).await.expect(200);
        assert_eq!(answer.header("message-name"), "DataAppended", "{command}");
        assert_eq!(answer.header("wire-current-segment-write-offset"), end.to_string(), "{command}");
    }

    let expected = [
        "event",
        "block 1",
        "block 2",
        "end 1",
        "end 2",
        "conditional",
        "conditional 1",
        "conditional 2",
        "event again",
    ]
    .map(str::as_bytes);
    assert_eq!(payloads(&stream.read_all(&gateway).await), expected);
    assert_eq!(Foreign::Java.read(&stream, expected.len()).await, expected);
}

#[tokio::test]
async fn set_up_tells_the_writers_last_number() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let writer = Uuid::new_v4().to_string();
    let fields = json!({ "segment": stream.segment(0), "writerId": writer, "requestId": 9 });
    let (status, reply) = post_fields(&gateway, "SetupAppend", &fields).await;
    let expected = |last: i64| json!({ "requestId": 9, "segment": stream.segment(0), "writerId": writer, "lastEventNumber": last });
    assert_eq!((status, &reply["fields"]), (200, &expected(i64::MIN)));
    let path = format!("{}&writerId={writer}&eventNumber=41", path("Event", &stream, 0));
    let answer = Answer::of(gateway.post(&path).body("x")).await.expect(200);
    assert_eq!((answer.header("wire-event-number"), answer.header("wire-writer-id")), ("41", &*writer));
    let (_, reply) = post_fields(&gateway, "SetupAppend", &fields).await;
    assert_eq!(reply["fields"], expected(41));
}

#[tokio::test]
async fn conditional_append_at_another_offset_is_412_and_not_stored() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "there").await;
    for (command, body) in [("ConditionalAppend", b"late".to_vec()), ("ConditionalBlockEnd", framed(b"late"))] {
        let path = format!("{}&expectedOffset=0", path(command, &stream, 0));
        let answer = Answer::of(gateway.post(&path).body(body)).await.expect(412);
        assert_eq!(answer.header("message-name"), "ConditionalCheckFailed");
    }
    assert_eq!(payloads(&stream.read_all(&gateway).await), [b"there"]);
}

#[tokio::test]
async fn field_in_parameter_and_header_of_an_append_is_400() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let path = format!("{}&eventNumber=1", path("Event", &stream, 0));
    let twice = gateway.post(&path).header("Wire-Event-Number", "1").body("x");
    assert_eq!(Answer::of(twice).await.expect(400).json()["code"], "parameter_repeated");
    assert!(stream.read_all(&gateway).await.is_empty());
}

#[tokio::test]
async fn two_gateways_of_one_name_append_side_by_side() {
    // Both take the ids of their writers from the host's name and the address that they were told to listen on.
    let gateways = [Gateway::ready(&[]).await, Gateway::ready(&[]).await];
    let stream = Stream::create(&gateways[0], 1).await;
    let path = path("Event", &stream, 0);
    let post = |gateway: &Gateway, number: usize| Answer::of(gateway.post(&path).body(format!("event {number}")));
    for round in 0..10 {
        let posts = (0..4).flat_map(|number| gateways.iter().map(move |gateway| (gateway, number)));
        let answers = futures::future::join_all(posts.map(|(gateway, number)| post(gateway, 4 * round + number))).await;
        answers.into_iter().for_each(|answer| drop(answer.expect(200)));
    }
    assert_eq!(stream.read_all(&gateways[0]).await.len(), 80);
}
