//! Reader groups and subscribers.

use pravega_protocol::controller::*;
use reqwest::Method;

use super::side::{Side, ask, id};

const ID: &str = "0b5a2a04-5f50-4c4c-8d0a-2b5a3f7c9e11";
const OTHER: &str = "1b5a2a04-5f50-4c4c-8d0a-2b5a3f7c9e11";
const ZERO: &str = "00000000-0000-0000-0000-000000000000";

pub(super) async fn ask(side: &mut Side) {
    ask!(side, create_stream, side.fixed("read", 1));
    made(side).await;
    changed(side).await;
    subscribers(side).await;
    deleted(side).await;
}

fn config(side: &Side, group: &str, reader_group_id: &str, generation: i64) -> ReaderGroupConfiguration {
    ReaderGroupConfiguration {
        scope: side.scope.clone(),
        reader_group_name: group.into(),
        group_refresh_time_millis: 3000,
        automatic_checkpoint_interval_millis: 30_000,
        max_outstanding_checkpoint_request: 3,
        retention_type: 0,
        generation,
        reader_group_id: reader_group_id.into(),
        starting_stream_cuts: vec![side.cut("read", &[(id(0, 0), 0)])],
        ending_stream_cuts: vec![side.cut("read", &[])],
        rollover_size_bytes: 0,
    }
}

fn info(side: &Side, group: &str, reader_group_id: &str) -> ReaderGroupInfo {
    let (scope, reader_group) = (side.scope.clone(), group.into());
    ReaderGroupInfo { scope, reader_group, reader_group_id: reader_group_id.into(), generation: 0 }
}

async fn made(side: &mut Side) {
    for group in ["a_b", ""] {
        ask!(side, create_reader_group, config(side, group, ID, 0));
    }
    ask!(
        side,
        create_reader_group,
        ReaderGroupConfiguration { scope: "nobody-has-it".into(), ..config(side, "g", ID, 0) }
    );
    ask!(side, create_reader_group, config(side, "g", "", 0));
    ask!(side, create_reader_group, config(side, "g", "not a uuid", 0));
    ask!(side, create_reader_group, config(side, "g", ID, 0));
    ask!(side, create_reader_group, config(side, "g", OTHER, 5));
    ask!(side, get_reader_group_config, info(side, "g", ""));
    ask!(side, get_reader_group_config, info(side, "nope", ""));
    ask!(side, get_reader_group_config, ReaderGroupInfo { scope: "nobody-has-it".into(), ..info(side, "g", "") });
    for stream in ["_RGg", "_MARK_RGg"] {
        ask!(side, get_stream_configuration, side.stream(stream));
        ask!(side, get_current_segments, side.stream(stream));
    }
    let drawn = side.client.create_reader_group(config(side, "drawn", ZERO, -1)).await.expect("a group").into_inner();
    let drawn = drawn.config.expect("its configuration");
    assert!(drawn.generation == 0 && drawn.reader_group_id != ZERO && drawn.reader_group_id.len() == 36);
    let missing = vec![side.cut("no-such-stream", &[])];
    let config = ReaderGroupConfiguration { starting_stream_cuts: missing, ..config(side, "of-nothing", ID, 0) };
    ask!(side, create_reader_group, config);
    // No client has written a state for these.
    for group in ["g", "of-nothing"] {
        side.rest(Method::GET, &format!("/v1/scopes/{}/readergroups/{group}", side.scope), None).await;
    }
}

async fn changed(side: &mut Side) {
    for (group, id, generation) in
        [("nope", ID, 0), ("g", OTHER, 0), ("g", ID, 1), ("g", ID, 0), ("g", ID, 0), ("g", ID, 1)]
    {
        let config =
            ReaderGroupConfiguration { group_refresh_time_millis: 5000, ..config(side, group, id, generation) };
        ask!(side, update_reader_group, config);
    }
    ask!(side, get_reader_group_config, info(side, "g", ""));
}

async fn subscribers(side: &mut Side) {
    ask!(side, list_subscribers, side.stream("read"));
    let subscriber = ReaderGroupConfiguration { retention_type: 1, ..config(side, "sub", ID, 0) };
    ask!(side, create_reader_group, subscriber);
    ask!(side, list_subscribers, side.stream("read"));
    let name = format!("{}/sub", side.scope);
    for (subscriber, group_id, generation, stream, cut) in [
        (&*name, ID, 0, "nope", &[(id(0, 0), 0)][..]),
        ("nobody/sub", ID, 0, "read", &[(id(0, 0), 0)]),
        (&*name, OTHER, 0, "read", &[(id(0, 0), 0)]),
        (&*name, ID, 1, "read", &[(id(0, 0), 0)]),
        (&*name, ID, 0, "read", &[(id(9, 0), 0)]),
        (&*name, ID, 0, "read", &[]),
        (&*name, ID, 0, "read", &[(id(0, 0), 5)]),
        (&*name, ID, 0, "read", &[(id(0, 0), 4)]),
    ] {
        let request = SubscriberStreamCut {
            subscriber: subscriber.into(),
            generation,
            reader_group_id: group_id.into(),
            stream_cut: Some(side.cut(stream, cut)),
        };
        ask!(side, update_subscriber_stream_cut, request);
    }
    ask!(side, update_reader_group, config(side, "sub", ID, 0));
    ask!(side, list_subscribers, side.stream("read"));
}

async fn deleted(side: &mut Side) {
    for (group, id) in [("nope", ID), ("g", OTHER), ("g", ID), ("g", ID)] {
        ask!(side, delete_reader_group, info(side, group, id));
    }
    ask!(side, delete_reader_group, info(side, "sub", "not a uuid"));
    ask!(side, check_stream_exists, side.stream("_RGg"));
    ask!(side, check_stream_exists, side.stream("_MARK_RGg"));
    ask!(side, create_reader_group, config(side, "g", OTHER, 0));
    ask!(side, get_current_segments, side.stream("_RGg"));
}
