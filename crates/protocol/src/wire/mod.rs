//! The segment store's wire protocol: bytes in, values out, no sockets.
//!
//! [`table`] lays every command out once; encoding, decoding, names, codes, directions, permission levels, the
//! places of segment and token, the JSON form and `docs/wire.md` all come from it. Below it lies [`FrameCodec`],
//! which knows a frame's header and nothing else.
//!
//! ```text
//! 0        4        8                       8 + length
//! ├─ type ─┼ length ┼─ payload: the fields ─┤    all integers big-endian
//! ```

mod docs;
mod error;
pub mod event;
mod field;
mod frame;
mod info;
mod input;
mod json;
mod macros;
mod outbox;
mod sniff;
mod string;
mod structures;
pub mod table;
mod types;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod property_tests;

pub use docs::markdown;
pub use error::{DecodeError, FieldProblem, JsonError};
pub use field::WireField;
pub use frame::{
    Frame, FrameCodec, FrameError, HEADER_BYTES, MAX_EVENT_BYTES, MAX_PAYLOAD_FROM_STORE, MAX_PAYLOAD_TO_STORE,
    put_header,
};
pub use info::{Absent, CommandInfo, Direction, FieldInfo, Kind, Level, Role};
pub use input::Input;
pub use json::{ShowError, command_from_json, command_to_json};
pub use outbox::Outbox;
pub use sniff::{Places, sniff};
pub use string::JavaStr;
pub use structures::{
    AttributeUpdate, AuthErrorCode, ChunkInfo, EventFrame, IteratorArgs, MergedSources, ServerErrorCode, TableEntries,
    TableEntry, TableKey, Zeros,
};
pub use table::*;
pub use types::{
    AttributeId, Buf, Data, DelegationToken, EventNumber, NO_VALUE, Offset, Raw, RequestId, Segment, WriterId,
};

/// Newest protocol version that this crate speaks. Source: WireCommands.java, `WIRE_VERSION` of 0.13.0.
pub const WIRE_VERSION: i32 = 16;

/// Oldest protocol version that this crate accepts. Source: WireCommands.java, `OLDEST_COMPATIBLE_VERSION`.
pub const OLDEST_COMPATIBLE_VERSION: i32 = 5;
