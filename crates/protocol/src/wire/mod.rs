//! The segment store's wire protocol: bytes in, values out, no sockets.
//!
//! ```text
//! bytes ◀─ FrameCodec ─▶ Frame ◀─ the table ─▶ WireCommand ◀──▶ JSON
//!                          └─ sniff ─▶ the segment, without decoding the rest
//!
//! 0        4        8                       8 + length
//! ├─ type ─┼ length ┼─ payload: the fields ─┤    all integers big-endian
//! ```
//!
//! One table, `table.rs`, lays every command out once. Encoding, decoding, names, codes, directions, permission
//! levels, the places of segment and token, the JSON form and `docs/wire.md` all come from it. Below it lies
//! [`FrameCodec`], which knows a frame's header and nothing else; [`event`] frames the events inside a payload.

mod version;

mod frame;
mod outbox;

mod error_code;
mod field;
mod input;
mod string;
mod structures;
mod table_segment;
mod types;

mod info;
mod macros;
mod table;

pub mod event;
mod json;
mod sniff;

mod docs;
mod error;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod property_tests;

pub use docs::markdown;
pub use error::{DecodeError, FieldProblem, JsonError};
pub use error_code::{AuthErrorCode, ServerErrorCode};
pub use field::WireField;
pub use frame::{
    Frame, FrameCodec, FrameError, HEADER_BYTES, MAX_EVENT_BYTES, MAX_PAYLOAD_FROM_STORE, MAX_PAYLOAD_TO_STORE,
    put_header,
};
pub use info::{CommandInfo, Direction, FieldInfo, Kind, Level, Role};
pub use input::Input;
pub use json::{ShowError, command_from_json, command_to_json};
pub use outbox::Outbox;
pub use sniff::{Places, TokenPlace, sniff};
pub use string::JavaStr;
pub use structures::{AttributeUpdate, ChunkInfo, EventFrame, MergedSources, Zeros};
pub use table::*;
pub use table_segment::{IteratorArgs, TableEntries, TableEntry, TableKey};
pub use types::{
    AttributeId, Buf, Data, DelegationToken, EventNumber, NO_VALUE, Offset, Raw, RequestId, Segment, WriterId,
};
pub use version::{OLDEST_COMPATIBLE_VERSION, WIRE_VERSION};
