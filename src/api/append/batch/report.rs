//! What became of a batch: sums by segment, and reports of single events or of runs that failed for one cause.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use pravega_protocol::stream::SegmentId;
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::append::batch::form::Reporting;
use crate::api::append::batch::report_stream::Sender;
use crate::api::error::ApiError;
use crate::append::Written;

/// Reports in an answer that is not streamed.
const MOST_REPORTS: usize = 10_000;

/// The outcomes of a batch, reported in the order of its events.
#[derive(Debug)]
pub(super) struct Tally {
    events: u64,
    segments: BTreeMap<SegmentId, SegmentTally>,
    /// Whether each event has a report.
    each: bool,
    /// Whether a failure's status is that of the whole.
    strict: bool,
    first_failure: Option<ApiError>,
    /// A run that the next event may go on.
    run: Option<Failure>,
    reports: Reports,
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

/// Where reports go.
#[derive(Debug)]
enum Reports {
    Kept { reports: Vec<Value>, truncated: bool },
    Streamed(Sender),
}

impl Reports {
    fn push(&mut self, report: Value) {
        match self {
            Self::Kept { reports, truncated } if reports.len() == MOST_REPORTS => *truncated = true,
            Self::Kept { reports, .. } => reports.push(report),
            Self::Streamed(sender) => sender.push(&report),
        }
    }

    async fn taken(&self) {
        if let Self::Streamed(sender) = self {
            sender.taken().await;
        }
    }
}

impl Tally {
    /// Reports that are kept for one answer.
    pub(super) fn kept(reporting: Reporting) -> Self {
        Self::new(reporting, Reports::Kept { reports: Vec::new(), truncated: false })
    }

    /// Reports that go out at once.
    pub(super) fn streamed(reporting: Reporting, sender: Sender) -> Self {
        Self::new(reporting, Reports::Streamed(sender))
    }

    fn new(reporting: Reporting, reports: Reports) -> Self {
        let Reporting { each, strict, .. } = reporting;
        Self { events: 0, segments: BTreeMap::new(), each, strict, first_failure: None, run: None, reports }
    }

    /// Waits while many reports wait for the caller to take them.
    ///
    /// # Cancel safety
    /// May be called again.
    pub(super) async fn taken(&self) {
        self.reports.taken().await;
    }

    /// The event of this index is stored.
    pub(super) fn written(&mut self, index: u64, written: Written) {
        self.end_run();
        self.add_up(written);
        if self.each {
            let offset = written.place.map(|place| place.offset);
            let next_offset = written.place.map(|place| place.next_offset);
            self.reports.push(json!({
                "index": index, "count": 1, "status": StatusCode::CREATED.as_u16(),
                "segment": written.segment, "offset": offset, "nextOffset": next_offset,
            }));
        }
    }

    fn add_up(&mut self, Written { segment, place }: Written) {
        let tally = self.segments.entry(segment).or_insert_with(|| {
            let offset = place.map(|place| place.offset);
            SegmentTally { segment, events: 0, offset, next_offset: None }
        });
        tally.events += 1;
        tally.next_offset = place.map(|place| place.next_offset);
        self.events += 1;
    }

    /// `count` events from `index` on failed, which may be more than can be reported at once.
    ///
    /// # Cancel safety
    /// Some of them may be reported.
    pub(super) async fn failed(&mut self, index: u64, count: u64, error: ApiError) {
        if !self.each {
            return self.failed_alike(index, count, error);
        }
        for index in index..index + count {
            self.failed_alike(index, 1, error.clone());
            self.taken().await;
        }
    }

    /// The event of this index failed.
    pub(super) fn failed_one(&mut self, index: u64, error: ApiError) {
        self.failed_alike(index, 1, error);
    }

    fn failed_alike(&mut self, index: u64, count: u64, error: ApiError) {
        self.first_failure.get_or_insert_with(|| error.clone());
        let failure = Failure { index, count, error };
        match &mut self.run {
            _ if self.each => self.reports.push(failure.report()),
            Some(run) if run.is_gone_on_by(&failure) => run.count += count,
            _ => {
                self.end_run();
                self.run = Some(failure);
            }
        }
    }

    fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.reports.push(run.report());
        }
    }

    /// The reports are not all.
    pub(super) fn truncate(&mut self) {
        if let Reports::Kept { truncated, .. } = &mut self.reports {
            *truncated = true;
        }
    }

    fn summary(&self) -> Value {
        json!({ "events": self.events, "segments": self.segments.values().collect::<Vec<_>>() })
    }

    /// The last line of streamed reports.
    pub(super) fn finish(mut self) {
        self.end_run();
        let summary = self.summary();
        self.reports.push(summary);
    }

    /// `200` if all went well, `207` if some failed, the first failure's own status if all did, or if that is asked for.
    pub(super) fn into_response(mut self) -> Response {
        self.end_run();
        let summary = self.summary();
        let Reports::Kept { reports, truncated } = self.reports else {
            unreachable!("streamed reports are finished, not answered with");
        };
        match self.first_failure {
            Some(error) if self.events == 0 => {
                let error = error.member("reports", reports);
                if truncated { error.member("truncated", true) } else { error }.into_response()
            }
            failure => {
                let listed = (self.each || failure.is_some()).then_some(reports);
                let body = Json(with_reports(summary, listed, truncated)).into_response();
                match failure {
                    None => body,
                    Some(error) if self.strict => error.with_body_of(body),
                    Some(error) => {
                        let mut response = (StatusCode::MULTI_STATUS, body).into_response();
                        if let Some(limit) = error.limit() {
                            response.extensions_mut().insert(limit);
                        }
                        response
                    }
                }
            }
        }
    }
}

fn with_reports(mut summary: Value, reports: Option<Vec<Value>>, truncated: bool) -> Value {
    if let Some(reports) = reports {
        summary["reports"] = reports.into();
    }
    if truncated {
        summary["truncated"] = true.into();
    }
    summary
}

impl Failure {
    fn is_gone_on_by(&self, next: &Self) -> bool {
        let cause = |error: &ApiError| (error.code(), error.detail().to_owned(), error.side_effects());
        self.index + self.count == next.index && cause(&self.error) == cause(&next.error)
    }

    fn report(&self) -> Value {
        let mut report = json!({ "index": self.index, "count": self.count });
        let members = report.as_object_mut().expect("just made");
        members.extend(self.error.to_json_members());
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::ErrorCode;
    use crate::append::EventPlace;

    fn written(offset: i64) -> Written {
        Written { segment: SegmentId::new(0, 0), place: Some(EventPlace { offset, next_offset: offset + 10 }) }
    }

    fn broken() -> ApiError {
        ApiError::new(ErrorCode::BodyInvalid, "broken")
    }

    fn tally(each: bool) -> Tally {
        Tally::kept(Reporting { each, streamed: false, strict: false })
    }

    async fn answer(tally: Tally) -> (StatusCode, Value) {
        let response = tally.into_response();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    #[tokio::test]
    async fn success_sums_up_by_segment() {
        let mut tally = tally(false);
        tally.written(0, written(0));
        tally.written(1, written(10));
        let (status, body) = answer(tally).await;
        let segment = json!({ "segment": "0.#epoch.0", "events": 2, "offset": 0, "nextOffset": 20 });
        assert_eq!((status, body), (StatusCode::OK, json!({ "events": 2, "segments": [segment] })));
    }

    #[tokio::test]
    async fn neighbours_that_failed_for_one_cause_share_a_report() {
        let mut tally = tally(false);
        tally.written(0, written(0));
        tally.failed(1, 1, broken()).await;
        tally.failed(2, 1, broken()).await;
        tally.failed(3, 5, ApiError::new(ErrorCode::NotWritten, "after")).await;
        let (status, body) = answer(tally).await;
        assert_eq!(status, StatusCode::MULTI_STATUS);
        let reports = body["reports"].as_array().expect("reports");
        assert_eq!((&reports[0]["index"], &reports[0]["count"]), (&json!(1), &json!(2)));
        assert_eq!((&reports[0]["status"], &reports[0]["code"]), (&json!(400), &json!("body_invalid")));
        assert_eq!((&reports[1]["status"], &reports[1]["count"]), (&json!(424), &json!(5)));
    }

    #[tokio::test]
    async fn each_event_has_its_report_where_that_is_asked_for() {
        let mut tally = tally(true);
        tally.written(0, written(0));
        tally.written(1, Written { segment: SegmentId::new(3, 1), place: None });
        tally.failed(2, 2, broken()).await;
        let (status, body) = answer(tally).await;
        assert_eq!(status, StatusCode::MULTI_STATUS);
        let reports = body["reports"].as_array().expect("reports");
        let first =
            json!({ "index": 0, "count": 1, "status": 201, "segment": "0.#epoch.0", "offset": 0, "nextOffset": 10 });
        assert_eq!(reports[0], first);
        assert_eq!((&reports[1]["segment"], &reports[1]["offset"]), (&json!("3.#epoch.1"), &Value::Null));
        assert_eq!(
            (&reports[3]["index"], &reports[3]["count"], &reports[3]["status"]),
            (&json!(3), &json!(1), &json!(400))
        );
    }

    #[tokio::test]
    async fn strict_batch_that_fails_in_part_has_the_status_of_its_first_failure() {
        let mut tally = Tally::kept(Reporting { each: false, streamed: false, strict: true });
        tally.written(0, written(0));
        tally.failed(1, 1, ApiError::new(ErrorCode::StoreUnavailable, "away").possible()).await;
        tally.failed(2, 1, ApiError::new(ErrorCode::NotWritten, "after")).await;
        let response = tally.into_response();
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.extensions().get(), Some(&ErrorCode::StoreUnavailable));
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!((&body["events"], body["reports"].as_array().map(Vec::len)), (&json!(1), Some(2)));
    }

    #[tokio::test]
    async fn batch_that_failed_altogether_has_the_status_of_its_first_failure() {
        let mut tally = tally(false);
        tally.failed(0, 1, broken()).await;
        let (status, body) = answer(tally).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("body_invalid")));
        assert_eq!(body["reports"][0]["index"], 0);
    }

    #[tokio::test]
    async fn reports_are_bounded() {
        let mut tally = tally(true);
        for index in 0..10_000 {
            tally.written(index, written(0));
        }
        let (_, body) = answer(tally).await;
        assert_eq!(body.get("truncated"), None);
        let mut tally = Tally::kept(Reporting { each: false, streamed: false, strict: false });
        tally.written(0, written(0));
        for index in (1..20_003).step_by(2) {
            tally.failed(index, 1, broken()).await;
        }
        let (_, body) = answer(tally).await;
        assert_eq!(body["reports"].as_array().map(Vec::len), Some(MOST_REPORTS));
        assert_eq!(body["truncated"], true);
    }
}
