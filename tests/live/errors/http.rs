//! Requests that no handler accepts.

use crate::support::http::client;
use crate::support::problem::{Problem, refused};
use crate::support::{Answer, Gateway};

#[tokio::test]
async fn unknown_path_is_404() {
    let gateway = Gateway::ready(&[]).await;
    for path in ["/", "/v1", "/v1/event", "/v1/events/", "/v1/wire", "/v1/wire/a/b", "/healthz", "/metrics"] {
        refused(gateway.get(path), 404, "path_unknown").await.says(path);
    }
}

#[tokio::test]
async fn wrong_method_is_405_that_tells_the_right_ones() {
    let gateway = Gateway::ready(&[]).await;
    for method in [reqwest::Method::DELETE, reqwest::Method::PATCH, reqwest::Method::OPTIONS] {
        let problem = refused(client().request(method, gateway.url("/v1/events")), 405, "method_not_allowed").await;
        let mut allowed: Vec<_> = problem.answer.header("allow").split(',').map(str::trim).collect();
        allowed.sort_unstable();
        assert_eq!(allowed, ["GET", "HEAD", "POST", "PUT"]);
    }
    for method in [reqwest::Method::GET, reqwest::Method::PUT] {
        let problem =
            refused(client().request(method, gateway.url("/v1/wire/KeepAlive")), 405, "method_not_allowed").await;
        assert_eq!(problem.answer.header("allow"), "POST");
    }
}

#[tokio::test]
async fn malformed_request_timeout_is_400() {
    let gateway = Gateway::ready(&[]).await;
    for value in ["soon", "1", "-1s", ""] {
        let request = gateway.get("/v1/events?scope=s&stream=t").header("Request-Timeout", value);
        let answer = Answer::of(request).await;
        let problem = Problem::of(answer, 400, "header_invalid");
        problem.says("Request-Timeout").changed_nothing();
    }
}

#[tokio::test]
async fn headers_over_their_limit_are_431() {
    let gateway = Gateway::ready(&["--set", "limits.headers=4KiB"]).await;
    let request = gateway.get("/v1/events?scope=s&stream=t").header("X-Long", "x".repeat(5000));
    refused(request, 431, "headers_too_large").await.says("4096");
}

#[tokio::test]
async fn callers_request_id_comes_back_with_the_problem() {
    let gateway = Gateway::ready(&[]).await;
    let problem = refused(gateway.get("/nothing").header("X-Request-Id", "mine-42"), 404, "path_unknown").await;
    assert_eq!(problem.answer.header("x-request-id"), "mine-42");
}
