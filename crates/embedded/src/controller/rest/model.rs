//! The interface's objects.

use serde::{Deserialize, Serialize};

use crate::controller::catalog::{Epoch, EpochSegment, Retention, RetentionKind, Scaling, ScalingKind, StreamConfig};

const MINUTE: i64 = 60 * 1000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const MEGABYTE: i64 = 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scope {
    pub(super) scope_name: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Scopes {
    pub(super) scopes: Vec<Scope>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ScalingType {
    FixedNumSegments,
    ByRateInKbytesPerSec,
    ByRateInEventsPerSec,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScalingPolicy {
    r#type: ScalingType,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_rate: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale_factor: Option<i32>,
    min_segments: Option<i32>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum RetentionType {
    LimitedDays,
    LimitedSizeMb,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Period {
    days: i64,
    hours: i64,
    minutes: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RetentionPolicy {
    r#type: RetentionType,
    value: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_based_retention: Option<Period>,
    #[serde(skip_serializing)]
    max_value: Option<i64>,
    #[serde(skip_serializing)]
    max_time_based_retention: Option<Period>,
}

/// A body that makes or changes a stream.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamBody {
    pub(super) stream_name: Option<String>,
    scaling_policy: Option<ScalingPolicy>,
    retention_policy: Option<RetentionPolicy>,
    stream_tags: Option<Vec<String>>,
    timestamp_aggregation_timeout: Option<i64>,
    rollover_size_bytes: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stream {
    scope_name: String,
    stream_name: String,
    scaling_policy: ScalingPolicy,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_policy: Option<RetentionPolicy>,
    tags: Vec<String>,
    timestamp_aggregation_timeout: i64,
    rollover_size_bytes: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct Streams {
    pub(super) streams: Vec<Stream>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamState {
    pub(super) stream_state: Option<String>,
}

/// The segments of one epoch.
#[derive(Debug, Serialize)]
pub(super) struct ScalingEvent {
    timestamp: i64,
    segments: Vec<Segment>,
    splits: usize,
    merges: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Segment {
    number: u32,
    epoch: u32,
    start: i64,
    key_start: f64,
    key_end: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupName {
    pub(super) reader_group_name: String,
}

/// An empty list is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Groups {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reader_groups: Vec<GroupName>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    pub(super) scope_name: String,
    pub(super) reader_group_name: String,
    pub(super) stream_list: Vec<String>,
    pub(super) online_reader_ids: Vec<String>,
}

impl ScalingPolicy {
    /// `None` where a number is missing that the type needs.
    fn to_record(&self) -> Option<Scaling> {
        let min_segments = self.min_segments.filter(|count| *count > 0)?;
        let positive = |number: Option<i32>| number.filter(|number| *number > 0);
        let kind = match self.r#type {
            ScalingType::FixedNumSegments => return Some(Scaling::fixed(min_segments)),
            ScalingType::ByRateInKbytesPerSec => ScalingKind::KilobytesPerSecond,
            ScalingType::ByRateInEventsPerSec => ScalingKind::EventsPerSecond,
        };
        let (target_rate, scale_factor) = (positive(self.target_rate)?, positive(self.scale_factor)?);
        Some(Scaling { kind, target_rate, scale_factor, min_segments })
    }

    fn of_record(scaling: &Scaling) -> Self {
        let r#type = match scaling.kind {
            ScalingKind::Fixed => ScalingType::FixedNumSegments,
            ScalingKind::KilobytesPerSecond => ScalingType::ByRateInKbytesPerSec,
            ScalingKind::EventsPerSecond => ScalingType::ByRateInEventsPerSec,
        };
        let by_rate = scaling.kind != ScalingKind::Fixed;
        Self {
            r#type,
            target_rate: by_rate.then_some(scaling.target_rate),
            scale_factor: by_rate.then_some(scaling.scale_factor),
            min_segments: Some(scaling.min_segments),
        }
    }
}

impl Period {
    fn to_millis(&self) -> i64 {
        self.days * DAY + self.hours * HOUR + self.minutes * MINUTE
    }

    fn of_millis(millis: i64) -> Self {
        Self { days: millis / DAY, hours: millis % DAY / HOUR, minutes: millis % HOUR / MINUTE }
    }
}

impl RetentionPolicy {
    /// Days count where they are given, the finer period where they are 0; without a maximum there is none. `None`
    /// without a value, which Pravega stumbles over.
    fn to_record(&self) -> Option<Retention> {
        self.value?;
        let days = |days: Option<i64>| days.filter(|days| *days > 0).map(|days| days.saturating_mul(DAY));
        let period = |period: &Option<Period>| period.as_ref().map(Period::to_millis);
        let megabytes = |value: Option<i64>| value.map(|megabytes| megabytes.saturating_mul(MEGABYTE));
        let (kind, at_least, at_most) = match self.r#type {
            RetentionType::LimitedDays => (
                RetentionKind::Time,
                days(self.value).or_else(|| period(&self.time_based_retention)),
                days(self.max_value).or_else(|| period(&self.max_time_based_retention)),
            ),
            RetentionType::LimitedSizeMb => (RetentionKind::Size, megabytes(self.value), megabytes(self.max_value)),
        };
        let at_most = at_most.filter(|most| *most > 0).unwrap_or(i64::MAX);
        Some(Retention { kind, at_least: at_least.unwrap_or(0), at_most })
    }

    fn of_record(retention: &Retention) -> Self {
        let (r#type, value, period) = match retention.kind {
            RetentionKind::Time => {
                let period = Period::of_millis(retention.at_least);
                // Only whole days are reported as a value.
                let days = if retention.at_least % DAY == 0 { period.days } else { 0 };
                (RetentionType::LimitedDays, days, Some(period))
            }
            RetentionKind::Size => (RetentionType::LimitedSizeMb, retention.at_least / MEGABYTE, None),
        };
        Self {
            r#type,
            value: Some(value),
            time_based_retention: period,
            max_value: None,
            max_time_based_retention: None,
        }
    }
}

impl StreamBody {
    /// `None` where a policy that is needed is missing, or one is of no use.
    pub(super) fn to_record(&self) -> Option<StreamConfig> {
        let retention = match &self.retention_policy {
            Some(policy) => Some(policy.to_record()?),
            None => None,
        };
        Some(StreamConfig {
            scaling: self.scaling_policy.as_ref()?.to_record()?,
            retention,
            tags: self.stream_tags.iter().flatten().cloned().collect(),
            timestamp_aggregation_timeout: self.timestamp_aggregation_timeout.unwrap_or(0),
            rollover_size_bytes: self.rollover_size_bytes.unwrap_or(0),
        })
    }
}

impl Stream {
    pub(super) fn of_record(scope: &str, stream: &str, config: &StreamConfig) -> Self {
        Self {
            scope_name: scope.to_owned(),
            stream_name: stream.to_owned(),
            scaling_policy: ScalingPolicy::of_record(&config.scaling),
            retention_policy: config.retention.as_ref().map(RetentionPolicy::of_record),
            tags: config.tags.iter().cloned().collect(),
            timestamp_aggregation_timeout: config.timestamp_aggregation_timeout,
            rollover_size_bytes: config.rollover_size_bytes,
        }
    }
}

impl ScalingEvent {
    pub(super) fn of_epoch(before: Option<&Epoch>, epoch: &Epoch) -> Self {
        let segment = |segment: &EpochSegment| Segment {
            number: segment.id.number(),
            epoch: segment.id.epoch(),
            start: segment.created,
            key_start: segment.range.low,
            key_end: segment.range.high,
        };
        Self {
            timestamp: epoch.created,
            segments: epoch.segments.iter().map(segment).collect(),
            splits: before.map_or(0, |before| before.divided_by(epoch)),
            merges: before.map_or(0, |before| epoch.divided_by(before)),
        }
    }
}
