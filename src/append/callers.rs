//! Those for whom the appending side asks: the callers whose events wait.

use std::collections::VecDeque;

use super::event::PendingEvent;
use crate::controller::{self, Controller, Grant};

/// Callers whose credentials are tried for one call, if those before them are refused.
const MOST_TRIED: usize = 16;

/// Different callers, those whose tokens last longest first. Holds their credentials while it lives.
#[derive(Debug, Clone, Default)]
pub(super) struct Callers(Vec<Grant>);

impl Callers {
    /// A single one.
    pub(super) fn one(grant: &Grant) -> Self {
        Self(if grant.is_open() { Vec::new() } else { vec![grant.clone()] })
    }

    /// The callers of these events, except those that were refused before.
    pub(super) fn of<'a>(events: impl IntoIterator<Item = &'a PendingEvent>, refused: &Self) -> Self {
        let mut callers = Self::default();
        for event in events {
            let caller = &event.event.caller;
            if !caller.is_open() && !refused.include(caller) && !callers.include(caller) {
                callers.0.push(caller.clone());
                if callers.0.len() == MOST_TRIED {
                    break;
                }
            }
        }
        // A token without an end lasts longest.
        callers.0.sort_by_key(|caller| {
            let ends = caller.last_token().and_then(|token| token.life()).map(|life| life.ends);
            (ends.is_some(), std::cmp::Reverse(ends))
        });
        callers
    }

    /// Makes sure that all of them still have the right that they showed, and renews their tokens.
    ///
    /// # Errors
    /// Of the first who has not.
    pub(super) async fn keep_rights(&self) -> Result<(), controller::Error> {
        for grant in &self.0 {
            grant.token().await?;
        }
        Ok(())
    }

    /// Whether this caller is one of them.
    pub(super) fn include(&self, caller: &Grant) -> bool {
        let credentials = caller.credentials();
        self.0.iter().any(|other| other.credentials() == credentials)
    }

    pub(super) fn add_all(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the events of these callers out.
    pub(super) fn take_events(&self, events: &mut VecDeque<PendingEvent>) -> VecDeque<PendingEvent> {
        let (theirs, others) = events.drain(..).partition(|event| self.include(&event.event.caller));
        *events = others;
        theirs
    }

    /// Each of them, or where none shows anything, one who does not.
    pub(super) fn grants(&self) -> Vec<Grant> {
        if self.0.is_empty() { vec![Grant::open()] } else { self.0.clone() }
    }

    /// Asks the controller with the credentials of one after the other, until one of them is not refused.
    ///
    /// # Errors
    /// What the controller says, to the last of them if all are refused.
    pub(super) async fn ask<T, F>(
        &self,
        controller: &Controller,
        ask: impl Fn(Controller) -> F,
    ) -> Result<T, controller::Error>
    where
        F: Future<Output = Result<T, controller::Error>>,
    {
        let mut refusal = None;
        for grant in self.grants() {
            match ask(controller.of_caller(grant.credentials())).await {
                Err(error) if error.is_refusal() => refusal = Some(error),
                answer => return answer,
            }
        }
        Err(refusal.expect("there is at least one"))
    }
}
