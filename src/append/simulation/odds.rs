//! What a schedule is like: how large, how fast, how faulty.

use std::time::Duration;

use super::dice::Dice;
use crate::append::block_queue::BlockLimits;

/// The character of a schedule, drawn once at its beginning. Odds are per occasion.
#[derive(Debug, Clone)]
pub(super) struct Odds {
    pub(super) limits: BlockLimits,
    pub(super) sessions: usize,
    pub(super) queued_messages: usize,
    /// How long the gateway caches what the controller says.
    pub(super) remembered_for: Duration,
    /// Longest time that bytes travel.
    pub(super) hop_ms: u64,
    /// Longest time from accepting an append to committing it.
    pub(super) commit_ms: u64,
    /// Longest time from a commit to its acknowledgement; later appends may be faster.
    pub(super) complete_ms: u64,
    pub(super) segments: usize,
    pub(super) callers: usize,
    pub(super) events: usize,
    pub(super) pause_ms: u64,
    /// That a caller names a segment.
    pub(super) named: f64,
    /// That a caller gives up after a while.
    pub(super) impatient: f64,
    /// How often something breaks.
    pub(super) faults: usize,
    pub(super) fault_gap_ms: u64,
    /// How often the stream scales.
    pub(super) scales: usize,
    pub(super) seal_gap_ms: u64,
    pub(super) name_gap_ms: u64,
    /// That a refusal does not wait for earlier appends of its own connection.
    pub(super) overtaking: f64,
    /// That a refusal is lost because the store closes the connection.
    pub(super) lost_refusal: f64,
    /// That SetupAppend is never answered.
    pub(super) deaf_set_up: f64,
    /// That the acknowledgements of one setup never arrive.
    pub(super) deaf_acks: f64,
    /// That a segment moves soon after it began to refuse appends.
    pub(super) move_at_seal: f64,
    /// That a store that lost a segment keeps answering for it, with what it knew.
    pub(super) stale_store: f64,
    /// That the controller answers with what was true when the call began.
    pub(super) stale_controller: f64,
    pub(super) controller_ms: u64,
    pub(super) controller_fails: f64,
    /// Whether stores and the controller may be down.
    pub(super) outages: bool,
    /// That a sealed segment is deleted soon.
    pub(super) retention: f64,
    /// That a socket takes no more bytes for longer than an acknowledgement may take.
    pub(super) blocked_send: f64,
    /// That a store answers SetupAppend or an append with an error.
    pub(super) store_errors: f64,
    /// Whether stores seal segments that the controller never hears of.
    pub(super) lone_seals: bool,
    /// Whether the stream scales again before what the last scale replaced is sealed.
    pub(super) scales_overlap: bool,
    /// Events for another stream, which shares the sessions.
    pub(super) neighbour_events: usize,
    /// That a caller's appender makes room for others between two events.
    pub(super) eviction: f64,
    /// That a caller stands still in the middle of a call.
    pub(super) frozen: f64,
    /// Pages that are read meanwhile.
    pub(super) pages: usize,
    pub(super) fate: StreamFate,
}

/// What happens to the stream in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamFate {
    Lives,
    Sealed,
    Recreated,
}

impl Odds {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let some = |dice: &mut Dice, common: f64, odds: f64| if dice.chance(common) { odds } else { 0.0 };
        let odds = Self {
            limits: BlockLimits {
                max_block_bytes: [40, 100, 400][dice.below(3)],
                max_in_flight_blocks: dice.within(1..=5) as usize,
            },
            sessions: dice.within(1..=2) as usize,
            queued_messages: [1, 2, 128][dice.below(3)],
            remembered_for: Duration::from_secs([0, 20, 3600][dice.below(3)]),
            hop_ms: [0, 2, 20][dice.below(3)],
            commit_ms: [1, 10, 60, 400][dice.below(4)],
            complete_ms: [0, 1, 10][dice.below(3)],
            segments: dice.within(1..=3) as usize,
            callers: dice.within(1..=3) as usize,
            events: dice.within(5..=25) as usize,
            pause_ms: [0, 3, 30, 200][dice.below(4)],
            named: some(dice, 0.2, 0.3),
            impatient: some(dice, 0.4, 0.2),
            faults: [0, 1, 3, 8][dice.below(4)],
            fault_gap_ms: [5, 50, 500][dice.below(3)],
            scales: [0, 1, 2, 3][dice.below(4)],
            seal_gap_ms: [0, 30, 300][dice.below(3)],
            name_gap_ms: [0, 30, 300][dice.below(3)],
            overtaking: some(dice, 0.5, 0.5),
            lost_refusal: some(dice, 0.3, 0.3),
            deaf_set_up: some(dice, 0.1, 0.1),
            deaf_acks: some(dice, 0.1, 0.1),
            move_at_seal: some(dice, 0.2, 0.8),
            stale_store: some(dice, 0.4, 0.7),
            stale_controller: some(dice, 0.5, 0.5),
            controller_ms: [0, 20, 200][dice.below(3)],
            controller_fails: some(dice, 0.2, 0.2),
            outages: dice.chance(0.15),
            retention: some(dice, 0.2, 0.5),
            blocked_send: some(dice, 0.1, 0.02),
            store_errors: some(dice, 0.15, 0.1),
            lone_seals: dice.chance(0.1),
            scales_overlap: dice.chance(0.3),
            neighbour_events: [0, 0, 8][dice.below(3)],
            eviction: some(dice, 0.2, 0.3),
            frozen: some(dice, 0.2, 0.1),
            pages: [0, 0, 10][dice.below(3)],
            fate: match dice.below(10) {
                0 => StreamFate::Sealed,
                1..=2 => StreamFate::Recreated,
                _ => StreamFate::Lives,
            },
        };
        odds.adapted_to_moves().adapted_to_evictions().adapted_to_fate(dice)
    }

    /// Where segments move while they are sealed, writers learn of the seal before what they sent is committed, and the
    /// previous store lags.
    fn adapted_to_moves(self) -> Self {
        if self.move_at_seal == 0.0 {
            return self;
        }
        Self {
            overtaking: 1.0,
            stale_store: 1.0,
            hop_ms: self.hop_ms.min(2),
            controller_ms: self.controller_ms.min(20),
            remembered_for: Duration::ZERO,
            scales: self.scales.max(1),
            ..self
        }
    }

    /// The same for those who write to the other stream.
    pub(super) fn of_neighbour(&self) -> Self {
        Self { named: 0.0, events: self.neighbour_events, ..self.clone() }
    }

    /// The same where nothing goes wrong any more.
    pub(super) fn calm(self) -> Self {
        Self {
            impatient: 0.0,
            named: 0.0,
            lost_refusal: 0.0,
            deaf_set_up: 0.0,
            deaf_acks: 0.0,
            stale_controller: 0.0,
            controller_fails: 0.0,
            outages: false,
            blocked_send: 0.0,
            store_errors: 0.0,
            lone_seals: false,
            eviction: 0.0,
            frozen: 0.0,
            ..self
        }
    }

    /// A writer that takes up the id of an earlier one meets stores that lag.
    fn adapted_to_evictions(self) -> Self {
        if self.eviction == 0.0 {
            return self;
        }
        Self {
            stale_store: 1.0,
            faults: self.faults.max(3),
            fault_gap_ms: 500,
            pause_ms: self.pause_ms.max(30),
            ..self
        }
    }

    /// A stream that is recreated has segments to lose, and callers that are still active.
    fn adapted_to_fate(self, dice: &mut Dice) -> Self {
        match self.fate {
            StreamFate::Recreated => Self {
                segments: dice.within(2..=3) as usize,
                scales: self.scales.min(1),
                pause_ms: self.pause_ms.max(30),
                ..self
            },
            StreamFate::Lives | StreamFate::Sealed => self,
        }
    }
}
