use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use pravega_protocol::stream::SegmentId;
use tokio::sync::oneshot;

use super::error::Error;
use super::rules::{self, Rule};

/// Where an event lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// In which segment.
    pub segment: SegmentId,
    /// From which byte to which; `None` where one acknowledgement covered several blocks.
    pub place: Option<super::Place>,
}

/// What became of an event.
pub type Outcome = Result<Written, Error>;

/// Waits for the outcome of one event. Dropping it withdraws the event, unless it was sent already.
#[derive(Debug)]
pub struct Ticket {
    outcome: oneshot::Receiver<Outcome>,
    sent: Arc<AtomicBool>,
}

/// The other end of a [`Ticket`].
#[derive(Debug)]
pub(super) struct Stub {
    outcome: oneshot::Sender<Outcome>,
    sent: Arc<AtomicBool>,
}

pub(super) fn ticket() -> (Stub, Ticket) {
    let (sender, receiver) = oneshot::channel();
    let sent = Arc::new(AtomicBool::new(false));
    (Stub { outcome: sender, sent: sent.clone() }, Ticket { outcome: receiver, sent })
}

impl Ticket {
    /// Waits for the outcome, however long that takes.
    ///
    /// # Cancel safety
    /// May be called again.
    pub async fn outcome(&mut self) -> Outcome {
        match (&mut self.outcome).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Stopped { may_have_been_written: self.sent.load(Ordering::SeqCst) }),
        }
    }

    /// Withdraws the event; says whether it may have been written all the same.
    pub fn withdraw(mut self) -> bool {
        self.outcome.close();
        fence(Ordering::SeqCst);
        self.sent.load(Ordering::SeqCst)
    }
}

impl Stub {
    /// Marks the event as sent; `false` if it was withdrawn before. The mark comes first: whoever withdraws and then
    /// finds no mark can be sure that the event stays unsent. The fences keep both steps in order, here and there.
    pub(super) fn begin(&self) -> bool {
        self.sent.store(rules::holds(Rule::SentIsMarked), Ordering::SeqCst);
        fence(Ordering::SeqCst);
        !self.outcome.is_closed() || !rules::holds(Rule::WithdrawnIsNotSent)
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        self.outcome.is_closed()
    }

    /// Tells that the event is certainly not in the segment it was sent to.
    pub(super) fn unsend(&self) {
        self.sent.store(false, Ordering::SeqCst);
    }

    pub(super) fn was_sent(&self) -> bool {
        self.sent.load(Ordering::SeqCst)
    }

    pub(super) fn resolve(self, outcome: Outcome) {
        let _ = self.outcome.send(outcome);
    }
}
