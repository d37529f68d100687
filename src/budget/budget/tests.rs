//! What requests get, wait for and are refused.

use super::*;

const WAIT: Duration = Duration::from_secs(1);
const WHOLE: Part = Part::WholeBodies;
const MIB: usize = 1024 * 1024;

/// Too small to be divided.
fn budget(kib: u64) -> Budget {
    Budget::new(Size::kib(kib), WAIT)
}

#[tokio::test]
async fn bytes_come_back_when_the_permit_is_dropped() {
    let budget = budget(4);
    let permit = budget.reserve(WHOLE, 1025).await.expect("there is room");
    assert_eq!((permit.bytes(), budget.available()), (1025, 3071));
    drop(permit);
    assert_eq!(budget.available(), budget.total());
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_budget_is_overloaded_after_the_wait() {
    let budget = budget(1);
    let _held = budget.reserve(WHOLE, 1024).await.expect("there is room");
    let before = tokio::time::Instant::now();
    let refused = budget.reserve(WHOLE, 1).await.expect_err("nothing is left");
    assert!(matches!(refused, Overloaded::Exhausted { .. }));
    assert_eq!(before.elapsed(), WAIT);
}

#[tokio::test(start_paused = true)]
async fn a_request_larger_than_the_whole_budget_does_not_wait() {
    let before = tokio::time::Instant::now();
    let refused = budget(1).reserve(WHOLE, 1025).await.expect_err("it can never fit");
    assert_eq!(refused, Overloaded::TooLarge { bytes: 1025, most: 1024 });
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn two_growing_permits_do_not_wait_for_each_other_for_ever() {
    let budget = budget(4);
    let mut first = budget.reserve(WHOLE, 2048).await.expect("there is room");
    let mut second = budget.reserve(WHOLE, 2048).await.expect("there is room");
    let (one, other) = tokio::join!(first.grow_to(3072), second.grow_to(3072));
    assert!(one.is_err() && other.is_err());
    assert_eq!((first.bytes(), second.bytes()), (2048, 2048));
}

#[tokio::test]
async fn splitting_merging_and_shrinking_keep_the_sum() {
    let budget = budget(8);
    let mut whole = budget.reserve(WHOLE, 4096).await.expect("there is room");
    let part = whole.split(1024).expect("it holds that much");
    assert_eq!((whole.bytes(), part.bytes(), budget.available()), (3072, 1024, 4096));
    assert!(whole.split(4096).is_none());
    assert_eq!(whole.bytes(), 3072);
    whole.merge(part);
    assert_eq!((whole.bytes(), budget.available()), (4096, 4096));
    whole.shrink_to(5000);
    whole.shrink_to(96);
    assert_eq!((whole.bytes(), budget.available()), (96, 8096));
}

#[tokio::test]
async fn a_whole_is_held_until_its_last_part_is_gone() {
    let budget = budget(4);
    let whole = Arc::new(budget.reserve(WHOLE, 1000).await.expect("there is room"));
    let mut parts = [Permit::part_of(&whole), Permit::part_of(&whole)];
    drop(whole);
    parts[0].merge(budget.try_reserve_for_stream(24).expect("there is room"));
    assert_eq!(budget.available(), budget.total() - 1024);
    let [first, last] = parts;
    drop(first);
    assert_eq!(budget.available(), budget.total() - 1000);
    drop(last);
    assert_eq!(budget.available(), budget.total());
    assert!(budget.try_reserve_for_stream(budget.total() + 1).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_waits_as_long_as_others_give_back() {
    let budget = budget(2);
    let first = budget.reserve(WHOLE, 1024).await.expect("there is room");
    let second = budget.reserve(WHOLE, 1024).await.expect("there is room");
    let giving_back = async {
        tokio::time::sleep(WAIT * 9 / 10).await;
        drop(first);
        tokio::time::sleep(WAIT * 9 / 10).await;
        drop(second);
    };
    let (taken, ()) = tokio::join!(budget.reserve_while_progress(2048), giving_back);
    let _held = taken.expect("others gave back in time");
    let refused = budget.reserve_while_progress(1).await.expect_err("nothing is given back");
    assert!(matches!(refused, Overloaded::Exhausted { .. }));
}

#[tokio::test(start_paused = true)]
async fn no_part_can_take_what_is_kept_for_another() {
    for greedy in Part::ALL {
        let budget = Budget::new(Size::mib(64), WAIT);
        let all = budget.reserve(greedy, 48 * MIB).await.expect("its own bytes and the common ones");
        assert!(budget.reserve(greedy, 1).await.is_err(), "the rest is kept for others");
        for other in Part::ALL.into_iter().filter(|other| *other != greedy) {
            let own = budget.reserve(other, 8 * MIB).await.expect("bytes of its own");
            assert!(budget.reserve(other, 1).await.is_err(), "nothing is left of the common ones");
            drop(own);
        }
        drop(all);
        assert_eq!(budget.available(), budget.total());
    }
}

#[tokio::test(start_paused = true)]
async fn small_budget_is_not_divided() {
    let budget = Budget::new(Size::mib(9), WAIT);
    let _all = budget.reserve_while_progress(9 * MIB).await.expect("the largest event fits, and its end");
}

#[tokio::test]
async fn a_cancelled_wait_takes_nothing() {
    let budget = budget(1);
    let held = budget.reserve(WHOLE, 1024).await.expect("there is room");
    let mut waiting = Box::pin(budget.reserve(WHOLE, 1));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    drop(waiting);
    drop(held);
    assert_eq!(budget.available(), budget.total());
}

#[tokio::test]
async fn bytes_that_were_granted_to_a_request_that_is_gone_come_back() {
    let budget = budget(1);
    let held = budget.reserve(WHOLE, 1024).await.expect("there is room");
    let mut waiting = Box::pin(budget.reserve(WHOLE, 1));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    drop(held);
    drop(waiting);
    assert_eq!(budget.available(), budget.total());
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_much_keeps_nothing_from_what_needs_little() {
    let budget = Budget::new(Size::mib(1), WAIT);
    let mut held = budget.reserve(WHOLE, MIB).await.expect("there is room");
    let mut large = Box::pin(budget.reserve(WHOLE, MIB));
    assert!(futures::poll!(large.as_mut()).is_pending());
    held.shrink_to(MIB - 1000);
    let small = budget.reserve(WHOLE, 1000).await.expect("it fits, and passes");
    let mut next = Box::pin(budget.reserve(WHOLE, 100));
    assert!(futures::poll!(next.as_mut()).is_pending());
    drop(small);
    drop(next.await.expect("one that waits passes, too"));
    drop(held);
    drop(large.await.expect("its turn has come"));
}

#[tokio::test(start_paused = true)]
async fn large_requests_are_served_in_the_order_of_their_arrival() {
    let budget = Budget::new(Size::mib(2), WAIT);
    let held = budget.reserve(WHOLE, 2 * MIB).await.expect("there is room");
    let mut first = Box::pin(budget.reserve(WHOLE, 2 * MIB));
    let mut second = Box::pin(budget.reserve(WHOLE, MIB));
    assert!(futures::poll!(first.as_mut()).is_pending() && futures::poll!(second.as_mut()).is_pending());
    let mut held = held;
    held.shrink_to(MIB);
    assert!(futures::poll!(second.as_mut()).is_pending(), "it fits, and the first would wait on and on");
    drop(held);
    drop(first.await.expect("its turn has come"));
    drop(second.await.expect("and then this one's"));
}

/// An undivided budget of 4 KiB, of which a caller may hold a quarter.
fn shared_budget() -> Budget {
    let limits = config::Limits {
        bytes_in_flight: Size::kib(4),
        caller_share: Percent::new(25).expect("it is one"),
        budget_wait: WAIT,
        ..config::Limits::default()
    };
    Budget::from_settings(&limits, Metrics::default())
}

#[tokio::test(start_paused = true)]
async fn caller_over_its_share_is_refused_and_others_are_served() {
    let budget = shared_budget();
    let held = budget.of_caller("ada").reserve(WHOLE, 1024).await.expect("all of its share");
    let bob = budget.of_caller("bob").reserve(WHOLE, 1024).await.expect("has a share of its own");
    let refused = budget.of_caller("ada").reserve(WHOLE, 1).await.expect_err("a byte more");
    assert_eq!(refused, Overloaded::OverShare { share: 1024 });
    assert_eq!(budget.available(), 2048);
    drop((held, bob));
    assert_eq!(budget.available(), budget.total());
    drop(budget.of_caller("ada").reserve(WHOLE, 1024).await.expect("its share is whole again"));
}

#[tokio::test(start_paused = true)]
async fn caller_over_its_share_without_neighbours_finds_the_gateway_overloaded() {
    let budget = shared_budget();
    let _held = budget.of_caller("ada").reserve(WHOLE, 1024).await.expect("all of its share");
    let refused = budget.of_caller("ada").reserve(WHOLE, 1).await.expect_err("a byte more");
    assert_eq!(refused, Overloaded::Exhausted { total: 4096 });
}

#[tokio::test(start_paused = true)]
async fn request_that_is_alone_may_exceed_its_callers_share() {
    let ada = shared_budget().of_caller("ada");
    let mut alone = ada.reserve(WHOLE, 2048).await.expect("no other request of the caller holds anything");
    alone.grow_to(4096).await.expect("nor does one now");
}

#[tokio::test(start_paused = true)]
async fn caller_who_holds_its_share_keeps_no_one_else_waiting() {
    let budget = shared_budget();
    let (ada, bob) = (budget.of_caller("ada"), budget.of_caller("bob"));
    let held = budget.of_caller("ada").reserve(WHOLE, 3000).await.expect("it is alone");
    let mut over = Box::pin(ada.reserve(WHOLE, 1000));
    assert!(futures::poll!(over.as_mut()).is_pending());
    drop(bob.reserve(WHOLE, 1000).await.expect("there is room for others"));
    drop(held);
    drop(over.await.expect("its share is free again"));
}

#[tokio::test(start_paused = true)]
async fn streamed_body_waits_for_its_callers_own_share() {
    let budget = shared_budget();
    let (ada, other) = (budget.of_caller("ada"), budget.of_caller("ada"));
    let held = other.reserve_while_progress(1024).await.expect("there is room");
    let giving_back = async {
        tokio::time::sleep(WAIT / 2).await;
        drop(held);
    };
    let (taken, ()) = tokio::join!(ada.reserve_while_progress(1024), giving_back);
    let mut held = taken.expect("it was given back in time");
    let part = held.split(24).expect("it holds that much");
    drop(held);
    assert_eq!(part.bytes(), 24);
    drop(other.reserve(Part::StreamedBodies, 1000).await.expect("what was split off is still held"));
    assert!(other.reserve_while_progress(1001).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn waits_and_refusals_are_counted() {
    let budget = shared_budget();
    let (ada, _bob) = (budget.of_caller("ada"), budget.of_caller("bob"));
    let held = budget.of_caller("ada").reserve(WHOLE, 1024).await.expect("there is room");
    assert!(ada.reserve(WHOLE, 1).await.is_err());
    assert!(budget.reserve(WHOLE, 4000).await.is_err() && ada.reserve(WHOLE, 5000).await.is_err());
    drop(held);
    let text = budget.shared.metrics.encode();
    for line in [
        "budget_waits_total 2",
        "budget_refusals_total{reason=\"over_share\"} 1",
        "budget_refusals_total{reason=\"exhausted\"} 1",
        "budget_refusals_total{reason=\"too_large\"} 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
