//! Many schedules with all rules, and schedules without each one.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::claims::{Breach, Claim};
use super::rules::Rule;
use super::schedule::{ScheduleRun, run};
use crate::telemetry::metrics::Metrics;

/// Number of schedules, unless SIMULATION_SCHEDULES says otherwise.
const SCHEDULES: u64 = 10_000;

/// Number of failures after which no more schedules are begun.
const MOST_FAILURES: usize = 20;

/// Schedules among which one must fail when a rule is left out.
const SCHEDULES_WITHOUT_A_RULE: u64 = 10_000;

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// A schedule that broke a claim.
type Failure = (u64, Vec<Breach>);

/// Distributes seeds over threads, and returns those whose schedules break a claim, in order. Begins no more schedules
/// after `most` failures.
fn failures(seeds: Range<u64>, without: Option<Rule>, breaking: Option<Claim>, most: usize) -> Vec<Failure> {
    let (next, found) = (AtomicU64::new(seeds.start), AtomicUsize::new(0));
    let work = || {
        let metrics = Metrics::default();
        let mine = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        let wanted = |seed: &u64| *seed < seeds.end && found.load(Ordering::Relaxed) < most;
        let ran = mine.take_while(wanted).map(|seed| (seed, run(seed, without, false, &metrics).breaches));
        let is_sought = |(claim, _): &Breach| breaking.is_none_or(|breaking| breaking == *claim);
        let broken = ran.filter(|(_, breaches)| breaches.iter().any(is_sought));
        broken.inspect(|_| _ = found.fetch_add(1, Ordering::Relaxed)).collect::<Vec<_>>()
    };
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut failures: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no schedule panics")).collect()
    });
    failures.sort_by_key(|(seed, _)| *seed);
    failures
}

/// Prints what happens in a schedule, and which claims it breaks.
fn retell(seed: u64) -> ScheduleRun {
    let course = run(seed, None, true, &Metrics::default());
    println!("{}\nseed {seed}: {:#?}", course.trace.join("\n"), course.breaches);
    println!("again: SIMULATION_SEED={seed} cargo test --lib append::simulation::tests::schedules -- --nocapture");
    course
}

#[test]
fn schedules_lose_and_double_nothing_keep_order_and_answer_all() {
    if let Some(seed) = number_from("SIMULATION_SEED") {
        assert!(retell(seed).breaches.is_empty());
        return;
    }
    let first = number_from("SIMULATION_FIRST").unwrap_or(0);
    let count = number_from("SIMULATION_SCHEDULES").unwrap_or(SCHEDULES);
    let failures = failures(first..first + count, None, None, MOST_FAILURES);
    if let Some((seed, _)) = failures.first() {
        retell(*seed);
        panic!("{} schedules break claims: {failures:#?}", failures.len());
    }
}

#[test]
fn one_seed_makes_the_same_schedule_again() {
    for seed in 0..50 {
        let courses = [0; 2].map(|_| run(seed, None, true, &Metrics::default()));
        let lines = courses[0].trace.iter().zip(&courses[1].trace);
        assert_eq!(lines.clone().find(|(one, other)| one != other), None, "seed {seed}");
        assert_eq!(courses[0], courses[1], "seed {seed}");
        assert!(courses[0].trace.len() > 10);
    }
}

/// A claim that breaks without the rule.
fn claim_that_needs(rule: Rule) -> Claim {
    match rule {
        Rule::NumbersAreUsedOnce | Rule::ReusedIdGoesOn => Claim::NothingLost,
        Rule::StoredIsNotSentAgain
        | Rule::BlocksStayAsTheyAre
        | Rule::FinalNumberComesFirst
        | Rule::SealedBeforeFinal
        | Rule::FinalOnOneConnection => Claim::NothingDoubled,
        Rule::QueueClosesInTurn
        | Rule::OneHandsOverAtATime
        | Rule::SentGoesFirst
        | Rule::RoutingComesLast
        | Rule::SuccessorTakesOnePart
        | Rule::OnePartIsGivenUp
        | Rule::OnlyGapsAreFilled => Claim::OrderKept,
        Rule::UnstoredIsSentAgain
        | Rule::SetupWaitIsBounded
        | Rule::AckWaitIsBounded
        | Rule::EndpointIsAskedAgain
        | Rule::SuccessorsAreAskedAgain
        | Rule::SealedIsGivenUp => Claim::AllAnswered,
        Rule::FirstBlockGoesAlone => Claim::Protocol,
        Rule::SentIsMarked | Rule::WithdrawnIsNotSent => Claim::TruthTold,
        Rule::SetupIsAwaited | Rule::ConflictMeansNewSetup | Rule::CurrentIsTriedAgain | Rule::NamedStaysThere => {
            Claim::NoFalseAlarm
        }
    }
}

#[test]
fn leaving_out_any_one_rule_breaks_a_claim() {
    let spared: Vec<_> = Rule::ALL
        .iter()
        .copied()
        .filter(|rule| {
            let claim = claim_that_needs(*rule);
            let found = failures(0..SCHEDULES_WITHOUT_A_RULE, Some(*rule), Some(claim), 1);
            println!("without {rule:?}, {claim:?} breaks: {:?}", found.first().map(|(seed, _)| seed));
            found.is_empty()
        })
        .collect();
    assert!(spared.is_empty(), "no schedule needs {spared:?}");
}

#[test]
fn every_rule_is_listed_with_the_code_that_keeps_it() {
    let listed =
        include_str!("../recovery.rs").lines().filter_map(|line| line.strip_prefix("//! - `")?.split('`').next());
    let names: Vec<_> = Rule::ALL.iter().map(|rule| format!("{rule:?}")).collect();
    assert_eq!(listed.collect::<Vec<_>>(), names);
}
