//! One request of the matrix, and how it must be answered to whom.

use std::fmt;

use reqwest::RequestBuilder;

use super::callers::{Caller, Needs, Verdict};
use super::ground::{Found, Ground, Target};
use crate::support::{Answer, Gateway};

/// How a request is answered to those who may make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    With(u16),
    /// As the store does, which may refuse it, too: a token is for one stream.
    ByTheStore,
}

/// Who speaks where a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refuser {
    /// With a problem document.
    Gateway,
    /// With whatever it answers.
    Controller,
}

type MakeRequest = Box<dyn Fn(&Gateway, &Target) -> RequestBuilder>;

/// A line of the matrix.
pub(super) struct Case {
    pub(super) name: String,
    needs: Needs,
    /// Who lacks these may be refused on the way, before the request's own needs matter.
    may_need: Needs,
    found: Found,
    answered: Answered,
    refuser: Refuser,
    make_request: MakeRequest,
}

impl Case {
    pub(super) fn new(
        name: impl Into<String>,
        needs: Needs,
        found: Found,
        status: u16,
        make_request: impl Fn(&Gateway, &Target) -> RequestBuilder + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            needs,
            may_need: &[],
            found,
            answered: Answered::With(status),
            refuser: Refuser::Gateway,
            make_request: Box::new(make_request),
        }
    }

    /// Whatever the answer, it is no refusal of the gateway's.
    pub(super) fn answered_by_the_store(self) -> Self {
        Self { answered: Answered::ByTheStore, ..self }
    }

    pub(super) fn may_need(self, may_need: Needs) -> Self {
        Self { may_need, ..self }
    }

    pub(super) fn refused_by_controller(self) -> Self {
        Self { refuser: Refuser::Controller, ..self }
    }

    /// Makes the request as every caller; returns what was not as it should be.
    pub(super) async fn mistakes(&self, gateway: &Gateway, ground: &Ground, guarded: bool) -> Vec<String> {
        let (welcome, refused): (Vec<Caller>, Vec<Caller>) =
            Caller::ALL.iter().partition(|caller| !guarded || caller.verdict(self.needs) == Verdict::Welcome);
        let mut mistakes = self.mistakes_of_refused(gateway, ground, &refused).await;
        for caller in welcome {
            let target = ground.make(self.found).await;
            let answer = self.ask(gateway, caller, &target).await;
            let excused = guarded && self.is_refusal(caller, self.may_need, &answer);
            if !excused && !self.is_answered(&answer) {
                mistakes.push(self.mistake(caller, format_args!("{:?}", self.answered), &answer));
            }
        }
        mistakes
    }

    /// They share a target, since none of them changes anything; each also tries with a token that permits everything.
    async fn mistakes_of_refused(&self, gateway: &Gateway, ground: &Ground, refused: &[Caller]) -> Vec<String> {
        let target = ground.make(self.found).await;
        let forged = target.with(ground.token());
        let before = ground.state(&target).await;
        let mut mistakes = Vec::new();
        for caller in refused.iter().copied() {
            for target in [&target, &forged] {
                let answer = self.ask(gateway, caller, target).await;
                if !self.is_refusal(caller, self.needs, &answer) {
                    mistakes.push(self.mistake(caller, format_args!("{:?}", caller.verdict(self.needs)), &answer));
                }
            }
        }
        if ground.state(&target).await != before {
            mistakes.push(format!("{}: someone without the right changed something", self.name));
        }
        mistakes
    }

    async fn ask(&self, gateway: &Gateway, caller: Caller, target: &Target) -> Answer {
        Answer::of(caller.sends((self.make_request)(gateway, target))).await
    }

    fn is_answered(&self, answer: &Answer) -> bool {
        match self.answered {
            Answered::With(expected) => answer.status == expected,
            Answered::ByTheStore => {
                !is_problem(answer, 401, "unauthenticated") && !is_problem(answer, 403, "forbidden")
            }
        }
    }

    /// Whether this is how a caller without these rights is refused.
    fn is_refusal(&self, caller: Caller, needs: Needs, answer: &Answer) -> bool {
        match (caller.verdict(needs), self.refuser) {
            (Verdict::Welcome, _) => false,
            (Verdict::Unauthenticated, Refuser::Gateway) => {
                is_problem(answer, 401, "unauthenticated") && is_challenge(answer)
            }
            (Verdict::Forbidden, Refuser::Gateway) => is_problem(answer, 403, "forbidden"),
            // The real one takes what it cannot read for a fault of its own.
            (_, Refuser::Controller) if caller == Caller::Malformed && answer.status == 500 => true,
            (Verdict::Unauthenticated, Refuser::Controller) => answer.status == 401 && is_challenge(answer),
            (Verdict::Forbidden, Refuser::Controller) => answer.status == 403,
        }
    }

    fn mistake(&self, caller: Caller, expected: fmt::Arguments<'_>, answer: &Answer) -> String {
        let challenge = answer.headers.get("www-authenticate");
        let start: String = answer.text().chars().take(300).collect();
        format!("{} as {caller:?}: expected {expected}, got {} {challenge:?} {start}", self.name, answer.status)
    }
}

/// Whether it is the gateway's own refusal, before anything was sent on.
fn is_problem(answer: &Answer, status: u16, code: &str) -> bool {
    let Ok(problem) = serde_json::from_slice::<serde_json::Value>(&answer.body) else { return false };
    answer.status == status
        && answer.headers.get("content-type").is_some_and(|form| form == "application/problem+json")
        && problem["code"] == code
        && problem["sideEffects"] == "none"
}

/// Whether it says how to present credentials.
fn is_challenge(answer: &Answer) -> bool {
    let mut challenges = answer.headers.get_all("www-authenticate").iter();
    challenges.any(|challenge| challenge.as_bytes().starts_with(b"Basic"))
}
