//! A controller or a store that refuses connections.

use super::calls;
use crate::support::closed_port::ClosedPort;
use crate::support::http::client;
use crate::support::problem::Problem;
use crate::support::{Answer, Gateway, Pravega, Stream};

/// The contract's limit for a Pravega that refuses connections; a gateway that waits longer answers
/// `deadline_exceeded` instead.
const AT_MOST: &str = "1s";

/// A store that is never reached.
fn nowhere() -> Stream {
    Stream { scope: "s".to_owned(), name: "t".to_owned(), segments: 1 }
}

/// A gateway without a controller.
async fn without_controller(controller: &ClosedPort) -> Gateway {
    let rest = format!("http://{}", controller.address());
    let store = Pravega::of_this_run().store;
    let pravega = Pravega { controller: controller.address().to_owned(), rest, store };
    Gateway::start(&pravega, &[]).await
}

async fn management(gateway: &Gateway, path: &str) -> Answer {
    Answer::of(client().get(gateway.management_url(path))).await
}

#[tokio::test]
async fn controller_that_refuses_is_503_within_a_second_for_every_call() {
    let controller = ClosedPort::new();
    let gateway = without_controller(&controller).await;
    for call in calls(&gateway, &nowhere()) {
        let answer = Answer::of(call.header("Request-Timeout", AT_MOST)).await;
        let problem = Problem::of(answer, 503, "controller_unavailable");
        problem.changed_nothing().says(controller.address());
        assert_eq!(*problem.member("retryable"), true);
    }
    let control = [gateway.get("/v1/scopes"), gateway.post("/v1/scopes").body("{}")];
    for call in control {
        let answer = Answer::of(call.header("Request-Timeout", AT_MOST)).await;
        Problem::of(answer, 503, "controller_unavailable").changed_nothing();
    }
}

#[tokio::test]
async fn gateway_starts_without_a_controller_and_serves_once_there_is_one() {
    let controller = ClosedPort::new();
    let gateway = without_controller(&controller).await;
    gateway.logged("not ready").await;
    management(&gateway, "/healthz").await.expect(200);
    let not_ready = management(&gateway, "/readyz").await.expect(503).json();
    assert_eq!(not_ready["ready"], false);
    let reason = not_ready["reason"].as_str().expect("a reason");
    assert!(reason.contains(controller.address()), "{reason}");

    let _open = controller.open(&Pravega::of_this_run().controller);
    gateway.await_ready().await;
    let unknown = gateway.post(&nowhere().events()).body("event");
    Problem::of(Answer::of(unknown).await, 404, "scope_not_found");
    assert!(gateway.stop().await.success());
}

#[tokio::test]
async fn store_that_refuses_is_503_within_a_second_for_every_call() {
    let store = ClosedPort::new();
    let gateway = Gateway::start(&Pravega::of_this_run(), &["--segment-store-rewrite", &store.rule()]).await;
    let stream = Stream::create(&gateway, 1).await;
    for call in calls(&gateway, &stream) {
        let answer = Answer::of(call.header("Request-Timeout", AT_MOST)).await;
        let problem = Problem::of(answer, 503, "store_unavailable");
        problem.changed_nothing().says(store.address());
        assert_eq!(*problem.member("retryable"), true);
    }
    let lines = gateway.post(&stream.events()).header("Content-Type", "application/x-ndjson").body("a\nb\n");
    let answer = Answer::of(lines.header("Request-Timeout", AT_MOST)).await;
    let problem = Problem::of(answer, 503, "store_unavailable");
    problem.changed_nothing();
    let reports = problem.member("reports").as_array().expect("reports");
    assert_eq!(reports.iter().map(|report| report["count"].as_u64().expect("a count")).sum::<u64>(), 2);
}

#[tokio::test]
async fn gateway_starts_without_a_store_and_writes_once_there_is_one() {
    let store = ClosedPort::new();
    let gateway = Gateway::start(&Pravega::of_this_run(), &["--segment-store-rewrite", &store.rule()]).await;
    gateway.logged("not ready").await;
    management(&gateway, "/healthz").await.expect(200);
    let reason = management(&gateway, "/readyz").await.expect(503).json()["reason"].to_string();
    assert!(reason.contains(store.address()), "{reason}");
    let stream = Stream::create(&gateway, 1).await;
    Problem::of(Answer::of(gateway.post(&stream.events()).body("lost")).await, 503, "store_unavailable");

    let _open = store.open(&Pravega::of_this_run().store);
    gateway.await_ready().await;
    stream.append(&gateway, None, "kept").await;
    let events = stream.read_all(&gateway).await;
    assert_eq!(events.iter().map(|event| event.payload.as_slice()).collect::<Vec<_>>(), [b"kept"]);
}
