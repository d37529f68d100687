//! The controller that the real cache asks.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pravega_protocol::stream::{KeyRange, Scope, ScopedStream, SegmentId, SegmentName, StreamSegments, Successor};
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::history::{Reported, segment_of_neighbour, the_neighbour, the_stream};
use super::world::{State, World};
use crate::controller::{Access, ControllerClient, Credentials, Endpoint, Error, Placement, SegmentLocation};

/// Answers from the world's history, late, stale or not at all.
pub(super) struct SimulatedController(pub(super) Arc<World>);

impl fmt::Debug for SimulatedController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatedController")
    }
}

/// The course of one call.
struct Call {
    is_away: bool,
    fails: bool,
    is_stale: bool,
    delay: Duration,
}

impl State {
    fn call(&mut self) -> Call {
        self.controller_calls += 1;
        let longest = self.odds.controller_ms;
        // Longer than writers wait for the controller.
        let is_slow = self.odds.outages && self.dice.chance(0.05);
        Call {
            is_away: self.controller_away_until > Instant::now(),
            fails: self.dice.chance(self.odds.controller_fails),
            is_stale: self.dice.chance(self.odds.stale_controller),
            delay: if is_slow { Duration::from_secs(12) } else { self.dice.millis(0..=longest) },
        }
    }

    /// Refuses callers where the controller has authentication on.
    fn admit(&self, caller: &Credentials, call: &'static str) -> Result<(), Error> {
        match &self.refused {
            None => Ok(()),
            Some(_) if caller.is_none() => Err(Error::Unauthenticated { call }),
            Some(refused) if refused.contains(caller) => Err(Error::Forbidden { call }),
            Some(_) => Ok(()),
        }
    }

    fn segments_of(&self, stream: &ScopedStream) -> Result<StreamSegments, Error> {
        if *stream == the_neighbour() {
            let only = vec![(segment_of_neighbour(), KeyRange::FULL)];
            return Ok(StreamSegments::new(only).expect("it covers the key space"));
        }
        self.existing(self.history.current())
    }

    fn existing<T>(&self, answer: T) -> Result<T, Error> {
        match self.history.reported {
            Reported::Missing => Err(Error::StreamNotFound(the_stream())),
            Reported::Lives | Reported::Sealed => Ok(answer),
        }
    }
}

impl SimulatedController {
    async fn answer<T: fmt::Debug>(
        &self,
        call: &'static str,
        look: impl Fn(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let course = self.0.with(State::call);
        if course.is_away {
            sleep(Duration::from_millis(1)).await;
            return Err(Error::Unavailable { address: "controller".into(), refused: true, cause: "away".into() });
        }
        let was = self.0.with(&look);
        sleep(course.delay).await;
        let answer = match (course.fails, course.is_stale) {
            (true, _) => Err(Error::Rejected { call, code: Code::Unknown, message: "not now".into() }),
            (false, true) => was,
            (false, false) => self.0.with(look),
        };
        self.0.with(|state| state.trace.note(|| format!("controller: {call}: {answer:?}")));
        answer
    }
}

impl ControllerClient for SimulatedController {
    fn current_segments<'a>(
        &'a self,
        _caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<StreamSegments, Error>> {
        self.answer("current", |state| state.segments_of(stream)).boxed()
    }

    fn epoch_segments<'a>(
        &'a self,
        _caller: &'a Credentials,
        stream: &'a ScopedStream,
        _: u32,
    ) -> BoxFuture<'a, Result<StreamSegments, Error>> {
        self.answer("epoch", |state| state.segments_of(stream)).boxed()
    }

    fn head_segments<'a>(
        &'a self,
        _caller: &'a Credentials,
        _: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<Vec<SegmentLocation>, Error>> {
        self.answer("head", |state| state.existing(Vec::new())).boxed()
    }

    fn segments_between<'a>(
        &'a self,
        _caller: &'a Credentials,
        _: &'a ScopedStream,
        _: &'a [SegmentLocation],
        _: &'a [SegmentLocation],
    ) -> BoxFuture<'a, Result<Vec<SegmentId>, Error>> {
        self.answer("between", |state| state.existing(state.history.all_named())).boxed()
    }

    fn segments_following<'a>(
        &'a self,
        caller: &'a Credentials,
        segment: &'a SegmentName,
    ) -> BoxFuture<'a, Result<Vec<Successor>, Error>> {
        let following = |state: &mut State| {
            state.admit(caller, "following")?;
            state.existing(state.history.successors(segment.id))
        };
        self.answer("following", following).boxed()
    }

    fn get_uri<'a>(
        &'a self,
        caller: &'a Credentials,
        segment: &'a SegmentName,
    ) -> BoxFuture<'a, Result<Placement, Error>> {
        let place = |state: &mut State| {
            state.admit(caller, "place")?;
            let known = state.segments.get(&segment.id);
            let stale = known.and_then(|known| known.stale.as_ref()).filter(|stale| stale.until > Instant::now());
            let (owner, stale) = (known.map_or(0, |known| known.owner), stale.map(|stale| stale.host));
            let host = stale.filter(|_| state.dice.chance(0.5)).unwrap_or(owner);
            Ok(Placement { said: endpoint_of(host), controller_host: "controller".into() })
        };
        self.answer("place", place).boxed()
    }

    fn scope_exists<'a>(&'a self, _caller: &'a Credentials, _: &'a Scope) -> BoxFuture<'a, Result<bool, Error>> {
        self.answer("scope", |_| Ok(true)).boxed()
    }

    fn create_scope<'a>(&'a self, _caller: &'a Credentials, _: &'a Scope) -> BoxFuture<'a, Result<(), Error>> {
        unreachable!("streams are not created by the gateway here")
    }

    fn create_stream<'a>(
        &'a self,
        _caller: &'a Credentials,
        _: &'a ScopedStream,
        _: NonZeroU32,
    ) -> BoxFuture<'a, Result<(), Error>> {
        unreachable!("streams are not created by the gateway here")
    }

    fn stream_exists<'a>(
        &'a self,
        _caller: &'a Credentials,
        _: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        self.answer("stream", |state| Ok(state.history.reported != Reported::Missing)).boxed()
    }

    fn delegation_token<'a>(
        &'a self,
        caller: &'a Credentials,
        _: &'a ScopedStream,
        _: Access,
    ) -> BoxFuture<'a, Result<String, Error>> {
        // The claims are {}: the token has no end.
        let sold = |state: &State| if state.refused.is_some() { "e30.e30.c2ln".to_owned() } else { String::new() };
        self.answer("token", move |state| state.admit(caller, "token").map(|()| sold(state))).boxed()
    }
}

/// The port identifies the store.
pub(super) fn endpoint_of(host: usize) -> Endpoint {
    Endpoint::new("store", host as u16)
}
