use std::sync::atomic::{AtomicU64, Ordering};

use super::claims::Breach;
use super::schedule::{Course, run};
use crate::telemetry::metrics::Metrics;

/// How many schedules are run unless SIMULATION_SCHEDULES says otherwise.
const SCHEDULES: u64 = 10_000;

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// A schedule that broke a claim.
type Failure = (u64, Vec<Breach>);

/// Shares the seeds out to threads and gives those whose schedules break a claim, in order.
fn failures(seeds: std::ops::Range<u64>) -> Vec<Failure> {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let metrics = Metrics::new();
        let mine = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        let ran = mine.take_while(|seed| *seed < seeds.end).map(|seed| (seed, run(seed, false, &metrics).breaches));
        ran.filter(|(_, breaches)| !breaches.is_empty()).collect::<Vec<_>>()
    };
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut failures: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no schedule panics")).collect()
    });
    failures.sort_by_key(|(seed, _)| *seed);
    failures
}

/// Prints what happens in a schedule, and what is wrong with it.
fn retell(seed: u64) -> Course {
    let course = run(seed, true, &Metrics::new());
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
    let failures = failures(first..first + count);
    if let Some((seed, _)) = failures.first() {
        retell(*seed);
        let some: Vec<_> = failures.iter().take(20).collect();
        panic!("{} of {count} schedules break claims, among them {some:#?}", failures.len());
    }
}

#[test]
fn one_seed_makes_the_same_schedule_again() {
    for seed in 0..50 {
        let courses = [0; 2].map(|_| run(seed, true, &Metrics::new()));
        let lines = courses[0].trace.iter().zip(&courses[1].trace);
        assert_eq!(lines.clone().find(|(one, other)| one != other), None, "seed {seed}");
        assert_eq!(courses[0], courses[1], "seed {seed}");
        assert!(courses[0].trace.len() > 10);
    }
}
