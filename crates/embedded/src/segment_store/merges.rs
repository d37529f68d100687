//! Merges, which commit transactions and large events.

use pravega_protocol::wire::{
    AttributeUpdate, JavaStr, MergeSegments, MergeSegmentsBatch, MergedSources, Segment, SegmentAttributeUpdated,
    SegmentsBatchMerged, SegmentsMerged,
};

use super::StoreContext;
use super::command_result::{CommandResult, Rejection, RequestContext, offset_of};
use super::segments::token_refused;
use crate::node::{Room, SegmentError, Step};
use crate::users::Permission;

/// The result of a merge.
enum Merged {
    /// Length of the target now.
    Length(u64),
    /// An attribute has another value; the source is sealed.
    BadAttribute,
}

impl StoreContext {
    pub(super) fn merge_segments(&self, command: MergeSegments, room: Room) -> CommandResult {
        let MergeSegments { request_id, target, source, delegation_token, attribute_updates } = command;
        let named_source = Segment(source.clone());
        self.allow(&delegation_token, &named_source, request_id)?;
        let merged = self.node.step_in(room, |step| merge(step, &target, &source, Some(&attribute_updates)));
        RequestContext::new(request_id, &named_source).respond(merged, |merged| match merged {
            Merged::BadAttribute => SegmentAttributeUpdated { request_id, success: false }.into(),
            Merged::Length(length) => {
                SegmentsMerged { request_id, target, source, new_target_write_offset: offset_of(length) }.into()
            }
        })
    }

    pub(super) fn merge_segments_batch(&self, command: MergeSegmentsBatch, room: Room) -> CommandResult {
        let MergeSegmentsBatch { request_id, target_segment_id: target, source_segment_ids, delegation_token } =
            command;
        let refused = |refused| Rejection::with_reply(token_refused(request_id, refused));
        self.check(&delegation_token, &target, Permission::ReadUpdate).map_err(refused)?;
        for source in &source_segment_ids {
            self.check(&delegation_token, &Segment(source.clone()), Permission::Read).map_err(refused)?;
        }
        let merged = self.node.step_in(room, |step| {
            let merge = |source: JavaStr| {
                let length = merge_one_of_many(step, &target, &source)?;
                Ok((source, offset_of(length).0))
            };
            // one that fails keeps none of the others back
            let merged: Vec<Result<_, SegmentError>> = source_segment_ids.into_iter().map(merge).collect();
            merged.into_iter().collect::<Result<Vec<_>, _>>()
        });
        RequestContext::new(request_id, &target)
            .respond(merged, |merged| SegmentsBatchMerged { request_id, target, sources: MergedSources(merged) }.into())
    }
}

/// Seals the source, as stores do before they look at the target's state, then merges it. Without updates, the target
/// of an empty source may be sealed. Source: StreamSegmentContainer.java, `mergeStreamSegment`.
fn merge(
    step: &mut Step<'_>,
    target: &Segment,
    source: &JavaStr,
    updates: Option<&[AttributeUpdate]>,
) -> Result<Merged, SegmentError> {
    let (target, source) = (target.0.as_str(), source.as_str());
    let length = step.state().segment(target).ok_or(SegmentError::NotFound)?.data().length();
    if step.state().was_merged(source) {
        return Ok(Merged::Length(length));
    }
    let found = step.state().segment(source).ok_or(SegmentError::NotFound)?;
    let (is_sealed, is_empty) = (found.is_sealed(), found.data().length() == 0);
    let is_truncated = found.data().start() > 0;
    if target == source {
        return Err(SegmentError::MergeIntoItself);
    }
    if !is_sealed {
        step.seal_segment(source)?;
    }
    if is_truncated {
        return Err(SegmentError::TruncatedSource);
    }
    let merged = if is_empty {
        let updated = updates.map_or(Ok(()), |updates| step.update_attributes(target, updates));
        updated.and_then(|()| step.delete_segment(source)).map(|()| length)
    } else {
        step.merge_segment(target, source, updates.unwrap_or_default()).map(|appended| appended.length)
    };
    match merged {
        Err(SegmentError::BadAttribute) => Ok(Merged::BadAttribute),
        merged => merged.map(Merged::Length),
    }
}

/// In a batch, a source that is not there counts as merged.
fn merge_one_of_many(step: &mut Step<'_>, target: &Segment, source: &JavaStr) -> Result<u64, SegmentError> {
    let length = step.state().segment(target.0.as_str()).ok_or(SegmentError::NotFound)?.data().length();
    if step.state().segment(source.as_str()).is_none() {
        return Ok(length);
    }
    match merge(step, target, source, None)? {
        Merged::Length(length) => Ok(length),
        Merged::BadAttribute => Ok(length),
    }
}
