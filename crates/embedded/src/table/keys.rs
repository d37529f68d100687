use bytes::Bytes;

use super::TableRejection;
use super::key_hash::KeyHash;

/// Longest key of a table with fixed keys. Source: `AttributeId.MAX_LENGTH`.
pub(super) const MAX_FIXED_KEY_BYTES: i32 = 256;

/// Which keys a table takes, and with that the order of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Keys of up to 8192 bytes, in the order of their hashes.
    Hashed,
    /// Keys of exactly this many bytes, in the order of their bytes.
    Fixed(u32),
}

impl Keys {
    /// What `keyLength` of a create request asks for.
    ///
    /// # Errors
    /// [`TableRejection::ClosesConnection`] for keys of more than 256 bytes.
    pub(crate) fn of_length(key_length: i32) -> Result<Self, TableRejection> {
        match key_length {
            ..=0 => Ok(Self::Hashed),
            1..=MAX_FIXED_KEY_BYTES => Ok(Self::Fixed(key_length.unsigned_abs())),
            _ => Err(TableRejection::ClosesConnection("keys of more than 256 bytes")),
        }
    }

    /// As the table's info has it: 0 for keys of any length.
    pub(crate) fn length(self) -> i32 {
        match self {
            Self::Hashed => 0,
            Self::Fixed(length) => length as i32,
        }
    }

    pub(super) fn place(self, key: &Bytes) -> KeyOrder {
        match self {
            Self::Hashed => KeyOrder::Hash(KeyHash::of(key)),
            Self::Fixed(_) => KeyOrder::Key(key.clone()),
        }
    }
}

/// Where a key stands in the table's order; all places of one table are of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyOrder {
    Hash(KeyHash),
    Key(Bytes),
}
