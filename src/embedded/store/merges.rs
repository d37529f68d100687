//! Merges, which commit transactions and large events.

use super::StoreContext;
use super::refused::{Answered, Asked, Refused, offset_of};
use super::segments::{named, token_refused};
use super::tokens::Access;
use crate::embedded::node::{SegmentError, Step};
use crate::wire::{
    AttributeUpdate, JavaStr, MergeSegments, MergeSegmentsBatch, MergedSources, Segment, SegmentAttributeUpdated,
    SegmentsBatchMerged, SegmentsMerged,
};

/// What a merge came to.
enum Merged {
    /// Length of the target now.
    Length(u64),
    /// An attribute has another value; the source is sealed.
    BadAttribute,
}

impl StoreContext {
    pub(super) fn merge_segments(&self, command: MergeSegments) -> Answered {
        let MergeSegments { request_id, target, source, delegation_token, attribute_updates } = command;
        let named_source = Segment(source.clone());
        self.allow(&delegation_token, &named_source, request_id)?;
        named(&target)?;
        let merged = self.node.step(|step| merge(step, &target, &source, &attribute_updates));
        Asked::new(request_id, &named_source).answer(merged, |merged| match merged {
            Merged::BadAttribute => SegmentAttributeUpdated { request_id, success: false }.into(),
            Merged::Length(length) => {
                SegmentsMerged { request_id, target, source, new_target_write_offset: offset_of(length) }.into()
            }
        })
    }

    pub(super) fn merge_segments_batch(&self, command: MergeSegmentsBatch) -> Answered {
        let MergeSegmentsBatch { request_id, target_segment_id: target, source_segment_ids, delegation_token } =
            command;
        let refused = |refused| Refused::told(token_refused(request_id, refused));
        self.check(&delegation_token, &target, Access::ReadUpdate).map_err(refused)?;
        for source in &source_segment_ids {
            self.check(&delegation_token, &Segment(source.clone()), Access::Read).map_err(refused)?;
        }
        named(&target)?;
        let merged = self.node.step(|step| {
            let merged = source_segment_ids.into_iter().map(|source| {
                let length = merge_one_of_many(step, &target, &source)?;
                Ok((source, offset_of(length).0))
            });
            merged.collect::<Result<Vec<_>, SegmentError>>()
        });
        Asked::new(request_id, &target)
            .answer(merged, |merged| SegmentsBatchMerged { request_id, target, sources: MergedSources(merged) }.into())
    }
}

/// Seals the source, as stores do before they look at the target's state, then merges it.
fn merge(
    step: &mut Step<'_>,
    target: &Segment,
    source: &JavaStr,
    updates: &[AttributeUpdate],
) -> Result<Merged, SegmentError> {
    let (target, source) = (target.0.as_str(), source.as_str());
    let length = step.segment(target).ok_or(SegmentError::NotFound)?.data().length();
    if step.was_merged(source) {
        return Ok(Merged::Length(length));
    }
    let source_segment = step.segment(source).ok_or(SegmentError::NotFound)?;
    if target == source {
        return Err(SegmentError::MergeIntoItself);
    }
    if !source_segment.is_sealed() {
        step.seal_segment(source)?;
    }
    match step.merge_segment(target, source, updates) {
        Ok(appended) => Ok(Merged::Length(appended.length)),
        Err(SegmentError::BadAttribute) => Ok(Merged::BadAttribute),
        Err(error) => Err(error),
    }
}

/// In a batch, a source that is not there counts as merged.
fn merge_one_of_many(step: &mut Step<'_>, target: &Segment, source: &JavaStr) -> Result<u64, SegmentError> {
    let length = step.segment(target.0.as_str()).ok_or(SegmentError::NotFound)?.data().length();
    if step.segment(source.as_str()).is_none() {
        return Ok(length);
    }
    match merge(step, target, source, &[])? {
        Merged::Length(length) => Ok(length),
        Merged::BadAttribute => Ok(length),
    }
}
