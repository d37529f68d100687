//! How many blocks a batch takes, and when they are written.

use serde_json::json;

use super::{FRAMES, LINES, framed, post};
use crate::support::metrics::sample;
use crate::support::{Answer, Gateway, Stream};

const EVENTS: usize = 5000;

async fn blocks(gateway: &Gateway) -> f64 {
    sample(gateway, "pravega_gateway_append_blocks_total").await
}

#[tokio::test]
async fn each_segment_gets_its_part_of_a_batch_in_one_block() {
    let gateway = Gateway::ready(&[]).await;
    for segments in [1_u32, 4] {
        let stream = Stream::create(&gateway, segments).await;
        let array: String = (0..EVENTS).map(|number| format!("{{\"n\":{number}}},")).collect();
        let bodies = [
            (LINES, "", (0..EVENTS).map(|number| format!("line {number}\n")).collect::<String>().into_bytes()),
            (FRAMES, "", (0..EVENTS).flat_map(|number| framed(&number.to_be_bytes())).collect()),
            ("application/json", "&split=", format!("[{}]", array.trim_end_matches(',')).into_bytes()),
        ];
        for (kind, more, body) in bodies {
            let before = blocks(&gateway).await;
            let answer = post(&gateway, &stream, kind, more, body).await.expect(200).json();
            assert_eq!(answer["events"], EVENTS);
            assert_eq!(answer["segments"].as_array().map(Vec::len), usize::try_from(segments).ok(), "{answer}");
            assert_eq!(blocks(&gateway).await - before, f64::from(segments), "{kind} on {segments}");
        }
    }
}

#[tokio::test]
async fn batch_larger_than_a_block_takes_as_few_as_it_needs() {
    const LINE: usize = 1000;
    let gateway = Gateway::ready(&["--set", "append.max-block=64KiB"]).await;
    let stream = Stream::create(&gateway, 1).await;
    let line = format!("{}\n", "x".repeat(LINE - 1));
    let body = line.repeat(640);
    let before = blocks(&gateway).await;
    let answer = post(&gateway, &stream, LINES, "", body).await.expect(200).json();
    assert_eq!(answer["events"], 640);
    let least = (640 * (LINE + 7)).div_ceil(65536) as f64;
    let taken = blocks(&gateway).await - before;
    assert!((least..=3.0 * least).contains(&taken), "{taken} blocks, {least} at least");
}

#[tokio::test]
async fn events_are_written_although_the_body_is_not_over() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let (pieces, body) = tokio::sync::mpsc::channel::<Result<&str, std::io::Error>>(1);
    let body = futures::stream::unfold(body, |mut body| async move { Some((body.recv().await?, body)) });
    let request = gateway.post(&stream.events()).header("Content-Type", LINES);
    let upload = tokio::spawn(Answer::of(request.body(reqwest::Body::wrap_stream(body))));
    pieces.send(Ok("first\nsec")).await.expect("it is read");
    while stream.read_all(&gateway).await.is_empty() {
        tokio::task::yield_now().await;
    }
    pieces.send(Ok("ond")).await.expect("it is read");
    drop(pieces);
    let answer = upload.await.expect("it does not panic").expect(200).json();
    assert_eq!((&answer["events"], &answer["segments"][0]["nextOffset"]), (&json!(2), &json!(27)));
}
