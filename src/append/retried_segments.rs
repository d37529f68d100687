//! Segments that their store calls closed while the controller calls them current.
//!
//! ```text
//! closed, current ── pause, 50 ms doubled up to 800 ms ─▶ tried again ── stored ─▶ like any other
//!        ▲                                               │
//!        └────────────────── closed again ───────────────┘
//!        └─ sealed, and the pauses are used up ─▶ its events fail; so do later ones, until 10 s have passed
//! ```
//! Most of them are in the midst of a scale, and the controller names successors soon. Others were sealed at their store
//! alone, and nothing will follow.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use pravega_protocol::stream::SegmentId;
use tokio::time::Instant;

/// Pauses before a segment is tried again; they double. All of a sealed segment's take 1.55 s.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MOST_PAUSES: u32 = 5;

/// How long what was found out counts.
const COUNTS_FOR: Duration = Duration::from_secs(10);

/// Such segments of one stream.
#[derive(Debug, Default)]
pub(super) struct RetriedSegments(Mutex<HashMap<SegmentId, Retries>>);

#[derive(Debug)]
struct Retries {
    pauses: u32,
    is_sealed: bool,
    since: Instant,
}

impl RetriedSegments {
    /// The segment's store says that it is sealed.
    pub(super) fn note_sealed(&self, segment: SegmentId) {
        if let Some(retries) = self.0.lock().get_mut(&segment) {
            retries.is_sealed = true;
        }
    }

    /// How long to wait before the segment is tried again; `None` if that was done often enough.
    pub(super) fn next_pause(&self, segment: SegmentId) -> Option<Duration> {
        let mut all = self.0.lock();
        all.retain(|_, retries| retries.since.elapsed() < COUNTS_FOR);
        let now = Instant::now();
        let retries = all.entry(segment).or_insert(Retries { pauses: 0, is_sealed: false, since: now });
        if retries.is_sealed && retries.pauses >= MOST_PAUSES {
            return None;
        }
        let doubled = retries.pauses.min(MOST_PAUSES - 1);
        retries.pauses += 1;
        Some(FIRST_PAUSE * 2_u32.pow(doubled))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sealed_segment_is_tried_for_less_than_two_seconds_and_then_not_for_a_while() {
        let (segments, segment) = (RetriedSegments::default(), SegmentId::new(0, 0));
        let mut waited = Duration::ZERO;
        while let Some(pause) = segments.next_pause(segment) {
            segments.note_sealed(segment);
            advance(pause).await;
            waited += pause;
        }
        assert_eq!(waited, Duration::from_millis(1550));
        assert_eq!(segments.next_pause(segment), None);
        advance(COUNTS_FOR).await;
        assert_eq!(segments.next_pause(segment), Some(FIRST_PAUSE));
    }

    #[tokio::test(start_paused = true)]
    async fn missing_segment_is_tried_for_as_long_as_the_controller_calls_it_current() {
        let (segments, segment) = (RetriedSegments::default(), SegmentId::new(0, 0));
        let pauses: Vec<_> = (0..7).map(|_| segments.next_pause(segment)).collect();
        assert_eq!(pauses[4..], [Some(Duration::from_millis(800)); 3]);
    }
}
