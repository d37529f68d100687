//! Scopes and streams, and their segments while they are not scaled.

use pravega_protocol::controller::*;

use super::side::{Side, ask, id, map};

pub(super) async fn ask(side: &mut Side) {
    scopes(side).await;
    names(side).await;
    life(side).await;
    configurations(side).await;
    missing(side).await;
    made_anew(side).await;
}

async fn scopes(side: &mut Side) {
    ask!(side, get_controller_server_list, ServerRequest {});
    ask!(side, check_scope_exists, side.scope_info());
    ask!(side, create_scope, side.scope_info());
    ask!(side, create_scope, side.scope_info());
    ask!(side, check_scope_exists, side.scope_info());
    for name in ["", "a_b", "_", "a b", &"x".repeat(256)] {
        ask!(side, create_scope, ScopeInfo { scope: name.to_owned() });
    }
    for name in ["", "a_b", "nobody-has-this-scope"] {
        let scope = ScopeInfo { scope: name.to_owned() };
        ask!(side, check_scope_exists, scope.clone());
        ask!(side, delete_scope, scope.clone());
        ask!(side, delete_scope_recursive, scope);
    }
}

async fn names(side: &mut Side) {
    for name in ["", "a_b", "_", "a b", &"x".repeat(256)] {
        ask!(side, create_stream, side.fixed(name, 1));
    }
    let mut elsewhere = side.fixed("a", 1);
    elsewhere.stream_info = Some(StreamInfo { scope: "nobody-has-this-scope".into(), ..side.stream("a") });
    ask!(side, create_stream, elsewhere.clone());
    ask!(side, update_stream, elsewhere);
}

async fn life(side: &mut Side) {
    ask!(side, create_stream, side.fixed("life", 3));
    ask!(side, create_stream, side.fixed("life", 1));
    ask!(side, check_stream_exists, side.stream("life"));
    ask!(side, get_stream_configuration, side.stream("life"));
    ask!(side, get_stream_configuration, side.stream("_MARKlife"));
    ask!(side, get_current_segments, side.stream("life"));
    ask!(side, get_current_segments, side.stream("_MARKlife"));
    let head = GetSegmentsRequest { stream_info: Some(side.stream("life")), timestamp: 7 };
    ask!(side, get_segments, head.clone());
    for epoch in [0, 1, -1] {
        ask!(side, get_epoch_segments, GetEpochSegmentsRequest { stream_info: Some(side.stream("life")), epoch });
    }
    for (number, epoch) in [(0, 0), (9, 0), (0, 9)] {
        ask!(side, is_segment_valid, side.segment("life", number, epoch));
        ask!(side, get_segments_immediately_following, side.segment("life", number, epoch));
        ask!(side, get_segments_immediatly_following, side.segment("life", number, epoch));
    }
    ask!(side, get_uri, side.segment("life", 0, 0));
    ask!(side, get_delegation_token, side.stream("life"));
    ask!(side, delete_stream, side.stream("life"));
    ask!(side, seal_stream, side.stream("life"));
    ask!(side, seal_stream, side.stream("life"));
    ask!(side, get_current_segments, side.stream("life"));
    ask!(side, get_segments, head);
    ask!(side, get_segments_immediately_following, side.segment("life", 0, 0));
    ask!(side, is_segment_valid, side.segment("life", 0, 0));
    ask!(side, update_stream, side.fixed("life", 1));
    ask!(side, truncate_stream, side.cut("life", &[(id(0, 0), 0), (id(1, 0), 0), (id(2, 0), 0)]));
    ask!(side, delete_stream, side.stream("life"));
    ask!(side, check_stream_exists, side.stream("life"));
    ask!(side, check_stream_exists, side.stream("_MARKlife"));
}

async fn configurations(side: &mut Side) {
    ask!(side, create_stream, StreamConfig { scaling_policy: None, ..side.fixed("none", 1) });
    ask!(side, create_stream, side.fixed("zero", 0));
    ask!(side, create_stream, side.fixed("negative", -1));
    let rate = ScalingPolicy { scale_type: 2, target_rate: 5, scale_factor: 2, min_num_segments: 1 };
    let config = StreamConfig {
        scaling_policy: Some(rate),
        retention_policy: Some(RetentionPolicy { retention_type: 2, retention_param: 1000, retention_max: 5000 }),
        tags: Some(Tags { tag: vec!["b".into(), "a".into(), "b".into()] }),
        timestamp_aggregation_timeout: 7000,
        rollover_size_bytes: 4_194_304,
        ..side.fixed("full", 1)
    };
    ask!(side, create_stream, config);
    ask!(side, get_stream_configuration, side.stream("full"));
    let unlimited = RetentionPolicy { retention_type: 0, retention_param: 0, retention_max: i64::MAX };
    let bare = StreamConfig { retention_policy: Some(unlimited), ..side.fixed("full", 1) };
    ask!(side, update_stream, bare);
    ask!(side, get_stream_configuration, side.stream("full"));
    let days = RetentionPolicy { retention_type: 1, retention_param: 86_400_000, retention_max: 0 };
    ask!(side, update_stream, StreamConfig { retention_policy: Some(days), ..side.fixed("full", 1) });
    ask!(side, get_stream_configuration, side.stream("full"));
    let tagged = |tags: Vec<String>| Some(Tags { tag: tags });
    for (name, tags) in [
        ("long-tag", vec!["x".repeat(255)]),
        ("too-long-tag", vec!["x".repeat(256)]),
        ("too-many-tags", (0..128).map(|n| n.to_string()).collect()),
    ] {
        ask!(side, create_stream, StreamConfig { tags: tagged(tags), ..side.fixed(name, 1) });
        ask!(side, check_stream_exists, side.stream(name));
    }
    ask!(side, create_stream, StreamConfig { rollover_size_bytes: -1, ..side.fixed("rollover", 1) });
}

async fn missing(side: &mut Side) {
    ask!(side, get_stream_configuration, side.stream("nope"));
    ask!(side, get_current_segments, side.stream("nope"));
    ask!(side, get_current_segments, StreamInfo::default());
    ask!(side, get_segments, GetSegmentsRequest { stream_info: Some(side.stream("nope")), timestamp: 0 });
    ask!(side, get_epoch_segments, GetEpochSegmentsRequest { stream_info: Some(side.stream("nope")), epoch: 0 });
    ask!(side, is_segment_valid, side.segment("nope", 0, 0));
    ask!(side, get_segments_immediately_following, side.segment("nope", 0, 0));
    ask!(side, is_stream_cut_valid, side.cut("nope", &[(0, 0)]));
    let range = StreamCutRange { stream_info: Some(side.stream("nope")), from: map(&[(0, 0)]), to: map(&[]) };
    ask!(side, get_segments_between, range);
    ask!(side, update_stream, side.fixed("nope", 1));
    ask!(side, truncate_stream, side.cut("nope", &[(0, 0)]));
    ask!(side, seal_stream, side.stream("nope"));
    ask!(side, delete_stream, side.stream("nope"));
    ask!(side, check_stream_exists, side.stream("nope"));
    ask!(side, check_stream_exists, side.stream("a b"));
    ask!(side, get_uri, side.segment("nope", 7, 7));
    ask!(side, get_delegation_token, side.stream("nope"));
    let mark = TimestampFromWriter { writer: "w".into(), position: Some(side.cut("nope", &[(0, 1)])), timestamp: 1 };
    ask!(side, note_timestamp_from_writer, mark);
    ask!(side, remove_writer, RemoveWriterRequest { writer: "w".into(), stream: Some(side.stream("nope")) });
    ask!(side, list_subscribers, side.stream("nope"));
}

async fn made_anew(side: &mut Side) {
    for segments in [2, 1, 1] {
        ask!(side, create_stream, side.fixed("anew", segments));
        ask!(side, get_current_segments, side.stream("anew"));
        ask!(side, get_current_segments, side.stream("_MARKanew"));
        ask!(side, seal_stream, side.stream("anew"));
        ask!(side, delete_stream, side.stream("anew"));
    }
}
