//! What the table says about its commands, as values.

use std::fmt;

use super::table::CommandType;

/// Who sends a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client, answered by the store.
    Request,
    /// From the store.
    Reply,
    /// Either way, with the same layout.
    Both,
    /// Part of an append block, or of the bytes inside one: no request of its own.
    Part,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Reply => "reply",
            Self::Both => "both",
            Self::Part => "part",
        })
    }
}

/// The permission that a command should require; Pravega itself requires less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Touches no data.
    None,
    /// Reads.
    Read,
    /// Adds or changes data.
    Write,
    /// Creates, deletes, seals, merges.
    Admin,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        })
    }
}

/// How a field is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One byte, two's complement.
    I8,
    /// Four bytes, big-endian.
    I32,
    /// Eight bytes, big-endian.
    I64,
    /// One byte; every non-zero value reads as true.
    Bool,
    /// 16 bytes, most significant first.
    Uuid,
    /// u16 length and modified UTF-8.
    Str,
    /// i32 length and bytes.
    Buf,
    /// Bytes up to the end of the frame.
    Raw,
    /// Zero bytes up to the end of the frame; in JSON their count.
    Zeros,
    /// i32 0, i32 length and bytes.
    Event,
    /// An i32 code; in JSON an object of name and code.
    ErrorCode,
    /// A table key with its version.
    TableKey,
    /// i32 count and pairs of table key and value.
    TableEntries,
    /// Continuation token, prefix filter, first and last key, each a buf.
    IteratorArgs,
    /// An attribute update of 33 bytes.
    AttributeUpdate,
    /// Where one chunk of a segment lies in long-term storage.
    ChunkInfo,
    /// i32 count and pairs of source segment and offset; in JSON two lists.
    MergedSources,
    /// i32 count and items.
    List(&'static Kind),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I8 => "i8",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Bool => "bool",
            Self::Uuid => "uuid",
            Self::Str => "str",
            Self::Buf => "buf",
            Self::Raw => "raw",
            Self::Zeros => "zeros",
            Self::Event => "event",
            Self::ErrorCode => "error code",
            Self::TableKey => "table key",
            Self::TableEntries => "table entries",
            Self::IteratorArgs => "iterator args",
            Self::AttributeUpdate => "attribute update",
            Self::ChunkInfo => "chunk info",
            Self::MergedSources => "merged sources",
            Self::List(item) => return write!(f, "list of {item}"),
        })
    }
}

/// What a field means to those who route and answer commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing beyond its value.
    Plain,
    /// Matches a reply to its request.
    RequestId,
    /// Names the segment that decides which store takes the command.
    Segment,
    /// The delegation token.
    Token,
    /// The writer whose events these are.
    WriterId,
    /// The bulk bytes.
    Body,
}

/// What an absent field stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// The field is always there.
    Never,
    /// An older peer leaves it out, which then means this value.
    Means(&'static str),
}

/// One field of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldInfo {
    /// Name, as Pravega's class has it.
    pub name: &'static str,
    /// Layout.
    pub kind: Kind,
    /// Meaning.
    pub role: Role,
    /// Whether the field is an optional tail.
    pub(super) absent: Absent,
}

/// One command of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandInfo {
    /// Which command.
    pub(super) command: CommandType,
    /// Code in the frame header.
    pub code: i32,
    /// Name of Pravega's class, for example `SetupAppend`.
    pub name: &'static str,
    /// Name of Pravega's type, for example `SETUP_APPEND`.
    pub type_name: &'static str,
    /// Who sends it.
    pub direction: Direction,
    /// Permission that it should require.
    pub level: Level,
    /// Replies that mean success, the likeliest first. May be empty.
    pub replies: &'static [CommandType],
    /// Fields in wire order.
    pub fields: &'static [FieldInfo],
    /// What the command does, from the table's doc comment.
    pub(super) doc: &'static str,
}

impl CommandInfo {
    /// The field with this role, if there is one.
    pub fn field(&self, role: Role) -> Option<&'static FieldInfo> {
        self.fields.iter().find(|field| field.role == role)
    }

    /// Whether only a store's admin port accepts it; the ordinary port closes the connection.
    pub fn is_admin_port_only(&self) -> bool {
        matches!(self.command, CommandType::FlushToStorage | CommandType::ListStorageChunks)
    }
}
