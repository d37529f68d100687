//! Retention policies: streams drop their oldest events automatically.

use std::time::Duration;

use pravega_protocol::controller::controller_service_client::ControllerServiceClient;
use pravega_protocol::controller::{RetentionPolicy, ScalingPolicy, StreamConfig, StreamInfo, create_stream_status};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::wire::post_fields;
use crate::support::{Answer, Embedded, Gateway, PATIENCE, Stream, http};

const MEGABYTE: usize = 1024 * 1024;

/// More than half of what the size-limited stream keeps.
const EVENT_BYTES: usize = 600 * 1024;

/// How often to check whether something was dropped.
const PAUSE: Duration = Duration::from_millis(200);

/// How long to wait between events once there are enough to truncate.
const BETWEEN_EVENTS: Duration = Duration::from_secs(2);

fn stream(name: &str) -> Stream {
    Stream { scope: "kept".into(), name: name.into(), segments: 1 }
}

async fn post(rest: &str, path: &str, body: Value) {
    let request = http::client().request(Method::POST, format!("{rest}/v1/scopes{path}"));
    Answer::of(request.header("Content-Type", "application/json").body(body.to_string())).await.expect(201);
}

/// Creates a stream by REST.
async fn create(rest: &str, name: &str, retention: Value) -> Stream {
    let scaling = json!({ "type": "FIXED_NUM_SEGMENTS", "minSegments": 1 });
    let body = json!({ "streamName": name, "scalingPolicy": scaling, "retentionPolicy": retention });
    post(rest, "/kept/streams", body).await;
    stream(name)
}

/// Creates a stream that keeps events for this many milliseconds, which may be less than REST can express.
async fn create_for(controller: &str, name: &str, milliseconds: i64) -> Stream {
    let mut client = ControllerServiceClient::connect(format!("http://{controller}")).await.expect("it listens");
    let policy = RetentionPolicy { retention_type: 1, retention_param: milliseconds, retention_max: i64::MAX };
    let config = StreamConfig {
        stream_info: Some(StreamInfo { scope: "kept".into(), stream: name.into(), access_operation: 0 }),
        scaling_policy: Some(ScalingPolicy { min_num_segments: 1, ..ScalingPolicy::default() }),
        retention_policy: Some(policy),
        ..StreamConfig::default()
    };
    let created = client.create_stream(config).await.expect("it answers").into_inner();
    assert_eq!(created.status(), create_stream_status::Status::Success);
    stream(name)
}

/// Reads the stream's first event.
async fn first(gateway: &Gateway, stream: &Stream) -> Answer {
    Answer::of(gateway.get(&format!("{}&segment=0&offset=0&count=1", stream.events()))).await
}

/// Waits until the stream no longer begins at 0; returns its head. Runs `meanwhile` before each check.
async fn head(gateway: &Gateway, stream: &Stream, mut meanwhile: impl AsyncFnMut()) -> i64 {
    let gone = async {
        loop {
            meanwhile().await;
            let read = first(gateway, stream).await;
            if read.status == 410 {
                return read;
            }
            read.expect(200);
            sleep(PAUSE).await;
        }
    };
    let gone = timeout(PATIENCE, gone).await.expect("the beginning goes");
    assert_eq!(gone.json()["code"], "offset_truncated");
    gone.header("head-offset").parse().expect("a number")
}

/// Checks the segment store's reply to a read at the old head.
async fn is_truncated(gateway: &Gateway, stream: &Stream, head: i64) {
    let read = json!({ "segment": stream.segment(0), "offset": 0, "suggestedLength": 8, "requestId": 1 });
    let (status, reply) = post_fields(gateway, "ReadSegment", &read).await;
    assert_eq!((status, &reply["name"]), (410, &json!("SegmentIsTruncated")));
    assert_eq!(reply["fields"]["startOffset"], head);
}

/// The newest events stay, at least as many bytes as the policy requires.
async fn size_is_limited(gateway: &Gateway, stream: &Stream) {
    let mut written = 0;
    let head = head(gateway, stream, async || {
        if written >= 4 * MEGABYTE {
            // Every ten seconds the stream's current tail is recorded as a possible cut.
            sleep(BETWEEN_EVENTS).await;
        }
        stream.append(gateway, None, vec![b'x'; EVENT_BYTES]).await;
        written += EVENT_BYTES + 8;
    });
    let head = usize::try_from(head.await).expect("an offset");
    assert_eq!(head % (EVENT_BYTES + 8), 0, "events go whole");
    assert!(written - head >= MEGABYTE, "{head} of {written}");
    is_truncated(gateway, stream, head.try_into().expect("an offset")).await;
}

/// Old events are dropped after their time, even if nothing is written after them.
async fn time_is_limited(gateway: &Gateway, stream: &Stream) {
    stream.append(gateway, None, "old").await;
    let head = head(gateway, stream, async || {}).await;
    assert_eq!(head, 8 + 3);
    is_truncated(gateway, stream, head).await;
    stream.append(gateway, None, "new").await;
    let page = Answer::of(gateway.get(&format!("{}&segment=0&offset={head}", stream.events()))).await;
    assert_eq!(page.expect(200).json()["events"][0]["text"], "new");
}

#[tokio::test]
async fn what_is_more_or_older_than_policies_keep_goes_by_itself() {
    let node = Embedded::start(&[]).await;
    let gateway = Gateway::start(&node.pravega, &[]).await;
    gateway.await_ready().await;
    let rest = &node.pravega.rest;
    post(rest, "", json!({ "scopeName": "kept" })).await;
    let by_size = create(rest, "by-size", json!({ "type": "LIMITED_SIZE_MB", "value": 1 })).await;
    let for_a_day = create(rest, "for-a-day", json!({ "type": "LIMITED_DAYS", "value": 1 })).await;
    let by_time = create_for(&node.pravega.controller, "by-time", 1000).await;
    for_a_day.append(&gateway, None, "young").await;
    tokio::join!(size_is_limited(&gateway, &by_size), time_is_limited(&gateway, &by_time));
    assert_eq!(first(&gateway, &for_a_day).await.expect(200).json()["events"][0]["text"], "young");
    node.stop().await;
}
