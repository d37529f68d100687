//! Writer ids for appends by fields. Each leaves an attribute on its segment for good, so there are few.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;
use pravega_protocol::stream::SegmentName;
use pravega_protocol::wire::WriterId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// Ids of one segment, which bounds the appends by fields that it takes at the same time.
const IDS_PER_SEGMENT: usize = 4;

/// Segments whose ids are remembered.
const MOST_SEGMENTS: u64 = 10_000;

/// How long unused ids are remembered.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// The writer ids of every segment that is appended to by fields. Clones share them.
///
/// They follow from the gateway's name, the segment and a number, so a restarted gateway uses the same ids.
#[derive(Debug, Clone)]
pub struct WriterIds {
    gateway: Uuid,
    segments: Cache<SegmentName, Arc<Ids>>,
}

#[derive(Debug)]
struct Ids {
    free: Mutex<Vec<WriterId>>,
    places: Arc<Semaphore>,
}

/// A writer id that no other append uses until it is dropped.
#[derive(Debug)]
pub(crate) struct BorrowedId {
    id: WriterId,
    ids: Arc<Ids>,
    _place: OwnedSemaphorePermit,
}

impl WriterIds {
    /// The ids of the gateway with this name, which must be unique.
    pub fn new(gateway: &str) -> Self {
        let segments = Cache::builder().max_capacity(MOST_SEGMENTS).time_to_idle(IDLE).build();
        Self { gateway: Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("pravega-gateway:{gateway}").as_bytes()), segments }
    }

    /// Waits until one of the segment's ids is free.
    ///
    /// # Cancel safety
    /// Awaits only the semaphore: dropped, it loses its place in line.
    pub(crate) async fn borrow(&self, segment: &SegmentName) -> BorrowedId {
        let ids = self.segments.get_with_by_ref(segment, || Arc::new(Ids::new(self.gateway, segment)));
        let place = ids.places.clone().acquire_owned().await.expect("the semaphore is never closed");
        let id = ids.lock().pop().expect("there are as many ids as places");
        BorrowedId { id, ids, _place: place }
    }
}

impl Ids {
    fn new(gateway: Uuid, segment: &SegmentName) -> Self {
        let id = |number| WriterId(Uuid::new_v5(&gateway, format!("{segment}/{number}").as_bytes()));
        Self {
            free: Mutex::new((0..IDS_PER_SEGMENT).map(id).collect()),
            places: Arc::new(Semaphore::new(IDS_PER_SEGMENT)),
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Vec<WriterId>> {
        self.free.lock()
    }
}

impl BorrowedId {
    pub(crate) fn id(&self) -> WriterId {
        self.id
    }
}

impl Drop for BorrowedId {
    fn drop(&mut self) {
        let mut free = self.ids.lock();
        free.push(self.id);
        debug_assert!(free.len() <= IDS_PER_SEGMENT, "an id is returned once");
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn ids_are_used_again_and_never_twice_at_a_time() {
        let ids = WriterIds::new("one");
        let segment = "s/t/0.#epoch.0".parse().expect("a name");
        let mut borrowed = Vec::new();
        for _ in 0..IDS_PER_SEGMENT {
            borrowed.push(ids.borrow(&segment).await);
        }
        assert!(ids.borrow(&segment).now_or_never().is_none(), "all are in use");
        let freed = borrowed.pop().map(|borrowed| borrowed.id());
        let again = ids.borrow(&segment).await;
        assert_eq!(Some(again.id()), freed);
        assert!(borrowed.iter().all(|other| other.id() != again.id()));
    }

    #[tokio::test]
    async fn gateway_that_starts_again_has_the_same_ids_and_another_one_has_others() {
        let segment = "s/t/0.#epoch.0".parse().expect("a name");
        let mut first = Vec::new();
        for gateway in ["one", "one", "two"] {
            first.push(WriterIds::new(gateway).borrow(&segment).await.id());
        }
        assert_eq!(first[0], first[1]);
        assert_ne!(first[0], first[2]);
    }
}
