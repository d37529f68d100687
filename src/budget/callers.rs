//! What each caller holds, and how much of each part it may.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::part::Part;

/// The shares of the callers that have requests in flight.
///
/// A caller is known by a hash whose key is drawn when the process starts, so that nothing here reveals its
/// credentials. It is forgotten with its last request, so there are never more callers than requests in flight.
#[derive(Debug, Clone)]
pub struct Callers(Option<Arc<Table>>);

#[derive(Debug)]
struct Table {
    /// Bytes of each part that one caller may hold.
    bytes: usize,
    hashed_with: RandomState,
    shares: Mutex<HashMap<u64, Weak<Share>>>,
}

/// What one caller holds.
#[derive(Debug)]
struct Share {
    held: Held,
    caller: u64,
    table: Arc<Table>,
}

/// What one request holds, as part of its caller's share.
#[derive(Debug)]
pub(super) struct Holder {
    held: Held,
    share: Arc<Share>,
}

/// Bytes of each part. Changed only by the ledger, under its lock.
#[derive(Debug, Default)]
struct Held([AtomicUsize; Part::ALL.len()]);

impl Held {
    fn of(&self, part: Part) -> usize {
        self.0[part.index()].load(Ordering::Relaxed)
    }

    fn add(&self, part: Part, bytes: usize) {
        self.0[part.index()].fetch_add(bytes, Ordering::Relaxed);
    }

    fn subtract(&self, part: Part, bytes: usize) {
        let before = self.0[part.index()].fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "only bytes that were taken are given back");
    }

    fn is_nothing(&self) -> bool {
        Part::ALL.iter().all(|part| self.of(*part) == 0)
    }
}

impl Callers {
    /// Callers that may hold this many bytes of each part; `None` leaves them unbounded.
    pub fn new(bytes: Option<usize>) -> Self {
        let table = |bytes| Arc::new(Table { bytes, hashed_with: RandomState::new(), shares: Mutex::default() });
        Self(bytes.map(table))
    }

    /// A request of the caller known by `name`; `None` where callers have no shares.
    pub(super) fn request_of(&self, name: impl Hash) -> Option<Arc<Holder>> {
        let table = self.0.as_ref()?;
        let share = table.share(table.hashed_with.hash_one(name));
        Some(Arc::new(Holder { held: Held::default(), share }))
    }
}

impl Table {
    fn share(self: &Arc<Self>, caller: u64) -> Arc<Share> {
        let mut shares = self.shares.lock();
        if let Some(share) = shares.get(&caller).and_then(Weak::upgrade) {
            return share;
        }
        let share = Arc::new(Share { held: Held::default(), caller, table: Arc::clone(self) });
        shares.insert(caller, Arc::downgrade(&share));
        share
    }
}

impl Holder {
    /// Bytes of each part that the caller may hold.
    pub(super) fn share_bytes(&self) -> usize {
        self.share.table.bytes
    }

    /// Whether the request may take more of a part. One that is alone in its caller's share may exceed it.
    pub(super) fn may_take(&self, part: Part, bytes: usize) -> bool {
        let (own, of_caller) = (self.held.of(part), self.share.held.of(part));
        own == of_caller || of_caller + bytes <= self.share_bytes()
    }

    /// Whether other callers have requests in flight.
    pub(super) fn has_neighbours(&self) -> bool {
        self.share.table.shares.lock().len() > 1
    }

    pub(super) fn take(&self, part: Part, bytes: usize) {
        self.held.add(part, bytes);
        self.share.held.add(part, bytes);
    }

    pub(super) fn give_back(&self, part: Part, bytes: usize) {
        self.held.subtract(part, bytes);
        self.share.held.subtract(part, bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        debug_assert!(self.held.is_nothing(), "every byte that a caller took is given back");
        let mut shares = self.table.shares.lock();
        // The caller may have returned meanwhile, and have a new share.
        if shares.get(&self.caller).is_some_and(|share| share.strong_count() == 0) {
            shares.remove(&self.caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: Part = Part::WholeBodies;

    fn known(callers: &Callers) -> usize {
        callers.0.as_ref().map_or(0, |table| table.shares.lock().len())
    }

    #[test]
    fn caller_has_one_share_and_is_forgotten_with_the_last_use_of_it() {
        let callers = Callers::new(Some(1024));
        let (ada, again) = (callers.request_of("ada").expect("on"), callers.request_of("ada").expect("on"));
        let bob = callers.request_of("bob").expect("on");
        assert!(Arc::ptr_eq(&ada.share, &again.share) && !Arc::ptr_eq(&ada.share, &bob.share));
        assert_eq!((known(&callers), ada.has_neighbours()), (2, true));
        drop(bob);
        assert_eq!((known(&callers), ada.has_neighbours()), (1, false));
        drop((ada, again));
        assert_eq!(known(&callers), 0);
    }

    #[test]
    fn request_that_is_alone_may_exceed_its_callers_share() {
        let callers = Callers::new(Some(1024));
        let (one, other) = (callers.request_of("ada").expect("on"), callers.request_of("ada").expect("on"));
        assert!(one.may_take(PART, 5000));
        one.take(PART, 1000);
        assert!(one.may_take(PART, 5000) && other.may_take(PART, 24) && !other.may_take(PART, 25));
        assert!(other.may_take(Part::Pages, 5000), "each part has a share of its own");
        other.take(PART, 24);
        assert!(!one.may_take(PART, 1));
        other.give_back(PART, 24);
        assert!(one.may_take(PART, 5000));
        one.give_back(PART, 1000);
    }

    #[test]
    fn hash_of_a_caller_differs_from_process_to_process() {
        let hash = |callers: Callers| callers.request_of("Basic c2VjcmV0").expect("on").share.caller;
        assert_ne!(hash(Callers::new(Some(1024))), hash(Callers::new(Some(1024))));
    }

    #[test]
    fn callers_are_not_bounded_without_a_share() {
        assert!(Callers::new(None).request_of("ada").is_none());
    }
}
