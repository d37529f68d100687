//! Segments that their store calls closed while the controller calls them current.
//!
//! ```text
//! closed, current ── pause, 50 ms doubled up to 800 ms ─▶ tried again ── stored ─▶ like any other
//!        ▲                                               │
//!        └────────────────── closed again ───────────────┘
//!        └─ sealed, and the pauses are used up ─▶ its events fail; so do later ones at once, until 10 s have passed
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

/// How long what was found out counts, once the segment is tried no more.
const COUNTS_FOR: Duration = Duration::from_secs(10);

/// How long it counts before: longer than one attempt may take.
const ATTEMPTS_COUNT_FOR: Duration = Duration::from_secs(60);

/// Such segments of one stream.
#[derive(Debug, Default)]
pub(super) struct RetriedSegments(Mutex<HashMap<SegmentId, Retries>>);

#[derive(Debug)]
struct Retries {
    pauses: u32,
    is_sealed: bool,
    is_given_up: bool,
    until: Instant,
}

impl RetriedSegments {
    /// The segment's store says that it is sealed.
    pub(super) fn note_sealed(&self, segment: SegmentId) {
        if let Some(retries) = self.0.lock().get_mut(&segment) {
            retries.is_sealed = true;
        }
    }

    /// Whether [`is_given_up`](Self::is_given_up) may be so for any segment.
    pub(super) fn has_given_up(&self) -> bool {
        self.0.lock().values().any(|retries| retries.is_given_up)
    }

    /// Whether the segment was tried often enough, and it is too early to try it anew.
    pub(super) fn is_given_up(&self, segment: SegmentId) -> bool {
        let all = self.0.lock();
        all.get(&segment).is_some_and(|retries| retries.is_given_up && retries.until > Instant::now())
    }

    /// How long to wait before the segment is tried again; `None` if that was done often enough.
    pub(super) fn next_pause(&self, segment: SegmentId) -> Option<Duration> {
        let (now, mut all) = (Instant::now(), self.0.lock());
        all.retain(|_, retries| retries.until > now);
        let retries =
            all.entry(segment).or_insert(Retries { pauses: 0, is_sealed: false, is_given_up: false, until: now });
        if retries.is_sealed && retries.pauses >= MOST_PAUSES {
            if !std::mem::replace(&mut retries.is_given_up, true) {
                retries.until = now + COUNTS_FOR;
            }
            return None;
        }
        retries.until = now + ATTEMPTS_COUNT_FOR;
        let doubled = retries.pauses.min(MOST_PAUSES - 1);
        retries.pauses += 1;
        Some(FIRST_PAUSE * 2_u32.pow(doubled))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SLOW_ATTEMPT: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn sealed_segment_is_tried_for_less_than_two_seconds_and_then_not_for_a_while() {
        let (segments, segment) = (RetriedSegments::default(), SegmentId::new(0, 0));
        let mut waited = Duration::ZERO;
        while let Some(pause) = segments.next_pause(segment) {
            segments.note_sealed(segment);
            advance(pause).await;
            waited += pause;
            advance(SLOW_ATTEMPT).await;
        }
        assert_eq!(waited, Duration::from_millis(1550));
        assert!(segments.is_given_up(segment) && segments.has_given_up());
        assert_eq!(segments.next_pause(segment), None);
        advance(COUNTS_FOR).await;
        assert!(!segments.is_given_up(segment));
        assert_eq!(segments.next_pause(segment), Some(FIRST_PAUSE));
    }

    #[tokio::test(start_paused = true)]
    async fn missing_segment_is_tried_for_as_long_as_the_controller_calls_it_current() {
        let (segments, segment) = (RetriedSegments::default(), SegmentId::new(0, 0));
        let pauses: Vec<_> = (0..7).map(|_| segments.next_pause(segment)).collect();
        assert_eq!(pauses[4..], [Some(Duration::from_millis(800)); 3]);
    }
}
