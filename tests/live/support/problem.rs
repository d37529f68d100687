//! Problem documents, and what each of them must contain.

use reqwest::RequestBuilder;
use serde_json::Value;

use super::Answer;

/// The deadline of requests that must be refused at once. A gateway that waits for anything answers
/// `deadline_exceeded` instead of the expected code.
const AT_ONCE: &str = "5s";

/// A response with a problem document.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) answer: Answer,
    members: Value,
}

impl Problem {
    /// The problem in a response, which must have this status and code, and all members and headers of a problem.
    #[track_caller]
    pub(crate) fn of(answer: Answer, status: u16, code: &str) -> Self {
        let answer = answer.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(!answer.header("x-request-id").is_empty());
        let members = answer.json();
        assert_eq!((&members["code"], &members["status"]), (&code.into(), &status.into()), "{members}");
        assert_eq!(members["type"], "about:blank");
        assert_eq!(Some(members["title"].as_str().expect("a title")), answer.status.canonical_reason());
        assert!(!members["detail"].as_str().expect("a detail").is_empty());
        assert!(members["retryable"].is_boolean(), "{members}");
        let waits = matches!(status, 429 | 503);
        assert_eq!(answer.headers.contains_key("retry-after"), waits, "{answer:?}");
        assert!(["none", "possible"].iter().any(|word| members["sideEffects"] == *word), "{members}");
        Self { answer, members }
    }

    /// A member that must be there.
    #[track_caller]
    pub(crate) fn member(&self, name: &str) -> &Value {
        self.members.get(name).unwrap_or_else(|| panic!("{name} is missing from {}", self.members))
    }

    /// Fails unless the detail contains this.
    #[track_caller]
    pub(crate) fn says(&self, part: &str) -> &Self {
        let detail = self.member("detail").as_str().expect("a text");
        assert!(detail.contains(part), "{part:?} is missing from {detail:?}");
        self
    }

    /// Fails unless the problem says that the request may have been carried out.
    #[track_caller]
    pub(crate) fn may_have_happened(&self) -> &Self {
        assert_eq!(*self.member("sideEffects"), "possible", "{}", self.members);
        self
    }

    /// Fails unless the problem says that the request changed nothing.
    #[track_caller]
    pub(crate) fn changed_nothing(&self) -> &Self {
        assert_eq!(*self.member("sideEffects"), "none", "{}", self.members);
        self
    }
}

/// Sends a request that must be refused at once, and for good.
pub(crate) async fn refused(request: RequestBuilder, status: u16, code: &str) -> Problem {
    let answer = Answer::of(request.header("Request-Timeout", AT_ONCE)).await;
    let problem = Problem::of(answer, status, code);
    problem.changed_nothing();
    problem
}
