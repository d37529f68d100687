//! The rules by which writers recover, each with the code that keeps it.
//!
//! - `StoredIsNotSentAgain` ([`BlockQueue::on_setup`]): Blocks up to the number that AppendSetup reports are not
//!   sent again.
//! - `UnstoredIsSentAgain` ([`BlockQueue::on_setup`]): Blocks above the number that AppendSetup reports are sent
//!   again.
//! - `BlocksStayAsTheyAre` ([`BlockQueue::on_disconnect`]): A block that is sent again has the events and the
//!   number that it had.
//! - `NumbersAreUsedOnce` ([`BlockQueue::on_setup`]): No number is reused, not even that of a block that no one
//!   waits for any more.
//! - `ReusedIdGoesOn` ([`BlockQueue::new`]): A writer with the id of an earlier one begins above that one's numbers,
//!   whatever AppendSetup reports: a store that lags reports too little.
//! - `SentGoesFirst` ([`BlockQueue::take_unstored`]): At a hand-over, events that were sent come before events
//!   that were waiting.
//! - `SetupIsAwaited` ([`Setup::open`]): Nothing is sent before AppendSetup arrives.
//! - `SetupWaitIsBounded` ([`Setup::open`]): The wait for AppendSetup ends after a while.
//! - `AckWaitIsBounded` ([`writer_task`](super::writer_task)): The wait for an acknowledgement ends after a while.
//! - `ConflictMeansNewSetup` ([`failure_of`]): After InvalidEventNumber the writer is set up again, since an
//!   append of an earlier connection was stored after all.
//! - `EndpointIsAskedAgain` ([`Setup::forget_endpoint`]): After WrongHost the controller is asked where the
//!   segment is.
//! - `FinalNumberComesFirst` ([`Handover::settle_final_number`]): After a seal, what is stored is found out before
//!   anything goes to a successor.
//! - `SealedBeforeFinal` ([`Setup::final_number`]): A number is final only once the segment says that it is
//!   sealed.
//! - `FinalOnOneConnection` ([`Setup::final_number`]): The connection that reports the seal reports the number,
//!   too: another one may lead to a store that lags.
//! - `QueueClosesInTurn` ([`Handover::hand_over`]): A writer's queue closes only when its turn to hand over has
//!   come.
//! - `OneHandsOverAtATime` ([`lock_handover`]): One segment at a time hands over.
//! - `RoutingComesLast` ([`submit_in_order`]): Callers see a routing only once all earlier events are in the
//!   queues.
//! - `NamedStaysThere` ([`split_named`]): An event for a named segment goes there or fails, whatever follows the
//!   segment.
//! - `SuccessorTakesOnePart` ([`Routing::replace`]): A successor takes only the part of the key space of the
//!   segment that it follows.
//! - `OnePartIsGivenUp` ([`Routing::abandon`]): Where nothing follows a segment, only its part is given up.
//! - `OnlyGapsAreFilled` ([`Routing::fill`]): Later, only parts that have no writer are filled.
//! - `SuccessorsAreAskedAgain` ([`ask_successors`]): After a seal, what the controller said before does not count.
//! - `CurrentIsTriedAgain` ([`ask_stand_ins`]): A segment that is current for the controller is tried again.
//! - `SealedIsGivenUp` ([`ask_stand_ins`]): One that its store alone calls sealed is given up after a while.
//! - `FirstBlockGoesAlone` ([`BlockQueue::begin_alone`]): After a set-up, or a while without appends, a block is
//!   acknowledged before another one is sent. A store closes the connection, which other segments' writers share, if a
//!   block comes behind one that it refused.
//! - `SentIsMarked` ([`begin_sending`]): An event is marked as sent before it is sent.
//! - `WithdrawnIsNotSent` ([`begin_sending`]): An event that was withdrawn before it was marked is not sent.
//!
//! The simulation takes the place of this code, leaves out one rule at a time, and so shows that each is needed.

#[cfg(not(test))]
pub(super) use super::{
    block_queue::BlockQueue,
    event::split_named,
    failure::failure_of,
    handover::Handover,
    router::{lock_handover, submit_in_order},
    routing::Routing,
    setup::Setup,
    successors::{ask_stand_ins, ask_successors},
    ticket::begin_sending,
};

#[cfg(test)]
pub(super) use super::simulation::recovery::*;
