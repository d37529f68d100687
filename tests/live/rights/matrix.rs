//! All cases as all callers, before each kind of Pravega.

use super::case::Case;
use super::ground::Ground;
use super::{control, events, messages, sequences};
use crate::support::secured::SecuredPravega;
use crate::support::secured::users::assert_discreet;

/// Tries all of these cases; fails with everything that was not as it should be.
async fn try_all(pravega: &SecuredPravega, guarded: bool, cases: Vec<Case>) {
    let gateway = pravega.gateway(&["--set", events::WEBHOOK]).await;
    let ground = Ground::of(pravega).await;
    let mut mistakes = Vec::new();
    for case in &cases {
        mistakes.extend(case.mistakes(&gateway, &ground, guarded).await);
    }
    assert_discreet("the gateway's metrics", &gateway.metrics().await);
    let (tried, wrong) = (cases.len(), mistakes.len());
    assert!(mistakes.is_empty(), "{wrong} mistakes in {tried} cases:\n{}", mistakes.join("\n"));
}

fn wire_cases() -> Vec<Case> {
    messages::cases().into_iter().chain(sequences::cases()).collect()
}

#[tokio::test]
async fn no_one_is_asked_for_anything_where_pravega_asks_no_one() {
    let all = [events::cases(), wire_cases(), control::cases()];
    try_all(&SecuredPravega::unguarded().await, false, all.into_iter().flatten().collect()).await;
}

#[cfg(feature = "embedded")]
mod embedded {
    use pravega_protocol::controller::stream_info::AccessOperation;

    use super::super::ground::Found;
    use super::*;
    use crate::support::Answer;
    use crate::support::secured::Protection;
    use crate::support::secured::users::{ADMIN, READER};

    async fn try_embedded(cases: Vec<Case>) {
        let pravega = SecuredPravega::embedded(Protection::FULL, &[]).await;
        try_all(&pravega, true, cases).await;
        pravega.stop().await;
    }

    #[tokio::test]
    async fn events_and_segments_are_for_those_with_the_right() {
        try_embedded(events::cases()).await;
    }

    #[tokio::test]
    async fn wire_commands_are_for_those_with_the_right() {
        try_embedded(wire_cases()).await;
    }

    #[tokio::test]
    async fn odd_names_of_segments_are_no_way_around() {
        try_embedded(sequences::oddly_named()).await;
    }

    #[tokio::test]
    async fn token_in_a_message_goes_to_the_store_as_it_was_sent() {
        let pravega = SecuredPravega::embedded(Protection::FULL, &[]).await;
        let gateway = pravega.gateway(&[]).await;
        let reading = pravega.token(READER, "shop", "orders", AccessOperation::Read).await.expect("allowed");
        let target = Ground::of(&pravega).await.make(Found::Segment).await.with(reading);
        let request = sequences::put(&gateway, "/v1/events", &sequences::set_up(&target));
        let refused = Answer::of(ADMIN.sends(request)).await.expect(403);
        assert_eq!(refused.header("message-name"), "AuthTokenCheckFailed");
        drop(gateway);
        pravega.stop().await;
    }

    #[tokio::test]
    async fn the_controller_decides_on_its_own_calls() {
        try_embedded(control::cases()).await;
    }
}

mod real {
    use super::*;

    async fn try_real(cases: Vec<Case>) {
        let (pravega, _turn) = SecuredPravega::real().await;
        try_all(pravega, true, cases).await;
    }

    #[tokio::test]
    #[ignore = "needs ./scripts/test"]
    async fn events_and_segments_are_for_those_with_the_right() {
        try_real(events::cases()).await;
    }

    #[tokio::test]
    #[ignore = "needs ./scripts/test"]
    async fn wire_commands_are_for_those_with_the_right() {
        try_real(wire_cases()).await;
    }

    #[tokio::test]
    #[ignore = "needs ./scripts/test"]
    async fn odd_names_of_segments_are_no_way_around() {
        try_real(sequences::oddly_named()).await;
    }

    #[tokio::test]
    #[ignore = "needs ./scripts/test"]
    async fn the_controller_decides_on_its_own_calls() {
        try_real(control::cases()).await;
    }
}
