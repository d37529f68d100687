//! The rules by which writers recover, each named where it is kept.
//!
//! They always hold. Only the simulation leaves them out, one at a time, to show that none can be spared.

/// What a writer keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Blocks up to the number that AppendSetup tells are not sent again.
    StoredIsNotSentAgain,
    /// Blocks above the number that AppendSetup tells are sent again.
    UnstoredIsSentAgain,
    /// A block that is sent again has the events and the number that it had.
    BlocksStayAsTheyAre,
    /// A number is not used again, not even that of a block that nobody waited for.
    NumbersAreUsedOnce,
    /// Nothing is sent before AppendSetup came.
    SetUpIsAwaited,
    /// AppendSetup is awaited for a time only.
    SetUpIsNotAwaitedForEver,
    /// An acknowledgement is awaited for a time only.
    AckIsNotAwaitedForEver,
    /// InvalidEventNumber means that an earlier connection's append landed after all: a new set-up tells.
    ConflictIsSetUpAnew,
    /// After WrongHost the controller is asked where the segment is.
    PlaceIsAskedAnew,
    /// After a seal it is found out what is stored, before anything goes to a successor.
    FinalNumberComesFirst,
    /// A number is final only when the segment says that it is sealed.
    SealedBeforeFinal,
    /// The connection that told of the seal tells the number, too: another one may lead to a store that lags.
    FinalOnOneConnection,
    /// A writer's queue closes when its turn to hand over has come.
    QueueClosesInTurn,
    /// One segment at a time hands over.
    OneHandsOverAtATime,
    /// What was sent goes on before what was waiting.
    SentGoesFirst,
    /// A routing is seen by callers only when the events of before are in the queues.
    RoutingComesLast,
    /// What follows a segment takes its part of the key space only.
    SuccessorTakesOnePart,
    /// Where nothing follows a segment, only its part is given up.
    OnePartIsGivenUp,
    /// Where nothing was found to follow, only parts that nobody has are filled later.
    OnlyGapsAreFilled,
    /// After a seal the controller's word of before does not count.
    SegmentsAreAskedAnew,
    /// A segment that is current for the controller is tried again.
    CurrentIsTriedAgain,
    /// An event for a named segment goes there or is told that the segment is sealed, whatever follows.
    NamedStaysThere,
    /// An event is marked as sent before it is.
    SentIsMarked,
    /// An event that was withdrawn before it was marked is not sent.
    WithdrawnIsNotSent,
}

/// Whether the rule is kept to.
#[cfg(not(test))]
pub(super) const fn holds(_: Rule) -> bool {
    true
}

#[cfg(test)]
pub(super) use leaving_out::{LeftOut, holds};

#[cfg(test)]
impl Rule {
    pub(super) const ALL: [Self; 24] = [
        Self::StoredIsNotSentAgain,
        Self::UnstoredIsSentAgain,
        Self::BlocksStayAsTheyAre,
        Self::NumbersAreUsedOnce,
        Self::SetUpIsAwaited,
        Self::SetUpIsNotAwaitedForEver,
        Self::AckIsNotAwaitedForEver,
        Self::ConflictIsSetUpAnew,
        Self::PlaceIsAskedAnew,
        Self::FinalNumberComesFirst,
        Self::SealedBeforeFinal,
        Self::FinalOnOneConnection,
        Self::QueueClosesInTurn,
        Self::OneHandsOverAtATime,
        Self::SentGoesFirst,
        Self::RoutingComesLast,
        Self::SuccessorTakesOnePart,
        Self::OnePartIsGivenUp,
        Self::OnlyGapsAreFilled,
        Self::SegmentsAreAskedAnew,
        Self::CurrentIsTriedAgain,
        Self::NamedStaysThere,
        Self::SentIsMarked,
        Self::WithdrawnIsNotSent,
    ];
}

#[cfg(test)]
mod leaving_out {
    use std::cell::Cell;

    use super::Rule;

    thread_local! {
        static LEFT_OUT: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    pub(in super::super) fn holds(rule: Rule) -> bool {
        LEFT_OUT.get() != Some(rule)
    }

    /// Leaves a rule out on this thread until it is dropped.
    pub(in super::super) struct LeftOut(());

    impl LeftOut {
        pub(in super::super) fn of(rule: Option<Rule>) -> Self {
            LEFT_OUT.set(rule);
            Self(())
        }
    }

    impl Drop for LeftOut {
        fn drop(&mut self) {
            LEFT_OUT.set(None);
        }
    }
}
