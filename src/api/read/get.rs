//! `GET /v1/events`.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LINK};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_server::GaugeGuard;
use pravega_protocol::stream::{ScopedStream, SegmentId, SegmentName};
use pravega_protocol::wire::event::EVENT_HEADER_BYTES;
use tokio::time::Instant;

use crate::api::append::post::location;
use crate::api::edge::deadline::Deadline;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::read::page_body::{self, Encoding, PageEnd, Shape};
use crate::api::request::accept_header::preferred;
use crate::api::request::body_permit::hold;
use crate::api::request::params::{Params, invalid};
use crate::api::request::prefer::{PREFERENCE_APPLIED, Wait};
use crate::api::request::target::{SegmentRef, only_segment, take_segment, take_stream};
use crate::app::App;
use crate::budget::{Part, Permit};
use crate::controller::Access;
use crate::read::{self, MAX_READ_BYTES, Page, PageLimits, SegmentReader, SegmentState};
use crate::telemetry::labels::Limit;

const PARAMETERS: &[&str] = &["scope", "stream", "segment", "offset", "count", "max-bytes", "encoding"];

const NEXT_OFFSET: HeaderName = HeaderName::from_static("next-offset");
const UP_TO_DATE: HeaderName = HeaderName::from_static("up-to-date");
const CLOSED: HeaderName = HeaderName::from_static("closed");

/// Pause before a tail is waited at again where the wait ended and nothing had moved.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Reads events of one segment from an offset on.
pub(crate) async fn get(app: App, deadline: Deadline, request: Request) -> Result<Response, ApiError> {
    let (head, _) = request.into_parts();
    let mut params = Params::parse(head.uri.query())?;
    let stream = take_stream(&app, &mut params)?;
    let segment = take_segment(&mut params)?;
    let offset = take_offset(&mut params)?;
    let limits = take_limits(&app, &mut params)?;
    let encoding = params.take_parsed("encoding", "json, text or base64")?;
    params.finish(PARAMETERS)?;
    let form = PageForm::of(&head.headers, encoding)?;
    let wait = Wait::of(&head.headers);
    let grant = deadline.timeout(app.grant(&stream, Access::Read)).await??;
    let segment = deadline.timeout(resolve(&app, segment, &stream)).await??;
    let segment = SegmentName::new(stream, segment);
    let (reading, has_waited) = read(&app, app.reader(&grant), deadline, segment, offset, wait).await?;
    let mut response = if has_waited && reading.is_at_open_tail() {
        reading.nothing()
    } else {
        deadline.renewed().timeout(reading.answer(form, limits)).await??
    };
    if let Some(wait) = wait {
        response.headers_mut().insert(PREFERENCE_APPLIED, wait.applied());
    }
    Ok(response)
}

async fn resolve(app: &App, segment: Option<SegmentRef>, stream: &ScopedStream) -> Result<SegmentId, ApiError> {
    match segment {
        Some(named) => named.resolve(app, stream).await,
        None => only_segment(app, stream).await,
    }
}

/// Reads at once, or waits for something to read.
async fn read(
    app: &App,
    reader: SegmentReader,
    deadline: Deadline,
    segment: SegmentName,
    offset: Option<i64>,
    wait: Option<Wait>,
) -> Result<(Reading<'_>, bool), ApiError> {
    let reading = deadline.timeout(Reading::begin(app, reader, segment, offset)).await??;
    let Some(Wait(wait)) = wait.filter(|_| reading.is_at_open_tail()) else {
        return Ok((reading, false));
    };
    if app.is_draining() {
        return Err(ApiError::new(
            ErrorCode::Draining,
            "the gateway is shutting down and accepts no requests that wait",
        ));
    }
    let _waiting = GaugeGuard::new(&app.metrics().read_waits);
    let until = Instant::now() + wait;
    tokio::select! {
        reading = wait_for_change(app, deadline, &reading) => return Ok((reading?, true)),
        () = tokio::time::sleep_until(until) => {}
        () = app.stopping() => {}
    }
    // What is answered holds now, not when the wait began.
    let now = Reading::begin(app, reading.reader, reading.segment, Some(reading.offset));
    Ok((deadline.renewed().timeout(now).await??, true))
}

/// The segment's state once there is something at the offset, or never will be.
async fn wait_for_change<'a>(app: &'a App, deadline: Deadline, from: &Reading<'a>) -> Result<Reading<'a>, ApiError> {
    loop {
        app.tails().wait_for_change(&from.reader, &from.segment, from.offset).await?;
        let now = Reading::begin(app, from.reader.clone(), from.segment.clone(), Some(from.offset));
        let now = deadline.renewed().timeout(now).await??;
        if !now.is_at_open_tail() {
            return Ok(now);
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
}

fn take_offset(params: &mut Params) -> Result<Option<i64>, ApiError> {
    let expected = "a byte offset, 0 or more";
    match params.take_parsed::<i64>("offset", expected)? {
        Some(offset) if offset < 0 => Err(invalid("offset", &offset.to_string(), format_args!("expected {expected}"))),
        offset => Ok(offset),
    }
}

fn take_limits(app: &App, params: &mut Params) -> Result<PageLimits, ApiError> {
    let config = &app.config().read;
    let bound = |value: Option<u64>, most: usize| match value {
        Some(value) => usize::try_from(value).unwrap_or(usize::MAX).min(most),
        None => most,
    };
    let count = params.take_parsed::<u64>("count", "a number of events, 1 or more")?;
    if count == Some(0) {
        return Err(invalid("count", "0", "expected a number of events, 1 or more"));
    }
    let bytes = params.take_parsed::<u64>("max-bytes", "a number of bytes")?;
    Ok(PageLimits {
        events: bound(count, config.page_events),
        bytes: bound(bytes, config.page_bytes.as_usize().min(app.budget().most())),
        max_event: config.max_event.as_usize(),
    })
}

/// How the answer holds its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PageForm {
    /// One JSON document.
    Json(Option<Encoding>),
    /// A JSON object per line.
    Lines(Option<Encoding>),
    /// As they lie in the segment.
    Framed,
    /// One event and nothing else.
    Bare,
}

impl PageForm {
    fn of(headers: &HeaderMap, encoding: Option<Encoding>) -> Result<Self, ApiError> {
        const OFFERED: &[&str] =
            &["application/json", "application/x-ndjson", "application/vnd.pravega.events", "application/octet-stream"];
        match preferred(headers, OFFERED) {
            Some("application/json") => Ok(Self::Json(encoding)),
            Some("application/x-ndjson") => Ok(Self::Lines(encoding)),
            Some("application/vnd.pravega.events") => Ok(Self::Framed),
            Some("application/octet-stream") => Ok(Self::Bare),
            _ => {
                let asked = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
                let detail = format!("header Accept is {asked:?}; this call can return {}", OFFERED.join(", "));
                Err(ApiError::new(ErrorCode::NotAcceptable, detail))
            }
        }
    }
}

/// A segment whose bounds are known, and where to begin in it.
struct Reading<'a> {
    app: &'a App,
    reader: SegmentReader,
    segment: SegmentName,
    state: SegmentState,
    offset: i64,
}

impl<'a> Reading<'a> {
    async fn begin(
        app: &'a App,
        reader: SegmentReader,
        segment: SegmentName,
        offset: Option<i64>,
    ) -> Result<Self, ApiError> {
        let state = reader.state(&segment).await?;
        let offset = offset.unwrap_or(state.head);
        SegmentReader::check(&segment, state, offset)?;
        Ok(Self { app, reader, segment, state, offset })
    }

    /// Whether there is nothing at the offset, and may be later.
    fn is_at_open_tail(&self) -> bool {
        self.offset == self.state.tail && !self.state.sealed
    }

    /// The answer to a wait that ended without an event.
    fn nothing(&self) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        self.mark(response.headers_mut(), self.offset, true, false);
        response
    }

    async fn answer(self, form: PageForm, limits: PageLimits) -> Result<Response, ApiError> {
        if form != PageForm::Bare {
            let mut permit = self.app.budget().nothing(Part::Pages);
            let page = self.page(limits, &mut permit).await?;
            let limit = self.limit_reached(&page, limits);
            let mut response = self.respond(form, page, permit);
            if let Some(limit) = limit {
                response.extensions_mut().insert(limit);
            }
            return Ok(response);
        }
        if limits.events != 1 {
            let detail = "application/octet-stream returns a single event and needs count=1";
            return Err(ApiError::new(ErrorCode::NotAcceptable, detail));
        }
        let mut permit = self.app.budget().nothing(Part::Pages);
        match self.page(PageLimits { bytes: 0, ..limits }, &mut permit).await {
            Err(read::Error::EventTooLarge { offset, length, .. }) => {
                permit.grow_to(MAX_READ_BYTES).await?;
                Ok(self.respond_streamed(offset, length, permit))
            }
            page => Ok(self.respond(PageForm::Bare, page?, permit)),
        }
    }

    async fn page(&self, limits: PageLimits, permit: &mut Permit) -> Result<Page, read::Error> {
        self.reader.page(&self.segment, self.state, self.offset, limits, permit).await
    }

    /// The limit of every page that ended this one, if it was not the caller's own.
    fn limit_reached(&self, page: &Page, limits: PageLimits) -> Option<Limit> {
        let config = &self.app.config().read;
        if page.up_to_date {
            None
        } else if page.events.len() == limits.events {
            (limits.events == config.page_events).then_some(Limit::PageEvents)
        } else {
            (limits.bytes == config.page_bytes.as_usize()).then_some(Limit::PageBytes)
        }
    }

    fn respond(&self, form: PageForm, page: Page, permit: Permit) -> Response {
        let Page { events, next_offset, up_to_date, closed } = page;
        let end = PageEnd { next_offset, up_to_date, closed };
        let body = |events, shape| page_body::body(self.segment.id, events, shape);
        let mut response = match form {
            PageForm::Json(encoding) => typed("application/json", body(events, Shape::Document(encoding, end))),
            PageForm::Lines(encoding) => typed("application/x-ndjson", body(events, Shape::Lines(encoding))),
            PageForm::Framed => typed("application/vnd.pravega.events", body(events, Shape::Framed)),
            PageForm::Bare => match events.into_iter().next() {
                Some(event) => typed("application/octet-stream", event.payload),
                None => StatusCode::NO_CONTENT.into_response(),
            },
        };
        self.mark(response.headers_mut(), next_offset, up_to_date, closed);
        response.map(|body| hold(body, permit))
    }

    /// The event passes through as the store gives it.
    fn respond_streamed(&self, offset: i64, length: usize, permit: Permit) -> Response {
        let begin = offset + EVENT_HEADER_BYTES as i64;
        let next_offset = begin + length as i64;
        let patience = self.app.config().request.timeout;
        let bytes = self.reader.clone().stream(self.segment.clone(), begin, length, patience, permit);
        let mut response = typed("application/octet-stream", Body::from_stream(bytes));
        response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
        let up_to_date = next_offset == self.state.tail;
        self.mark(response.headers_mut(), next_offset, up_to_date, up_to_date && self.state.sealed);
        response
    }

    fn mark(&self, headers: &mut HeaderMap, next_offset: i64, up_to_date: bool, closed: bool) {
        headers.insert(NEXT_OFFSET, HeaderValue::from(next_offset));
        let next = location(&self.segment.stream, self.segment.id, next_offset);
        let next = next.to_str().expect("a path is ASCII");
        let link = format!("<{next}>; rel=\"next\"");
        headers.insert(LINK, HeaderValue::from_str(&link).expect("a path is ASCII"));
        if up_to_date {
            headers.insert(UP_TO_DATE, HeaderValue::from_static("true"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if closed {
            headers.insert(CLOSED, HeaderValue::from_static("true"));
        }
    }
}

fn typed(content_type: &'static str, body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(content_type))], body.into()).into_response()
}
