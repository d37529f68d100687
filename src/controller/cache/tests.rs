//! The cache in front of a controller that counts its calls.

use std::collections::HashMap;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use http::HeaderValue;
use parking_lot::Mutex;
use pravega_protocol::stream::KeyRange;
use tokio::time::{Instant, advance, sleep, timeout};
use tonic::Code;

use super::*;
use crate::controller::{Placement, SegmentLocation};

/// A controller with the scope `sc` and the stream `sc/st`. Every answer takes 10 ms.
#[derive(Default)]
struct Fake {
    calls: Mutex<HashMap<&'static str, u32>>,
    /// What the next calls fail with, first things first.
    failures: Mutex<Vec<Error>>,
    /// Nobody listens any more.
    down: Mutex<bool>,
    /// The stream takes no appends.
    sealed: Mutex<bool>,
    /// Callers must show that they are `admin` or `reader`.
    secured: Mutex<bool>,
    /// Streams that were created.
    created: Mutex<Vec<ScopedStream>>,
}

fn refused() -> Error {
    Error::Unavailable { address: "ctl:9090".into(), refused: true, cause: "refused".into() }
}

fn rejected(code: Code) -> Error {
    Error::Rejected { call: "test", code, message: "no".into() }
}

impl Fake {
    fn admit(&self, caller: &Credentials) -> Result<(), Error> {
        let is_known =
            caller.authorization().is_some_and(|shown| shown.to_str().is_ok_and(|text| text != "Bearer wrong"));
        if *self.secured.lock() && !is_known { Err(Error::Unauthenticated { call: "test" }) } else { Ok(()) }
    }

    async fn answer<T>(&self, call: &'static str, answer: Result<T, Error>) -> Result<T, Error> {
        *self.calls.lock().entry(call).or_default() += 1;
        if *self.down.lock() {
            return Err(refused());
        }
        sleep(Duration::from_millis(10)).await;
        let failure = self.failures.lock().pop();
        failure.map_or(answer, Err)
    }

    fn known<T>(&self, stream: &ScopedStream, answer: T) -> Result<T, Error> {
        let is_there = stream.stream.as_str() == "st" || self.created.lock().contains(stream);
        if is_there { Ok(answer) } else { Err(Error::StreamNotFound(stream.clone())) }
    }

    fn calls(&self, call: &str) -> u32 {
        self.calls.lock().get(call).copied().unwrap_or(0)
    }

    fn fail(&self, failures: &[Error]) {
        self.failures.lock().extend(failures.iter().rev().cloned());
    }

    fn set_down(&self, down: bool) {
        *self.down.lock() = down;
    }
}

impl ControllerClient for Fake {
    fn current_segments<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<StreamSegments, Error>> {
        let segments = if *self.sealed.lock() { vec![] } else { vec![(SegmentId::new(0, 0), KeyRange::FULL)] };
        let segments = StreamSegments::new(segments).expect("whole, or none");
        let segments = self.admit(caller).and_then(|()| self.known(stream, segments));
        self.answer("current", segments).boxed()
    }

    fn epoch_segments<'a>(
        &'a self,
        _caller: &'a Credentials,
        stream: &'a ScopedStream,
        epoch: u32,
    ) -> BoxFuture<'a, Result<StreamSegments, Error>> {
        let whole = StreamSegments::new(vec![(SegmentId::new(0, epoch), KeyRange::FULL)]).expect("whole");
        self.answer("epoch", self.known(stream, whole)).boxed()
    }

    fn head_segments<'a>(
        &'a self,
        _caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<Vec<SegmentLocation>, Error>> {
        let head = vec![SegmentLocation { segment: SegmentId::new(1, 0), offset: 5 }];
        self.answer("head", self.known(stream, head)).boxed()
    }

    fn segments_between<'a>(
        &'a self,
        _caller: &'a Credentials,
        _stream: &'a ScopedStream,
        from: &'a [SegmentLocation],
        to: &'a [SegmentLocation],
    ) -> BoxFuture<'a, Result<Vec<SegmentId>, Error>> {
        assert_eq!((from.len(), to.len()), (1, 0));
        let segments = [(3, 2), (1, 0), (2, 1), (2, 1)].map(|(number, epoch)| SegmentId::new(number, epoch));
        self.answer("between", Ok(segments.to_vec())).boxed()
    }

    fn segments_following<'a>(
        &'a self,
        _caller: &'a Credentials,
        segment: &'a SegmentName,
    ) -> BoxFuture<'a, Result<Vec<Successor>, Error>> {
        self.answer("following", self.known(&segment.stream, Vec::new())).boxed()
    }

    fn get_uri<'a>(
        &'a self,
        _caller: &'a Credentials,
        _segment: &'a SegmentName,
    ) -> BoxFuture<'a, Result<Placement, Error>> {
        let placement = Placement { said: Endpoint::new("0.0.0.0", 6000), controller_host: "ctl".into() };
        self.answer("uri", Ok(placement)).boxed()
    }

    fn scope_exists<'a>(&'a self, _caller: &'a Credentials, scope: &'a Scope) -> BoxFuture<'a, Result<bool, Error>> {
        self.answer("scope", Ok(scope.as_str() == "sc")).boxed()
    }

    fn create_scope<'a>(&'a self, _caller: &'a Credentials, _scope: &'a Scope) -> BoxFuture<'a, Result<(), Error>> {
        self.answer("create scope", Ok(())).boxed()
    }

    fn create_stream<'a>(
        &'a self,
        _caller: &'a Credentials,
        stream: &'a ScopedStream,
        _segments: NonZeroU32,
    ) -> BoxFuture<'a, Result<(), Error>> {
        self.created.lock().push(stream.clone());
        self.answer("create stream", Ok(())).boxed()
    }

    fn stream_exists<'a>(
        &'a self,
        _caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        self.answer("stream", Ok(self.known(stream, ()).is_ok())).boxed()
    }

    fn delegation_token<'a>(
        &'a self,
        caller: &'a Credentials,
        _stream: &'a ScopedStream,
        access: Access,
    ) -> BoxFuture<'a, Result<String, Error>> {
        let sold = self.admit(caller).and_then(|()| match (caller.authorization(), access) {
            _ if !*self.secured.lock() => Ok(String::new()),
            (Some(shown), Access::Write | Access::ReadWrite) if shown == "Bearer reader" => {
                Err(Error::Forbidden { call: "test" })
            }
            // {"iat":1000,"exp":1030}
            _ => Ok("e30.eyJpYXQiOjEwMDAsImV4cCI6MTAzMH0.c2ln".to_owned()),
        });
        self.answer("token", sold).boxed()
    }
}

fn controller() -> (Arc<Fake>, Controller) {
    with(CacheSettings::default())
}

fn with(settings: CacheSettings) -> (Arc<Fake>, Controller) {
    let fake = Arc::new(Fake::default());
    let client: Arc<dyn ControllerClient> = fake.clone();
    (fake, Controller::new(client, settings))
}

fn stream(text: &str) -> ScopedStream {
    text.parse().expect("a stream")
}

fn segment() -> SegmentName {
    "sc/st/0.#epoch.0".parse().expect("a segment")
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_for_a_cold_stream_ask_once() {
    let (fake, controller) = controller();
    let st = stream("sc/st");
    let answers = join_all((0..1000).map(|_| controller.current_segments(&st))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|segments| segments.len() == 1)));
    assert_eq!(fake.calls("current"), 1);
}

#[tokio::test(start_paused = true)]
async fn that_a_stream_is_missing_is_kept_for_one_second_at_most() {
    let (fake, controller) = controller();
    let missing = stream("sc/none");
    for _ in 0..3 {
        let error = controller.current_segments(&missing).await.expect_err("missing");
        assert!(matches!(error, Error::StreamNotFound(name) if name == missing));
    }
    assert_eq!(fake.calls("current"), 1);
    advance(Duration::from_secs(1)).await;
    assert!(controller.current_segments(&missing).await.is_err());
    assert_eq!(fake.calls("current"), 2);
}

#[tokio::test(start_paused = true)]
async fn that_a_stream_is_sealed_is_kept_as_briefly_since_it_may_be_made_anew() {
    let (fake, controller) = controller();
    let st = stream("sc/st");
    *fake.sealed.lock() = true;
    for _ in 0..3 {
        assert!(controller.current_segments(&st).await.expect("it is known").is_empty());
    }
    assert_eq!(fake.calls("current"), 1);
    *fake.sealed.lock() = false;
    advance(Duration::from_secs(1)).await;
    assert_eq!(controller.current_segments(&st).await.expect("it is known").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn missing_stream_is_created_for_an_append_and_only_where_that_is_wanted() {
    let missing = stream("sc/none");
    let (fake, controller) = controller();
    assert!(controller.segments_to_append(&missing).await.is_err());
    assert_eq!(fake.calls("create stream"), 0);

    let (fake, controller) = with(CacheSettings { create_missing: NonZeroU32::new(1), ..CacheSettings::default() });
    assert!(controller.current_segments(&missing).await.is_err(), "who only looks creates nothing");
    let segments = controller.segments_to_append(&missing).await.expect("created");
    assert_eq!(segments.len(), 1);
    controller.segments_to_append(&missing).await.expect("there");
    controller.segments_to_append(&stream("sc/st")).await.expect("there");
    assert_eq!((fake.calls("create scope"), fake.calls("create stream")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_missing_scope_is_told_from_a_missing_stream() {
    let (_, controller) = controller();
    let error = controller.current_segments(&stream("other/none")).await.expect_err("missing");
    assert!(matches!(error, Error::ScopeNotFound(scope) if scope.as_str() == "other"));
    let error = controller.readable_segments(&stream("other/none")).await.expect_err("missing");
    assert!(matches!(error, Error::ScopeNotFound(_)));
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_see_the_scope_it_is_the_stream_that_is_missing() {
    let (fake, controller) = controller();
    fake.fail(&[Error::StreamNotFound(stream("other/none")), Error::Forbidden { call: "checkScopeExists" }]);
    let error = controller.current_segments(&stream("other/none")).await.expect_err("missing");
    assert!(matches!(error, Error::StreamNotFound(_)));
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_stream_is_asked_for_again() {
    let (fake, controller) = controller();
    let st = stream("sc/st");
    for round in 1..=2 {
        for _ in 0..2 {
            controller.current_segments(&st).await.expect("segments");
            controller.readable_segments(&st).await.expect("segments");
        }
        assert_eq!((fake.calls("current"), fake.calls("between")), (round, round));
        controller.forget_stream(&st);
    }
}

#[tokio::test(start_paused = true)]
async fn readable_segments_are_sorted_by_epoch_and_come_once() {
    let (_, controller) = controller();
    let segments = controller.readable_segments(&stream("sc/st")).await.expect("segments");
    assert_eq!(
        segments.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["1.#epoch.0", "2.#epoch.1", "3.#epoch.2"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_asked_for_again_after_twenty_seconds_and_when_it_is_forgotten() {
    let (fake, controller) = controller();
    let ask = || controller.endpoint(&segment()).now_or_never();
    assert_eq!(controller.endpoint(&segment()).await.expect("a place").to_string(), "ctl:6000");
    advance(Duration::from_millis(19_999)).await;
    assert!(ask().is_some_and(|answer| answer.is_ok()));
    assert_eq!(fake.calls("uri"), 1);
    advance(Duration::from_millis(1)).await;
    assert!(ask().is_some_and(|answer| answer.is_ok()), "no one waits for the next answer");
    sleep(Duration::from_millis(20)).await;
    assert_eq!(fake.calls("uri"), 2);
    controller.forget_endpoint(&segment());
    assert!(ask().is_none());
    controller.endpoint(&segment()).await.expect("a place");
    assert_eq!(fake.calls("uri"), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_serves_while_the_controller_is_away_until_a_store_contradicts() {
    let (fake, controller) = controller();
    let st = stream("sc/st");
    let all = async || {
        let current = controller.current_segments(&st).await.map(drop);
        let readable = controller.readable_segments(&st).await.map(drop);
        [current, readable, controller.endpoint(&segment()).await.map(drop)]
    };
    assert!(all().await.iter().all(Result::is_ok));
    fake.set_down(true);
    for _ in 0..3 {
        advance(Duration::from_secs(60)).await;
        assert!(all().await.iter().all(Result::is_ok));
    }
    controller.doubt_endpoint(&segment());
    assert!(all().await.iter().all(Result::is_ok), "nothing better is known");
    controller.forget_endpoint(&segment());
    controller.forget_stream(&st);
    assert!(all().await.iter().all(Result::is_err));
    assert!(controller.readable_segments_with(&st, |_| false).await.is_err(), "an unknown segment may be a new one");
}

#[tokio::test(start_paused = true)]
async fn segments_are_asked_for_again_only_if_the_one_that_is_sought_is_missing() {
    let (fake, controller) = controller();
    let (st, there, new) = (stream("sc/st"), SegmentId::new(0, 0), SegmentId::new(9, 9));
    for _ in 0..3 {
        controller.current_segments_with(&st, there).await.expect("segments");
        controller.readable_segments_with(&st, |segment| segment.number() == 3).await.expect("segments");
    }
    assert_eq!((fake.calls("current"), fake.calls("between")), (1, 1));
    let again = async || {
        controller.current_segments_with(&st, new).await.expect("segments");
        controller.readable_segments_with(&st, |segment| *segment == new).await.expect("segments");
    };
    join_all((0..100).map(|_| again())).await;
    assert_eq!((fake.calls("current"), fake.calls("between")), (2, 2), "all callers share one call");
}

#[tokio::test(start_paused = true)]
async fn a_look_up_outlives_callers_who_cannot_wait_for_it() {
    let (fake, controller) = controller();
    let st = stream("sc/st");
    for _ in 0..2 {
        assert!(timeout(Duration::from_millis(4), controller.current_segments(&st)).await.is_err());
    }
    assert!(timeout(Duration::from_millis(4), controller.current_segments(&st)).await.is_ok());
    assert_eq!(fake.calls("current"), 1);
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_rewritten_as_the_controller_said_them() {
    let rewrite = vec!["0.0.0.0:6000=forward:*".parse().expect("a rule")];
    let (_, controller) = with(CacheSettings { rewrite, ..CacheSettings::default() });
    assert_eq!(controller.endpoint(&segment()).await.expect("a place").to_string(), "forward:6000");
}

#[tokio::test(start_paused = true)]
async fn transient_errors_are_retried_and_final_ones_are_not() {
    let (fake, controller) = controller();
    fake.fail(&[Code::Aborted, Code::Internal, Code::Unknown, Code::Unavailable].map(rejected));
    assert!(controller.grant(&stream("sc/st"), Access::Write).await.expect("an answer").is_open());
    assert_eq!(fake.calls("token"), 5);
    fake.fail(&[rejected(Code::InvalidArgument)]);
    assert!(controller.successors(&segment()).await.is_err());
    assert_eq!(fake.calls("following"), 1);
}

#[tokio::test(start_paused = true)]
async fn errors_are_not_remembered() {
    let (fake, controller) = controller();
    fake.fail(&[Error::Forbidden { call: "getCurrentSegments" }]);
    assert!(controller.current_segments(&stream("sc/st")).await.is_err());
    assert!(controller.current_segments(&stream("sc/st")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_was_never_there_fails_at_once() {
    let (fake, controller) = controller();
    fake.set_down(true);
    let before = Instant::now();
    let error = controller.current_segments(&stream("sc/st")).await.expect_err("down");
    assert!(matches!(error, Error::Unavailable { refused: true, .. }));
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_was_there_lately_is_waited_for() {
    let (fake, controller) = controller();
    controller.probe().await.expect("up");
    fake.set_down(true);
    advance(Duration::from_secs(5)).await;
    let comes_back = async {
        sleep(Duration::from_secs(10)).await;
        fake.set_down(false);
    };
    let st = stream("sc/st");
    let (answer, ()) = tokio::join!(controller.current_segments(&st), comes_back);
    assert!(answer.is_ok());
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_thirty_seconds_after_the_last_answer() {
    let (fake, controller) = controller();
    controller.probe().await.expect("up");
    let before = Instant::now();
    fake.set_down(true);
    assert!(controller.current_segments(&stream("sc/st")).await.is_err());
    let waited = before.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(32)).contains(&waited), "{waited:?}");
    assert!(!controller.health().is_healthy());
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_ends_the_waiting() {
    let (fake, controller) = controller();
    controller.probe().await.expect("up");
    fake.set_down(true);
    let st = stream("sc/st");
    assert!(timeout(Duration::from_secs(3), controller.current_segments(&st)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_wants_credentials_is_an_answer() {
    let (fake, controller) = controller();
    assert_eq!(controller.health().last_answer, None);
    fake.fail(&[Error::Unauthenticated { call: "checkScopeExists" }]);
    controller.probe().await.expect("it answered");
    assert!(controller.health().is_healthy());
    fake.set_down(true);
    assert!(controller.probe().await.is_err());
}

fn caller(name: &'static str) -> Credentials {
    Credentials::of(&HeaderValue::from_static(name))
}

/// A controller that demands credentials.
fn secured() -> (Arc<Fake>, Controller) {
    let (fake, controller) = controller();
    *fake.secured.lock() = true;
    (fake, controller)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_bought_where_authentication_is_off() {
    let (fake, controller) = controller();
    for name in ["Bearer admin", "Bearer wrong"] {
        let controller = controller.of_caller(caller(name));
        for stream in ["sc/st", "sc/other"].map(stream) {
            assert!(controller.grant(&stream, Access::ReadWrite).await.expect("for everyone").is_open());
        }
    }
    assert_eq!(fake.calls("token"), 1, "one caller who showed nothing was sold the empty token");
}

#[tokio::test(start_paused = true)]
async fn each_caller_buys_a_token_of_each_level_until_shortly_before_its_end() {
    let (fake, controller) = secured();
    let st = stream("sc/st");
    let buy = async |name, access| controller.of_caller(caller(name)).grant(&st, access).await;
    for _ in 0..3 {
        assert!(!buy("Bearer admin", Access::ReadWrite).await.expect("allowed").is_open());
        assert!(buy("Bearer reader", Access::Read).await.is_ok());
        assert!(matches!(buy("Bearer reader", Access::ReadWrite).await, Err(Error::Forbidden { .. })));
        assert!(matches!(buy("Bearer wrong", Access::Read).await, Err(Error::Unauthenticated { .. })));
        let nothing = controller.grant(&st, Access::Read).await;
        assert!(matches!(nothing, Err(Error::Unauthenticated { .. })));
    }
    assert_eq!(fake.calls("token"), 6, "one to see whether it is open, and one each");
    let grant = buy("Bearer admin", Access::ReadWrite).await.expect("allowed");
    sleep(Duration::from_secs(21)).await;
    assert!(grant.token().await.expect("another one").is_good());
    assert_eq!(fake.calls("token"), 7, "the token's last third has begun");
    grant.doubt_token();
    assert!(grant.token().await.is_ok());
    assert_eq!(fake.calls("token"), 8, "the store did not take it");
}

#[tokio::test(start_paused = true)]
async fn token_that_has_ended_is_not_shown_though_no_other_can_be_bought() {
    let (fake, controller) = secured();
    let admin = controller.of_caller(caller("Bearer admin"));
    let grant = admin.grant(&stream("sc/st"), Access::Read).await.expect("allowed");
    *fake.down.lock() = true;
    sleep(Duration::from_secs(31)).await;
    assert!(matches!(grant.token().await, Err(Error::Unavailable { .. })));
    assert!(admin.grant(&stream("sc/st"), Access::Read).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn refusal_of_one_caller_is_no_other_s() {
    let (fake, controller) = secured();
    let st = stream("sc/st");
    let callers = ["Bearer wrong", "Bearer admin", "Bearer wrong", "Bearer reader"]
        .map(|name| controller.of_caller(caller(name)));
    let answers = join_all(callers.iter().map(|controller| controller.current_segments(&st))).await;
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false, true]);
    assert_eq!(fake.calls("current"), 2, "one that was refused, one for all who were not");
    let refused = controller.current_segments_now(&st).await;
    assert!(matches!(refused, Err(Error::Unauthenticated { .. })));
    assert!(controller.current_segments(&st).await.is_ok(), "what is known stays known");
}
