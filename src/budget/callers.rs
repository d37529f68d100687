use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::byte_semaphore::ByteSemaphore;
use crate::config::Size;

/// The shares of the callers that have requests in flight.
///
/// A caller is known by a hash whose key is drawn when the process starts, so that nothing here reveals its
/// credentials. It is forgotten with its last request, so there are never more callers than requests in flight.
#[derive(Debug, Clone)]
pub struct Callers(Option<Arc<Table>>);

#[derive(Debug)]
struct Table {
    share: Size,
    hashed_with: RandomState,
    shares: Mutex<HashMap<u64, Weak<Share>>>,
}

/// What one caller may hold.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) bytes: ByteSemaphore,
    caller: u64,
    table: Arc<Table>,
}

impl Callers {
    /// Callers that may hold this many bytes each; `None` leaves them unbounded.
    pub fn new(share: Option<Size>) -> Self {
        let table = |share| Arc::new(Table { share, hashed_with: RandomState::new(), shares: Mutex::default() });
        Self(share.map(table))
    }

    /// The share of the caller known by `name`; `None` where callers have no shares.
    pub(super) fn share(&self, name: impl Hash) -> Option<Arc<Share>> {
        let table = self.0.as_ref()?;
        let caller = table.hashed_with.hash_one(name);
        let mut shares = table.shares.lock();
        if let Some(share) = shares.get(&caller).and_then(Weak::upgrade) {
            return Some(share);
        }
        let share =
            Arc::new(Share { bytes: ByteSemaphore::new(table.share.as_usize()), caller, table: Arc::clone(table) });
        shares.insert(caller, Arc::downgrade(&share));
        Some(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.bytes.debug_assert_whole();
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

    fn known(callers: &Callers) -> usize {
        callers.0.as_ref().map_or(0, |table| table.shares.lock().len())
    }

    #[test]
    fn caller_has_one_share_and_is_forgotten_with_the_last_use_of_it() {
        let callers = Callers::new(Some(Size::kib(1)));
        let (ada, again) = (callers.share("ada").expect("on"), callers.share("ada").expect("on"));
        let bob = callers.share("bob").expect("on");
        assert!(Arc::ptr_eq(&ada, &again) && !Arc::ptr_eq(&ada, &bob));
        assert_eq!(known(&callers), 2);
        drop((ada, bob));
        assert_eq!(known(&callers), 1);
        drop(again);
        assert_eq!(known(&callers), 0);
    }

    #[test]
    fn hash_of_a_caller_differs_from_process_to_process() {
        let hash = |callers: Callers| callers.share("Basic c2VjcmV0").expect("on").caller;
        let share = Some(Size::kib(1));
        assert_ne!(hash(Callers::new(share)), hash(Callers::new(share)));
    }

    #[test]
    fn callers_are_not_bounded_unless_told() {
        assert!(Callers::new(None).share("ada").is_none());
    }
}
