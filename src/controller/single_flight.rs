//! A bounded cache in which callers that miss the same key share one fetch.
//!
//! ```text
//!        fetch, in a task of its own               kept for its time
//! cold ───────────────────────────────▶ fresh ───────────────────────▶ expired ── fetch failed ─▶ unconfirmed
//!   ▲                                     ▲ │                            │  ▲                        │
//!   │ forget                              │ └── doubt ───────────────────┼──┴─ 1 s ──────────────────┘
//!   └─────────────────────────────────────┴──────────── fetched ◀────────┘
//! ```
//! What was known goes on serving while it cannot be asked for again, until it is forgotten.
//!
//! A fetch runs with the credentials of the caller who began it. That these were refused concerns no other caller: each
//! of those who waited fetches again, with credentials of his own.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::task::JoinError;
use tokio::time::{Instant, timeout_at};

use super::credentials::Fingerprint;
use super::error::Error;

/// Entries that were not asked for in this time are dropped, to free their memory.
const DROPPED_AFTER_IDLE: Duration = Duration::from_secs(600);

/// How long an answer that could not be confirmed serves before it is asked for again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long callers wait for another answer in place of one that is doubted.
const PATIENCE_IN_DOUBT: Duration = Duration::from_millis(500);

/// An outcome, and how long to remember it.
pub(super) type Fetched<V> = (Result<V, Error>, Duration);

/// A fetch that no caller owns.
pub(super) trait Fetch<V>: Future<Output = Fetched<V>> + Send + 'static {}

impl<V, F: Future<Output = Fetched<V>> + Send + 'static> Fetch<V> for F {}

/// Remembers answers by key, each for its own time by the runtime's clock.
///
/// A key that is forgotten while it is fetched stays forgotten: the answer goes to callers that already wait
/// for it, later callers fetch again. That is why the map holds slots rather than answers.
pub(super) struct SingleFlightCache<K, V> {
    slots: Cache<K, Arc<Slot<V>>>,
    /// How long callers wait for a new answer while there is one that has expired.
    patience: Duration,
}

struct Slot<V>(Mutex<State<V>>);

struct State<V> {
    known: Option<Known<V>>,
    fetching: Option<Fetching<V>>,
}

struct Known<V> {
    outcome: Result<V, Error>,
    fresh_until: Instant,
    /// How long callers wait for a new answer once this one has expired.
    patience: Duration,
}

/// A fetch on its way.
#[derive(Clone)]
struct Fetching<V> {
    began: Instant,
    /// Whose credentials it runs with.
    caller: Option<Fingerprint>,
    outcome: Shared<BoxFuture<'static, Result<V, Error>>>,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self(Mutex::new(State { known: None, fetching: None }))
    }
}

impl<V: Clone> State<V> {
    fn fresh(&self) -> Option<Result<V, Error>> {
        let known = self.known.as_ref().filter(|known| Instant::now() < known.fresh_until)?;
        Some(known.outcome.clone())
    }

    /// What was known before, and how long to wait for something newer.
    fn fallback(&self) -> Option<(V, Duration)> {
        let known = self.known.as_ref()?;
        Some((known.outcome.as_ref().ok()?.clone(), known.patience))
    }

    fn end(&mut self, outcome: Result<V, Error>, kept_for: Duration, patience: Duration) {
        self.fetching = None;
        let now = Instant::now();
        match &mut self.known {
            Some(known) if known.outcome.is_ok() && is_silence(&outcome) => {
                known.fresh_until = now + ASK_AGAIN_AFTER;
                known.patience = Duration::ZERO;
            }
            _ if kept_for.is_zero() && is_refusal(&outcome) => {}
            _ => self.known = Some(Known { outcome, fresh_until: now + kept_for, patience }),
        }
    }
}

/// Whether the controller did not like the credentials that it was shown.
fn is_refusal<V>(outcome: &Result<V, Error>) -> bool {
    outcome.as_ref().is_err_and(Error::is_refusal)
}

/// Whether the controller said nothing at all.
fn is_silence<V>(outcome: &Result<V, Error>) -> bool {
    outcome.as_ref().is_err_and(|error| !error.is_answer())
}

impl<K, V> SingleFlightCache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Holds this many keys; the least used are evicted. Callers have an answer that has expired if the new one takes
    /// longer than `patience`.
    pub(super) fn new(capacity: u64, patience: Duration) -> Self {
        let slots = Cache::builder().max_capacity(capacity).time_to_idle(DROPPED_AFTER_IDLE).build();
        Self { slots, patience }
    }

    /// The remembered answer, or else that of `fetch`, which is called only then, with the credentials of `caller`. If
    /// nothing can be fetched, the answer that has expired.
    ///
    /// # Cancel safety
    /// The fetch goes on without its caller, for those who wait for it and who come later.
    pub(super) async fn get_or_fetch<F: Fetch<V>>(
        &self,
        key: &K,
        caller: Option<Fingerprint>,
        fetch: impl Fn() -> F,
    ) -> Result<V, Error> {
        loop {
            let slot = self.slots.get_with_by_ref(key, Arc::default);
            let (fallback, fetching) = {
                let mut state = slot.0.lock();
                if let Some(outcome) = state.fresh() {
                    return outcome;
                }
                (state.fallback(), self.join_or_begin(&slot, &mut state, caller, &fetch))
            };
            let is_own = fetching.caller == caller;
            let outcome = match fallback {
                None => fetching.outcome.await,
                Some((value, patience)) => match timeout_at(fetching.began + patience, fetching.outcome).await {
                    Ok(outcome) if !is_silence(&outcome) => outcome,
                    _ => Ok(value),
                },
            };
            if is_own || !is_refusal(&outcome) {
                return outcome;
            }
        }
    }

    /// The answer of a fetch that begins, or is under way, now. What was known before does not count.
    ///
    /// # Cancel safety
    /// As [`get_or_fetch`](Self::get_or_fetch).
    pub(super) async fn fetch<F: Fetch<V>>(
        &self,
        key: &K,
        caller: Option<Fingerprint>,
        fetch: impl Fn() -> F,
    ) -> Result<V, Error> {
        loop {
            let slot = self.slots.get_with_by_ref(key, Arc::default);
            let fetching = self.join_or_begin(&slot, &mut slot.0.lock(), caller, &fetch);
            let outcome = fetching.outcome.await;
            if fetching.caller == caller || !is_refusal(&outcome) {
                return outcome;
            }
        }
    }

    fn join_or_begin<F: Fetch<V>>(
        &self,
        slot: &Arc<Slot<V>>,
        state: &mut State<V>,
        caller: Option<Fingerprint>,
        fetch: impl Fn() -> F,
    ) -> Fetching<V> {
        // One that panicked has an outcome already.
        if let Some(fetching) = state.fetching.as_ref().filter(|fetching| fetching.outcome.peek().is_none()) {
            return fetching.clone();
        }
        let (slot, patience) = (Arc::clone(slot), self.patience);
        let fetch = fetch();
        let fetch = tokio::spawn(async move {
            let (outcome, kept_for) = fetch.await;
            slot.0.lock().end(outcome.clone(), kept_for, patience);
            outcome
        });
        let outcome = fetch.map(|joined| joined.unwrap_or_else(|error| Err(failed(&error))));
        let fetching = Fetching { began: Instant::now(), caller, outcome: outcome.boxed().shared() };
        state.fetching = Some(fetching.clone());
        fetching
    }

    /// The answer may be wrong: the next callers wait for another one, and have this one if there is none.
    pub(super) fn doubt(&self, key: &K) {
        let Some(slot) = self.slots.get(key) else { return };
        let mut state = slot.0.lock();
        if let Some(known) = &mut state.known {
            known.fresh_until = Instant::now();
            known.patience = PATIENCE_IN_DOUBT;
        }
    }

    /// The answer is wrong.
    pub(super) fn forget(&self, key: &K) {
        self.slots.invalidate(key);
    }
}

/// A fetch that panicked, or was cut off by the end of the runtime.
fn failed(error: &JoinError) -> Error {
    Error::Protocol { call: "look-up", what: error.to_string().into() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use futures::future::join_all;
    use tokio::time::{advance, sleep, timeout};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    const PATIENCE: Duration = Duration::from_millis(200);

    /// Counts its fetches; each takes a second, unless it hangs.
    #[derive(Clone, Default)]
    struct Source {
        fetches: Arc<AtomicU32>,
        fails: Arc<Mutex<Option<Error>>>,
        hangs: Arc<AtomicBool>,
    }

    impl Source {
        fn failing(error: Error) -> Self {
            Self { fails: Arc::new(Mutex::new(Some(error))), ..Self::default() }
        }

        async fn fetch_to_keep(self) -> Fetched<u32> {
            let outcome = self.fetch().await;
            let kept_for = keep_what_succeeded(&outcome);
            (outcome, kept_for)
        }

        async fn fetch(self) -> Result<u32, Error> {
            let count = self.fetches.fetch_add(1, Ordering::Relaxed) + 1;
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            sleep(Duration::from_secs(1)).await;
            self.fails.lock().clone().map_or(Ok(count), Err)
        }

        fn fetches(&self) -> u32 {
            self.fetches.load(Ordering::Relaxed)
        }

        fn is_away(&self) {
            *self.fails.lock() =
                Some(Error::Unavailable { address: "test".into(), refused: true, cause: "away".into() });
        }
    }

    fn memory() -> SingleFlightCache<u8, u32> {
        SingleFlightCache::new(10, PATIENCE)
    }

    fn keep_what_succeeded(outcome: &Result<u32, Error>) -> Duration {
        if outcome.is_ok() { MINUTE } else { Duration::ZERO }
    }

    async fn get(memory: &SingleFlightCache<u8, u32>, source: &Source) -> Result<u32, Error> {
        memory.get_or_fetch(&7, None, || source.clone().fetch_to_keep()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_callers_for_a_cold_key_fetch_once() {
        let (memory, source) = (memory(), Source::default());
        let answers = join_all((0..1000).map(|_| get(&memory, &source))).await;
        assert!(answers.into_iter().all(|answer| answer.is_ok_and(|count| count == 1)));
        assert_eq!(source.fetches(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_share_an_error_and_later_callers_ask_again() {
        let (memory, source) = (memory(), Source::failing(Error::Unauthenticated { call: "test" }));
        let answers = join_all((0..1000).map(|_| get(&memory, &source))).await;
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(source.fetches(), 1);
        assert!(get(&memory, &source).await.is_err());
        assert_eq!(source.fetches(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_its_time_and_no_longer() {
        let (memory, source) = (memory(), Source::default());
        assert_eq!(get(&memory, &source).await.ok(), Some(1));
        advance(MINUTE - Duration::from_millis(1)).await;
        assert_eq!(get(&memory, &source).await.ok(), Some(1));
        assert_eq!(source.fetches(), 1);
        advance(Duration::from_millis(1)).await;
        assert_eq!(get(&memory, &source).await.ok(), Some(1), "the next one takes longer than callers wait");
        sleep(Duration::from_secs(1)).await;
        assert_eq!((get(&memory, &source).await.ok(), source.fetches()), (Some(2), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_leaves_does_not_end_the_fetch() {
        let (memory, source) = (memory(), Source::default());
        for _ in 0..3 {
            let impatient = timeout(Duration::from_millis(400), get(&memory, &source));
            let _ = impatient.await;
        }
        assert_eq!((get(&memory, &source).await.ok(), source.fetches()), (Some(1), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_in_mid_fetch_is_fetched_again() {
        let (memory, source) = (memory(), Source::default());
        let mut early = Box::pin(get(&memory, &source));
        assert!(early.as_mut().now_or_never().is_none());
        memory.forget(&7);
        assert_eq!(early.await.ok(), Some(1));
        assert_eq!(get(&memory, &source).await.ok(), Some(2));
        assert_eq!(get(&memory, &source).await.ok(), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_known_serves_while_nothing_answers_until_it_is_forgotten() {
        let (memory, source) = (memory(), Source::default());
        assert_eq!(get(&memory, &source).await.ok(), Some(1));
        source.is_away();
        for _ in 0..3 {
            advance(MINUTE).await;
            assert_eq!(get(&memory, &source).await.ok(), Some(1));
            sleep(Duration::from_secs(1)).await;
        }
        let begin = Instant::now();
        advance(MINUTE).await;
        assert_eq!(get(&memory, &source).await.ok(), Some(1));
        assert_eq!(begin.elapsed(), MINUTE, "no one waits for what could not be had before");
        memory.forget(&7);
        assert!(get(&memory, &source).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_known_does_not_outlive_an_answer() {
        let (memory, source) = (memory(), Source::default());
        assert_eq!(get(&memory, &source).await.ok(), Some(1));
        *source.fails.lock() = Some(Error::Protocol { call: "test", what: "no".into() });
        advance(MINUTE).await;
        assert_eq!(get(&memory, &source).await.ok(), Some(1));
        sleep(Duration::from_secs(1)).await;
        assert!(get(&memory, &source).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_doubted_is_asked_for_again_and_serves_if_nothing_answers() {
        let (memory, source) = (memory(), Source::default());
        assert_eq!(get(&memory, &source).await.ok(), Some(1));
        source.hangs.store(true, Ordering::Relaxed);
        memory.doubt(&7);
        let begin = Instant::now();
        assert_eq!(get(&memory, &source).await.ok(), Some(1));
        assert_eq!((begin.elapsed(), source.fetches()), (PATIENCE_IN_DOUBT, 2));
        assert_eq!(get(&memory, &source).await.ok(), Some(1));
        assert_eq!(begin.elapsed(), PATIENCE_IN_DOUBT, "later callers do not wait for the same fetch again");
    }

    #[tokio::test(start_paused = true)]
    async fn fetch_does_not_take_what_was_known() {
        let (memory, source) = (memory(), Source::default());
        assert_eq!(get(&memory, &source).await.ok(), Some(1));
        let again = || memory.fetch(&7, None, || source.clone().fetch_to_keep());
        let (one, other) = tokio::join!(again(), again());
        assert_eq!((one.ok(), other.ok()), (Some(2), Some(2)));
        assert_eq!(get(&memory, &source).await.ok(), Some(2));
        source.is_away();
        assert!(again().await.is_err());
        assert_eq!(get(&memory, &source).await.ok(), Some(2));
    }
}
