//! What became of a batch: sums by segment, and a report for each run of events that failed for one cause.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::error::ApiError;
use crate::append::Written;
use crate::stream::SegmentId;

/// Reports in an answer that is not streamed.
const MOST_REPORTS: usize = 10_000;

/// The outcomes of a batch, told in the order of its events.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    events: u64,
    segments: Vec<SegmentTally>,
    failures: Vec<Failure>,
    truncated: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SegmentTally {
    segment: SegmentId,
    events: u64,
    /// Where the first event begins.
    offset: Option<i64>,
    /// Where the event after the last begins.
    next_offset: Option<i64>,
}

/// Neighbours that failed for one cause.
#[derive(Debug)]
struct Failure {
    index: u64,
    count: u64,
    error: ApiError,
}

impl Tally {
    pub(crate) fn written(&mut self, written: Written) {
        self.events += 1;
        let place = written.place;
        let next_offset = place.map(|place| place.next_offset);
        match self.segments.iter_mut().find(|tally| tally.segment == written.segment) {
            Some(tally) => {
                tally.events += 1;
                tally.next_offset = next_offset;
            }
            None => {
                let offset = place.map(|place| place.offset);
                self.segments.push(SegmentTally { segment: written.segment, events: 1, offset, next_offset });
            }
        }
    }

    pub(crate) fn failed(&mut self, index: u64, error: ApiError) {
        self.failed_run(index, 1, error);
    }

    /// Tells that the reports are not all.
    pub(crate) fn truncate(&mut self) {
        self.truncated = true;
    }

    /// Tells that `count` events from `index` on failed.
    pub(crate) fn failed_run(&mut self, index: u64, count: u64, error: ApiError) {
        if let Some(last) = self.failures.last_mut()
            && last.index + last.count == index
            && is_same_cause(&last.error, &error)
        {
            last.count += count;
        } else if self.failures.len() == MOST_REPORTS {
            self.truncated = true;
        } else {
            self.failures.push(Failure { index, count, error });
        }
    }

    /// `200` if all went well, `207` if some failed, the first failure's own status if all did.
    pub(crate) fn into_response(self) -> Response {
        let Some(first) = self.failures.first() else {
            return Json(json!({ "events": self.events, "segments": self.segments })).into_response();
        };
        let first = first.error.clone();
        let reports: Vec<_> = self.failures.iter().map(Failure::report).collect();
        if self.events == 0 {
            let error = first.member("reports", reports);
            return if self.truncated { error.member("truncated", true) } else { error }.into_response();
        }
        let mut body = json!({ "events": self.events, "segments": self.segments, "reports": reports });
        if self.truncated {
            body["truncated"] = true.into();
        }
        (StatusCode::MULTI_STATUS, Json(body)).into_response()
    }
}

impl Failure {
    fn report(&self) -> Value {
        let mut report = json!({ "index": self.index, "count": self.count });
        let members = report.as_object_mut().expect("just made");
        members.extend(self.error.to_json_members());
        report
    }
}

fn is_same_cause(one: &ApiError, other: &ApiError) -> bool {
    let cause = |error: &ApiError| (error.code(), error.detail().to_owned(), error.side_effects());
    cause(one) == cause(other)
}

#[cfg(test)]
mod tests {
    use super::super::error::ErrorCode;
    use super::*;
    use crate::append::Place;

    fn written(offset: i64) -> Written {
        Written { segment: SegmentId::new(0, 0), place: Some(Place { offset, next_offset: offset + 10 }) }
    }

    fn broken() -> ApiError {
        ApiError::new(ErrorCode::BodyInvalid, "broken")
    }

    async fn answer(tally: Tally) -> (StatusCode, Value) {
        let response = tally.into_response();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    #[tokio::test]
    async fn success_sums_up_by_segment() {
        let mut tally = Tally::default();
        tally.written(written(0));
        tally.written(written(10));
        let (status, body) = answer(tally).await;
        let segment = json!({ "segment": "0.#epoch.0", "events": 2, "offset": 0, "nextOffset": 20 });
        assert_eq!((status, body), (StatusCode::OK, json!({ "events": 2, "segments": [segment] })));
    }

    #[tokio::test]
    async fn neighbours_that_failed_for_one_cause_share_a_report() {
        let mut tally = Tally::default();
        tally.written(written(0));
        tally.failed(1, broken());
        tally.failed(2, broken());
        tally.failed_run(3, 5, ApiError::new(ErrorCode::NotWritten, "after"));
        let (status, body) = answer(tally).await;
        assert_eq!(status, StatusCode::MULTI_STATUS);
        let reports = body["reports"].as_array().expect("reports");
        assert_eq!((&reports[0]["index"], &reports[0]["count"]), (&json!(1), &json!(2)));
        assert_eq!((&reports[0]["status"], &reports[0]["code"]), (&json!(400), &json!("body_invalid")));
        assert_eq!((&reports[1]["status"], &reports[1]["count"]), (&json!(424), &json!(5)));
    }

    #[tokio::test]
    async fn batch_that_failed_altogether_has_the_status_of_its_first_failure() {
        let mut tally = Tally::default();
        tally.failed(0, broken());
        let (status, body) = answer(tally).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("body_invalid")));
        assert_eq!(body["reports"][0]["index"], 0);
    }

    #[tokio::test]
    async fn reports_are_bounded() {
        let mut tally = Tally::default();
        tally.written(written(0));
        (0..20_002).step_by(2).for_each(|index| tally.failed(index, broken()));
        let (_, body) = answer(tally).await;
        assert_eq!(body["reports"].as_array().map(Vec::len), Some(MOST_REPORTS));
        assert_eq!(body["truncated"], true);
    }
}
