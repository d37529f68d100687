//! One bound on the memory that callers can make the gateway hold, and one on what each of them can.
//!
//! ```text
//! request ─▶ Budget ── reserve, grow ─▶ Ledger ─▶ Permit ── drop: gives all of it back
//!              │                          │ is there room in the part? does the caller's share allow it?
//!              └─ of_caller ─▶ Share      └─ no: waits, at most for `limits.budget-wait` (streamed bodies: while others
//!                                            give back), without keeping anything from others meanwhile
//! ```
//!
//! What is held is of one of three parts: pages of reads, whole bodies, streamed bodies. Each has some bytes of its own,
//! which the others cannot take, so that no kind of request can use up what another needs; the rest is common to them.

mod budget;
mod callers;
mod ledger;
mod part;
mod permit;

pub use budget::{Budget, Overloaded};
pub use callers::Callers;
pub use part::Part;
pub use permit::Permit;
