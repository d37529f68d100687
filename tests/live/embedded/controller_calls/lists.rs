//! Lists, page by page.

use super::proto::*;
use super::side::{Side, ask};

pub(super) async fn ask(side: &mut Side) {
    ask!(side, list_scopes, ScopesRequest { continuation_token: None });
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
    ask!(side, delete_scope, side.scope_info());
    ask!(side, delete_scope_recursive, side.scope_info());
    ask!(side, check_scope_exists, side.scope_info());
}
