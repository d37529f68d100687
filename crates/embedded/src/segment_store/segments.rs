//! Commands that look at one segment, or change it.

use pravega_protocol::wire::{
    AttributeUpdate, AuthErrorCode, AuthTokenCheckFailed, CreateSegment, CreateTransientSegment, DelegationToken,
    DeleteSegment, GetSegmentAttribute, GetStreamSegmentInfo, JavaStr, RequestId, SealSegment, Segment,
    SegmentAttribute, SegmentAttributeUpdated, SegmentCreated, SegmentDeleted, SegmentPolicyUpdated, SegmentSealed,
    SegmentTruncated, StreamSegmentInfo, TruncateSegment, UpdateSegmentAttribute, UpdateSegmentPolicy, WireCommand,
};
use tokio::time::Instant;

use super::StoreContext;
use super::attributes::{CREATION_TIME, ROLLOVER_SIZE, SCALE_RATE, SCALE_TYPE, segment_type};
use super::command_result::{CommandResult, Rejection, RequestContext, offset_of};
use super::transients::transient;
use crate::node::{NewSegment, REPLACE, REPLACE_IF_EQUALS, Room, SegmentError, SegmentKind, StoredSegment, Undurable};
use crate::users::{Expiry, Permission, TokenError};

impl StoreContext {
    /// Checks that the token allows to read the segment, which most commands are content with.
    pub(super) fn allow(
        &self,
        token: &DelegationToken,
        segment: &Segment,
        request_id: RequestId,
    ) -> Result<(), Rejection> {
        let checked = self.check(token, segment, Permission::Read).map(drop);
        checked.map_err(|refused| Rejection::with_reply(token_refused(request_id, refused)))
    }

    /// When the token expires, if it allows that at all and ever expires.
    pub(super) fn check(
        &self,
        token: &DelegationToken,
        segment: &Segment,
        needed: Permission,
    ) -> Result<Option<Instant>, TokenError> {
        match &self.tokens {
            Some(tokens) => tokens.check(token.0.as_str(), segment.0.as_str(), needed).map(Expiry::at),
            None => Ok(None),
        }
    }

    /// The reply to any command that only looks, but for reads of a segment's bytes.
    pub(super) fn answer(&self, command: WireCommand) -> CommandResult {
        match command {
            WireCommand::GetStreamSegmentInfo(command) => self.segment_info(command),
            WireCommand::GetSegmentAttribute(command) => self.attribute(command),
            WireCommand::GetTableSegmentInfo(command) => self.table_info(&command),
            WireCommand::ReadTable(command) => self.read_table(&command),
            WireCommand::ReadTableKeys(command) => self.read_table_keys(&command),
            WireCommand::ReadTableEntries(command) => self.read_table_entries(&command),
            WireCommand::ReadTableEntriesDelta(command) => self.read_table_delta(&command),
            _ => Err(Rejection::close("a command that the store does not take")),
        }
    }

    /// The reply to any command that changes something and neither appends nor adds entries.
    pub(super) fn change(&self, command: WireCommand, room: Room) -> CommandResult {
        match command {
            WireCommand::CreateSegment(command) => self.create_segment(command, room),
            WireCommand::SealSegment(command) => self.seal_segment(command, room),
            WireCommand::DeleteSegment(command) => self.delete_segment(command, room),
            WireCommand::UpdateSegmentPolicy(command) => self.update_policy(command, room),
            WireCommand::UpdateSegmentAttribute(command) => self.update_attribute(command, room),
            WireCommand::TruncateSegment(command) => self.truncate_segment(command, room),
            WireCommand::MergeSegments(command) => self.merge_segments(command, room),
            WireCommand::MergeSegmentsBatch(command) => self.merge_segments_batch(command, room),
            WireCommand::CreateTableSegment(command) => self.create_table(command, room),
            WireCommand::DeleteTableSegment(command) => self.delete_table(&command, room),
            WireCommand::RemoveTableKeys(command) => self.remove_table_keys(&command, room),
            _ => Err(Rejection::close("a command that the store does not take")),
        }
    }

    /// Looks at one segment.
    pub(super) fn look_at<T>(
        &self,
        segment: &Segment,
        see: impl FnOnce(&StoredSegment) -> T,
    ) -> Undurable<Result<T, SegmentError>> {
        let seen = self.node.look_at(segment.0.as_str(), |_, segment| see(segment));
        seen.map(|seen| seen.ok_or(SegmentError::NotFound))
    }

    fn segment_info(&self, command: GetStreamSegmentInfo) -> CommandResult {
        let GetStreamSegmentInfo { request_id, segment_name, delegation_token } = command;
        self.allow(&delegation_token, &segment_name, request_id)?;
        let seen = self.look_at(&segment_name, |segment| {
            let data = segment.data();
            let length = segment.table().map_or(data.length(), |table| table.length().unsigned_abs());
            (segment.is_sealed(), segment.last_modified(), length, data.start())
        });
        RequestContext::new(request_id, &segment_name).respond(seen, |(is_sealed, last_modified, length, start)| {
            let (exists, is_deleted) = (true, false);
            let (write_offset, start_offset) = (offset_of(length), offset_of(start));
            StreamSegmentInfo {
                request_id,
                segment_name,
                exists,
                is_sealed,
                is_deleted,
                last_modified,
                write_offset,
                start_offset,
            }
            .into()
        })
    }

    fn create_segment(&self, command: CreateSegment, room: Room) -> CommandResult {
        let CreateSegment { request_id, segment, target_rate, scale_type, delegation_token, rollover_size_bytes } =
            command;
        self.allow(&delegation_token, &segment, request_id)?;
        named(&segment)?;
        let (name, kind) = (segment.0.as_str().to_owned(), SegmentKind::Stream);
        let created = self.node.step_in(room, |step| {
            let attributes = vec![
                (SCALE_TYPE, i64::from(scale_type)),
                (SCALE_RATE, i64::from(target_rate)),
                (ROLLOVER_SIZE, rollover_size_bytes.max(0)),
                (CREATION_TIME, step.at()),
                segment_type(kind),
            ];
            step.create_segment(NewSegment { name, kind, attributes })
        });
        RequestContext::new(request_id, &segment).respond(created, |()| SegmentCreated { request_id, segment }.into())
    }

    /// Creates a transient segment and says which.
    pub(super) fn create_transient(
        &self,
        command: CreateTransientSegment,
        room: Room,
    ) -> Result<(Segment, Undurable<WireCommand>), Rejection> {
        let CreateTransientSegment { request_id, writer_id, parent_segment, .. } = command;
        let created = self.node.step_in(room, |step| {
            let new = transient(parent_segment.0.as_str(), writer_id, step.at());
            let name = new.name.clone();
            step.create_segment(new).map(|()| name)
        });
        let name = created.map(|created| JavaStr::new(created.expect("the name is random")).map(Segment));
        let name = name.transpose().map_err(|_| Rejection::close("the transient segment's name is too long"))?;
        let (segment, place) = name.split();
        Ok((segment.clone(), place.with(SegmentCreated { request_id, segment }.into())))
    }

    fn seal_segment(&self, command: SealSegment, room: Room) -> CommandResult {
        let SealSegment { request_id, segment, delegation_token } = command;
        self.allow(&delegation_token, &segment, request_id)?;
        let sealed = self.node.step_in(room, |step| step.seal_segment(segment.0.as_str()));
        RequestContext::new(request_id, &segment).respond(sealed, |_| SegmentSealed { request_id, segment }.into())
    }

    fn delete_segment(&self, command: DeleteSegment, room: Room) -> CommandResult {
        let DeleteSegment { request_id, segment, delegation_token } = command;
        self.allow(&delegation_token, &segment, request_id)?;
        let deleted = self.node.step_in(room, |step| step.delete_segment(segment.0.as_str()));
        RequestContext::new(request_id, &segment).respond(deleted, |()| SegmentDeleted { request_id, segment }.into())
    }

    fn update_policy(&self, command: UpdateSegmentPolicy, room: Room) -> CommandResult {
        let UpdateSegmentPolicy { request_id, segment, target_rate, scale_type, delegation_token } = command;
        self.allow(&delegation_token, &segment, request_id)?;
        let replace =
            |attribute_id, new_value| AttributeUpdate { attribute_id, update_type: REPLACE, new_value, old_value: 0 };
        let updates = [replace(SCALE_TYPE, i64::from(scale_type)), replace(SCALE_RATE, i64::from(target_rate))];
        let updated = self.node.step_in(room, |step| step.update_attributes(segment.0.as_str(), &updates));
        RequestContext::new(request_id, &segment)
            .respond(updated, |()| SegmentPolicyUpdated { request_id, segment }.into())
    }

    fn attribute(&self, command: GetSegmentAttribute) -> CommandResult {
        let GetSegmentAttribute { request_id, segment_name, attribute_id, delegation_token } = command;
        self.allow(&delegation_token, &segment_name, request_id)?;
        let seen = self.look_at(&segment_name, |segment| segment.attribute(attribute_id.0));
        RequestContext::new(request_id, &segment_name)
            .respond(seen, |value| SegmentAttribute { request_id, value }.into())
    }

    fn update_attribute(&self, command: UpdateSegmentAttribute, room: Room) -> CommandResult {
        let UpdateSegmentAttribute { request_id, segment_name, attribute_id, .. } = command;
        let (new_value, old_value) = (command.new_value, command.expected_value);
        self.allow(&command.delegation_token, &segment_name, request_id)?;
        let update =
            AttributeUpdate { attribute_id: attribute_id.0, update_type: REPLACE_IF_EQUALS, new_value, old_value };
        let updated = self.node.step_in(room, |step| step.update_attributes(segment_name.0.as_str(), &[update]));
        let updated = updated.map(|updated| match updated {
            Err(SegmentError::BadAttribute) => Ok(false),
            updated => updated.map(|()| true),
        });
        let reply = |success| SegmentAttributeUpdated { request_id, success }.into();
        RequestContext::new(request_id, &segment_name).respond(updated, reply)
    }

    fn truncate_segment(&self, command: TruncateSegment, room: Room) -> CommandResult {
        let TruncateSegment { request_id, segment, truncation_offset, delegation_token } = command;
        self.allow(&delegation_token, &segment, request_id)?;
        let offset = u64::try_from(truncation_offset.0).map_err(|_| Rejection::close("a negative offset"))?;
        let truncated = self.node.step_in(room, |step| step.truncate_segment(segment.0.as_str(), offset));
        let request = RequestContext::new(request_id, &segment).at(truncation_offset);
        request.respond(truncated, |()| SegmentTruncated { request_id, segment }.into())
    }
}

/// Refuses the empty name, which no segment can have.
pub(super) fn named(segment: &Segment) -> Result<(), Rejection> {
    if segment.0.as_str().is_empty() { Err(Rejection::close("an empty segment name")) } else { Ok(()) }
}

/// The reply to a token that is not accepted.
pub(super) fn token_refused(request_id: RequestId, refused: TokenError) -> WireCommand {
    let error_code = AuthErrorCode::from(refused);
    AuthTokenCheckFailed { request_id, server_stack_trace: JavaStr::default(), error_code }.into()
}
