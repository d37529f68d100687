//! A bounded cache in which callers that miss the same key share one fetch.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::RwLock;
use tokio::time::Instant;

use super::error::Error;

/// Entries that were not asked for in this time are dropped, to free their memory.
const DROPPED_AFTER_IDLE: Duration = Duration::from_secs(600);

/// Remembers answers by key, each for its own time by the runtime's clock.
///
/// A key that is forgotten while it is fetched stays forgotten: the answer goes to callers that already wait
/// for it, later callers fetch again. That is why the map holds slots rather than answers.
pub(super) struct SingleFlightCache<K, V> {
    slots: Cache<K, Arc<Slot<V>>>,
}

struct Slot<V> {
    answer: RwLock<Option<Answer<V>>>,
    /// Held by the caller that fetches. When it is dropped, the next one in line fetches.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Answer<V> {
    outcome: Result<V, Error>,
    fresh_until: Instant,
    /// Counts the fetches of this slot, from 1.
    round: u64,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self { answer: RwLock::default(), fetching: tokio::sync::Mutex::default() }
    }
}

impl<V: Clone> Slot<V> {
    fn answer(&self) -> Option<Answer<V>> {
        self.answer.read().clone()
    }

    fn put(&self, answer: Answer<V>) {
        *self.answer.write() = Some(answer);
    }
}

impl<K, V> SingleFlightCache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Holds this many keys; the least used are evicted.
    pub(super) fn new(capacity: u64) -> Self {
        let slots = Cache::builder().max_capacity(capacity).time_to_idle(DROPPED_AFTER_IDLE).build();
        Self { slots }
    }

    /// The remembered answer, or else that of `fetch`, which `keep_for` says how long to remember.
    ///
    /// # Cancel safety
    /// When the future that fetches is dropped, the next one in line starts the fetch again.
    pub(super) async fn get_or_fetch(
        &self,
        key: &K,
        keep_for: impl FnOnce(&Result<V, Error>) -> Duration,
        fetch: impl Future<Output = Result<V, Error>>,
    ) -> Result<V, Error> {
        let slot = self.slots.get_with_by_ref(key, Arc::default);
        let known = slot.answer();
        let round = known.as_ref().map_or(0, |answer| answer.round);
        if let Some(answer) = known.filter(|answer| Instant::now() < answer.fresh_until) {
            return answer.outcome;
        }
        let _fetching = slot.fetching.lock().await;
        // A fetch that ended while we waited is our answer too, be it an error.
        if let Some(answer) = slot.answer().filter(|answer| answer.round > round) {
            return answer.outcome;
        }
        let outcome = fetch.await;
        let fresh_until = Instant::now() + keep_for(&outcome);
        slot.put(Answer { outcome: outcome.clone(), fresh_until, round: round + 1 });
        outcome
    }

    pub(super) fn forget(&self, key: &K) {
        self.slots.invalidate(key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::FutureExt;
    use futures::future::join_all;
    use tokio::time::{advance, sleep};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Counts its fetches; each takes a second.
    #[derive(Default)]
    struct Source {
        fetches: AtomicU32,
        fails: bool,
    }

    impl Source {
        async fn fetch(&self) -> Result<u32, Error> {
            let count = self.fetches.fetch_add(1, Ordering::Relaxed) + 1;
            sleep(Duration::from_secs(1)).await;
            if self.fails { Err(Error::Unauthenticated { call: "test" }) } else { Ok(count) }
        }

        fn fetches(&self) -> u32 {
            self.fetches.load(Ordering::Relaxed)
        }
    }

    fn keep_what_succeeded(outcome: &Result<u32, Error>) -> Duration {
        if outcome.is_ok() { MINUTE } else { Duration::ZERO }
    }

    async fn get(memory: &SingleFlightCache<u8, u32>, source: &Source) -> Result<u32, Error> {
        memory.get_or_fetch(&7, keep_what_succeeded, source.fetch()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_callers_for_a_cold_key_fetch_once() {
        let (memory, source) = (SingleFlightCache::new(10), Source::default());
        let answers = join_all((0..1000).map(|_| get(&memory, &source))).await;
        assert!(answers.into_iter().all(|answer| answer.is_ok_and(|count| count == 1)));
        assert_eq!(source.fetches(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_share_an_error_and_later_callers_ask_again() {
        let (memory, source) = (SingleFlightCache::new(10), Source { fails: true, ..Source::default() });
        let answers = join_all((0..1000).map(|_| get(&memory, &source))).await;
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(source.fetches(), 1);
        assert!(get(&memory, &source).await.is_err());
        assert_eq!(source.fetches(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_its_time_and_no_longer() {
        let (memory, source) = (SingleFlightCache::new(10), Source::default());
        assert_eq!(get(&memory, &source).await.ok(), Some(1));
        advance(MINUTE - Duration::from_millis(1)).await;
        assert_eq!(get(&memory, &source).await.ok(), Some(1));
        advance(Duration::from_millis(1)).await;
        assert_eq!(get(&memory, &source).await.ok(), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_leaves_does_not_take_the_answer_along() {
        let (memory, source) = (SingleFlightCache::new(10), Source::default());
        let mut leaves = Box::pin(get(&memory, &source));
        assert!(leaves.as_mut().now_or_never().is_none());
        let mut stays = Box::pin(get(&memory, &source));
        assert!(stays.as_mut().now_or_never().is_none());
        drop(leaves);
        assert_eq!(stays.await.ok(), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_in_mid_fetch_is_fetched_anew() {
        let (memory, source) = (SingleFlightCache::new(10), Source::default());
        let mut early = Box::pin(get(&memory, &source));
        assert!(early.as_mut().now_or_never().is_none());
        memory.forget(&7);
        assert_eq!(early.await.ok(), Some(1));
        assert_eq!(get(&memory, &source).await.ok(), Some(2));
        assert_eq!(get(&memory, &source).await.ok(), Some(2));
    }
}
