//! Between the gateway's words and those of the generated messages.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use pravega_protocol::controller as proto;
use pravega_protocol::controller::stream_info::AccessOperation;
use pravega_protocol::stream::{KeyRange, Scope, ScopedStream, SegmentId, SegmentName, StreamSegments, Successor};

use super::client::{Access, Placement, SegmentLocation};
use super::endpoint::Endpoint;
use super::error::Error;

/// An answer that lacks a part or holds an impossible value.
fn nonsense(call: &'static str, what: impl Into<Arc<str>>) -> Error {
    Error::Protocol { call, what: what.into() }
}

pub(super) fn scope_info(scope: &Scope) -> proto::ScopeInfo {
    proto::ScopeInfo { scope: scope.to_string() }
}

pub(super) fn stream_info(stream: &ScopedStream, access: AccessOperation) -> proto::StreamInfo {
    proto::StreamInfo {
        scope: stream.scope.to_string(),
        stream: stream.stream.to_string(),
        access_operation: access.into(),
    }
}

/// A stream of a fixed number of segments that forgets nothing.
pub(super) fn fixed_stream(stream: &ScopedStream, segments: NonZeroU32) -> proto::StreamConfig {
    let fixed = proto::ScalingPolicy {
        scale_type: proto::scaling_policy::ScalingPolicyType::FixedNumSegments.into(),
        min_num_segments: i32::try_from(segments.get()).unwrap_or(i32::MAX),
        ..Default::default()
    };
    proto::StreamConfig {
        stream_info: Some(stream_info(stream, AccessOperation::Unspecified)),
        scaling_policy: Some(fixed),
        ..Default::default()
    }
}

/// What the controller says of something that it was to create; that it is there already is as good.
pub(super) fn created(call: &'static str, status: &str, exists: &str) -> Result<(), Error> {
    if status != "SUCCESS" && status != exists {
        return Err(nonsense(call, format!("the status {status}")));
    }
    Ok(())
}

pub(super) fn access_operation(access: Access) -> AccessOperation {
    match access {
        Access::Read => AccessOperation::Read,
        Access::Write => AccessOperation::Write,
        Access::ReadWrite => AccessOperation::ReadWrite,
    }
}

pub(super) fn segment_id(segment: &SegmentName) -> proto::SegmentId {
    proto::SegmentId {
        stream_info: Some(stream_info(&segment.stream, AccessOperation::Unspecified)),
        segment_id: segment.id.as_i64(),
    }
}

pub(super) fn cut(locations: &[SegmentLocation]) -> HashMap<i64, i64> {
    locations.iter().map(|at| (at.segment.as_i64(), at.offset)).collect()
}

fn id_of(call: &'static str, id: Option<proto::SegmentId>) -> Result<SegmentId, Error> {
    let id = id.ok_or_else(|| nonsense(call, "a segment without an id"))?;
    Ok(SegmentId::from_i64(id.segment_id))
}

fn range_of(call: &'static str, range: proto::SegmentRange) -> Result<(SegmentId, KeyRange), Error> {
    let (low, high) = (range.min_key, range.max_key);
    let id = id_of(call, range.segment_id)?;
    // The highest bound may be a rounding error above 1.
    let part = KeyRange::new(low, if high > 1.0 && high < 1.000_001 { 1.0 } else { high });
    let part = part.ok_or_else(|| nonsense(call, format!("the key range {low} to {high} of segment {id}")))?;
    Ok((id, part))
}

pub(super) fn stream_segments(call: &'static str, ranges: proto::SegmentRanges) -> Result<StreamSegments, Error> {
    let parts = ranges.segment_ranges.into_iter().map(|range| range_of(call, range));
    let parts = parts.collect::<Result<_, _>>()?;
    StreamSegments::new(parts).map_err(|error| nonsense(call, error.to_string()))
}

pub(super) fn locations(call: &'static str, head: proto::SegmentsAtTime) -> Result<Vec<SegmentLocation>, Error> {
    let location = |at: proto::segments_at_time::SegmentLocation| {
        Ok(SegmentLocation { segment: id_of(call, at.segment_id)?, offset: at.offset })
    };
    head.segments.into_iter().map(location).collect()
}

pub(super) fn successors(call: &'static str, answer: proto::SuccessorResponse) -> Result<Vec<Successor>, Error> {
    let successor = |entry: proto::successor_response::SegmentEntry| {
        let range = entry.segment.ok_or_else(|| nonsense(call, "a successor without a segment"))?;
        let (id, range) = range_of(call, range)?;
        let predecessors = entry.value.into_iter().map(SegmentId::from_i64).collect();
        Ok(Successor { id, range, predecessors })
    };
    answer.segments.into_iter().map(successor).collect()
}

pub(super) fn placement(call: &'static str, node: &proto::NodeUri, host: &Arc<str>) -> Result<Placement, Error> {
    let port = u16::try_from(node.port).ok().filter(|port| *port != 0);
    let port = port.ok_or_else(|| nonsense(call, format!("the port {}", node.port)))?;
    Ok(Placement { said: Endpoint::new(&node.endpoint, port), controller_host: Arc::clone(host) })
}
