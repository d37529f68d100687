//! The parts of the key space that a stream's segments have or had, as REST says them: to everyone who may read the
//! stream, while gRPC says those of past epochs only to those who may write.

use std::collections::HashMap;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use pravega_protocol::stream::{KeyRange, ScopedStream, SegmentId};
use serde::Deserialize;

use super::proxy::RestProxy;
use crate::controller::credentials::Credentials;

/// Largest answer taken; an event has about 100 bytes per segment of its epoch.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Source: the answers of a Pravega 0.13.0, whose description says otherwise.
#[derive(Deserialize)]
struct ScalingEvent {
    segments: Vec<Segment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Segment {
    number: u32,
    epoch: u32,
    key_start: f64,
    key_end: f64,
}

impl RestProxy {
    /// Asks for the parts of the key space of a stream's segments, in all epochs that are remembered. `None` where REST
    /// cannot be reached, or does not say.
    ///
    /// # Cancel safety
    /// Changes nothing.
    pub async fn key_ranges(
        &self,
        caller: &Credentials,
        stream: &ScopedStream,
    ) -> Option<HashMap<SegmentId, KeyRange>> {
        // A time far ahead, since the clocks may differ.
        let path =
            format!("/v1/scopes/{}/streams/{}/scaling-events?from=0&to={}", stream.scope, stream.stream, i64::MAX);
        let mut request = Request::builder().method(Method::GET).uri(path);
        if let Some(authorization) = caller.header() {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let answer = self.forward(request.body(Empty::<Bytes>::new()).ok()?).await.ok()?;
        if answer.status() != StatusCode::OK {
            return None;
        }
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await.ok()?.to_bytes();
        let events: Vec<ScalingEvent> = serde_json::from_slice(&body).ok()?;
        let range = |segment: &Segment| {
            Some((SegmentId::new(segment.number, segment.epoch), KeyRange::new(segment.key_start, segment.key_end)?))
        };
        Some(events.iter().flat_map(|event| &event.segments).filter_map(range).collect())
    }
}
