//! A caller that holds as much as one may.

use super::await_available;
use crate::support::metrics::hits;
use crate::support::problem::Problem;
use crate::support::raw_client::RawClient;
use crate::support::stream::payloads;
use crate::support::{Answer, Gateway, Stream};

const SETTING: &str = "limits.caller-share";
const KIB: usize = 1024;

/// Too small to be divided into parts.
const TOTAL: usize = 1024 * KIB;

/// What one caller may hold.
const SHARE: usize = TOTAL / 4;

async fn sharing_gateway() -> (Gateway, Stream) {
    let total = format!("limits.bytes-in-flight={TOTAL}");
    let gateway = Gateway::ready(&["--set", &format!("{SETTING}=25%"), "--set", &total]).await;
    let stream = Stream::create(&gateway, 1).await;
    (gateway, stream)
}

/// A body that takes this caller's whole share and is not finished, while others hold `beside` bytes.
async fn hold_share(gateway: &Gateway, stream: &Stream, headers: &[&str], beside: usize) -> RawClient {
    let length = format!("Content-Length: {}", SHARE + 1);
    let mut client = RawClient::begin(gateway, "POST", &stream.events(), &[headers, &[&length]].concat()).await;
    client.send(vec![b'x'; SHARE]).await;
    await_available(gateway, (TOTAL - beside - SHARE) as f64).await;
    client
}

/// A request of someone else, which holds two bytes.
async fn neighbour(gateway: &Gateway, stream: &Stream) -> RawClient {
    let headers = ["Authorization: Basic Y2FybDox", "Content-Length: 2"];
    let mut client = RawClient::begin(gateway, "POST", &stream.events(), &headers).await;
    client.send("x").await;
    await_available(gateway, (TOTAL - 2) as f64).await;
    client
}

#[tokio::test]
async fn caller_over_its_share_who_is_alone_is_503() {
    let (gateway, stream) = sharing_gateway().await;
    let _slow = hold_share(&gateway, &stream, &[], 0).await;
    let answer = Answer::of(gateway.post(&stream.events()).body("event")).await;
    Problem::of(answer, 503, "overloaded").changed_nothing();
}

#[tokio::test]
async fn request_that_is_alone_may_exceed_its_callers_share() {
    let (gateway, stream) = sharing_gateway().await;
    stream.append(&gateway, None, vec![b'x'; 2 * SHARE]).await;
    assert_eq!(stream.read_all(&gateway).await[0].payload.len(), 2 * SHARE);
}

#[tokio::test]
async fn caller_over_its_share_is_429_and_others_are_served() {
    let (gateway, stream) = sharing_gateway().await;
    let neighbour = neighbour(&gateway, &stream).await;
    let slow = hold_share(&gateway, &stream, &["Authorization: Basic YWRhOjE="], 2).await;
    let calls = [
        gateway.post(&stream.events()).body("event"),
        gateway.post(&format!("/v1/wire/Event?segment={}", stream.segment(0).replace('#', "%23"))).body("event"),
    ];
    for (index, call) in calls.into_iter().enumerate() {
        let answer = Answer::of(call.header("Authorization", "Basic YWRhOjE=")).await;
        let problem = Problem::of(answer, 429, "caller_over_share");
        problem.changed_nothing().says(SETTING);
        assert_eq!(*problem.member("retryable"), true);
        assert_eq!(hits(&gateway, SETTING).await, index as u64 + 1);
    }
    let lines = gateway.post(&stream.events()).header("Authorization", "Basic YWRhOjE=");
    let lines = lines.header("Content-Type", "application/x-ndjson").body("of another part\n");
    Answer::of(lines).await.expect(200);
    let other = gateway.post(&stream.events()).header("Authorization", "Basic Ym9iOjE=").body("bob's");
    Answer::of(other).await.expect(201);
    stream.append(&gateway, None, "nobody's").await;
    drop((slow, neighbour));
    await_available(&gateway, TOTAL as f64).await;
    let again = gateway.post(&stream.events()).header("Authorization", "Basic YWRhOjE=").body("ada's");
    Answer::of(again).await.expect(201);
    assert_eq!(payloads(&stream.read_all(&gateway).await), [&b"of another part"[..], b"bob's", b"nobody's", b"ada's"]);
}

#[tokio::test]
async fn callers_that_show_nothing_share_by_their_address() {
    let (gateway, stream) = sharing_gateway().await;
    let _neighbour = neighbour(&gateway, &stream).await;
    let _slow = hold_share(&gateway, &stream, &[], 2).await;
    let answer = Answer::of(gateway.post(&stream.events()).body("event")).await;
    Problem::of(answer, 429, "caller_over_share");
    Answer::of(gateway.post(&stream.events()).header("Authorization", "Bearer x").body("event")).await.expect(201);
}

#[tokio::test]
async fn upload_of_many_times_the_share_is_slowed_down_and_not_refused() {
    let (gateway, stream) = sharing_gateway().await;
    let lines = (0..200).map(|number| format!("{number:050000}\n")).collect::<String>();
    let upload = gateway.post(&stream.events()).header("Content-Type", "application/x-ndjson").body(lines);
    assert_eq!(Answer::of(upload).await.expect(200).json()["events"], 200);
}
