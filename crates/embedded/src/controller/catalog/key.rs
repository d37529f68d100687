//! Where in the node's catalog a record lies.
//!
//! Names hold no `/`, so no key of one kind is a prefix of another one's, and `kind/scope/` lists a scope.

use pravega_protocol::stream::{Scope, ScopedStream};

use super::TransactionId;

pub(crate) const SCOPES: &str = "scope/";
pub(crate) const TRANSACTIONS: &str = "transaction/";
pub(crate) const ENDED: &str = "ended-transaction/";
pub(crate) const RETENTION: &str = "retention/";
pub(crate) const STREAMS: &str = "stream/";
pub(crate) const MARKS: &str = "mark/";

/// The number that the next transaction gets, whatever its stream.
pub(crate) const NEXT_TRANSACTION: &str = "next-transaction";

pub(crate) fn scope(scope: &Scope) -> String {
    format!("{SCOPES}{scope}")
}

pub(crate) fn streams(scope: &Scope) -> String {
    format!("{STREAMS}{scope}/")
}

pub(crate) fn stream(stream: &ScopedStream) -> String {
    format!("{STREAMS}{stream}")
}

/// The number that the first segment gets when a stream of this name is created again.
pub(crate) fn first_number(stream: &ScopedStream) -> String {
    format!("first-number/{stream}")
}

/// The same for a table.
pub(crate) fn first_table_number(table: &ScopedStream) -> String {
    format!("first-table-number/{table}")
}

pub(crate) fn epochs(stream: &ScopedStream) -> String {
    format!("epoch/{stream}/")
}

/// Sorts as the epochs do.
pub(crate) fn epoch(stream: &ScopedStream, epoch: u32) -> String {
    format!("epoch/{stream}/{epoch:08x}")
}

pub(crate) fn transactions(stream: &ScopedStream) -> String {
    format!("{TRANSACTIONS}{stream}/")
}

pub(crate) fn transaction(stream: &ScopedStream, id: TransactionId) -> String {
    format!("{TRANSACTIONS}{stream}/{id}")
}

pub(crate) fn ended_of(stream: &ScopedStream) -> String {
    format!("{ENDED}{stream}/")
}

pub(crate) fn ended(stream: &ScopedStream, id: TransactionId) -> String {
    format!("{ENDED}{stream}/{id}")
}

pub(crate) fn marks(stream: &ScopedStream) -> String {
    format!("{MARKS}{stream}/")
}

/// Writers choose their names freely, so the name is escaped.
pub(crate) fn mark(stream: &ScopedStream, writer: &str) -> String {
    format!("{MARKS}{stream}/{}", hex::encode(writer))
}

pub(crate) fn watermark(stream: &ScopedStream) -> String {
    format!("watermark/{stream}")
}

pub(crate) fn retention(stream: &ScopedStream) -> String {
    format!("{RETENTION}{stream}")
}

pub(crate) fn groups(scope: &Scope) -> String {
    format!("group/{scope}/")
}

pub(crate) fn group(scope: &Scope, group: &str) -> String {
    format!("group/{scope}/{group}")
}

pub(crate) fn subscribers(stream: &ScopedStream) -> String {
    format!("subscriber/{stream}/")
}

/// The subscriber is `scope/group`.
pub(crate) fn subscriber(stream: &ScopedStream, subscriber: &str) -> String {
    format!("subscriber/{stream}/{subscriber}")
}

pub(crate) fn tables(scope: &Scope) -> String {
    format!("table/{scope}/")
}

pub(crate) fn table(table: &ScopedStream) -> String {
    format!("table/{table}")
}
