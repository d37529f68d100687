//! Lists, page by page.

use pravega_protocol::controller::*;

use super::side::{Side, ask};

pub(super) async fn ask(side: &mut Side) {
    let scopes = ask!(side, list_scopes, ScopesRequest { continuation_token: None }).expect("a list");
    assert!(scopes.scopes.contains(&side.scope), "{scopes:?}");
    let nowhere = Some(ScopeInfo { scope: "nobody-has-it".into() });
    for scope in [Some(side.scope_info()), nowhere] {
        ask!(side, list_streams_in_scope, StreamsInScopeRequest { scope: scope.clone(), continuation_token: None });
        let tagged = StreamsInScopeWithTagRequest { scope, tag: "nobodys".into(), continuation_token: None };
        ask!(side, list_streams_in_scope_for_tag, tagged);
    }
    let tags = Some(Tags { tag: vec!["mine".into()] });
    ask!(side, create_stream, StreamConfig { tags, ..side.fixed("tagged", 1) });
    let tagged = |token| StreamsInScopeWithTagRequest {
        scope: Some(side.scope_info()),
        tag: "mine".into(),
        continuation_token: token,
    };
    let first = tagged(None);
    ask!(side, list_streams_in_scope_for_tag, first);
    // In a separate scope, because the refusal breaks the scope in a real controller.
    let full = ScopeInfo { scope: format!("{}-full", side.scope) };
    ask!(side, create_scope, full.clone());
    let mut inside = side.fixed("inside", 1);
    inside.stream_info = Some(StreamInfo { scope: full.scope.clone(), ..side.stream("inside") });
    ask!(side, create_stream, inside);
    ask!(side, delete_scope, full);
    ask!(side, delete_scope_recursive, side.scope_info());
    ask!(side, check_scope_exists, side.scope_info());
}
