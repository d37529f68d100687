//! The world around the gateway, and its agenda.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use pravega_protocol::stream::SegmentId;
use pravega_protocol::wire::{RequestId, WireCommand, WriterId};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::connection::{Connection, ConnectionId, WriterAt};
use super::dice::Dice;
use super::history::{History, segment_of_neighbour};
use super::odds::Odds;
use super::segment::SimulatedSegment;
use super::trace::Trace;
use super::witness::Witness;
use crate::controller::Credentials;
use crate::segment_store::LostCause;

/// Everything except the gateway: two stores, a controller, the network between them, and time.
pub(super) struct World {
    state: Mutex<State>,
    changed: Notify,
}

pub(super) struct State {
    pub(super) dice: Dice,
    /// The odds at the beginning.
    pub(super) character: Odds,
    pub(super) odds: Odds,
    pub(super) trace: Trace,
    pub(super) connections: Vec<Connection>,
    pub(super) segments: BTreeMap<SegmentId, SimulatedSegment>,
    pub(super) history: History,
    /// When each store accepts connections again.
    pub(super) away_until: [Instant; 2],
    /// When the controller answers again.
    pub(super) controller_away_until: Instant,
    /// Callers whom the controller refuses; `None` where it asks no one for credentials.
    pub(super) refused: Option<Vec<Credentials>>,
    pub(super) set_ups: u64,
    pub(super) controller_calls: usize,
    pub(super) witness: Witness,
    /// What the gateway sent against the protocol.
    pub(super) misdeeds: Vec<String>,
    /// Calls and flows that waited for replies of sessions that the gateway has let go of.
    pub(super) left_waiting: usize,
    /// What readers got that is not so.
    pub(super) misreadings: Vec<String>,
    agenda: BTreeMap<(Instant, u64), Event>,
    noted: u64,
}

/// Something on the agenda.
pub(super) enum Event {
    /// The next frame arrives at the store.
    Arrive(ConnectionId),
    /// SetupAppend reads the writer's number and is answered.
    Install { connection: ConnectionId, writer: WriterId, segment: SegmentId, request_id: RequestId },
    /// ReadSegment reads the segment's bytes and is answered.
    Read { connection: ConnectionId, segment: SegmentId, request_id: RequestId, offset: i64, most: usize },
    /// GetStreamSegmentInfo reads the segment's state and is answered.
    Inform { connection: ConnectionId, segment: SegmentId, request_id: RequestId },
    /// The oldest accepted append, or seal, is committed.
    Commit(SegmentId),
    /// A committed append is acknowledged.
    Complete { writer: WriterAt, number: i64, request_id: RequestId, end_offset: i64 },
    /// Failed appends are answered.
    Refuse(WriterAt),
    /// A reply reaches the gateway.
    Reply(ConnectionId, WireCommand),
    /// The gateway learns that the connection is gone.
    End(ConnectionId, LostCause),
    /// The store closes the connection.
    Close(ConnectionId),
    /// The controller asks for a seal.
    Seal(SegmentId),
    /// Another store takes over a segment.
    Move(SegmentId),
    /// Retention removes a segment.
    Delete(SegmentId),
}

impl World {
    pub(super) fn new(mut dice: Dice, odds: Odds, trace: Trace) -> Self {
        let now = Instant::now();
        let history = History::new(odds.segments);
        let owner = |dice: &mut Dice| SimulatedSegment::new(dice.below(2));
        let ids = history.latest().iter().map(|(id, _)| *id).chain([segment_of_neighbour()]);
        let segments = ids.map(|id| (id, owner(&mut dice))).collect();
        let state = State {
            dice,
            character: odds.clone(),
            odds,
            trace,
            connections: Vec::new(),
            segments,
            history,
            away_until: [now; 2],
            controller_away_until: now,
            refused: None,
            set_ups: 0,
            controller_calls: 0,
            witness: Witness::default(),
            misdeeds: Vec::new(),
            left_waiting: 0,
            misreadings: Vec::new(),
            agenda: BTreeMap::new(),
            noted: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Changes the world, and wakes its clock if something comes earlier than planned.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let next = state.next_at();
        let outcome = act(&mut state);
        if state.next_at() != next {
            self.changed.notify_one();
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Lets time pass and everything planned happen; never ends.
    pub(super) async fn turn(&self) {
        loop {
            let next = self.lock().next_at();
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = due => self.lock().happen(),
                () = self.changed.notified() => {}
            }
        }
    }
}

impl State {
    fn next_at(&self) -> Option<Instant> {
        self.agenda.first_key_value().map(|((at, _), _)| *at)
    }

    fn happen(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.agenda.first_entry()
            && entry.key().0 <= now
        {
            let event = entry.remove();
            self.apply(event);
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Arrive(connection) => self.arrive(connection),
            Event::Install { connection, writer, segment, request_id } => {
                self.install(connection, writer, segment, request_id);
            }
            Event::Inform { connection, segment, request_id } => self.inform(connection, segment, request_id),
            Event::Read { connection, segment, request_id, offset, most } => {
                self.read(connection, segment, request_id, offset, most);
            }
            Event::Commit(segment) => self.commit(segment),
            Event::Complete { writer, number, request_id, end_offset } => {
                self.complete(writer, number, request_id, end_offset);
            }
            Event::Refuse(writer) => self.refuse(writer),
            Event::Reply(connection, reply) => self.deliver(connection, reply),
            Event::End(connection, cause) => self.end(connection, cause),
            Event::Close(connection) => self.close(connection),
            Event::Seal(segment) => self.seal(segment),
            Event::Move(segment) => self.move_segment(segment),
            Event::Delete(segment) => self.delete(segment),
        }
    }

    pub(super) fn after(&mut self, delay: Duration, event: Event) {
        self.at(Instant::now() + delay, event);
    }

    pub(super) fn at(&mut self, at: Instant, event: Event) {
        self.noted += 1;
        self.agenda.insert((at, self.noted), event);
    }

    pub(super) fn hop(&mut self) -> Duration {
        let longest = self.odds.hop_ms;
        self.dice.millis(0..=longest)
    }
}
