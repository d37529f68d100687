//! Compressed bodies: the decompressed events are stored.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::RequestBuilder;

use super::{DESCRIBED, FRAMES, LINES, framed};
use crate::support::problem::Problem;
use crate::support::stream::payloads;
use crate::support::{Answer, Gateway, Stream};

const MIB: usize = 1024 * 1024;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes any bytes");
    encoder.finish().expect("memory takes any bytes")
}

fn compressed(request: RequestBuilder, body: &[u8]) -> RequestBuilder {
    request.header("Content-Encoding", "gzip").body(gzip(body))
}

#[tokio::test]
async fn every_form_of_append_is_taken_compressed() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let post = |kind: &str| gateway.post(&stream.events()).header("Content-Type", kind);
    Answer::of(compressed(post("text/plain"), b"single")).await.expect(201);
    Answer::of(compressed(post(LINES), b"line 1\nline 2")).await.expect(200);
    Answer::of(compressed(post(FRAMES), &framed(b"framed"))).await.expect(200);
    Answer::of(compressed(post(DESCRIBED), br#"{"events":[{"text":"described"}]}"#)).await.expect(200);
    let split = gateway.post(&(stream.events() + "&split="));
    Answer::of(compressed(split, b"[\"split\"]")).await.expect(200);
    let by_fields = format!("/v1/wire/Event?segment={}", stream.segment(0).replace('#', "%23"));
    Answer::of(compressed(gateway.post(&by_fields), b"by fields")).await.expect(200);
    let expected: [&[u8]; 7] = [b"single", b"line 1", b"line 2", b"framed", b"described", b"\"split\"", b"by fields"];
    assert_eq!(payloads(&stream.read_all(&gateway).await), expected);
}

#[tokio::test]
async fn message_length_counts_what_was_compressed() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let hello = [0, 0, 0, 16, 0, 0, 0, 5];
    let put = |length: &str| {
        let path = stream.events() + "&segment=0";
        gateway.put(&path).header("Message-Type", "-127").header("Message-Length", length)
    };
    Answer::of(compressed(put("8"), &hello)).await.expect(200);
    let answer = Answer::of(compressed(put(&gzip(&hello).len().to_string()), &hello)).await;
    Problem::of(answer, 400, "message_length_mismatch").changed_nothing();
}

#[tokio::test]
async fn limits_hold_for_what_was_compressed() {
    let gateway = Gateway::ready(&["--set", "append.max-event=1MiB"]).await;
    let stream = Stream::create(&gateway, 1).await;
    let post = || gateway.post(&stream.events());
    Answer::of(compressed(post(), &vec![0; MIB])).await.expect(201);
    let answer = Answer::of(compressed(post(), &vec![0; MIB + 1])).await;
    Problem::of(answer, 413, "event_too_large").changed_nothing();
    // a thousand times its own size
    let answer = Answer::of(compressed(post(), &vec![0; 100 * MIB])).await;
    Problem::of(answer, 413, "event_too_large").changed_nothing();
    assert_eq!(stream.read_all(&gateway).await.len(), 1);
}

#[tokio::test]
async fn body_that_is_no_gzip_is_400_and_not_stored() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let whole = gzip(b"an event");
    for broken in [b"an event".to_vec(), whole[..whole.len() - 3].to_vec(), [whole, b"more".to_vec()].concat()] {
        let request = gateway.post(&stream.events()).header("Content-Encoding", "gzip").body(broken);
        Problem::of(Answer::of(request).await, 400, "body_invalid").changed_nothing();
    }
    assert_eq!(stream.read_all(&gateway).await, []);
}
