//! What a stream is configured to: how it scales, how long it keeps data.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How many tags a stream may have, and how long each may be, in characters.
const MAX_TAGS: usize = 127;
const MAX_TAG_CHARS: usize = 255;

/// By what a stream scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ScalingKind {
    Fixed,
    KilobytesPerSecond,
    EventsPerSecond,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scaling {
    pub(crate) kind: ScalingKind,
    /// Per segment, in the unit of the kind.
    pub(crate) target_rate: i32,
    pub(crate) scale_factor: i32,
    pub(crate) min_segments: i32,
}

impl Scaling {
    /// This number of segments, whatever the load.
    pub(crate) fn fixed(segments: i32) -> Self {
        Self { kind: ScalingKind::Fixed, target_rate: 0, scale_factor: 0, min_segments: segments }
    }

    /// The number of segments to begin with; `None` where the policy is of no use.
    pub(crate) fn first_segments(&self) -> Option<u32> {
        u32::try_from(self.min_segments).ok().filter(|count| *count > 0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RetentionKind {
    /// Milliseconds.
    Time,
    /// Bytes.
    Size,
}

/// How much is kept at least, and, where readers hold data back, at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retention {
    pub(crate) kind: RetentionKind,
    pub(crate) at_least: i64,
    pub(crate) at_most: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamConfig {
    pub(crate) scaling: Scaling,
    pub(crate) retention: Option<Retention>,
    pub(crate) tags: BTreeSet<String>,
    /// Milliseconds.
    pub(crate) timestamp_aggregation_timeout: i64,
    pub(crate) rollover_size_bytes: i64,
}

impl StreamConfig {
    /// What internal streams are made with.
    pub(crate) fn one_segment() -> Self {
        Self {
            scaling: Scaling::fixed(1),
            retention: None,
            tags: BTreeSet::new(),
            timestamp_aggregation_timeout: 0,
            rollover_size_bytes: 0,
        }
    }

    /// Whether there are few enough tags, and short enough.
    pub(crate) fn tags_fit(&self) -> bool {
        self.tags.len() <= MAX_TAGS && self.tags.iter().all(|tag| tag.chars().count() <= MAX_TAG_CHARS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tags: impl IntoIterator<Item = String>) -> StreamConfig {
        StreamConfig { tags: tags.into_iter().collect(), ..StreamConfig::one_segment() }
    }

    #[test]
    fn tags_fit_up_to_127_of_255_characters() {
        assert!(tagged(["x".repeat(255)]).tags_fit());
        assert!(!tagged(["x".repeat(256)]).tags_fit());
        assert!(tagged((0..127).map(|n| n.to_string())).tags_fit());
        assert!(!tagged((0..128).map(|n| n.to_string())).tags_fit());
    }

    #[test]
    fn a_policy_without_segments_begins_nothing() {
        assert_eq!(Scaling::fixed(3).first_segments(), Some(3));
        assert_eq!(Scaling::fixed(0).first_segments(), None);
        assert_eq!(Scaling::fixed(-1).first_segments(), None);
    }
}
