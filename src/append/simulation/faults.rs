//! What goes wrong, and what the controller does meanwhile.

use std::time::Duration;

use pravega_protocol::stream::SegmentId;
use tokio::time::{Instant, sleep};

use super::connection::ConnectionId;
use super::dice::Dice;
use super::history::{Reported, segment_of_neighbour};
use super::odds::StreamFate;
use super::segment::{SimulatedSegment, short};
use super::world::{Event, State, World};
use crate::segment_store::LostCause;

/// How often to check whether segments are sealed.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl World {
    /// Breaks something from time to time.
    pub(super) async fn storm(&self, mut dice: Dice) {
        let (faults, gap) = self.with(|state| (state.odds.faults, state.odds.fault_gap_ms));
        for _ in 0..faults {
            sleep(dice.millis(0..=gap)).await;
            self.with(State::break_something);
        }
    }

    /// Scales the stream, and ends it where that is its fate.
    pub(super) async fn change(&self, mut dice: Dice) {
        let odds = self.with(|state| state.odds.clone());
        for _ in 0..odds.scales {
            sleep(dice.millis(0..=odds.seal_gap_ms + 50)).await;
            let replaced = self.with(|state| state.scale(&mut dice));
            self.seal_all(&mut dice, &replaced, |state| state.history.announce()).await;
            if !odds.scales_overlap {
                self.all_sealed(&replaced).await;
            }
        }
        if odds.fate != StreamFate::Lives {
            sleep(dice.millis(0..=200)).await;
            let all: Vec<_> = self.with(|state| state.history.latest().iter().map(|(id, _)| *id).collect());
            self.seal_all(&mut dice, &all, |state| state.history.reported = Reported::Sealed).await;
            self.all_sealed(&all).await;
        }
        if odds.fate == StreamFate::Recreated {
            self.recreate(&mut dice).await;
        }
    }

    /// Seals segments one by one, and announces what follows before, between or after that.
    async fn seal_all(&self, dice: &mut Dice, segments: &[SegmentId], announce: impl FnOnce(&mut State)) {
        let naming = self.with(|state| {
            for id in segments {
                let delay = dice.millis(0..=state.odds.seal_gap_ms);
                state.after(delay, Event::Seal(*id));
            }
            dice.millis(0..=state.odds.name_gap_ms)
        });
        sleep(naming).await;
        self.with(|state| {
            announce(state);
            state.trace.note(|| {
                format!("the controller reports {:?} of {:?}", state.history.reported, state.history.latest())
            });
        });
    }

    async fn all_sealed(&self, segments: &[SegmentId]) {
        let is_sealed = |segment: &SimulatedSegment| segment.is_sealed || segment.is_deleted;
        while !self.with(|state| segments.iter().all(|id| is_sealed(&state.segments[id]))) {
            sleep(LOOK_EVERY).await;
        }
    }

    async fn recreate(&self, dice: &mut Dice) {
        self.with(|state| state.history.reported = Reported::Missing);
        let pause_ms = [0, 20, 300][dice.below(3)];
        for id in self.with(|state| state.segments.keys().copied().collect::<Vec<_>>()) {
            if id == segment_of_neighbour() {
                continue;
            }
            sleep(dice.millis(0..=20)).await;
            self.with(|state| state.delete(id));
        }
        sleep(dice.millis(0..=pause_ms)).await;
        self.with(|state| {
            state.history.begin(dice.within(1..=3) as usize);
            state.create_latest();
            state.history.announce();
        });
    }
}

impl State {
    pub(super) fn scale(&mut self, dice: &mut Dice) -> Vec<SegmentId> {
        let count = self.history.latest().len();
        let at = dice.below(count);
        let neighbours = 1 + dice.below(count - at);
        let replaced = self.history.scale(at, neighbours, 1 + dice.below(3));
        self.create_latest();
        self.trace.note(|| format!("scale of {replaced:?}"));
        replaced
    }

    fn create_latest(&mut self) {
        for (id, _) in self.history.latest().clone() {
            let owner = self.dice.below(2);
            self.segments.entry(id).or_insert_with(|| SimulatedSegment::new(owner));
        }
    }

    fn break_something(&mut self) {
        let up: Vec<_> = (0..self.connections.len()).filter(|id| self.connections[*id].is_up()).collect();
        let connection = self.dice.pick(&up).copied();
        let wants_busy = self.dice.chance(0.7);
        let is_busy = |segment: &SimulatedSegment| !segment.pipeline.is_empty();
        let mut segments: Vec<_> = self.segments.iter().filter(|(_, it)| is_busy(it)).map(|(id, _)| *id).collect();
        if !wants_busy || segments.is_empty() {
            segments = self.segments.keys().copied().collect();
        }
        let segment = *self.dice.pick(&segments).expect("there is always one");
        match (self.dice.below(12), connection) {
            (0..=2, Some(connection)) => self.cut(connection),
            (3, Some(connection)) => self.close(connection),
            (4, Some(connection)) => self.mute(connection),
            (5, _) => self.stall(segment),
            (6..=7, _) => self.move_segment(segment),
            (8, _) if self.odds.outages => self.leave(),
            (9, _) if self.odds.outages => {
                self.controller_away_until = Instant::now() + self.dice.millis(0..=3000);
            }
            (10, _) if self.odds.lone_seals && segment != segment_of_neighbour() => self.seal_alone(segment),
            _ => {}
        }
    }

    /// The gateway loses a connection. What it sent still arrives, late, up to some frame.
    fn cut(&mut self, connection: ConnectionId) {
        let late = [0, 5, 100, 2000][self.dice.below(4)];
        let late = self.dice.millis(0..=late);
        let count = self.connections[connection].inbound.len();
        let kept = if self.dice.chance(0.6) { count } else { self.dice.below(count + 1) };
        self.trace.note(|| format!("c{connection} is lost, {kept} of {count} frames arrive {late:?} later"));
        let wire = &mut self.connections[connection];
        wire.inbound.truncate(kept);
        wire.inbound.iter_mut().for_each(|(at, _)| *at += late);
        self.end(connection, LostCause::Closed);
    }

    /// Nothing comes back until the gateway notices. What it sends arrives or not.
    fn mute(&mut self, connection: ConnectionId) {
        self.trace.note(|| format!("c{connection} falls silent"));
        self.witness.sees_lost();
        let silent_for = Duration::from_secs(60);
        let swallows = self.dice.chance(0.5);
        let wire = &mut self.connections[connection];
        (wire.is_mute, wire.is_closed) = (true, swallows);
        self.after(silent_for, Event::End(connection, LostCause::Silent(silent_for)));
    }

    fn stall(&mut self, id: SegmentId) {
        let stalled_for = if self.dice.chance(0.1) { 100_000 } else { 1000 };
        let stalled_for = self.dice.millis(0..=stalled_for);
        self.trace.note(|| format!("{} commits nothing for {stalled_for:?}", short(id)));
        self.witness.is_disturbed |= stalled_for > Duration::from_secs(10);
        let until = Instant::now() + stalled_for;
        self.segments.get_mut(&id).expect("only known segments stall").stalled_until = until;
    }

    /// A store is down for a while, with all its connections.
    fn leave(&mut self) {
        let host = self.dice.below(2);
        self.away_until[host] = Instant::now() + self.dice.millis(0..=3000);
        self.trace.note(|| format!("store {host} is away"));
        for connection in 0..self.connections.len() {
            if self.connections[connection].host == host && self.connections[connection].is_up() {
                self.cut(connection);
            }
        }
    }
}
