//! Iterating over keys or entries, page by page.

use std::ops::Bound::{self, Excluded, Included, Unbounded};

use bytes::Bytes;
use pravega_protocol::wire::{IteratorArgs, TableEntry, TableKey};

use super::continuation::{HASH_TOKEN_BYTES, hash_of, token_after};
use super::keys::KeyOrder;
use super::read::{entry_bytes, key_bytes, wire_entry, wire_key};
use super::table::{Entry, MAX_REPLY_BYTES};
use super::{Keys, Table, TableRejection};

/// A half full page of the index of fixed keys, which iterations take as a whole: a store's pages lie between
/// that and twice as much. Source: `BTreeIndex.java`, pages split in halves.
const INDEX_PAGE_BYTES: usize = 16 * 1024;

/// Bytes of a key's version in an index page.
const INDEX_VALUE_BYTES: usize = 8;

/// A part of a table, and the token to go on with; both are empty at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page<T> {
    /// Keys or entries in the table's order.
    pub(crate) items: Vec<T>,
    /// Opaque; names the last item, so that it stays right whatever changes meanwhile. Tables with fixed keys give
    /// one but take none.
    pub(crate) continuation_token: Bytes,
}

impl Table {
    /// Some keys from where `args` says.
    ///
    /// # Errors
    /// As [`iterate_entries`](Self::iterate_entries).
    pub(crate) fn iterate_keys(
        &self,
        suggested_count: i32,
        args: &IteratorArgs,
    ) -> Result<Page<TableKey>, TableRejection> {
        self.page(suggested_count, args, wire_key, |entry| key_bytes(&entry.key))
    }

    /// Some entries from where `args` says, about as many as suggested and not much more than 2 MiB. Every entry that
    /// lives through a whole iteration is in exactly one page of it.
    ///
    /// # Errors
    /// [`TableRejection::IllegalArgument`] for arguments that the table does not take, [`TableRejection::ClosesConnection`] for an
    /// invalid token.
    pub(crate) fn iterate_entries(
        &self,
        suggested_count: i32,
        args: &IteratorArgs,
    ) -> Result<Page<TableEntry>, TableRejection> {
        self.page(suggested_count, args, wire_entry, |entry| entry_bytes(&entry.key, &entry.value))
    }

    fn page<T>(
        &self,
        suggested_count: i32,
        args: &IteratorArgs,
        item: impl Fn(i64, &Entry) -> T,
        size: impl Fn(&Entry) -> usize,
    ) -> Result<Page<T>, TableRejection> {
        let suggested = usize::try_from(suggested_count).unwrap_or(0);
        let mut items = Vec::new();
        let mut last = None;
        let mut bytes = HASH_TOKEN_BYTES;
        for (place, version) in self.versions.range(self.range(args)?) {
            let counts = items.len().is_multiple_of(self.visited_at_once());
            if counts && items.len() >= suggested || bytes >= MAX_REPLY_BYTES {
                break;
            }
            let entry = self.entry(*version);
            bytes += size(entry);
            items.push(item(*version, entry));
            last = Some(place);
        }
        Ok(Page { items, continuation_token: last.map(token_after).unwrap_or_default() })
    }

    /// This many keys are visited before the suggested number counts.
    fn visited_at_once(&self) -> usize {
        match self.keys {
            Keys::Hashed => 1,
            Keys::Fixed(length) => INDEX_PAGE_BYTES / (length as usize + INDEX_VALUE_BYTES),
        }
    }

    fn range(&self, args: &IteratorArgs) -> Result<(Bound<KeyOrder>, Bound<KeyOrder>), TableRejection> {
        match self.keys {
            Keys::Hashed => hash_range(args),
            Keys::Fixed(length) => fixed_range(length, args),
        }
    }
}

fn hash_range(args: &IteratorArgs) -> Result<(Bound<KeyOrder>, Bound<KeyOrder>), TableRejection> {
    if !args.from_key.is_empty() || !args.to_key.is_empty() {
        return Err(TableRejection::illegal("Range Iterators not supported for HashTableSegments."));
    }
    match &args.continuation_token {
        token if token.is_empty() => Ok((Unbounded, Unbounded)),
        token => Ok((Excluded(KeyOrder::Hash(hash_of(token)?)), Unbounded)),
    }
}

fn fixed_range(length: u32, args: &IteratorArgs) -> Result<(Bound<KeyOrder>, Bound<KeyOrder>), TableRejection> {
    if !args.continuation_token.is_empty() {
        return Err(TableRejection::illegal("ContinuationToken not supported for FixedKeyLengthTableSegments."));
    }
    let (from, to) = (fixed_bound(length, &args.from_key)?, fixed_bound(length, &args.to_key)?);
    match (&from, &to) {
        (Included(first), Included(last)) if first > last => {
            Err(TableRejection::illegal("firstKey must be smaller than or equal to lastKey."))
        }
        _ => Ok((from, to)),
    }
}

fn fixed_bound(length: u32, key: &Bytes) -> Result<Bound<KeyOrder>, TableRejection> {
    match key.len() {
        0 => Ok(Unbounded),
        given if given == length as usize => Ok(Included(KeyOrder::Key(key.clone()))),
        given => Err(TableRejection::illegal_length(length, given)),
    }
}
