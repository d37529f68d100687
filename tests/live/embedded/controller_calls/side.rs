//! One of the two controllers, and its answers.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use pravega_protocol::controller::controller_service_client::ControllerServiceClient;
use pravega_protocol::controller::*;
use reqwest::Method;
use serde_json::Value;
use tonic::transport::{Channel, Endpoint};

use crate::support::http;

/// A real controller takes seconds for some calls when the machine is busy.
const PATIENCE: Duration = Duration::from_secs(180);

/// A call and its answer, with values that differ from run to run masked.
pub(super) struct Exchange {
    pub(super) call: String,
    pub(super) answer: String,
}

pub(super) struct Side {
    pub(super) client: ControllerServiceClient<Channel>,
    pub(super) scope: String,
    pub(super) exchanges: Vec<Exchange>,
    rest: reqwest::Client,
    base: String,
}

/// Calls by gRPC, records call and answer, and returns the answer unless it is an error.
macro_rules! ask {
    ($side:expr, $call:ident, $message:expr) => {{
        let message = $message;
        let call = format!("{} {message:?}", stringify!($call));
        let answer = $side.client.$call(message).await;
        $side.record(call, answer)
    }};
}
pub(super) use ask;

impl Side {
    pub(super) async fn at(controller: &str, rest: &str, scope: &str) -> Self {
        let channel = Endpoint::from_shared(format!("http://{controller}")).expect("an address").timeout(PATIENCE);
        let client = ControllerServiceClient::new(channel.connect().await.expect("the controller is there"));
        let rest_client = http::builder().timeout(PATIENCE).build().expect("no setting is wrong");
        Self { client, scope: scope.to_owned(), exchanges: Vec::new(), rest: rest_client, base: rest.to_owned() }
    }

    pub(super) fn record<T: Plain + Debug>(
        &mut self,
        call: String,
        answer: Result<tonic::Response<T>, tonic::Status>,
    ) -> Option<T> {
        let mut answer = answer.map(tonic::Response::into_inner);
        let plain = match &mut answer {
            Ok(answer) => {
                let kept = answer.plain();
                format!("{kept:?}")
            }
            Err(status) => format!("{:?}", status.code()),
        };
        self.exchanges.push(Exchange { call: mask(&call), answer: mask(&plain) });
        answer.ok()
    }

    pub(super) fn scope_info(&self) -> ScopeInfo {
        ScopeInfo { scope: self.scope.clone() }
    }

    pub(super) fn stream(&self, stream: &str) -> StreamInfo {
        StreamInfo { scope: self.scope.clone(), stream: stream.to_owned(), access_operation: 0 }
    }

    pub(super) fn segment(&self, stream: &str, number: u32, epoch: u32) -> SegmentId {
        SegmentId { stream_info: Some(self.stream(stream)), segment_id: id(number, epoch) }
    }

    pub(super) fn cut(&self, stream: &str, cut: &[(i64, i64)]) -> StreamCut {
        StreamCut { stream_info: Some(self.stream(stream)), cut: cut.iter().copied().collect() }
    }

    pub(super) fn fixed(&self, stream: &str, segments: i32) -> StreamConfig {
        StreamConfig {
            stream_info: Some(self.stream(stream)),
            scaling_policy: Some(ScalingPolicy { min_num_segments: segments, ..ScalingPolicy::default() }),
            ..StreamConfig::default()
        }
    }

    /// Calls by REST and records status and body.
    pub(super) async fn rest(&mut self, method: Method, path: &str, body: Option<&str>) {
        let url = format!("{}{path}", self.base);
        let mut request = self.rest.request(method.clone(), &url);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let answer = request.send().await.expect("the controller answers");
        let (status, body) = (answer.status(), answer.text().await.expect("the answer comes whole"));
        let answer = match serde_json::from_str::<Value>(&body) {
            Ok(json) => format!("{status} {}", sorted(json)),
            // The real server sends an HTML page; the embedded one sends less.
            Err(_) if status.is_server_error() => status.to_string(),
            // A parser's own message.
            Err(_) => format!("{status} {}", if body.is_empty() { "" } else { "text" }),
        };
        self.exchanges.push(Exchange { call: format!("{method} {path}"), answer });
    }
}

pub(super) fn id(number: u32, epoch: u32) -> i64 {
    (i64::from(epoch) << 32) | i64::from(number)
}

/// JSON with sorted lists and without times.
fn sorted(json: Value) -> Value {
    match json {
        Value::Array(list) => {
            let mut list: Vec<Value> = list.into_iter().map(sorted).collect();
            list.sort_by_key(Value::to_string);
            list.into()
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(fields.into_iter().collect())
        }
        Value::Number(number) if number.as_i64().is_some_and(|number| number > 1_500_000_000_000) => "a time".into(),
        other => other,
    }
}

/// Transaction ids count over all streams, so only their epochs are compared.
fn mask(text: &str) -> String {
    let Some(at) = text.find("low_bits: ") else { return text.to_owned() };
    let end = text[at + 10..].find(|c: char| !c.is_ascii_digit() && c != '-').map_or(text.len(), |end| at + 10 + end);
    format!("{}low_bits: n{}", &text[..at], &text[end..])
}

/// The part of an answer that is compared: with sorted lists, without values that each side draws.
pub(super) trait Plain: Clone {
    fn plain(&self) -> Self {
        self.clone()
    }
}

macro_rules! as_they_are {
    ($($answer:ty),* $(,)?) => { $(impl Plain for $answer {})* };
}

as_they_are!(
    CreateScopeStatus,
    DeleteScopeStatus,
    CreateStreamStatus,
    UpdateStreamStatus,
    DeleteStreamStatus,
    ExistsResponse,
    ServerResponse,
    NodeUri,
    SegmentValidityResponse,
    StreamCutValidityResponse,
    ScaleStatusResponse,
    PingTxnStatus,
    TxnStatus,
    TxnState,
    DelegationToken,
    TimestampResponse,
    RemoveWriterResponse,
    UpdateReaderGroupResponse,
    DeleteReaderGroupStatus,
    UpdateSubscriberStatus,
    CreateKeyValueTableStatus,
    KeyValueTableConfigResponse,
    DeleteKvTableStatus,
    ListCompletedTxnResponse,
);

fn by<T, K: Ord>(list: &[T], key: impl Fn(&T) -> K) -> Vec<T>
where
    T: Clone,
{
    let mut list = list.to_vec();
    list.sort_by_key(key);
    list
}

fn segment(id: &Option<SegmentId>) -> i64 {
    id.as_ref().map_or(-1, |id| id.segment_id)
}

impl Plain for SegmentRanges {
    fn plain(&self) -> Self {
        Self { segment_ranges: by(&self.segment_ranges, |range| segment(&range.segment_id)), ..self.clone() }
    }
}

impl Plain for ScaleResponse {
    fn plain(&self) -> Self {
        Self { segments: by(&self.segments, |range| segment(&range.segment_id)), ..self.clone() }
    }
}

impl Plain for CreateTxnResponse {
    fn plain(&self) -> Self {
        Self { active_segments: by(&self.active_segments, |range| segment(&range.segment_id)), ..self.clone() }
    }
}

impl Plain for SegmentsAtTime {
    fn plain(&self) -> Self {
        Self { segments: by(&self.segments, |at| segment(&at.segment_id)), ..self.clone() }
    }
}

impl Plain for SuccessorResponse {
    fn plain(&self) -> Self {
        let sort = |entry: &successor_response::SegmentEntry| successor_response::SegmentEntry {
            value: by(&entry.value, |id| *id),
            ..entry.clone()
        };
        let segments: Vec<_> = self.segments.iter().map(sort).collect();
        let segments = by(&segments, |entry| entry.segment.as_ref().map(|range| segment(&range.segment_id)));
        Self { segments, ..self.clone() }
    }
}

impl Plain for StreamCutRangeResponse {
    fn plain(&self) -> Self {
        Self { segments: by(&self.segments, |id| id.segment_id), ..self.clone() }
    }
}

impl Plain for StreamConfig {
    fn plain(&self) -> Self {
        let tags = self.tags.as_ref().map(|tags| Tags { tag: by(&tags.tag, Clone::clone) });
        Self { tags, ..self.clone() }
    }
}

/// Streams that a real controller refuses to create because of their policies but lists all the same.
const HALF_MADE: [&str; 3] = ["none", "zero", "negative"];

impl Plain for StreamsInScopeResponse {
    fn plain(&self) -> Self {
        let mut streams = by(&self.streams, |info| info.stream.clone());
        streams.retain(|info| !HALF_MADE.contains(&info.stream.as_str()));
        Self { streams, continuation_token: None, ..self.clone() }
    }
}

impl Plain for ScopesResponse {
    /// Other tests create scopes at the same time.
    fn plain(&self) -> Self {
        let internal = self.scopes.iter().filter(|scope| scope.starts_with('_')).cloned();
        Self { scopes: internal.collect(), ..Self::default() }
    }
}

impl Plain for KvTablesInScopeResponse {
    fn plain(&self) -> Self {
        Self { kvtables: by(&self.kvtables, |info| info.kvt_name.clone()), continuation_token: None, ..self.clone() }
    }
}

impl Plain for SubscribersResponse {
    fn plain(&self) -> Self {
        Self { subscribers: by(&self.subscribers, Clone::clone), ..self.clone() }
    }
}

impl Plain for ReaderGroupConfiguration {
    fn plain(&self) -> Self {
        let cuts = |cuts: &[StreamCut]| by(cuts, |cut| cut.stream_info.as_ref().map(|info| info.stream.clone()));
        Self {
            starting_stream_cuts: cuts(&self.starting_stream_cuts),
            ending_stream_cuts: cuts(&self.ending_stream_cuts),
            ..self.clone()
        }
    }
}

impl Plain for CreateReaderGroupResponse {
    fn plain(&self) -> Self {
        Self { config: self.config.as_ref().map(Plain::plain), ..self.clone() }
    }
}

impl Plain for ReaderGroupConfigResponse {
    fn plain(&self) -> Self {
        Self { config: self.config.as_ref().map(Plain::plain), ..self.clone() }
    }
}

/// The cut as a map, for requests.
pub(super) fn map(cut: &[(i64, i64)]) -> HashMap<i64, i64> {
    cut.iter().copied().collect()
}
