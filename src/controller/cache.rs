//! [`Controller`]: what the gateway knows of streams, asked for once and remembered for a while.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use pravega_protocol::stream::{Scope, ScopedStream, SegmentId, SegmentName, StreamSegments, Successor};
use tokio::time::Instant;

use super::client::{Access, ControllerClient};
use super::credentials::{Credentials, Fingerprint};
use super::endpoint::{Endpoint, RewriteRule};
use super::error::Error;
use super::grant::Grant;
use super::health::{Health, HealthWatch};
use super::single_flight::{Fetch, SingleFlightCache};
use super::token::Token;

/// How long it is believed whether the controller has authentication on.
const OPENNESS_FOR: Duration = Duration::from_secs(60);

/// How long callers wait for the controller where they could do with what it said before.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long what the controller said is believed. What turns out wrong is forgotten earlier.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    /// Streams, and as many segments, that are remembered at a time.
    pub capacity: u64,
    /// Which segments take appends. A scale shows by a sealed segment, so this may be long.
    pub current_segments_for: Duration,
    /// Which segments can be read.
    pub readable_segments_for: Duration,
    /// Where a segment lives.
    pub endpoint_for: Duration,
    /// That a scope or stream does not exist, or that a stream takes no appends.
    pub missing_for: Duration,
    /// Where to dial instead of where the controller says.
    pub rewrite: Vec<RewriteRule>,
    /// Segments of a stream that is created because an append found none; `None` creates nothing.
    pub create_missing: Option<NonZeroU32>,
}

impl Default for CacheSettings {
    /// 100,000 keys; 60 s, 1 s, 20 s (as Pravega's Java client) and 1 s; no rules, nothing is created.
    fn default() -> Self {
        Self {
            capacity: 100_000,
            current_segments_for: Duration::from_secs(60),
            readable_segments_for: Duration::from_secs(1),
            endpoint_for: Duration::from_secs(20),
            missing_for: Duration::from_secs(1),
            rewrite: Vec::new(),
            create_missing: None,
        }
    }
}

impl CacheSettings {
    /// How long to keep an answer: errors not at all, but for "does not exist".
    fn keep<V>(&self, found_for: Duration, outcome: &Result<V, Error>) -> Duration {
        match outcome {
            Ok(_) => found_for,
            Err(error) if error.is_not_found() => self.missing_for,
            Err(_) => Duration::ZERO,
        }
    }
}

/// One caller's view of the controller, who is asked with that caller's credentials; a cheap handle to shared memory.
///
/// What is remembered of segments and stores is shared by all callers: who is not allowed to know it must be refused
/// before, by [`grant`](Self::grant).
///
/// Transient errors are retried with growing pauses for 30 s, so callers put a deadline around every call. The
/// exception is a controller that cannot be reached and has not answered within the last 30 s: that is
/// [`Error::Unavailable`] as soon as all its addresses have failed once.
///
/// What it said of a stream's segments and of their stores goes on serving while it cannot be asked, until a store
/// contradicts it: then it is forgotten.
///
/// # Cancel safety
/// Every call may be dropped at any time. What is remembered is fetched by a task that no caller owns.
#[derive(Clone)]
pub struct Controller {
    inner: Arc<Inner>,
    credentials: Credentials,
}

struct Inner {
    client: Arc<dyn ControllerClient>,
    settings: CacheSettings,
    health: HealthWatch,
    current: SingleFlightCache<ScopedStream, Arc<StreamSegments>>,
    readable: SingleFlightCache<ScopedStream, Arc<[SegmentId]>>,
    endpoints: SingleFlightCache<SegmentName, Endpoint>,
    /// Whether callers need no credentials.
    openness: SingleFlightCache<(), bool>,
    tokens: SingleFlightCache<TokenKey, Token>,
}

/// Whose token it is, for what, and of which level.
type TokenKey = (Option<Fingerprint>, ScopedStream, Access);

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").field("health", &self.inner.health).finish_non_exhaustive()
    }
}

impl Controller {
    /// A view through this client, with nothing remembered yet.
    #[must_use]
    pub fn new(client: Arc<dyn ControllerClient>, settings: CacheSettings) -> Self {
        let inner = Inner {
            client,
            health: HealthWatch::default(),
            current: SingleFlightCache::new(settings.capacity, PATIENCE),
            readable: SingleFlightCache::new(settings.capacity, PATIENCE),
            // A store that does not have a segment any more says so.
            endpoints: SingleFlightCache::new(settings.capacity, Duration::ZERO),
            openness: SingleFlightCache::new(1, PATIENCE),
            tokens: SingleFlightCache::new(settings.capacity, PATIENCE),
            settings,
        };
        Self { inner: Arc::new(inner), credentials: Credentials::none() }
    }

    /// The same controller, asked with these credentials.
    #[must_use]
    pub fn of_caller(&self, credentials: Credentials) -> Self {
        Self { inner: Arc::clone(&self.inner), credentials }
    }

    /// Whom it is asked for.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Buys the caller a token, unless there is one that is still good, or authentication is off.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::Forbidden`]; others as the controller gives them.
    pub async fn grant(&self, stream: &ScopedStream, access: Access) -> Result<Grant, Error> {
        if self.is_open().await? {
            return Ok(Grant::open());
        }
        let token = self.token(stream, access).await?;
        Ok(Grant::sold(self.clone(), stream.clone(), access, token))
    }

    /// The caller's token, from memory while it is good.
    ///
    /// # Errors
    /// As [`grant`](Self::grant).
    pub(super) async fn token(&self, stream: &ScopedStream, access: Access) -> Result<Token, Error> {
        let key = (self.credentials.fingerprint(), stream.clone(), access);
        let caller = self.credentials.fingerprint();
        let buy = || self.token_to_keep(stream, access);
        let known = self.inner.tokens.get_or_fetch(&key, caller, buy).await?;
        // The cache returns what has expired where the controller is silent.
        if known.is_good() { Ok(known) } else { self.inner.tokens.fetch(&key, caller, buy).await }
    }

    /// Takes note that a store did not take the caller's token: another one is bought.
    pub(super) fn forget_token(&self, stream: &ScopedStream, access: Access) {
        self.inner.tokens.forget(&(self.credentials.fingerprint(), stream.clone(), access));
    }

    /// Whether authentication is off: a caller who shows nothing is then sold the empty token for any stream, be there
    /// one of that name or not.
    ///
    /// # Errors
    /// As the controller gives them.
    pub async fn is_open(&self) -> Result<bool, Error> {
        let ask = || self.of_caller(Credentials::none()).openness_to_keep();
        self.inner.openness.get_or_fetch(&(), None, ask).await
    }

    /// Refuses a caller who shows nothing where authentication is on: early, before anything is read for such a caller.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`]; others as the controller gives them.
    pub async fn admit(&self) -> Result<(), Error> {
        if !self.credentials.is_none() || self.is_open().await? {
            return Ok(());
        }
        Err(Error::Unauthenticated { call: "getDelegationToken" })
    }

    /// The segments that take appends, none if the stream is sealed. Cached; callers that ask at once share
    /// one call.
    ///
    /// That there are none is remembered for at most [`CacheSettings::missing_for`]: no sealed segment shows that the
    /// stream was deleted or recreated.
    ///
    /// # Errors
    /// [`Error::ScopeNotFound`] or [`Error::StreamNotFound`], which are remembered as briefly; others as the
    /// controller gives them.
    pub async fn current_segments(&self, stream: &ScopedStream) -> Result<Arc<StreamSegments>, Error> {
        self.inner.current.get_or_fetch(stream, self.caller(), || self.current_to_keep(stream)).await
    }

    /// As [`current_segments`](Self::current_segments), asked for again if this one is not among them.
    ///
    /// # Errors
    /// As [`current_segments`](Self::current_segments).
    pub async fn current_segments_with(
        &self,
        stream: &ScopedStream,
        segment: SegmentId,
    ) -> Result<Arc<StreamSegments>, Error> {
        let known = self.current_segments(stream).await?;
        if known.contains(segment) {
            return Ok(known);
        }
        self.inner.current.fetch(stream, self.caller(), || self.current_to_keep(stream)).await
    }

    /// As [`current_segments`](Self::current_segments), for appends: creates scope and stream where they
    /// are missing and [`CacheSettings::create_missing`] is set.
    ///
    /// # Errors
    /// As [`current_segments`](Self::current_segments), and what the controller says of the creation.
    pub async fn segments_to_append(&self, stream: &ScopedStream) -> Result<Arc<StreamSegments>, Error> {
        match (self.current_segments(stream).await, self.inner.settings.create_missing) {
            (Err(error), Some(segments)) if error.is_not_found() => {
                self.create(stream, segments).await?;
                self.forget_stream(stream);
                self.current_segments(stream).await
            }
            (outcome, _) => outcome,
        }
    }

    /// The segments that take appends at this moment. Asked each time, and not cached.
    ///
    /// # Errors
    /// As [`current_segments`](Self::current_segments).
    pub async fn current_segments_now(&self, stream: &ScopedStream) -> Result<Arc<StreamSegments>, Error> {
        self.fetch_current(stream).await
    }

    /// The segments that took appends in an epoch. Never remembered.
    ///
    /// # Errors
    /// As [`current_segments`](Self::current_segments); an unknown epoch is an unknown stream.
    pub async fn epoch_segments(&self, stream: &ScopedStream, epoch: u32) -> Result<StreamSegments, Error> {
        let inner = &*self.inner;
        let ask = || inner.client.epoch_segments(&self.credentials, stream, epoch);
        let outcome = inner.health.persist("getEpochSegments", ask).await;
        self.scope_or_stream(outcome).await
    }

    /// Every segment that can be read, from the head of the stream on, oldest epoch first. Remembered
    /// briefly; callers that ask at once share one fetch (of two calls).
    ///
    /// # Errors
    /// As [`current_segments`](Self::current_segments).
    pub async fn readable_segments(&self, stream: &ScopedStream) -> Result<Arc<[SegmentId]>, Error> {
        self.inner.readable.get_or_fetch(stream, self.caller(), || self.readable_to_keep(stream)).await
    }

    /// As [`readable_segments`](Self::readable_segments), asked for again if none of them is the one that is sought: it
    /// may be new.
    ///
    /// # Errors
    /// As [`current_segments`](Self::current_segments).
    pub async fn readable_segments_with(
        &self,
        stream: &ScopedStream,
        is_sought: impl Fn(&SegmentId) -> bool,
    ) -> Result<Arc<[SegmentId]>, Error> {
        let known = self.readable_segments(stream).await?;
        if known.iter().any(is_sought) {
            return Ok(known);
        }
        self.inner.readable.fetch(stream, self.caller(), || self.readable_to_keep(stream)).await
    }

    /// What follows a sealed segment, each with all its predecessors; none if the stream ends there (or the
    /// segment is not sealed). Never remembered.
    ///
    /// # Errors
    /// As [`current_segments`](Self::current_segments).
    pub async fn successors(&self, segment: &SegmentName) -> Result<Vec<Successor>, Error> {
        let inner = &*self.inner;
        let ask = || inner.client.segments_following(&self.credentials, segment);
        let outcome = inner.health.persist("getSegmentsImmediatelyFollowing", ask).await;
        self.scope_or_stream(outcome).await
    }

    /// Where to dial for a segment: rewritten, and never unspecified. After [`CacheSettings::endpoint_for`] the
    /// controller is asked again, while callers go on with what is known.
    ///
    /// # Errors
    /// As the controller gives them. It names a place for segments that do not exist, too.
    pub async fn endpoint(&self, segment: &SegmentName) -> Result<Endpoint, Error> {
        self.inner.endpoints.get_or_fetch(segment, self.caller(), || self.endpoint_to_keep(segment)).await
    }

    /// The segment's store could not be reached where [`endpoint`](Self::endpoint) said: the next caller asks again, and
    /// gets the same if the controller cannot be reached either.
    pub fn doubt_endpoint(&self, segment: &SegmentName) {
        self.inner.endpoints.doubt(segment);
    }

    /// The segment does not live where [`endpoint`](Self::endpoint) said: the next caller asks again.
    pub fn forget_endpoint(&self, segment: &SegmentName) {
        self.inner.endpoints.forget(segment);
    }

    /// The stream's segments are not what they were: the next caller asks again. An answer that is under way
    /// reaches only callers that already wait for it.
    pub fn forget_stream(&self, stream: &ScopedStream) {
        self.inner.current.forget(stream);
        self.inner.readable.forget(stream);
    }

    /// Asks the controller something, once, to see whether it answers. An error answer counts, one that
    /// demands credentials too. Called every few seconds it keeps [`health`](Self::health) true while no one
    /// else asks.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Timeout`].
    pub async fn probe(&self) -> Result<(), Error> {
        let system = Scope::new("_system").expect("a valid name");
        match self.inner.health.attempt(self.inner.client.scope_exists(&self.credentials, &system)).await {
            Err(error) if !error.is_answer() => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits until calls have found no controller for this long, the last one of them from now on; returns its error. For
    /// those who would rather fail than wait for one that answered lately.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn unreachable_for(&self, time: Duration) -> Error {
        self.inner.health.unreachable_for(time).await
    }

    /// When the controller was last heard of, through any call.
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.health.health()
    }
}

/// What is asked, and by tasks that no caller owns.
impl Controller {
    fn caller(&self) -> Option<Fingerprint> {
        self.credentials.fingerprint()
    }

    async fn create(&self, stream: &ScopedStream, segments: NonZeroU32) -> Result<(), Error> {
        let Inner { health, client, .. } = &*self.inner;
        let create_scope = || client.create_scope(&self.credentials, &stream.scope);
        match health.persist("createScope", create_scope).await {
            // Who may create streams in a scope need not have the right to create scopes.
            Err(Error::Forbidden { .. }) if self.scope_exists(&stream.scope).await => {}
            created => created?,
        }
        let create_stream = || client.create_stream(&self.credentials, stream, segments);
        health.persist("createStream", create_stream).await?;
        tracing::info!(%stream, segments, "created a stream for an append");
        Ok(())
    }

    fn current_to_keep(&self, stream: &ScopedStream) -> impl Fetch<Arc<StreamSegments>> + use<> {
        let (controller, stream) = (self.clone(), stream.clone());
        async move {
            let outcome = controller.fetch_current(&stream).await;
            let settings = &controller.inner.settings;
            let kept_for = match &outcome {
                Ok(segments) if segments.is_empty() => settings.missing_for,
                outcome => settings.keep(settings.current_segments_for, outcome),
            };
            (outcome, kept_for)
        }
    }

    fn readable_to_keep(&self, stream: &ScopedStream) -> impl Fetch<Arc<[SegmentId]>> + use<> {
        let (controller, stream) = (self.clone(), stream.clone());
        async move {
            let outcome = controller.fetch_readable(&stream).await;
            let settings = &controller.inner.settings;
            let kept_for = settings.keep(settings.readable_segments_for, &outcome);
            (outcome, kept_for)
        }
    }

    fn endpoint_to_keep(&self, segment: &SegmentName) -> impl Fetch<Endpoint> + use<> {
        let (controller, segment) = (self.clone(), segment.clone());
        async move {
            let outcome = controller.fetch_endpoint(&segment).await;
            let settings = &controller.inner.settings;
            let kept_for = settings.keep(settings.endpoint_for, &outcome);
            (outcome, kept_for)
        }
    }

    fn token_to_keep(&self, stream: &ScopedStream, access: Access) -> impl Fetch<Token> + use<> {
        let (controller, stream) = (self.clone(), stream.clone());
        async move {
            let outcome = controller.buy_token(&stream, access).await;
            let kept_for = match &outcome {
                Ok(token) => token.kept_for(),
                // So that a caller who keeps asking does not keep the controller busy.
                Err(error) if error.is_refusal() => controller.inner.settings.missing_for,
                Err(_) => Duration::ZERO,
            };
            (outcome, kept_for)
        }
    }

    fn openness_to_keep(&self) -> impl Fetch<bool> + use<> {
        let controller = self.clone();
        async move {
            let any: ScopedStream = "_system/_any".parse().expect("a valid name");
            match controller.buy_token(&any, Access::Read).await {
                Ok(token) => (Ok(token.is_empty()), OPENNESS_FOR),
                Err(error) if error.is_refusal() => (Ok(false), OPENNESS_FOR),
                Err(error) => (Err(error), Duration::ZERO),
            }
        }
    }

    async fn buy_token(&self, stream: &ScopedStream, access: Access) -> Result<Token, Error> {
        let Inner { health, client, .. } = &*self.inner;
        let ask = || async {
            let asked_at = Instant::now();
            Ok((client.delegation_token(&self.credentials, stream, access).await?, asked_at))
        };
        let (text, asked_at) = health.persist("getDelegationToken", ask).await?;
        Token::sold(text, asked_at)
    }

    async fn fetch_current(&self, stream: &ScopedStream) -> Result<Arc<StreamSegments>, Error> {
        let ask = || self.inner.client.current_segments(&self.credentials, stream);
        let outcome = self.inner.health.persist("getCurrentSegments", ask).await;
        self.scope_or_stream(outcome).await.map(Arc::new)
    }

    async fn fetch_readable(&self, stream: &ScopedStream) -> Result<Arc<[SegmentId]>, Error> {
        let Inner { health, client, .. } = &*self.inner;
        let outcome = health.persist("getSegments", || client.head_segments(&self.credentials, stream)).await;
        let head = self.scope_or_stream(outcome).await?;
        let ask = || client.segments_between(&self.credentials, stream, &head, &[]);
        let outcome = health.persist("getSegmentsBetween", ask).await;
        let mut segments = self.scope_or_stream(outcome).await?;
        segments.sort_unstable();
        segments.dedup();
        Ok(segments.into())
    }

    async fn fetch_endpoint(&self, segment: &SegmentName) -> Result<Endpoint, Error> {
        let Inner { health, client, settings, .. } = &*self.inner;
        let placement = health.persist("getURI", || client.get_uri(&self.credentials, segment)).await?;
        Ok(placement.said.resolved(&settings.rewrite, &placement.controller_host))
    }

    /// Finds out which of the two is missing. When that is unknown, it is the stream.
    async fn scope_or_stream<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        let stream = match outcome {
            Err(Error::StreamNotFound(stream)) => stream,
            outcome => return outcome,
        };
        let exists = self.inner.health.attempt(self.inner.client.scope_exists(&self.credentials, &stream.scope)).await;
        match exists {
            Ok(false) => Err(Error::ScopeNotFound(stream.scope)),
            _ => Err(Error::StreamNotFound(stream)),
        }
    }

    async fn scope_exists(&self, scope: &Scope) -> bool {
        let asked = self.inner.health.attempt(self.inner.client.scope_exists(&self.credentials, scope)).await;
        asked.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests;
