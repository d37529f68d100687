//! Commands for tables.

use pravega_protocol::wire::{
    Buf, CreateTableSegment, DeleteTableSegment, GetTableSegmentInfo, Offset, ReadTable, ReadTableEntries,
    ReadTableEntriesDelta, ReadTableKeys, RemoveTableKeys, RequestId, Segment, SegmentCreated, SegmentDeleted,
    TableEntries, TableEntriesDeltaRead, TableEntriesRead, TableEntriesUpdated, TableKeysRead, TableKeysRemoved,
    TableRead, TableSegmentInfo, UpdateTableEntries, WireCommand,
};

use super::StoreContext;
use super::attributes::{KEY_LENGTH, ROLLOVER_SIZE, segment_type};
use super::command_result::{CommandResult, Rejection, RequestContext};
use super::segments::named;
use crate::node::{NewSegment, Room, SegmentError, SegmentKind, State, TableError};
use crate::table::{ENTRY_OVERHEAD_BYTES, Keys, Table, TableRejection};

/// Rollover size of a table that is created without one. Source: TableExtensionConfig.java, `DEFAULT_ROLLOVER_SIZE`.
const ROLLOVER_BYTES: i64 = 16 * 1024 * 1024;

/// Bytes that an update takes in memory; in a record it takes less.
pub(super) fn update_bytes(update: &UpdateTableEntries) -> usize {
    let entries = update.table_entries.0.iter();
    entries.map(|entry| entry.key.data.len() + entry.value.len() + ENTRY_OVERHEAD_BYTES as usize).sum()
}

/// More bytes than a removal takes in a record.
pub(super) fn removal_bytes(removal: &RemoveTableKeys) -> usize {
    removal.keys.iter().map(|key| key.data.len() + ENTRY_OVERHEAD_BYTES as usize).sum()
}

impl StoreContext {
    pub(super) fn create_table(&self, command: CreateTableSegment, room: Room) -> CommandResult {
        let CreateTableSegment { request_id, segment, delegation_token, key_length, rollover_size_bytes, .. } = command;
        self.allow(&delegation_token, &segment, request_id)?;
        named(&segment)?;
        let kind = match Keys::of_length(key_length) {
            Ok(Keys::Hashed) => SegmentKind::HashTable,
            Ok(Keys::Fixed(length)) => SegmentKind::FixedKeyTable(length),
            Err(_) => return Err(Rejection::close("a table with keys of more than 256 bytes")),
        };
        let rollover = if rollover_size_bytes > 0 { rollover_size_bytes } else { ROLLOVER_BYTES };
        let mut attributes = vec![(ROLLOVER_SIZE, rollover), segment_type(kind)];
        if key_length > 0 {
            attributes.push((KEY_LENGTH, i64::from(key_length)));
        }
        let name = segment.0.as_str().to_owned();
        let created = self.node.step_in(room, |step| step.create_segment(NewSegment { name, kind, attributes }));
        RequestContext::new(request_id, &segment).respond(created, |()| SegmentCreated { request_id, segment }.into())
    }

    pub(super) fn delete_table(&self, command: &DeleteTableSegment, room: Room) -> CommandResult {
        let DeleteTableSegment { request_id, segment, must_be_empty, delegation_token } = command;
        let request_id = *request_id;
        self.allow(delegation_token, segment, request_id)?;
        let deleted = self.node.step_in(room, |step| {
            table(step.state(), segment)?.check_deletion(*must_be_empty)?;
            step.delete_segment(segment.0.as_str())?;
            Ok::<_, TableError>(())
        });
        let reply = |()| SegmentDeleted { request_id, segment: segment.clone() }.into();
        RequestContext::new(request_id, segment).respond(deleted, reply)
    }

    pub(super) fn table_info(&self, command: &GetTableSegmentInfo) -> CommandResult {
        let GetTableSegmentInfo { request_id, segment_name, delegation_token } = command;
        self.allow(delegation_token, segment_name, *request_id)?;
        self.see_table(*request_id, segment_name, |table| {
            let info = table.info();
            let (request_id, segment_name) = (*request_id, segment_name.clone());
            Ok(TableSegmentInfo {
                request_id,
                segment_name,
                start_offset: Offset(info.start_offset),
                length: info.length,
                entry_count: info.entry_count,
                key_length: info.key_length,
            })
        })
    }

    /// Updates entries in the room that was waited for, if any; `None` if room must be waited for.
    pub(super) fn update_table(&self, command: &UpdateTableEntries, room: Option<Room>) -> Option<CommandResult> {
        let UpdateTableEntries { request_id, segment, delegation_token, table_entries, table_segment_offset } = command;
        let request_id = *request_id;
        if let Err(refused) = self.allow(delegation_token, segment, request_id) {
            return Some(Err(refused));
        }
        let (name, bytes) = (segment.0.as_str(), update_bytes(command));
        let updated = match room {
            Some(room) => {
                self.node.step_in(room, |step| Some(step.update_table(name, &table_entries.0, table_segment_offset.0)))
            }
            None => self.node.step(|step| {
                step.has_room_for(bytes).then(|| step.update_table(name, &table_entries.0, table_segment_offset.0))
            }),
        };
        let (updated, place) = updated.split();
        let reply = |updated_versions| TableEntriesUpdated { request_id, updated_versions }.into();
        let request = RequestContext::new(request_id, segment).at(*table_segment_offset);
        updated.map(|updated| request.respond(place.with(updated), reply))
    }

    pub(super) fn remove_table_keys(&self, command: &RemoveTableKeys, room: Room) -> CommandResult {
        let RemoveTableKeys { request_id, segment, delegation_token, keys, table_segment_offset } = command;
        let request_id = *request_id;
        self.allow(delegation_token, segment, request_id)?;
        let removed =
            self.node.step_in(room, |step| step.remove_keys(segment.0.as_str(), keys, table_segment_offset.0));
        let reply = |()| TableKeysRemoved { request_id, segment: segment.clone() }.into();
        RequestContext::new(request_id, segment).at(*table_segment_offset).respond(removed, reply)
    }

    pub(super) fn read_table(&self, command: &ReadTable) -> CommandResult {
        let ReadTable { request_id, segment, delegation_token, keys } = command;
        self.allow(delegation_token, segment, *request_id)?;
        self.see_table(*request_id, segment, |table| {
            let entries = TableEntries(table.read(keys)?);
            Ok(TableRead { request_id: *request_id, segment: segment.clone(), entries })
        })
    }

    pub(super) fn read_table_keys(&self, command: &ReadTableKeys) -> CommandResult {
        let ReadTableKeys { request_id, segment, delegation_token, suggested_key_count, args } = command;
        self.allow(delegation_token, segment, *request_id)?;
        self.see_table(*request_id, segment, |table| {
            let page = table.iterate_keys(*suggested_key_count, args)?;
            let (request_id, segment) = (*request_id, segment.clone());
            Ok(TableKeysRead {
                request_id,
                segment,
                keys: page.items,
                continuation_token: Buf(page.continuation_token),
            })
        })
    }

    pub(super) fn read_table_entries(&self, command: &ReadTableEntries) -> CommandResult {
        let ReadTableEntries { request_id, segment, delegation_token, suggested_entry_count, args } = command;
        self.allow(delegation_token, segment, *request_id)?;
        self.see_table(*request_id, segment, |table| {
            let page = table.iterate_entries(*suggested_entry_count, args)?;
            let (request_id, segment, entries) = (*request_id, segment.clone(), TableEntries(page.items));
            Ok(TableEntriesRead { request_id, segment, entries, continuation_token: Buf(page.continuation_token) })
        })
    }

    pub(super) fn read_table_delta(&self, command: &ReadTableEntriesDelta) -> CommandResult {
        let ReadTableEntriesDelta { request_id, segment, delegation_token, from_position, suggested_entry_count } =
            command;
        self.allow(delegation_token, segment, *request_id)?;
        self.see_table(*request_id, segment, |table| {
            let delta = table.delta(*from_position, *suggested_entry_count)?;
            Ok(TableEntriesDeltaRead {
                request_id: *request_id,
                segment: segment.clone(),
                entries: TableEntries(delta.entries),
                should_clear: delta.should_clear,
                reached_end: delta.reached_end,
                last_position: delta.last_position,
            })
        })
    }

    fn see_table<T: Into<WireCommand>>(
        &self,
        request_id: RequestId,
        segment: &Segment,
        see: impl FnOnce(&Table) -> Result<T, TableRejection>,
    ) -> CommandResult {
        let seen = self.look_at(segment, |segment| {
            let table = segment.table().ok_or(TableError::NoTable)?;
            Ok::<_, TableError>(see(table)?)
        });
        let seen = seen.map(|seen| seen.map_err(TableError::from).flatten());
        RequestContext::new(request_id, segment).respond(seen, Into::into)
    }
}

fn table<'a>(state: &'a State, segment: &Segment) -> Result<&'a Table, TableError> {
    let found = state.segment(segment.0.as_str()).ok_or(SegmentError::NotFound)?;
    found.table().ok_or(TableError::NoTable)
}
