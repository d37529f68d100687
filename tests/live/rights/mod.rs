//! Who may do what: every endpoint and every command of the segment store, as every kind of caller.
//!
//! The matrix is one list of cases. What a case needs is written down from the gateway's contract; what a caller has
//! follows from the file of users. The same list is tried before an embedded Pravega with users and TLS, before a real
//! one, and before one that asks no one for anything.

mod callers;
mod case;
mod cluster;
mod control;
mod events;
mod ground;
mod key_ranges;
mod load;
#[cfg(feature = "embedded")]
mod many_callers;
mod matrix;
mod messages;
mod secured;
mod sequences;
#[cfg(feature = "embedded")]
mod tokens;
#[cfg(feature = "embedded")]
mod traffic;

use callers::{Needs, Resource, Right};

/// Nothing at all, not even credentials.
const NOTHING: Needs = &[];
/// Reading `shop/orders`.
const READ: Needs = &[(Resource::Orders, Right::Read)];
/// Changing `shop/orders`.
const CHANGE: Needs = &[(Resource::Orders, Right::Change)];
