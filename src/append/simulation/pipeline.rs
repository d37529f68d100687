//! How what a store accepted becomes final. Facts: OperationProcessor.java, StreamSegmentContainer.java.

use std::time::Duration;

use pravega_protocol::stream::SegmentId;
use tokio::time::Instant;

use super::connection::{Reason, RefusedAppend};
use super::segment::{Append, Operation, Stale, short};
use super::world::{Event, State};

impl State {
    fn segment(&mut self, id: SegmentId) -> &mut super::segment::SimulatedSegment {
        self.segments.get_mut(&id).expect("segments stay known when they are deleted")
    }

    /// Accepts an operation, which none that comes later can overtake.
    pub(super) fn accept(&mut self, id: SegmentId, operation: Operation) {
        self.segment(id).pipeline.push_back(operation);
        self.expect_commit(id);
    }

    fn expect_commit(&mut self, id: SegmentId) {
        let longest = self.odds.commit_ms;
        let delay = if self.dice.chance(0.3) { Duration::ZERO } else { self.dice.millis(0..=longest) };
        let segment = self.segment(id);
        if !segment.pipeline.is_empty() && !std::mem::replace(&mut segment.committing, true) {
            let at = segment.stalled_until.max(segment.ready_at).max(Instant::now() + delay);
            self.at(at, Event::Commit(id));
        }
    }

    pub(super) fn commit(&mut self, id: SegmentId) {
        let segment = self.segment(id);
        segment.committing = false;
        let is_stalled = segment.stalled_until > Instant::now() || segment.ready_at > Instant::now();
        if !is_stalled && let Some(operation) = segment.pipeline.pop_front() {
            segment.apply(&operation);
            let end_offset = segment.length();
            self.committed(id, operation, end_offset);
        }
        self.expect_commit(id);
    }

    fn committed(&mut self, id: SegmentId, operation: Operation, end_offset: i64) {
        match operation {
            Operation::Append(Append { writer, number, request_id, .. }) => {
                self.trace.note(|| format!("{} has {number} of c{}", short(id), writer.connection));
                let longest = self.odds.complete_ms;
                let delay = self.dice.millis(0..=longest);
                self.after(delay, Event::Complete { writer, number, request_id, end_offset });
            }
            Operation::Seal => self.sealed(id),
        }
    }

    fn sealed(&mut self, id: SegmentId) {
        self.trace.note(|| format!("{} is sealed", short(id)));
        // Retention removes what the controller knows to be sealed.
        if !self.segment(id).is_sealed_alone && self.dice.chance(self.odds.retention) {
            let delay = self.dice.millis(0..=2000);
            self.after(delay, Event::Delete(id));
        }
    }

    /// Refuses appends from now on; the seal is committed behind the appends accepted before.
    pub(super) fn seal(&mut self, id: SegmentId) {
        let segment = self.segment(id);
        if !segment.is_sealing && !segment.is_deleted {
            segment.is_sealing = true;
            self.trace.note(|| format!("{} refuses appends", short(id)));
            self.accept(id, Operation::Seal);
            if self.dice.chance(self.odds.move_at_seal) {
                // Late enough that a writer may learn of the seal, with nothing committed meanwhile.
                let delay = self.dice.millis(0..=100);
                self.segment(id).stalled_until = Instant::now() + delay;
                self.after(delay, Event::Move(id));
            }
        }
    }

    /// A store seals a segment that the controller goes on to call current.
    pub(super) fn seal_alone(&mut self, id: SegmentId) {
        self.trace.note(|| format!("{} is sealed at its store alone", short(id)));
        let segment = self.segment(id);
        segment.is_sealed_alone |= !segment.is_sealing && !segment.is_deleted;
        self.seal(id);
    }

    pub(super) fn delete(&mut self, id: SegmentId) {
        self.trace.note(|| format!("{} is deleted", short(id)));
        let segment = self.segment(id);
        segment.is_deleted = true;
        let lost = std::mem::take(&mut segment.pipeline);
        self.fail_all(lost, Reason::Missing);
    }

    /// Another store, or the same one, recovers the segment: some of what was accepted turns out to be committed, and
    /// no writer is notified.
    pub(super) fn move_segment(&mut self, id: SegmentId) {
        let (goes, is_stale) = (self.dice.chance(0.7), self.dice.chance(self.odds.stale_store));
        let longest = [20, 1500][self.dice.below(2)];
        let (recovery, stale_for) = (self.dice.millis(0..=longest), self.dice.millis(0..=3000));
        let kept = self.segments[&id].pipeline.len();
        let kept = if self.dice.chance(0.4) { kept } else { self.dice.below(kept + 1) };
        let now = Instant::now();
        let segment = self.segment(id);
        if segment.is_deleted {
            return;
        }
        self.witness.is_disturbed = true;
        let segment = self.segment(id);
        let before = segment.owner;
        let owner = if goes { 1 - before } else { before };
        segment.owner = owner;
        segment.stale = (before != owner && is_stale).then(|| Stale {
            host: before,
            until: now + stale_for,
            committed: segment.committed.clone(),
            is_sealed: segment.is_sealed,
            length: segment.data.len(),
        });
        segment.ready_at = now + recovery;
        let all = std::mem::take(&mut segment.pipeline);
        all.iter().take(kept).for_each(|operation| segment.apply(operation));
        segment.accepted = segment.committed.clone();
        let must_seal_again = segment.is_sealing && !segment.is_sealed;
        segment.is_sealing = segment.is_sealed;
        let count = all.len();
        self.trace.note(|| format!("{} moves from {before} to {owner} with {kept} of {count}", short(id)));
        if must_seal_again {
            self.after(recovery, Event::Seal(id));
        }
        self.fail_all(all, Reason::Elsewhere);
    }

    fn fail_all(&mut self, operations: impl IntoIterator<Item = Operation>, why: Reason) {
        for operation in operations {
            let Operation::Append(Append { writer, number, request_id, .. }) = operation else { continue };
            if let Some(state) = self.connections[writer.connection].writer(writer) {
                state.in_flight = 0;
            }
            self.fail(writer, RefusedAppend { why, number, request_id });
        }
    }
}
