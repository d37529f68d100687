//! What a segment's writer sends, sends again and acknowledges; without sockets or clocks.
//!
//! ```text
//!            push                next_block                   on_ack
//! caller ───────────▶ waiting ───────────────▶ in flight ─────────────────▶ acknowledged
//!                                 ▲               │ on_disconnect: all of it is unsent again,
//!                                 └───────────────┘ on_setup: except what the store has after all
//! ```
//!
//! Event numbers rise and are never reused, and a block keeps its events and its number for good. The store remembers
//! only the number of a writer's last block, so after a reconnect it always names the end of one of our blocks.

use std::collections::VecDeque;

use pravega_protocol::wire::NO_VALUE;

/// What the queue needs to know of an event.
pub(super) trait QueuedEvent {
    /// Bytes that the event takes in the segment, including its header.
    fn framed_len(&self) -> usize;

    /// Marks the event as sent; `false` if it was withdrawn before, so that it must not be sent.
    fn begin(&self) -> bool;

    /// Removes the mark: the segment certainly does not hold the event.
    fn unsend(&self);

    /// Whether no one waits for the event any more.
    fn is_withdrawn(&self) -> bool;
}

/// Bounds of a segment's blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockLimits {
    /// Bytes of framed events in a block; a larger event gets a block of its own.
    pub(super) max_block_bytes: usize,
    /// Full blocks that may be unacknowledged on a connection.
    pub(super) max_in_flight_blocks: usize,
}

/// Byte offsets of an event in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPlace {
    /// Where the event begins.
    pub offset: i64,
    /// Where the next event begins.
    pub next_offset: i64,
}

/// An event that the store has.
#[derive(Debug)]
pub(super) struct Acknowledged<E> {
    pub(super) event: E,
    /// `None` where one acknowledgement covered several blocks, or a setup reported the event.
    pub(super) place: Option<EventPlace>,
}

/// Events that share a number.
#[derive(Debug)]
pub(super) struct Block<E> {
    /// Empty once no one waits for them any more.
    pub(super) events: Vec<E>,
    pub(super) last_number: i64,
    pub(super) framed_bytes: usize,
    /// Number that the connection had before this block.
    follows: i64,
}

impl<E: QueuedEvent> Block<E> {
    /// Whether no one waits for any of its events.
    fn is_withdrawn(&self) -> bool {
        self.events.iter().all(QueuedEvent::is_withdrawn)
    }
}

/// An acknowledgement of something that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("event number {acknowledged} was acknowledged, but no block in flight ends there")]
pub(super) struct UnknownAck {
    acknowledged: i64,
}

/// The unacknowledged events of one segment's writer, in order.
#[derive(Debug)]
pub(super) struct BlockQueue<E> {
    pub(super) limits: BlockLimits,
    waiting: VecDeque<E>,
    /// Bytes of the waiting events, some of which may be withdrawn.
    waiting_bytes: usize,
    pub(super) in_flight: VecDeque<Block<E>>,
    /// How many of the blocks in flight were sent on the current connection.
    sent: usize,
    /// Whether the next block is to be acknowledged before another one is sent.
    goes_alone: bool,
    /// Whether the store takes long to acknowledge.
    is_slow: bool,
    pub(super) next_number: i64,
    /// Number of the last block sent on the current connection, at first the one that its setup reported.
    connection_number: i64,
}

impl<E: QueuedEvent> BlockQueue<E> {
    /// The queue of a writer that never wrote, and whose event numbers begin here at the lowest.
    pub(super) fn new(limits: BlockLimits, next_number: i64) -> Self {
        Self {
            limits,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            in_flight: VecDeque::new(),
            sent: 0,
            goes_alone: false,
            is_slow: false,
            next_number,
            connection_number: NO_VALUE,
        }
    }

    /// Queues an event behind all earlier ones.
    pub(super) fn push(&mut self, event: E) {
        self.waiting_bytes += event.framed_len();
        self.waiting.push_back(event);
    }

    /// Whether any event waits to be sent or acknowledged.
    pub(super) fn has_work(&self) -> bool {
        !self.waiting.is_empty() || !self.in_flight.is_empty()
    }

    /// Every event, in their order.
    pub(super) fn events(&self) -> impl Iterator<Item = &E> {
        self.in_flight.iter().flat_map(|block| &block.events).chain(&self.waiting)
    }

    /// Takes out the events that were never sent and are `unwanted`.
    pub(super) fn take_waiting(&mut self, unwanted: impl Fn(&E) -> bool) -> VecDeque<E> {
        let (taken, kept): (_, VecDeque<_>) = self.waiting.drain(..).partition(|event| unwanted(event));
        self.waiting = kept;
        self.waiting_bytes = self.waiting.iter().map(QueuedEvent::framed_len).sum();
        taken
    }

    /// Whether any event is unacknowledged that was sent on this connection or an earlier one.
    pub(super) fn has_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Drops events that were withdrawn: unsent ones, and those of blocks that no one waits for. Such a block is still to
    /// be acknowledged if it was sent on this connection, and is not sent again if not.
    pub(super) fn sweep(&mut self) {
        self.waiting.retain(|event| !event.is_withdrawn());
        self.waiting_bytes = self.waiting.iter().map(QueuedEvent::framed_len).sum();
        let mut unsent = self.in_flight.split_off(self.sent);
        unsent.retain(|block| !block.is_withdrawn());
        for block in self.in_flight.iter_mut().filter(|block| block.is_withdrawn()) {
            block.events = Vec::new();
        }
        self.in_flight.append(&mut unsent);
    }

    /// Bytes of all events.
    pub(super) fn framed_bytes(&self) -> usize {
        let in_flight = self.in_flight.iter().filter(|block| !block.events.is_empty()).map(|block| block.framed_bytes);
        in_flight.sum::<usize>() + self.waiting_bytes
    }

    /// Lets nothing follow the next block until it is acknowledged.
    pub(super) fn begin_alone(&mut self) {
        self.goes_alone = true;
    }

    /// Begins a connection on which the store reported `last_number`: blocks up to it are stored and returned, the
    /// others will be sent again.
    pub(super) fn on_setup(&mut self, last_number: i64) -> Vec<Acknowledged<E>> {
        assert_eq!(self.sent, 0, "a connection is set up only after on_disconnect");
        let mut stored = Vec::new();
        while let Some(block) = self.in_flight.pop_front_if(|block| block.last_number <= last_number) {
            stored.extend(block.events.into_iter().map(|event| Acknowledged { event, place: None }));
        }
        self.connection_number = last_number;
        self.next_number = self.next_number.max(last_number.saturating_add(1)).max(0);
        stored
    }

    /// Ends a connection. Blocks that no one waits for are dropped; their numbers are not reused.
    pub(super) fn on_disconnect(&mut self) {
        self.sent = 0;
        self.sweep();
    }

    /// Whether [`next_block`](Self::next_block) is likely to have one.
    pub(super) fn has_next_block(&self) -> bool {
        let has_one = self.sent < self.in_flight.len() || !self.waiting.is_empty();
        has_one && self.may_send()
    }

    /// Takes note of whether the oldest block in flight waits for long. What comes later then does not wait for it: else
    /// it would wait twice.
    pub(super) fn set_slow(&mut self, is_slow: bool) {
        self.is_slow = is_slow;
    }

    /// Only a full block follows another one that is unacknowledged, unless the store is slow. What is less shares the next
    /// block, which costs the store less; and a store that refuses a block, as its segment is sealed, closes the
    /// connection if another one comes behind.
    fn may_send(&self) -> bool {
        match self.sent {
            0 => true,
            _ if self.goes_alone => false,
            sent => sent < self.limits.max_in_flight_blocks && (self.is_slow || self.has_full_block()),
        }
    }

    fn has_full_block(&self) -> bool {
        let sent_before = self.in_flight.range(self.sent..).map(|block| block.framed_bytes).sum::<usize>();
        sent_before + self.waiting_bytes >= self.limits.max_block_bytes
    }

    /// The next block to send on the connection: one that an earlier connection lost, else a new one.
    pub(super) fn next_block(&mut self) -> Option<&Block<E>> {
        if !self.may_send() {
            return None;
        }
        if self.sent == self.in_flight.len() {
            let block = self.new_block()?;
            self.in_flight.push_back(block);
        }
        let block = &mut self.in_flight[self.sent];
        assert!(block.last_number > self.connection_number, "event numbers rise on every connection");
        self.sent += 1;
        block.follows = self.connection_number;
        self.connection_number = block.last_number;
        Some(block)
    }

    fn new_block(&mut self) -> Option<Block<E>> {
        let mut events: Vec<E> = Vec::new();
        let mut framed_bytes = 0;
        while let Some(next) = self.waiting.front() {
            if !events.is_empty() && framed_bytes + next.framed_len() > self.limits.max_block_bytes {
                break;
            }
            let event = self.waiting.pop_front().expect("front() returned it");
            self.waiting_bytes -= event.framed_len();
            if event.begin() {
                framed_bytes += event.framed_len();
                events.push(event);
            }
        }
        if events.is_empty() {
            return None;
        }
        let last_number = self.take_numbers(events.len());
        Some(Block { events, last_number, framed_bytes, follows: NO_VALUE })
    }

    /// Takes the next `count` event numbers; returns the last of them.
    fn take_numbers(&mut self, count: usize) -> i64 {
        let last_in_flight = self.in_flight.back().map_or(NO_VALUE, |block| block.last_number);
        assert!(self.next_number > last_in_flight, "event numbers rise from block to block");
        let count = i64::try_from(count).expect("a block holds less than 2^24 bytes");
        self.next_number += count;
        self.next_number - 1
    }

    /// Takes note that the store has everything up to `number`. If `previous` is the number before the block that ends
    /// there, the acknowledgement covers that block alone, which then ends at `end_offset`.
    ///
    /// # Errors
    /// [`UnknownAck`] if no block that was sent ends at `number`.
    pub(super) fn on_ack(
        &mut self,
        number: i64,
        previous: i64,
        end_offset: i64,
    ) -> Result<Vec<Acknowledged<E>>, UnknownAck> {
        let ends = self.in_flight.iter().take(self.sent).position(|block| block.last_number == number);
        let last = ends.ok_or(UnknownAck { acknowledged: number })?;
        self.sent -= last + 1;
        self.goes_alone = false;
        let mut acknowledged = Vec::new();
        for block in self.in_flight.drain(..=last) {
            let is_exact = block.last_number == number && block.follows == previous && end_offset >= 0;
            let start = is_exact.then(|| end_offset - block.framed_bytes as i64);
            let is_empty = block.events.is_empty();
            let end = place_events(block.events, start, &mut acknowledged);
            assert!(is_empty || end.is_none_or(|end| end == end_offset), "the events of a block fill it");
        }
        assert!(self.sent <= self.in_flight.len(), "only blocks in flight were sent");
        Ok(acknowledged)
    }

    /// Takes note that the block that ends at `number` is not stored, nor any block after it.
    pub(super) fn unsend_from(&mut self, number: i64) {
        let refused = self.in_flight.iter().filter(|block| block.last_number >= number);
        refused.flat_map(|block| &block.events).for_each(QueuedEvent::unsend);
    }

    /// Takes out everything unacknowledged: events that were sent at some time, and those that never were.
    pub(super) fn drain(&mut self) -> (Vec<E>, Vec<E>) {
        self.sent = 0;
        self.waiting_bytes = 0;
        let sent = self.in_flight.drain(..).flat_map(|block| block.events).collect();
        (sent, self.waiting.drain(..).collect())
    }

    /// Takes out everything unacknowledged once the segment certainly holds none of it: what was sent comes first, as
    /// it was submitted first.
    pub(super) fn take_unstored(&mut self) -> VecDeque<E> {
        let (sent, waiting) = self.drain();
        sent.iter().for_each(QueuedEvent::unsend);
        sent.into_iter().chain(waiting).collect()
    }
}

/// Lays events one after the other from `start`, if that is known; returns where the last one ends.
fn place_events<E: QueuedEvent>(
    events: Vec<E>,
    start: Option<i64>,
    acknowledged: &mut Vec<Acknowledged<E>>,
) -> Option<i64> {
    let mut at = start;
    acknowledged.extend(events.into_iter().map(|event| {
        let place = at.map(|offset| EventPlace { offset, next_offset: offset + event.framed_len() as i64 });
        at = place.map(|place| place.next_offset);
        Acknowledged { event, place }
    }));
    at
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Debug)]
    struct Event {
        name: u32,
        len: usize,
        withdrawn: Cell<bool>,
    }

    impl QueuedEvent for Event {
        fn framed_len(&self) -> usize {
            self.len
        }

        fn begin(&self) -> bool {
            !self.withdrawn.get()
        }

        fn unsend(&self) {}

        fn is_withdrawn(&self) -> bool {
            self.withdrawn.get()
        }
    }

    fn event(name: u32, len: usize) -> Event {
        Event { name, len, withdrawn: Cell::new(false) }
    }

    fn queue() -> BlockQueue<Event> {
        let mut queue = BlockQueue::new(BlockLimits { max_block_bytes: 100, max_in_flight_blocks: 2 }, 0);
        queue.on_setup(NO_VALUE);
        queue
    }

    fn send(queue: &mut BlockQueue<Event>) -> Option<(i64, Vec<u32>)> {
        queue.next_block().map(|block| (block.last_number, block.events.iter().map(|event| event.name).collect()))
    }

    fn names(done: &[Acknowledged<Event>]) -> Vec<u32> {
        done.iter().map(|done| done.event.name).collect()
    }

    fn offsets(done: &[Acknowledged<Event>]) -> Vec<Option<i64>> {
        done.iter().map(|done| done.place.map(|place| place.offset)).collect()
    }

    #[test]
    fn what_gathers_while_blocks_are_in_flight_shares_the_next_block() {
        let mut queue = queue();
        queue.push(event(1, 10));
        assert_eq!(send(&mut queue), Some((0, vec![1])));
        queue.push(event(2, 49));
        queue.push(event(3, 50));
        assert_eq!(send(&mut queue), None, "they do not fill a block");
        queue.push(event(4, 1));
        assert_eq!(send(&mut queue), Some((3, vec![2, 3, 4])));
        queue.push(event(5, 100));
        assert_eq!(send(&mut queue), None, "two blocks are in flight");
        queue.on_ack(0, NO_VALUE, 10).expect("block 0 was sent");
        assert_eq!(send(&mut queue), Some((4, vec![5])));
        queue.push(event(6, 10));
        queue.on_ack(4, 3, 210).expect("both were sent");
        assert_eq!(send(&mut queue), Some((5, vec![6])));
    }

    #[test]
    fn what_comes_while_the_store_is_slow_waits_for_no_acknowledgement() {
        let mut queue = queue();
        queue.push(event(1, 10));
        send(&mut queue);
        queue.push(event(2, 10));
        assert_eq!(send(&mut queue), None);
        queue.set_slow(true);
        assert_eq!(send(&mut queue), Some((1, vec![2])));
        queue.push(event(3, 10));
        assert_eq!(send(&mut queue), None, "two blocks are in flight");
    }

    #[test]
    fn block_ends_before_the_limit_and_a_larger_event_goes_alone() {
        let mut queue = queue();
        [(1, 60), (2, 40), (3, 1), (4, 500)].into_iter().for_each(|(name, len)| queue.push(event(name, len)));
        assert_eq!(send(&mut queue), Some((1, vec![1, 2])));
        assert_eq!(send(&mut queue), Some((2, vec![3])));
        queue.on_ack(2, 1, 101).expect("both were sent");
        assert_eq!(send(&mut queue), Some((3, vec![4])));
    }

    #[test]
    fn acknowledgement_of_one_block_places_each_event() {
        let mut queue = queue();
        queue.push(event(1, 10));
        queue.push(event(2, 20));
        send(&mut queue);
        let done = queue.on_ack(1, NO_VALUE, 1030).expect("it was sent");
        assert_eq!(offsets(&done), [Some(1000), Some(1010)]);
    }

    #[test]
    fn acknowledgement_of_two_blocks_places_none() {
        let mut queue = queue();
        queue.push(event(1, 60));
        queue.push(event(2, 100));
        send(&mut queue);
        send(&mut queue);
        let done = queue.on_ack(1, NO_VALUE, 160).expect("both were sent");
        assert_eq!((names(&done), offsets(&done)), (vec![1, 2], vec![None, None]));
    }

    #[test]
    fn after_a_reconnect_only_what_the_store_lacks_is_sent_again_in_its_old_blocks() {
        let mut queue = queue();
        queue.push(event(1, 60));
        queue.push(event(2, 60));
        queue.push(event(3, 100));
        send(&mut queue);
        send(&mut queue);
        queue.on_disconnect();
        let done = queue.on_setup(0);
        assert_eq!(names(&done), [1]);
        assert_eq!(send(&mut queue), Some((1, vec![2])));
        assert_eq!(send(&mut queue), Some((2, vec![3])));
        let done = queue.on_ack(1, 0, 120).expect("sent again");
        assert_eq!(offsets(&done), [Some(60)]);
    }

    #[test]
    fn numbers_begin_above_what_the_store_has_of_the_writer() {
        let mut queue = queue();
        queue.on_setup(41);
        queue.push(event(1, 10));
        assert_eq!(send(&mut queue), Some((42, vec![1])));
    }

    #[test]
    fn withdrawn_event_is_never_sent() {
        let mut queue = queue();
        queue.push(event(1, 10));
        queue.push(event(2, 10));
        queue.waiting[0].withdrawn.set(true);
        assert_eq!(send(&mut queue), Some((0, vec![2])));
    }

    #[test]
    fn block_that_nobody_waits_for_is_not_sent_again() {
        let mut queue = queue();
        queue.push(event(1, 10));
        send(&mut queue);
        queue.push(event(2, 10));
        queue.in_flight[0].events[0].withdrawn.set(true);
        queue.on_disconnect();
        queue.on_setup(NO_VALUE);
        assert_eq!(send(&mut queue), Some((1, vec![2])), "its number is not used again");
    }

    #[test]
    fn block_that_nobody_waits_for_lets_go_of_its_events_and_is_acknowledged_like_any() {
        let mut queue = queue();
        queue.push(event(1, 10));
        send(&mut queue);
        queue.push(event(2, 100));
        send(&mut queue);
        queue.in_flight[0].events[0].withdrawn.set(true);
        queue.sweep();
        assert_eq!((queue.framed_bytes(), queue.in_flight.len()), (100, 2));
        assert!(queue.on_ack(0, NO_VALUE, 10).expect("it was sent").is_empty());
        assert_eq!(names(&queue.on_ack(1, 0, 110).expect("it was sent")), [2]);
        assert!(!queue.has_work());
    }

    #[test]
    fn block_that_nobody_waits_for_is_dropped_before_it_is_sent_again() {
        let mut queue = queue();
        [(1, 60), (2, 100)].into_iter().for_each(|(name, len)| queue.push(event(name, len)));
        send(&mut queue);
        send(&mut queue);
        queue.on_disconnect();
        queue.on_setup(NO_VALUE);
        assert_eq!(send(&mut queue), Some((0, vec![1])));
        queue.in_flight.iter().flat_map(|block| &block.events).for_each(|event| event.withdrawn.set(true));
        queue.sweep();
        assert_eq!((queue.in_flight.len(), queue.framed_bytes()), (1, 0));
        queue.push(event(3, 100));
        assert_eq!(send(&mut queue), Some((2, vec![3])), "its number is not used again");
        queue.on_ack(0, NO_VALUE, 60).expect("it was sent");
    }

    #[test]
    fn acknowledgement_of_nothing_that_was_sent_is_a_violation() {
        let mut queue = queue();
        queue.push(event(1, 10));
        send(&mut queue);
        assert_eq!(queue.on_ack(5, NO_VALUE, 10).err(), Some(UnknownAck { acknowledged: 5 }));
        queue.on_disconnect();
        assert_eq!(queue.on_ack(0, NO_VALUE, 10).err(), Some(UnknownAck { acknowledged: 0 }), "not on this connection");
    }

    #[test]
    fn unstored_events_come_out_in_the_order_of_their_submission() {
        let mut queue = queue();
        (1..=4).for_each(|name| queue.push(event(name, 60)));
        send(&mut queue);
        send(&mut queue);
        let unstored: Vec<_> = queue.take_unstored().iter().map(|event| event.name).collect();
        assert_eq!(unstored, [1, 2, 3, 4]);
        assert!(!queue.has_work());
    }
}
