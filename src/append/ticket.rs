use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use pravega_protocol::stream::SegmentId;
use tokio::sync::oneshot;

use super::block_queue::EventPlace;
use super::error::Error;

/// Where an event was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The segment that holds the event.
    pub segment: SegmentId,
    /// The event's place in the segment; `None` where one acknowledgement covered several blocks.
    pub place: Option<EventPlace>,
}

/// The result of appending one event.
pub type AppendOutcome = Result<Written, Error>;

/// Waits for the outcome of one event. Dropping it withdraws the event, unless it was sent already.
#[derive(Debug)]
pub struct Ticket {
    outcome: oneshot::Receiver<AppendOutcome>,
    sent: Arc<AtomicBool>,
}

/// The writer's end of a [`Ticket`].
#[derive(Debug)]
pub(super) struct TicketSender {
    outcome: oneshot::Sender<AppendOutcome>,
    sent: Arc<AtomicBool>,
}

pub(super) fn ticket() -> (TicketSender, Ticket) {
    let (sender, receiver) = oneshot::channel();
    let sent = Arc::new(AtomicBool::new(false));
    (TicketSender { outcome: sender, sent: sent.clone() }, Ticket { outcome: receiver, sent })
}

impl Ticket {
    /// Waits for the outcome, however long that takes.
    ///
    /// # Errors
    /// Why the event was not acknowledged; [`Error::may_have_been_written`] says whether it may be stored all the same.
    ///
    /// # Cancel safety
    /// Awaits only the channel that brings the outcome, and may be called again.
    pub async fn outcome(&mut self) -> AppendOutcome {
        match (&mut self.outcome).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Stopped { may_have_been_written: self.sent.load(Ordering::SeqCst) }),
        }
    }

    /// Withdraws the event; returns whether it may have been written all the same.
    pub fn withdraw(mut self) -> bool {
        self.outcome.close();
        fence(Ordering::SeqCst);
        self.sent.load(Ordering::SeqCst)
    }
}

/// Marks the event as sent; `false` if it was withdrawn before, so that it must not be sent.
///
/// The mark comes before the check, as the withdrawal comes before the check for a mark: a caller who withdraws and
/// finds no mark can be sure that the event is never sent. The fences keep these steps in order on both sides.
pub(super) fn begin_sending(ticket: &TicketSender) -> bool {
    ticket.sent.store(true, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    !ticket.is_withdrawn()
}

impl TicketSender {
    pub(super) fn is_withdrawn(&self) -> bool {
        self.outcome.is_closed()
    }

    /// Removes the mark, once the event is certainly not in the segment that it was sent to.
    pub(super) fn unsend(&self) {
        self.sent.store(false, Ordering::SeqCst);
    }

    pub(super) fn was_sent(&self) -> bool {
        self.sent.load(Ordering::SeqCst)
    }

    pub(super) fn resolve(self, outcome: AppendOutcome) {
        // The caller may have withdrawn the event.
        let _ = self.outcome.send(outcome);
    }
}
