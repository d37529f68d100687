//! Every command of the segment store, laid out once.
//!
//! Source: WireCommands.java and WireCommandType.java of pravega/pravega 0.13.0; `LocateOffset` and its reply are
//! newer. Codes 6, 13, 14, 22 to 27, 54, 72 and 73 are retired or were never assigned.

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value};

use super::error::{DecodeError, FieldProblem, JsonError};
use super::error_code::{AuthErrorCode, ServerErrorCode};
use super::field::{WireField, decode_tail};
use super::frame::{Frame, HEADER_BYTES, put_header};
use super::info::{Absent, CommandInfo, Direction, FieldInfo, Level};
use super::input::Input;
use super::macros::wire_commands;
use super::sniff::{Places, Sniffer};
use super::string::JavaStr;
use super::structures::{AttributeUpdate, ChunkInfo, EventFrame, MergedSources, Zeros};
use super::table_segment::{IteratorArgs, TableEntries, TableKey};
use super::types::{AttributeId, Buf, Data, DelegationToken, EventNumber, Offset, Raw, RequestId, Segment, WriterId};

/// One command with its layout.
pub trait Command: Sized + Into<WireCommand> {
    /// Which command.
    const TYPE: CommandType;

    /// Exactly how many bytes [`encode_payload`](Self::encode_payload) appends.
    fn payload_len(&self) -> usize;

    /// Appends the fields in wire order.
    fn encode_payload(&self, out: &mut BytesMut);

    /// Reads the fields; also returns how many bytes after the last known one were skipped.
    ///
    /// # Errors
    /// [`DecodeError`] naming the field that is cut off or malformed.
    fn decode_payload(payload: Bytes) -> Result<(Self, usize), DecodeError>;

    /// What matches a reply to its request; `None` for commands without one.
    fn request_id(&self) -> Option<RequestId>;

    /// The fields in JSON, under Pravega's names.
    fn to_fields(&self) -> Map<String, Value>;

    /// Builds the command from its fields in JSON.
    ///
    /// # Errors
    /// [`JsonError`] naming the field that is missing, unknown or of the wrong kind.
    fn from_fields(fields: Map<String, Value>) -> Result<Self, JsonError>;

    /// The payload, without the frame's header.
    fn payload(&self) -> Bytes {
        let len = self.payload_len();
        let mut out = BytesMut::with_capacity(len);
        self.encode_payload(&mut out);
        assert_eq!(out.len(), len, "payload_len is exact");
        out.freeze()
    }

    /// Appends the whole frame.
    fn encode_frame(&self, out: &mut BytesMut) {
        let len = self.payload_len();
        out.reserve(HEADER_BYTES + len);
        put_header(Self::TYPE.info().code, len, out);
        let start = out.len();
        self.encode_payload(out);
        assert_eq!(out.len() - start, len, "the header announces the payload that follows it");
    }
}

wire_commands! {
    /// Opens a connection: the client speaks first, the store always answers with its own versions.
    /// It closes the connection if the two ranges do not overlap.
    Both None Hello = -127 "HELLO" -> Hello {
        high_version "highVersion": i32,
        low_version "lowVersion": i32,
    }

    /// Asks whether the peer is alive; the store echoes it and never sends one of its own.
    Both None KeepAlive = 100 "KEEP_ALIVE" -> KeepAlive {}

    /// Opens one writer's appends to one segment. The first block must wait for the reply.
    Request Write SetupAppend = 1 "SETUP_APPEND" -> AppendSetup {
        request_id "requestId": RequestId,
        writer_id "writerId": WriterId,
        segment "segment": Segment,
        delegation_token "delegationToken": DelegationToken,
    }

    /// Reports the last event number stored for the writer; the smallest i64 if it never wrote here.
    Reply None AppendSetup = 2 "APPEND_SETUP" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        writer_id "writerId": WriterId,
        last_event_number "lastEventNumber": EventNumber,
    }

    /// Bytes of a block: whole events, then at most one partial event or padding. Must be followed by its end.
    Part Write AppendBlock = 3 "APPEND_BLOCK" {
        writer_id "writerId": WriterId,
        data "data": Raw,
    }

    /// Completes a block, or is a whole block with all events in `data`. The store keeps the last number for the writer.
    Part Write AppendBlockEnd = 4 "APPEND_BLOCK_END" -> DataAppended {
        writer_id "writerId": WriterId,
        size_of_whole_events "sizeOfWholeEvents": i32,
        data "data": Data,
        num_events "numEvents": i32,
        last_event_number "lastEventNumber": EventNumber,
        request_id "requestId": RequestId = RequestId(-1),
    }

    /// Appends one event if the segment ends at the expected offset.
    Request Write ConditionalAppend = 5 "CONDITIONAL_APPEND" -> DataAppended {
        writer_id "writerId": WriterId,
        event_number "eventNumber": EventNumber,
        expected_offset "expectedOffset": Offset,
        event "event": EventFrame,
        request_id "requestId": RequestId = RequestId(-1),
    }

    /// Acknowledges a writer's events above the previous number, up to and including its own.
    Reply None DataAppended = 7 "DATA_APPENDED" {
        writer_id "writerId": WriterId,
        event_number "eventNumber": EventNumber,
        previous_event_number "previousEventNumber": EventNumber = EventNumber(-1),
        request_id "requestId": RequestId = RequestId(-1),
        current_segment_write_offset "currentSegmentWriteOffset": Offset = Offset(-1),
    }

    /// A conditional append found another offset than expected; nothing was written.
    Reply None ConditionalCheckFailed = 8 "CONDITIONAL_CHECK_FAILED" {
        writer_id "writerId": WriterId,
        event_number "eventNumber": EventNumber,
        request_id "requestId": RequestId = RequestId(-1),
    }

    /// Zeros that fill up an append block.
    Part None Padding = -1 "PADDING" {
        length "length": Zeros,
    }

    /// The beginning of an event that the block's end completes.
    Part None PartialEvent = -2 "PARTIAL_EVENT" {
        data "data": Raw,
    }

    /// One event as stored in a segment; never a frame of its own.
    Part None Event = 0 "EVENT" {
        data "data": Raw,
    }

    /// Asks for bytes from an offset on. At the tail of an open segment the store answers once there are some.
    Request Read ReadSegment = 9 "READ_SEGMENT" -> SegmentRead {
        segment "segment": Segment,
        offset "offset": Offset,
        suggested_length "suggestedLength": i32,
        delegation_token "delegationToken": DelegationToken,
        request_id "requestId": RequestId = RequestId(-1),
    }

    /// Bytes from the requested offset on; few or none do not mean that the tail is reached.
    Reply None SegmentRead = 10 "SEGMENT_READ" {
        segment "segment": Segment,
        offset "offset": Offset,
        at_tail "atTail": bool,
        end_of_segment "endOfSegment": bool,
        data "data": Data,
        request_id "requestId": RequestId = RequestId(-1),
    }

    /// Asks for a segment's state.
    Request Read GetStreamSegmentInfo = 11 "GET_STREAM_SEGMENT_INFO" -> StreamSegmentInfo {
        request_id "requestId": RequestId,
        segment_name "segmentName": Segment,
        delegation_token "delegationToken": DelegationToken,
    }

    /// A segment's state; `writeOffset` is its length, `startOffset` its head.
    Reply None StreamSegmentInfo = 12 "STREAM_SEGMENT_INFO" {
        request_id "requestId": RequestId,
        segment_name "segmentName": Segment,
        exists "exists": bool,
        is_sealed "isSealed": bool,
        is_deleted "isDeleted": bool,
        last_modified "lastModified": i64,
        write_offset "writeOffset": Offset,
        start_offset "startOffset": Offset = Offset(0),
    }

    /// Creates a segment. Scale type: 0 none, 1 KB/s, 2 events/s.
    Request Admin CreateSegment = 20 "CREATE_SEGMENT" -> SegmentCreated {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        target_rate "targetRate": i32,
        scale_type "scaleType": i8,
        delegation_token "delegationToken": DelegationToken,
        rollover_size_bytes "rolloverSizeBytes": i64 = 0,
    }

    /// A segment, table segment or transient segment was created.
    Reply None SegmentCreated = 21 "SEGMENT_CREATED" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
    }

    /// Ends all appends to a segment.
    Request Admin SealSegment = 28 "SEAL_SEGMENT" -> SegmentSealed {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        delegation_token "delegationToken": DelegationToken,
    }

    /// The segment is sealed.
    Reply None SegmentSealed = 29 "SEGMENT_SEALED" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
    }

    /// Deletes a segment and its data at once, sealed or not.
    Request Admin DeleteSegment = 30 "DELETE_SEGMENT" -> SegmentDeleted {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        delegation_token "delegationToken": DelegationToken,
    }

    /// The segment or table segment was deleted.
    Reply None SegmentDeleted = 31 "SEGMENT_DELETED" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
    }

    /// Changes the target of automatic scaling.
    Request Admin UpdateSegmentPolicy = 32 "UPDATE_SEGMENT_POLICY" -> SegmentPolicyUpdated {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        target_rate "targetRate": i32,
        scale_type "scaleType": i8,
        delegation_token "delegationToken": DelegationToken,
    }

    /// The policy was changed.
    Reply None SegmentPolicyUpdated = 33 "SEGMENT_POLICY_UPDATED" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
    }

    /// Asks for one attribute of a segment.
    Request Read GetSegmentAttribute = 34 "GET_SEGMENT_ATTRIBUTE" -> SegmentAttribute {
        request_id "requestId": RequestId,
        segment_name "segmentName": Segment,
        attribute_id "attributeId": AttributeId,
        delegation_token "delegationToken": DelegationToken,
    }

    /// An attribute's value; the smallest i64 if it is not set.
    Reply None SegmentAttribute = 35 "SEGMENT_ATTRIBUTE" {
        request_id "requestId": RequestId,
        value "value": i64,
    }

    /// Sets an attribute if it has the expected value; the smallest i64 means not set, for both values.
    Request Write UpdateSegmentAttribute = 36 "UPDATE_SEGMENT_ATTRIBUTE" -> SegmentAttributeUpdated {
        request_id "requestId": RequestId,
        segment_name "segmentName": Segment,
        attribute_id "attributeId": AttributeId,
        new_value "newValue": i64,
        expected_value "expectedValue": i64,
        delegation_token "delegationToken": DelegationToken,
    }

    /// Whether the attribute had the expected value and was set.
    Reply None SegmentAttributeUpdated = 37 "SEGMENT_ATTRIBUTE_UPDATED" {
        request_id "requestId": RequestId,
        success "success": bool,
    }

    /// Moves a segment's head forward.
    Request Write TruncateSegment = 38 "TRUNCATE_SEGMENT" -> SegmentTruncated {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        truncation_offset "truncationOffset": Offset,
        delegation_token "delegationToken": DelegationToken,
    }

    /// The head was moved forward.
    Reply None SegmentTruncated = 39 "SEGMENT_TRUNCATED" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
    }

    /// Creates a segment for one large event, to be merged into its parent; the reply names it.
    Request Write CreateTransientSegment = 40 "CREATE_TRANSIENT_SEGMENT" -> SegmentCreated {
        request_id "requestId": RequestId,
        writer_id "writerId": WriterId,
        parent_segment "parentSegment": Segment,
        delegation_token "delegationToken": DelegationToken,
    }

    /// Asks for the first indexed event boundary at or after an offset. Stores that only speak wire versions below 17 close the connection.
    Request Read LocateOffset = 41 "LOCATE_OFFSET" -> OffsetLocated {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        target_offset "targetOffset": Offset,
        delegation_token "delegationToken": DelegationToken,
    }

    /// An event boundary, or the segment's length.
    Reply None OffsetLocated = 42 "OFFSET_LOCATED" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        offset "offset": Offset,
    }

    /// The segment's container is not on this store; `correctHost` is always empty.
    Reply None WrongHost = 50 "WRONG_HOST" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        correct_host "correctHost": JavaStr,
        server_stack_trace "serverStackTrace": JavaStr = JavaStr::default(),
    }

    /// The segment is sealed, or a read reached its end. After an append `offset` is an event number.
    Reply None SegmentIsSealed = 51 "SEGMENT_IS_SEALED" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        server_stack_trace "serverStackTrace": JavaStr = JavaStr::default(),
        offset "offset": Offset = Offset(-1),
    }

    /// A segment with this name exists already.
    Reply None SegmentAlreadyExists = 52 "SEGMENT_ALREADY_EXISTS" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        server_stack_trace "serverStackTrace": JavaStr = JavaStr::default(),
    }

    /// The segment never existed, or was deleted.
    Reply None NoSuchSegment = 53 "NO_SUCH_SEGMENT" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        server_stack_trace "serverStackTrace": JavaStr = JavaStr::default(),
        offset "offset": Offset = Offset(-1),
    }

    /// Another connection wrote with this writer id; the store then closes this one.
    Reply None InvalidEventNumber = 55 "INVALID_EVENT_NUMBER" {
        writer_id "writerId": WriterId,
        request_id "requestId": RequestId,
        server_stack_trace "serverStackTrace": JavaStr = JavaStr::default(),
        event_number "eventNumber": EventNumber = EventNumber(-1),
    }

    /// The offset is before the segment's head, or a table's length is not the expected one.
    Reply None SegmentIsTruncated = 56 "SEGMENT_IS_TRUNCATED" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        start_offset "startOffset": Offset,
        server_stack_trace "serverStackTrace": JavaStr = JavaStr::default(),
        offset "offset": Offset = Offset(-1),
    }

    /// The segment or store does not support the operation.
    Reply None OperationUnsupported = 57 "OPERATION_UNSUPPORTED" {
        request_id "requestId": RequestId,
        operation_name "operationName": JavaStr,
        server_stack_trace "serverStackTrace": JavaStr = JavaStr::default(),
    }

    /// Appends the source's bytes to the target in one step and deletes the source.
    Request Admin MergeSegments = 58 "MERGE_SEGMENTS" -> SegmentsMerged {
        request_id "requestId": RequestId,
        target "target": Segment,
        source "source": JavaStr,
        delegation_token "delegationToken": DelegationToken,
        attribute_updates "attributeUpdates": Vec<AttributeUpdate> = Vec::new(),
    }

    /// The source was merged; the offset is a length of the target at or after the merge.
    Reply None SegmentsMerged = 59 "SEGMENTS_MERGED" {
        request_id "requestId": RequestId,
        target "target": Segment,
        source "source": JavaStr,
        new_target_write_offset "newTargetWriteOffset": Offset = Offset(-1),
    }

    /// The delegation token is missing, invalid or expired. For a read the request id is the requested offset.
    Reply None AuthTokenCheckFailed = 60 "AUTH_TOKEN_CHECK_FAILED" {
        request_id "requestId": RequestId,
        server_stack_trace "serverStackTrace": JavaStr = JavaStr::default(),
        error_code "errorCode": AuthErrorCode = AuthErrorCode(-1),
    }

    /// Another failure; code 0 means that the request is at fault.
    Reply None ErrorMessage = 61 "ERROR_MESSAGE" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        message "message": JavaStr,
        error_code "errorCode": ServerErrorCode,
    }

    /// Asks for the state of a table segment.
    Request Read GetTableSegmentInfo = 68 "GET_TABLE_SEGMENT_INFO" -> TableSegmentInfo {
        request_id "requestId": RequestId,
        segment_name "segmentName": Segment,
        delegation_token "delegationToken": DelegationToken,
    }

    /// The state of a table segment; key length 0 means a hash table.
    Reply None TableSegmentInfo = 69 "TABLE_SEGMENT_INFO" {
        request_id "requestId": RequestId,
        segment_name "segmentName": Segment,
        start_offset "startOffset": Offset,
        length "length": i64,
        entry_count "entryCount": i64,
        key_length "keyLength": i32,
    }

    /// Creates a table segment; key length 0 makes a hash table, 1 to 256 a fixed-key one.
    Request Admin CreateTableSegment = 70 "CREATE_TABLE_SEGMENT" -> SegmentCreated {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        delegation_token "delegationToken": DelegationToken,
        sorted_deprecated "sortedDeprecated": bool = false,
        key_length "keyLength": i32 = 0,
        rollover_size_bytes "rolloverSizeBytes": i64 = 0,
    }

    /// Deletes a table segment.
    Request Admin DeleteTableSegment = 71 "DELETE_TABLE_SEGMENT" -> SegmentDeleted {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        must_be_empty "mustBeEmpty": bool,
        delegation_token "delegationToken": DelegationToken,
    }

    /// Puts entries, all or none. Key versions are conditions, and so is a table offset of 0 or more.
    Request Write UpdateTableEntries = 74 "UPDATE_TABLE_ENTRIES" -> TableEntriesUpdated {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        delegation_token "delegationToken": DelegationToken,
        table_entries "tableEntries": TableEntries,
        table_segment_offset "tableSegmentOffset": Offset = Offset(-1),
    }

    /// The new versions, in the order of the entries.
    Reply None TableEntriesUpdated = 75 "TABLE_ENTRIES_UPDATED" {
        request_id "requestId": RequestId,
        updated_versions "updatedVersions": Vec<i64>,
    }

    /// Removes keys, all or none.
    Request Write RemoveTableKeys = 76 "REMOVE_TABLE_KEYS" -> TableKeysRemoved {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        delegation_token "delegationToken": DelegationToken,
        keys "keys": Vec<TableKey>,
        table_segment_offset "tableSegmentOffset": Offset = Offset(-1),
    }

    /// The keys were removed.
    Reply None TableKeysRemoved = 77 "TABLE_KEYS_REMOVED" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
    }

    /// Asks for the values of keys.
    Request Read ReadTable = 78 "READ_TABLE" -> TableRead {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        delegation_token "delegationToken": DelegationToken,
        keys "keys": Vec<TableKey>,
    }

    /// One entry for each requested key, in that order; a missing key has version -1.
    Reply None TableRead = 79 "TABLE_READ" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        entries "entries": TableEntries,
    }

    /// The table had to be empty and is not.
    Reply None TableSegmentNotEmpty = 80 "TABLE_SEGMENT_NOT_EMPTY" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        server_stack_trace "serverStackTrace": JavaStr = JavaStr::default(),
    }

    /// A key with a version is missing; nothing was changed.
    Reply None TableKeyDoesNotExist = 81 "TABLE_KEY_DOES_NOT_EXIST" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        server_stack_trace "serverStackTrace": JavaStr = JavaStr::default(),
    }

    /// A key has another version; nothing was changed.
    Reply None TableKeyBadVersion = 82 "TABLE_KEY_BAD_VERSION" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        server_stack_trace "serverStackTrace": JavaStr = JavaStr::default(),
    }

    /// Iterates over keys.
    Request Read ReadTableKeys = 83 "READ_TABLE_KEYS" -> TableKeysRead {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        delegation_token "delegationToken": DelegationToken,
        suggested_key_count "suggestedKeyCount": i32,
        args "args": IteratorArgs = IteratorArgs::default(),
    }

    /// Some keys, and the token to continue with.
    Reply None TableKeysRead = 84 "TABLE_KEYS_READ" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        keys "keys": Vec<TableKey>,
        continuation_token "continuationToken": Buf,
    }

    /// Iterates over entries.
    Request Read ReadTableEntries = 85 "READ_TABLE_ENTRIES" -> TableEntriesRead {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        delegation_token "delegationToken": DelegationToken,
        suggested_entry_count "suggestedEntryCount": i32,
        args "args": IteratorArgs = IteratorArgs::default(),
    }

    /// Some entries, and the token to continue with.
    Reply None TableEntriesRead = 86 "TABLE_ENTRIES_READ" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        entries "entries": TableEntries,
        continuation_token "continuationToken": Buf,
    }

    /// Entries that changed since a position; if `shouldClear`, entries read before must be discarded.
    Reply None TableEntriesDeltaRead = 87 "TABLE_ENTRIES_DELTA_READ" {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        entries "entries": TableEntries,
        should_clear "shouldClear": bool,
        reached_end "reachedEnd": bool,
        last_position "lastPosition": i64,
    }

    /// Asks what changed in a hash table since a position.
    Request Read ReadTableEntriesDelta = 88 "READ_TABLE_ENTRIES_DELTA" -> TableEntriesDeltaRead {
        request_id "requestId": RequestId,
        segment "segment": Segment,
        delegation_token "delegationToken": DelegationToken,
        from_position "fromPosition": i64,
        suggested_entry_count "suggestedEntryCount": i32,
    }

    /// Appends bytes as they are if the segment ends at the expected offset.
    Request Write ConditionalBlockEnd = 89 "CONDITIONAL_BLOCK_END" -> DataAppended {
        writer_id "writerId": WriterId,
        event_number "eventNumber": EventNumber,
        expected_offset "expectedOffset": Offset,
        data "data": Data,
        request_id "requestId": RequestId,
    }

    /// Merges several sources into one target, in the order of the list.
    Request Admin MergeSegmentsBatch = 90 "MERGE_SEGMENTS_BATCH" -> SegmentsBatchMerged {
        request_id "requestId": RequestId,
        target_segment_id "targetSegmentId": Segment,
        source_segment_ids "sourceSegmentIds": Vec<JavaStr>,
        delegation_token "delegationToken": DelegationToken,
    }

    /// The sources were merged, each with the target's length after it.
    Reply None SegmentsBatchMerged = 91 "SEGMENTS_BATCH_MERGED" {
        request_id "requestId": RequestId,
        target "target": Segment,
        sources "sources": MergedSources,
    }

    /// Writes a container's data to long-term storage. Only the admin port accepts it.
    Request Admin FlushToStorage = -3 "FLUSH_TO_STORAGE" -> StorageFlushed {
        container_id "containerId": i32,
        delegation_token "delegationToken": DelegationToken,
        request_id "requestId": RequestId,
    }

    /// The container's data is in long-term storage.
    Reply None StorageFlushed = -4 "FLUSHED_TO_STORAGE" {
        request_id "requestId": RequestId,
    }

    /// Asks which chunks a segment has in long-term storage. Only the admin port accepts it.
    Request Admin ListStorageChunks = -5 "LIST_STORAGE_CHUNKS" -> StorageChunksListed {
        segment "segment": Segment,
        delegation_token "delegationToken": DelegationToken,
        request_id "requestId": RequestId,
    }

    /// A segment's chunks in long-term storage.
    Reply None StorageChunksListed = -6 "STORAGE_CHUNKS_LISTED" {
        request_id "requestId": RequestId,
        chunks "chunks": Vec<ChunkInfo>,
    }
}
