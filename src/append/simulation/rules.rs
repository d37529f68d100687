//! Names of the [rules of recovery](crate::append::recovery), and which one is left out.

use std::cell::Cell;

macro_rules! rules {
    ($($rule:ident,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Rule {
            $($rule,)*
        }

        impl Rule {
            pub(super) const ALL: &[Self] = &[$(Self::$rule,)*];
        }
    };
}

rules! {
    StoredIsNotSentAgain,
    UnstoredIsSentAgain,
    BlocksStayAsTheyAre,
    NumbersAreUsedOnce,
    ReusedIdGoesOn,
    SentGoesFirst,
    SetupIsAwaited,
    SetupWaitIsBounded,
    AckWaitIsBounded,
    ConflictMeansNewSetup,
    EndpointIsAskedAgain,
    FinalNumberComesFirst,
    SealedBeforeFinal,
    FinalOnOneConnection,
    QueueClosesInTurn,
    OneHandsOverAtATime,
    RoutingComesLast,
    NamedStaysThere,
    SuccessorTakesOnePart,
    OnePartIsGivenUp,
    OnlyGapsAreFilled,
    SuccessorsAreAskedAgain,
    CurrentIsTriedAgain,
    SealedIsGivenUp,
    FirstBlockGoesAlone,
    SentIsMarked,
    WithdrawnIsNotSent,
}

thread_local! {
    static LEFT_OUT: Cell<Option<Rule>> = const { Cell::new(None) };
}

pub(super) fn leaves_out(rule: Rule) -> bool {
    LEFT_OUT.get() == Some(rule)
}

/// Leaves a rule out on this thread until it is dropped.
pub(super) struct LeftOut(());

impl LeftOut {
    pub(super) fn of(rule: Option<Rule>) -> Self {
        LEFT_OUT.set(rule);
        Self(())
    }
}

impl Drop for LeftOut {
    fn drop(&mut self) {
        LEFT_OUT.set(None);
    }
}
