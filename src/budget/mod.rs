//! One bound on the memory that callers can make the gateway hold, and one on what each of them can.
//!
//! ```text
//! request ─▶ Budget ── reserve ─▶ caller's share ─▶ streamed part ─▶ total ─▶ Permit ── drop: gives all of it back
//!                                  (if configured)   (streamed bodies)
//! ```
//!
//! Bytes are taken from the caller's share first, so that a caller waits for the total only with what it may have.
//! Each of the three is a `ByteSemaphore`, which serves in order of arrival.

mod budget;
mod byte_semaphore;
mod callers;
mod permit;

pub use budget::{Budget, Overloaded};
pub use callers::Callers;
pub use permit::Permit;
