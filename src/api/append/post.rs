//! `POST /v1/events`.

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pravega_protocol::stream::{ScopedStream, SegmentId};
use serde::Serialize;

use crate::api::append::batch::{self, Form};
use crate::api::append::routing_key::RequestRouting;
use crate::api::edge::deadline::Deadline;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::body::collect_in_time;
use crate::api::request::content_encoding::ContentEncoding;
use crate::api::request::content_type::ContentType;
use crate::api::request::params::Params;
use crate::api::request::prefer::{PREFERENCE_APPLIED, STRICT_APPLIED, handling_is_strict};
use crate::api::request::target::take_stream;
use crate::app::App;
use crate::append::{EVENT_OVERHEAD_BYTES, NewEvent, StreamAppender, Written};
use crate::budget::Permit;
use crate::controller::{Access, Grant};
use crate::telemetry::labels::Limit;

/// Every parameter.
pub(crate) const PARAMETERS: &[&str] =
    &["scope", "stream", "routing-key", "segment", "key-from", "key-from-missing", "split", "report"];

/// Headers that ask for more than a plain append, beside all that begin with `producer-`; ignoring one would break what
/// its sender relies on.
const UNSUPPORTED_HEADERS: &[&str] = &["if-match", "if-none-match", "idempotency-key", "ce-specversion"];

/// Content types of CloudEvents begin with this.
const CLOUD_EVENTS: &str = "application/cloudevents";

/// Appends the body: one event, or a batch of them.
pub(crate) async fn post(app: App, deadline: Deadline, request: Request) -> Result<Response, ApiError> {
    let is_strict = handling_is_strict(request.headers());
    let mut response = append(app, deadline, request, is_strict).await?;
    if is_strict {
        response.headers_mut().insert(PREFERENCE_APPLIED, STRICT_APPLIED);
    }
    Ok(response)
}

/// Appends the body. A `strict` batch that fails in part has the status of its first failure.
pub(super) async fn append(app: App, deadline: Deadline, request: Request, strict: bool) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let coding = ContentEncoding::of(&head.headers)?;
    let content_type = ContentType::of(&head.headers)?;
    reject_unsupported(&head.headers, &content_type)?;
    let mut params = Params::parse(head.uri.query())?;
    let stream = take_stream(&app, &mut params)?;
    let form = Form::take(&mut params, &head.headers, &content_type, strict)?;
    let routing = RequestRouting::take(&mut params, &head.headers)?;
    params.finish(PARAMETERS)?;
    let appending = Appending::begin(app, stream, routing, deadline).await?;
    let body = coding.undo(body, appending.app.budget()).await?;
    match form {
        Form::Single => appending.append_one(body).await,
        Form::Several(form) => batch::append(appending, form, body).await,
    }
}

fn reject_unsupported(headers: &HeaderMap, content_type: &ContentType) -> Result<(), ApiError> {
    let unsupported =
        |name: &&HeaderName| name.as_str().starts_with("producer-") || UNSUPPORTED_HEADERS.contains(&name.as_str());
    let what = match headers.keys().find(unsupported) {
        Some(name) => format!("header {name}"),
        None if content_type.media_type().starts_with(CLOUD_EVENTS) => "CloudEvents".to_owned(),
        None => return Ok(()),
    };
    let detail = format!("{what} is not supported by this version; the event was not written");
    Err(ApiError::new(ErrorCode::OperationUnsupported, detail))
}

/// A request whose stream and routing are known.
pub(crate) struct Appending {
    pub(crate) app: App,
    pub(crate) stream: ScopedStream,
    pub(crate) deadline: Deadline,
    routing: RequestRouting,
    segment: Option<SegmentId>,
    grant: Grant,
    appender: StreamAppender,
}

impl Appending {
    async fn begin(
        app: App,
        stream: ScopedStream,
        routing: RequestRouting,
        deadline: Deadline,
    ) -> Result<Self, ApiError> {
        let grant = deadline.timeout(app.grant(&stream, Access::ReadWrite)).await??;
        let segment = match &routing {
            RequestRouting::Segment(named) => Some(deadline.timeout(named.resolve(&app, &stream)).await??),
            _ => None,
        };
        let appender = app.appenders().stream(&stream, &grant);
        // A missing stream is reported before the body is read.
        deadline.timeout(appender.ready()).await??;
        Ok(Self { app, stream, deadline, routing, segment, grant, appender })
    }

    async fn append_one(self, body: Body) -> Result<Response, ApiError> {
        let max_event = self.app.config().append.max_event.as_usize();
        let (payload, mut permit) =
            collect_in_time(self.deadline, body, max_event, Limit::Event, self.app.budget()).await?;
        let held = (payload.len() + EVENT_OVERHEAD_BYTES).min(self.app.budget().most());
        permit.grow_to(held).await?;
        let event = self.event(payload, None, permit)?;
        let mut ticket = self.deadline.timeout(self.appender.submit(event)).await??;
        let outcome = self.deadline.timeout(ticket.outcome()).await;
        match outcome {
            Ok(outcome) => Ok(created(&self.stream, outcome?)),
            Err(elapsed) if ticket.withdraw() => Err(ApiError::from(elapsed).possible()),
            Err(elapsed) => Err(elapsed.into()),
        }
    }

    /// Checks an event, which may have a routing key of its own, and finds where it goes.
    pub(crate) fn event(&self, payload: Bytes, key: Option<&str>, permit: Permit) -> Result<NewEvent, ApiError> {
        if payload.is_empty() && !self.app.config().append.empty_events {
            let detail = "the event is empty, and Pravega's Python readers never get past an empty event; \
                          append.empty-events = true allows it";
            return Err(ApiError::new(ErrorCode::EmptyEvent, detail));
        }
        let target = match key {
            Some(key) => self.routing.target_of_own(key)?,
            None => self.routing.target(self.segment, &payload)?,
        };
        Ok(NewEvent { target, caller: self.grant.clone(), payload, permit })
    }

    pub(crate) fn appender(&self) -> &StreamAppender {
        &self.appender
    }
}

/// The answer to a single event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    segment: SegmentId,
    offset: Option<i64>,
    next_offset: Option<i64>,
}

fn created(stream: &ScopedStream, written: Written) -> Response {
    let Written { segment, place } = written;
    let (offset, next_offset) = (place.map(|place| place.offset), place.map(|place| place.next_offset));
    let mut response = (StatusCode::CREATED, Json(Created { segment, offset, next_offset })).into_response();
    if let Some(offset) = offset {
        response.headers_mut().insert(LOCATION, location(stream, segment, offset));
    }
    response
}

/// The path that reads on from an offset.
pub(crate) fn location(stream: &ScopedStream, segment: SegmentId, offset: i64) -> HeaderValue {
    let segment = segment.to_string();
    let segment = segment.replace('#', "%23");
    let (scope, stream) = (escape(stream.scope.as_str()), escape(stream.stream.as_str()));
    let path = format!("/v1/events?scope={scope}&stream={stream}&segment={segment}&offset={offset}");
    HeaderValue::from_str(&path).expect("escaped names and numbers are ASCII")
}

fn escape(name: &str) -> impl std::fmt::Display + '_ {
    const KEPT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(name, KEPT)
}
