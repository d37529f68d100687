//! Lists the segments of a stream.

use serde_json::{Value, json};

use crate::support::foreign::java;
use crate::support::problem::{Problem, refused};
use crate::support::{Answer, Gateway, Stream};

fn path(stream: &Stream) -> String {
    format!("/v1/segments/{}/{}", stream.scope, stream.name)
}

async fn list(gateway: &Gateway, stream: &Stream, more: &str) -> Vec<Value> {
    let answer = Answer::of(gateway.get(&(path(stream) + more))).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()["segments"].as_array().expect("segments").clone()
}

fn column(segments: &[Value], name: &str) -> Vec<Value> {
    segments.iter().map(|segment| segment[name].clone()).collect()
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn segments_are_listed_oldest_first_with_what_follows_them() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 2).await;
    let fresh = json!({ "segment": "0.#epoch.0", "id": 0, "keyRange": [0.0, 0.5], "headOffset": 0, "tailOffset": 0,
        "sealed": false, "successors": [] });
    assert_eq!(list(&gateway, &stream, "").await[0], fresh);

    let written = stream.append(&gateway, None, "hello").await;
    java("scale", &stream, &["3"], "").await.success();
    java("scale", &stream, &["2"], "").await.success();
    let all = list(&gateway, &stream, "").await;
    let names = ["0.#epoch.0", "1.#epoch.0", "2.#epoch.1", "3.#epoch.1", "4.#epoch.1", "5.#epoch.2", "6.#epoch.2"];
    assert_eq!(column(&all, "segment"), names);
    let ids = [0, 1, (1_i64 << 32) + 2, (1 << 32) + 3, (1 << 32) + 4, (2 << 32) + 5, (2 << 32) + 6];
    assert_eq!(column(&all, "id"), ids);
    assert_eq!(column(&all, "sealed"), [true, true, true, true, true, false, false]);
    let successors = [&names[2..4], &names[3..5], &names[5..6], &names[5..7], &names[6..7], &[], &[]];
    assert_eq!(column(&all, "successors"), successors.map(|names| json!(names)));
    let third = |number: u32| f64::from(number) / 3.0;
    let halves = [[0.0, 0.5], [0.5, 1.0]];
    let thirds = [[0.0, third(1)], [third(1), third(2)], [third(2), 1.0]];
    let ranges = [&halves[..], &thirds, &halves].concat();
    assert_eq!(column(&all, "keyRange"), ranges.iter().map(|range| json!(range)).collect::<Vec<_>>());
    for segment in &all {
        let tail = if segment["segment"] == *written { 13 } else { 0 };
        assert_eq!((&segment["headOffset"], &segment["tailOffset"]), (&json!(0), &json!(tail)), "{segment}");
    }
    assert_eq!(list(&gateway, &stream, "?state=active").await, all[5..]);
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn what_is_truncated_away_is_not_listed_and_a_sealed_stream_has_no_active_segment() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "gone").await;
    java("scale", &stream, &["2"], "").await.success();
    for key in ["a", "b", "c", "d"] {
        stream.append(&gateway, Some(key), key).await;
    }
    java("truncate-head", &stream, &[], "").await.success();
    let all = list(&gateway, &stream, "").await;
    assert_eq!(column(&all, "segment"), ["1.#epoch.1", "2.#epoch.1"]);
    for segment in &all {
        assert_eq!(segment["headOffset"], segment["tailOffset"], "{segment}");
    }
    assert!(all.iter().map(|segment| segment["tailOffset"].as_i64().expect("an offset")).sum::<i64>() == 4 * 9);
    java("seal", &stream, &[], "").await.success();
    assert_eq!(list(&gateway, &stream, "?state=active").await, [] as [Value; 0]);
    assert_eq!(column(&list(&gateway, &stream, "").await, "sealed"), [true, true]);
}

#[tokio::test]
async fn stream_that_is_not_there_and_parameters_that_are_none_are_refused() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let missing = Stream { name: "missing".to_owned(), ..stream.clone() };
    refused(gateway.get(&path(&missing)), 404, "stream_not_found").await;
    let nowhere = Stream { scope: "nowhere".to_owned(), ..missing };
    refused(gateway.get(&path(&nowhere)), 404, "scope_not_found").await;
    refused(gateway.get(&(path(&stream) + "?state=sealed")), 400, "parameter_invalid").await.says("active");
    refused(gateway.get(&(path(&stream) + "?epoch=1")), 400, "parameter_unknown").await.says("state");
    refused(gateway.get("/v1/segments/_system/_x"), 403, "forbidden").await;
    let answer = Answer::of(gateway.post(&path(&stream))).await;
    assert_eq!(Problem::of(answer, 405, "method_not_allowed").answer.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "hello").await;
    let client = crate::support::http::client();
    for path in [path(&stream), stream.events() + "&segment=0", stream.events() + "&segment=0&offset=13"] {
        let get = Answer::of(gateway.get(&path)).await.expect(200);
        let head = Answer::of(client.head(gateway.url(&path))).await.expect(200);
        assert!(head.body.is_empty());
        let stable_headers = |answer: &Answer| {
            let mut headers = answer.headers.clone();
            headers.remove("date");
            headers.remove("x-request-id");
            headers
        };
        assert_eq!(stable_headers(&head), stable_headers(&get), "{path}");
    }
    let gone = Answer::of(client.head(gateway.url(&(stream.events() + "&segment=0&offset=99")))).await.expect(416);
    assert_eq!(gone.header("tail-offset"), "13");
}
