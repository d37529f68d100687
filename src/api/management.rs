//! The listener for operators and probes: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::api::edge::fallback::{method_not_allowed, path_unknown};
use crate::api::edge::request_id::{self, HttpRequestId};
use crate::api::wire::reply_status::with_retry;
use crate::budget::Budget;
use crate::telemetry::metrics::{CONTENT_TYPE as METRICS_TYPE, Metrics};

/// Whether requests can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// They can.
    Ready,
    /// They can't, for this reason.
    NotReady(String),
}

/// Asked at every `/readyz`; must not block.
pub type Probe = Arc<dyn Fn() -> Readiness + Send + Sync>;

/// What the management listener reports.
#[derive(Clone)]
pub struct Management {
    /// Whether Pravega can be reached.
    pub probe: Probe,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// Whose levels are among the metrics.
    pub budget: Budget,
    /// Cancelled when the process is about to end: not ready from then on.
    pub draining: CancellationToken,
}

/// The routes of the management listener.
pub fn router(management: Management) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
        .fallback(path_unknown)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(name_request))
        .with_state(management)
}

/// Every answer says what its request is called.
async fn name_request(request: Request, next: Next) -> Response {
    let id = HttpRequestId::taken_up(request.headers());
    let mut response = next.run(request).await;
    response.headers_mut().insert(request_id::HEADER, id.as_header().clone());
    response
}

async fn health() -> Response {
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], "ok\n").into_response()
}

async fn readiness(State(management): State<Management>) -> Response {
    let readiness = if management.draining.is_cancelled() {
        Readiness::NotReady("draining".to_owned())
    } else {
        (management.probe)()
    };
    let (status, body) = match readiness {
        Readiness::Ready => (StatusCode::OK, json!({"ready": true})),
        Readiness::NotReady(reason) => (StatusCode::SERVICE_UNAVAILABLE, json!({"ready": false, "reason": reason})),
    };
    with_retry((status, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response())
}

async fn metrics(State(management): State<Management>) -> Response {
    let Management { metrics, budget, .. } = management;
    metrics.budget_available_bytes.set(as_gauge(budget.available()));
    metrics.budget_limit_bytes.set(as_gauge(budget.total()));
    ([(CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE))], metrics.encode()).into_response()
}

fn as_gauge(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Size;
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use std::time::Duration;
    use tower::ServiceExt;

    fn management(readiness: Readiness) -> Management {
        Management {
            probe: Arc::new(move || readiness.clone()),
            metrics: Metrics::default(),
            budget: Budget::new(Size::kib(4), Duration::ZERO),
            draining: CancellationToken::new(),
        }
    }

    async fn ask(management: &Management, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).expect("a valid path");
        let response = router(management.clone()).oneshot(request).await.expect("a router cannot fail");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a whole body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn readiness_says_why_not_while_health_is_fine() {
        let management = management(Readiness::NotReady("no controller".to_owned()));
        let (status, body) = ask(&management, "/readyz").await;
        assert_eq!(
            (status, body.as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, r#"{"ready":false,"reason":"no controller"}"#)
        );
        assert_eq!(ask(&management, "/healthz").await, (StatusCode::OK, "ok\n".to_owned()));
    }

    #[tokio::test]
    async fn a_draining_gateway_is_not_ready() {
        let management = management(Readiness::Ready);
        assert_eq!(ask(&management, "/readyz").await.0, StatusCode::OK);
        management.draining.cancel();
        let (status, body) = ask(&management, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("draining"), "{body}");
    }

    #[tokio::test]
    async fn metrics_show_the_budget_as_it_is() {
        let management = management(Readiness::Ready);
        let _held = management.budget.reserve(crate::budget::Part::WholeBodies, 1024).await.expect("there is room");
        let (_, text) = ask(&management, "/metrics").await;
        assert!(text.contains("pravega_gateway_budget_available_bytes 3072\n"), "{text}");
        assert!(text.contains("pravega_gateway_budget_limit_bytes 4096\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[tokio::test]
    async fn other_paths_are_problems() {
        let (status, body) = ask(&management(Readiness::Ready), "/").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(body.contains("path_unknown"), "{body}");
    }
}
