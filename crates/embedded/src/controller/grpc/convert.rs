//! Between the generated messages and the controller's records.

use std::collections::{BTreeMap, HashMap};

use pravega_protocol::controller as proto;
use pravega_protocol::controller::retention_policy::RetentionPolicyType;
use pravega_protocol::controller::scaling_policy::ScalingPolicyType;
use pravega_protocol::stream::SegmentId;

use crate::controller::catalog::{
    Cut, EpochSegment, Retention, RetentionKind, Scaling, ScalingKind, StreamConfig, TransactionId,
};

pub(super) fn stream_info(scope: &str, stream: &str) -> proto::StreamInfo {
    proto::StreamInfo { scope: scope.to_owned(), stream: stream.to_owned(), access_operation: 0 }
}

pub(super) fn segment_id(scope: &str, stream: &str, id: SegmentId) -> proto::SegmentId {
    proto::SegmentId { stream_info: Some(stream_info(scope, stream)), segment_id: id.as_i64() }
}

pub(super) fn range(scope: &str, stream: &str, segment: &EpochSegment) -> proto::SegmentRange {
    proto::SegmentRange {
        segment_id: Some(segment_id(scope, stream, segment.id)),
        min_key: segment.range.low,
        max_key: segment.range.high,
    }
}

pub(super) fn ranges(scope: &str, stream: &str, segments: &[EpochSegment]) -> Vec<proto::SegmentRange> {
    segments.iter().map(|segment| range(scope, stream, segment)).collect()
}

pub(super) fn cut(map: HashMap<i64, i64>) -> Cut {
    map.into_iter().map(|(id, offset)| (SegmentId::from_i64(id), offset)).collect()
}

pub(super) fn cut_of(cut: proto::StreamCut) -> (proto::StreamInfo, Cut) {
    (cut.stream_info.unwrap_or_default(), self::cut(cut.cut))
}

/// Cuts by stream, `scope/stream`.
pub(super) fn cuts(cuts: Vec<proto::StreamCut>) -> BTreeMap<String, Cut> {
    let by_stream = |cut| {
        let (info, cut) = cut_of(cut);
        (format!("{}/{}", info.scope, info.stream), cut)
    };
    cuts.into_iter().map(by_stream).collect()
}

pub(super) fn proto_cuts(cuts: &BTreeMap<String, Cut>) -> Vec<proto::StreamCut> {
    let one = |(stream, cut): (&String, &Cut)| {
        let (scope, stream) = stream.split_once('/').expect("written by this module");
        let cut = cut.iter().map(|(id, offset)| (id.as_i64(), *offset)).collect();
        proto::StreamCut { stream_info: Some(stream_info(scope, stream)), cut }
    };
    cuts.iter().map(one).collect()
}

pub(super) fn transaction_id(id: Option<proto::TxnId>) -> TransactionId {
    let id = id.unwrap_or_default();
    TransactionId { high: id.high_bits, low: id.low_bits }
}

pub(super) fn proto_transaction_id(id: TransactionId) -> proto::TxnId {
    proto::TxnId { high_bits: id.high, low_bits: id.low }
}

/// The stream and its configuration; none without a scaling policy.
pub(super) fn stream_config(config: proto::StreamConfig) -> (proto::StreamInfo, Option<StreamConfig>) {
    let (retention, tags) = (config.retention_policy.and_then(retention), config.tags.unwrap_or_default().tag);
    let (timeout, rollover) = (config.timestamp_aggregation_timeout, config.rollover_size_bytes);
    let record = config.scaling_policy.map(|policy| StreamConfig {
        scaling: scaling(policy),
        retention,
        tags: tags.into_iter().collect(),
        timestamp_aggregation_timeout: timeout,
        rollover_size_bytes: rollover,
    });
    (config.stream_info.unwrap_or_default(), record)
}

fn scaling(policy: proto::ScalingPolicy) -> Scaling {
    let kind = match policy.scale_type() {
        ScalingPolicyType::FixedNumSegments => ScalingKind::Fixed,
        ScalingPolicyType::ByRateInKbytesPerSec => ScalingKind::KilobytesPerSecond,
        ScalingPolicyType::ByRateInEventsPerSec => ScalingKind::EventsPerSecond,
    };
    let (target_rate, scale_factor) = (policy.target_rate, policy.scale_factor);
    Scaling { kind, target_rate, scale_factor, min_segments: policy.min_num_segments }
}

fn retention(policy: proto::RetentionPolicy) -> Option<Retention> {
    let kind = match policy.retention_type() {
        RetentionPolicyType::Unknown => return None,
        RetentionPolicyType::Time => RetentionKind::Time,
        RetentionPolicyType::Size => RetentionKind::Size,
    };
    Some(Retention { kind, at_least: policy.retention_param, at_most: policy.retention_max })
}

pub(super) fn proto_stream_config(info: proto::StreamInfo, config: StreamConfig) -> proto::StreamConfig {
    let scale_type = match config.scaling.kind {
        ScalingKind::Fixed => ScalingPolicyType::FixedNumSegments,
        ScalingKind::KilobytesPerSecond => ScalingPolicyType::ByRateInKbytesPerSec,
        ScalingKind::EventsPerSecond => ScalingPolicyType::ByRateInEventsPerSec,
    };
    proto::StreamConfig {
        stream_info: Some(stream_info(&info.scope, &info.stream)),
        scaling_policy: Some(proto::ScalingPolicy {
            scale_type: scale_type.into(),
            target_rate: config.scaling.target_rate,
            scale_factor: config.scaling.scale_factor,
            min_num_segments: config.scaling.min_segments,
        }),
        retention_policy: config.retention.map(proto_retention),
        tags: Some(proto::Tags { tag: config.tags.into_iter().collect() }),
        timestamp_aggregation_timeout: config.timestamp_aggregation_timeout,
        rollover_size_bytes: config.rollover_size_bytes,
    }
}

fn proto_retention(policy: Retention) -> proto::RetentionPolicy {
    let kind = match policy.kind {
        RetentionKind::Time => RetentionPolicyType::Time,
        RetentionKind::Size => RetentionPolicyType::Size,
    };
    proto::RetentionPolicy {
        retention_type: kind.into(),
        retention_param: policy.at_least,
        retention_max: policy.at_most,
    }
}
