//! A caller that holds as much as one may.

use super::await_available;
use crate::support::metrics::hits;
use crate::support::problem::Problem;
use crate::support::raw_client::RawClient;
use crate::support::stream::payloads;
use crate::support::{Answer, Gateway, Stream};

const SETTING: &str = "limits.caller-bytes-in-flight";
const KIB: usize = 1024;
const TOTAL: usize = 64 * KIB * KIB;

async fn sharing_gateway() -> (Gateway, Stream) {
    let gateway = Gateway::ready(&["--set", &format!("{SETTING}=64KiB")]).await;
    let stream = Stream::create(&gateway, 1).await;
    (gateway, stream)
}

/// A body that takes this caller's whole share and is not finished.
async fn hold_share(gateway: &Gateway, stream: &Stream, headers: &[&str]) -> RawClient {
    let length = format!("Content-Length: {}", 64 * KIB);
    let mut client = RawClient::begin(gateway, "POST", &stream.events(), &[headers, &[&length]].concat()).await;
    client.send("x").await;
    await_available(gateway, (TOTAL - 64 * KIB) as f64).await;
    client
}

#[tokio::test]
async fn caller_over_its_share_is_429_and_others_are_served() {
    let (gateway, stream) = sharing_gateway().await;
    let slow = hold_share(&gateway, &stream, &["Authorization: Basic YWRhOjE="]).await;
    let calls = [
        gateway.post(&stream.events()).body("event"),
        gateway.post(&stream.events()).header("Content-Type", "application/x-ndjson").body("event\n"),
        gateway.post(&format!("/v1/wire/Event?segment={}", stream.segment(0).replace('#', "%23"))).body("event"),
    ];
    for (index, call) in calls.into_iter().enumerate() {
        let answer = Answer::of(call.header("Authorization", "Basic YWRhOjE=")).await;
        let problem = Problem::of(answer, 429, "caller_over_share");
        problem.changed_nothing().says(SETTING);
        assert_eq!(*problem.member("retryable"), true);
        assert_eq!(hits(&gateway, SETTING).await, index as u64 + 1);
    }
    let other = gateway.post(&stream.events()).header("Authorization", "Basic Ym9iOjE=").body("bob's");
    Answer::of(other).await.expect(201);
    stream.append(&gateway, None, "nobody's").await;
    drop(slow);
    await_available(&gateway, TOTAL as f64).await;
    let again = gateway.post(&stream.events()).header("Authorization", "Basic YWRhOjE=").body("ada's");
    Answer::of(again).await.expect(201);
    assert_eq!(payloads(&stream.read_all(&gateway).await), [&b"bob's"[..], b"nobody's", b"ada's"]);
}

#[tokio::test]
async fn callers_that_show_nothing_share_by_their_address() {
    let (gateway, stream) = sharing_gateway().await;
    let _slow = hold_share(&gateway, &stream, &[]).await;
    let answer = Answer::of(gateway.post(&stream.events()).body("event")).await;
    Problem::of(answer, 429, "caller_over_share");
    Answer::of(gateway.post(&stream.events()).header("Authorization", "Bearer x").body("event")).await.expect(201);
}

#[tokio::test]
async fn page_is_lowered_to_the_callers_share() {
    let (gateway, stream) = sharing_gateway().await;
    for _ in 0..3 {
        stream.append(&gateway, None, vec![b'x'; 40 * KIB]).await;
    }
    let page = Answer::of(gateway.get(&stream.events())).await.expect(200).json();
    assert_eq!(page["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(stream.read_all(&gateway).await.len(), 3);
}

#[tokio::test]
async fn upload_of_many_times_the_share_is_slowed_down_and_not_refused() {
    let gateway = Gateway::ready(&["--set", &format!("{SETTING}=512KiB")]).await;
    let stream = Stream::create(&gateway, 1).await;
    let lines = (0..200).map(|number| format!("{number:050000}\n")).collect::<String>();
    let upload = gateway.post(&stream.events()).header("Content-Type", "application/x-ndjson").body(lines);
    assert_eq!(Answer::of(upload).await.expect(200).json()["events"], 200);
}
