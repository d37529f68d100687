//! What a segment's writer sends, sends again and answers; without socket and clock.
//!
//! ```text
//!            push                next_block                    acked
//! caller ───────────▶ waiting ───────────────▶ in flight ─────────────────▶ done
//!                                 ▲               │ lost: all of it is unsent again,
//!                                 └───────────────┘ set_up drops what was stored after all
//! ```
//!
//! Numbers rise and are never used twice, and a block keeps its events and its number for good: the store keeps
//! only the number of the last block, so that after a reconnect it always names the end of one of our blocks.

use std::collections::VecDeque;

use pravega_protocol::wire::NO_VALUE;

use super::rules::{self, Rule};

/// An event, as far as the machine cares.
pub trait Item {
    /// Bytes that it takes in the segment, with its header.
    fn framed_len(&self) -> usize;

    /// Told when the item is about to be sent; `false` withdraws it.
    fn begin(&self) -> bool;

    /// Whether nobody waits for it any more.
    fn is_withdrawn(&self) -> bool;
}

/// Bounds of a writer.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of framed events in a block; a larger event gets a block of its own.
    pub max_block_bytes: usize,
    /// Blocks that may be unacknowledged.
    pub max_in_flight_blocks: usize,
}

/// Byte offsets of an event in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where it begins.
    pub offset: i64,
    /// Where the next one begins.
    pub next_offset: i64,
}

/// An item that the store has, and where if that is known.
#[derive(Debug)]
pub struct Done<I> {
    /// The item.
    pub item: I,
    /// Its place; `None` where one acknowledgement covered several blocks, or none came.
    pub place: Option<Place>,
}

/// Items that share a number.
#[derive(Debug)]
pub struct Block<I> {
    /// The events, in order.
    pub items: Vec<I>,
    /// Number of the last event.
    pub last_number: i64,
    /// Bytes of all framed events.
    pub framed_bytes: usize,
    /// Number that the connection had before this block.
    follows: i64,
}

/// An acknowledgement that fits nothing that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("acknowledged event number {acknowledged}, which ends no block in flight")]
pub struct Violation {
    /// The number.
    pub acknowledged: i64,
}

/// The state of one segment's writer.
#[derive(Debug)]
pub struct Machine<I> {
    limits: Limits,
    waiting: VecDeque<I>,
    in_flight: VecDeque<Block<I>>,
    /// How many of the blocks in flight were sent on the connection of now.
    sent: usize,
    next_number: i64,
    /// Number of the last block sent on this connection, or what its set-up told.
    connection_number: i64,
}

impl<I: Item> Machine<I> {
    /// A writer that never wrote.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
            sent: 0,
            next_number: 0,
            connection_number: NO_VALUE,
        }
    }

    /// Takes an item to be sent after all earlier ones.
    pub fn push(&mut self, item: I) {
        self.waiting.push_back(item);
    }

    /// Whether anything waits to be sent or acknowledged.
    pub fn has_work(&self) -> bool {
        !self.waiting.is_empty() || !self.in_flight.is_empty()
    }

    /// Whether anything that was sent at some time is not acknowledged.
    pub fn has_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Lets go of what waits to be sent although nobody waits for it.
    pub fn sweep(&mut self) {
        self.waiting.retain(|item| !item.is_withdrawn());
    }

    /// A connection is set up: everything up to `last_number` is stored, the rest is to be sent on it.
    pub fn set_up(&mut self, last_number: i64) -> Vec<Done<I>> {
        self.connection_number = last_number;
        let mut done = Vec::new();
        while rules::holds(Rule::StoredIsNotSentAgain)
            && let Some(block) = self.in_flight.pop_front_if(|block| block.last_number <= last_number)
        {
            done.extend(block.items.into_iter().map(|item| Done { item, place: None }));
        }
        self.sent = if rules::holds(Rule::UnstoredIsSentAgain) { 0 } else { self.in_flight.len() };
        if !rules::holds(Rule::NumbersAreUsedOnce) {
            self.next_number = self.in_flight.back().map_or(0, |block| block.last_number + 1);
        }
        self.next_number = self.next_number.max(last_number.saturating_add(1)).max(0);
        done
    }

    /// The connection is gone. Blocks that nobody waits for are not sent again.
    pub fn lost(&mut self) {
        self.sent = 0;
        self.in_flight.retain(|block| !block.items.iter().all(Item::is_withdrawn));
        if !rules::holds(Rule::BlocksStayAsTheyAre) {
            let (sent, waiting) = self.drain();
            self.waiting.extend(sent.into_iter().chain(waiting));
        }
        self.waiting.retain(|item| !item.is_withdrawn());
    }

    /// The next block to send on the connection: one that an earlier connection lost, else a new one.
    pub fn next_block(&mut self) -> Option<&Block<I>> {
        if self.sent == self.in_flight.len() {
            if self.in_flight.len() >= self.limits.max_in_flight_blocks {
                return None;
            }
            let block = self.new_block()?;
            self.in_flight.push_back(block);
        }
        let block = &mut self.in_flight[self.sent];
        self.sent += 1;
        block.follows = self.connection_number;
        self.connection_number = block.last_number;
        Some(block)
    }

    fn new_block(&mut self) -> Option<Block<I>> {
        let mut items: Vec<I> = Vec::new();
        let mut framed_bytes = 0;
        while let Some(next) = self.waiting.front() {
            if !items.is_empty() && framed_bytes + next.framed_len() > self.limits.max_block_bytes {
                break;
            }
            let item = self.waiting.pop_front().expect("it was just looked at");
            if item.begin() {
                framed_bytes += item.framed_len();
                items.push(item);
            }
        }
        if items.is_empty() {
            return None;
        }
        let count = i64::try_from(items.len()).expect("a block holds few events");
        let last_number = self.next_number + count - 1;
        self.next_number = last_number + 1;
        Some(Block { items, last_number, framed_bytes, follows: NO_VALUE })
    }

    /// The store has everything up to `number`. The block that ends there lies right before `end_offset`, if the
    /// acknowledgement covers no other: `previous` then is the number before it.
    ///
    /// # Errors
    /// [`Violation`] if no block that was sent ends at `number`.
    pub fn acked(&mut self, number: i64, previous: i64, end_offset: i64) -> Result<Vec<Done<I>>, Violation> {
        let ends = self.in_flight.iter().take(self.sent).position(|block| block.last_number == number);
        let last = ends.ok_or(Violation { acknowledged: number })?;
        self.sent -= last + 1;
        let mut done = Vec::new();
        for block in self.in_flight.drain(..=last) {
            let is_exact = block.last_number == number && block.follows == previous && end_offset >= 0;
            let start = is_exact.then(|| end_offset - block.framed_bytes as i64);
            place_items(block.items, start, &mut done);
        }
        Ok(done)
    }

    /// Takes out everything that is not acknowledged: what was sent at some time, then what never was, in order.
    pub fn drain(&mut self) -> (Vec<I>, Vec<I>) {
        self.sent = 0;
        let sent = self.in_flight.drain(..).flat_map(|block| block.items).collect();
        (sent, self.waiting.drain(..).collect())
    }
}

fn place_items<I: Item>(items: Vec<I>, start: Option<i64>, done: &mut Vec<Done<I>>) {
    let mut at = start;
    done.extend(items.into_iter().map(|item| {
        let place = at.map(|offset| Place { offset, next_offset: offset + item.framed_len() as i64 });
        at = place.map(|place| place.next_offset);
        Done { item, place }
    }));
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

    impl Item for Event {
        fn framed_len(&self) -> usize {
            self.len
        }

        fn begin(&self) -> bool {
            !self.withdrawn.get()
        }

        fn is_withdrawn(&self) -> bool {
            self.withdrawn.get()
        }
    }

    fn event(name: u32, len: usize) -> Event {
        Event { name, len, withdrawn: Cell::new(false) }
    }

    fn machine() -> Machine<Event> {
        let mut machine = Machine::new(Limits { max_block_bytes: 100, max_in_flight_blocks: 2 });
        machine.set_up(NO_VALUE);
        machine
    }

    fn send(machine: &mut Machine<Event>) -> Option<(i64, Vec<u32>)> {
        machine.next_block().map(|block| (block.last_number, block.items.iter().map(|item| item.name).collect()))
    }

    fn names(done: &[Done<Event>]) -> Vec<u32> {
        done.iter().map(|done| done.item.name).collect()
    }

    fn offsets(done: &[Done<Event>]) -> Vec<Option<i64>> {
        done.iter().map(|done| done.place.map(|place| place.offset)).collect()
    }

    #[test]
    fn what_gathers_while_blocks_are_in_flight_shares_the_next_block() {
        let mut machine = machine();
        machine.push(event(1, 10));
        assert_eq!(send(&mut machine), Some((0, vec![1])));
        machine.push(event(2, 10));
        assert_eq!(send(&mut machine), Some((1, vec![2])));
        machine.push(event(3, 10));
        machine.push(event(4, 10));
        assert_eq!(send(&mut machine), None, "two blocks are in flight");
        machine.acked(0, NO_VALUE, 10).expect("block 0 was sent");
        assert_eq!(send(&mut machine), Some((3, vec![3, 4])));
    }

    #[test]
    fn block_ends_before_the_limit_and_a_larger_event_goes_alone() {
        let mut machine = machine();
        [(1, 60), (2, 40), (3, 1), (4, 500)].into_iter().for_each(|(name, len)| machine.push(event(name, len)));
        assert_eq!(send(&mut machine), Some((1, vec![1, 2])));
        assert_eq!(send(&mut machine), Some((2, vec![3])));
        machine.acked(2, 1, 101).expect("both were sent");
        assert_eq!(send(&mut machine), Some((3, vec![4])));
    }

    #[test]
    fn acknowledgement_of_one_block_places_each_event() {
        let mut machine = machine();
        machine.push(event(1, 10));
        machine.push(event(2, 20));
        send(&mut machine);
        let done = machine.acked(1, NO_VALUE, 1030).expect("it was sent");
        assert_eq!(offsets(&done), [Some(1000), Some(1010)]);
    }

    #[test]
    fn acknowledgement_of_two_blocks_places_none() {
        let mut machine = machine();
        machine.push(event(1, 60));
        machine.push(event(2, 60));
        send(&mut machine);
        send(&mut machine);
        let done = machine.acked(1, NO_VALUE, 120).expect("both were sent");
        assert_eq!((names(&done), offsets(&done)), (vec![1, 2], vec![None, None]));
    }

    #[test]
    fn after_a_reconnect_only_what_the_store_lacks_is_sent_again_in_its_old_blocks() {
        let mut machine = machine();
        machine.push(event(1, 60));
        machine.push(event(2, 60));
        machine.push(event(3, 60));
        send(&mut machine);
        send(&mut machine);
        machine.lost();
        let done = machine.set_up(0);
        assert_eq!(names(&done), [1]);
        assert_eq!(send(&mut machine), Some((1, vec![2])));
        assert_eq!(send(&mut machine), Some((2, vec![3])));
        let done = machine.acked(1, 0, 120).expect("sent again");
        assert_eq!(offsets(&done), [Some(60)]);
    }

    #[test]
    fn numbers_begin_above_what_the_store_has_of_the_writer() {
        let mut machine = machine();
        machine.set_up(41);
        machine.push(event(1, 10));
        assert_eq!(send(&mut machine), Some((42, vec![1])));
    }

    #[test]
    fn withdrawn_event_is_never_sent() {
        let mut machine = machine();
        machine.push(event(1, 10));
        machine.push(event(2, 10));
        machine.waiting[0].withdrawn.set(true);
        assert_eq!(send(&mut machine), Some((0, vec![2])));
    }

    #[test]
    fn block_that_nobody_waits_for_is_not_sent_again() {
        let mut machine = machine();
        machine.push(event(1, 10));
        send(&mut machine);
        machine.push(event(2, 10));
        machine.in_flight[0].items[0].withdrawn.set(true);
        machine.lost();
        machine.set_up(NO_VALUE);
        assert_eq!(send(&mut machine), Some((1, vec![2])), "its number is not used again");
    }

    #[test]
    fn acknowledgement_of_nothing_that_was_sent_is_a_violation() {
        let mut machine = machine();
        machine.push(event(1, 10));
        send(&mut machine);
        assert_eq!(machine.acked(5, NO_VALUE, 10).err(), Some(Violation { acknowledged: 5 }));
        machine.lost();
        assert_eq!(machine.acked(0, NO_VALUE, 10).err(), Some(Violation { acknowledged: 0 }), "not on this connection");
    }
}
