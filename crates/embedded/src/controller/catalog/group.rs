//! Reader groups as Java's clients make them; their state lies in the stream `_RG<group>`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Cut;

/// Whether what the group has read decides what a stream keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GroupRetention {
    None,
    Manual,
    Automatic,
}

impl GroupRetention {
    /// By the number it has on the wire.
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        [Self::None, Self::Manual, Self::Automatic].get(usize::try_from(number).ok()?).copied()
    }

    pub(crate) fn number(self) -> i32 {
        self as i32
    }
}

/// An empty cut is unbounded. Streams are `scope/stream`, and need not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupConfig {
    /// Milliseconds.
    pub(crate) refresh: i64,
    /// Milliseconds.
    pub(crate) checkpoint_interval: i64,
    pub(crate) max_outstanding_checkpoints: i32,
    pub(crate) retention: GroupRetention,
    pub(crate) starts: BTreeMap<String, Cut>,
    pub(crate) ends: BTreeMap<String, Cut>,
    pub(crate) rollover_size_bytes: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReaderGroup {
    pub(crate) id: Uuid,
    pub(crate) generation: i64,
    pub(crate) config: GroupConfig,
}

/// What a group said about one stream: up to where it has no more need of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subscriber {
    pub(crate) generation: i64,
    /// Empty until the group says something.
    pub(crate) cut: Cut,
}

impl ReaderGroup {
    /// The streams that the group holds data of.
    pub(crate) fn subscribed(&self) -> impl Iterator<Item = &str> {
        let holds = self.config.retention != GroupRetention::None;
        self.config.starts.keys().filter(move |_| holds).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_has_the_numbers_of_the_wire() {
        for number in 0..3 {
            assert_eq!(GroupRetention::from_number(number).map(GroupRetention::number), Some(number));
        }
        assert_eq!(GroupRetention::from_number(3), None);
        assert_eq!(GroupRetention::from_number(-1), None);
    }
}
