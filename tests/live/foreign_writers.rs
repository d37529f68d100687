//! The gateway reads what other clients wrote: every event, in every format, in order per routing key.

use crate::support::events::{Form, Keyed, MAX_EVENT, assert_same_by_key, kinds, numbered, random, read_as};
use crate::support::foreign::Foreign;
use crate::support::{Gateway, Stream};

const KEYS: [&str; 6] = ["a", "b", "sensor-7", "é", "日本語", "😀"];

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn every_form_gives_what_java_wrote_to_one_segment() {
    every_form_gives_what_was_written(Foreign::Java, 1).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn every_form_gives_what_java_wrote_to_four_segments() {
    every_form_gives_what_was_written(Foreign::Java, 4).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn every_form_gives_what_python_wrote_to_one_segment() {
    every_form_gives_what_was_written(Foreign::Python, 1).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn every_form_gives_what_python_wrote_to_four_segments() {
    every_form_gives_what_was_written(Foreign::Python, 4).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn every_form_gives_the_largest_event_that_others_wrote() {
    let gateway = Gateway::ready(&[]).await;
    for (writer, segments) in [(Foreign::Java, 1), (Foreign::Python, 1), (Foreign::Java, 4), (Foreign::Python, 4)] {
        let stream = Stream::create(&gateway, segments).await;
        let payload = random(MAX_EVENT);
        writer.write(&stream, &[(Some("key"), &payload), (Some("key"), b"after it")]).await;
        for form in Form::ALL {
            let mut read = Vec::new();
            for segment in 0..segments {
                read.extend(read_as(&gateway, &stream, segment, form).await);
            }
            assert!(read == [&payload[..], b"after it"], "{writer:?}, {segments} segments, {form:?}");
        }
    }
}

async fn every_form_gives_what_was_written(writer: Foreign, segments: u32) {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, segments).await;
    let mut written = numbered(&KEYS, 5);
    written.extend(kinds("kinds"));
    let events: Vec<_> = written.iter().map(|Keyed { key, payload }| (Some(key.as_str()), &payload[..])).collect();
    writer.write(&stream, &events).await;
    for form in Form::ALL {
        let mut read = Vec::new();
        for segment in 0..segments {
            read.extend(read_as(&gateway, &stream, segment, form).await);
        }
        assert_same_by_key(&read, &written);
    }
}
