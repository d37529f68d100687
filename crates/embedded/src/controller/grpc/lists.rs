//! Calls that list, page by page.

use pravega_protocol::controller::{
    ContinuationToken, KeyValueTableInfo, KvTablesInScopeRequest, KvTablesInScopeResponse, ScopesRequest,
    ScopesResponse, ServerRequest, ServerResponse, StreamsInScopeRequest, StreamsInScopeResponse,
    StreamsInScopeWithTagRequest, kv_tables_in_scope_response, streams_in_scope_response,
};
use tonic::Status;

use super::convert::stream_info;
use crate::controller::Controller;
use crate::controller::access::{self, Caller, Permission};
use crate::controller::catalog::Page;
use crate::controller::operations::{scope, stream, table};

/// Refused as by Pravega's own standalone server; only `pravega://` addresses ask for it.
pub(super) async fn servers(
    _controller: &Controller,
    _caller: &Caller,
    _request: ServerRequest,
) -> Result<ServerResponse, Status> {
    Err(Status::unknown("Controller cluster not initialized"))
}

fn token(token: Option<ContinuationToken>) -> String {
    token.unwrap_or_default().token
}

pub(super) async fn scopes(
    controller: &Controller,
    caller: &Caller,
    request: ScopesRequest,
) -> Result<ScopesResponse, Status> {
    caller.needs(access::ROOT, Permission::Read)?;
    let token = token(request.continuation_token);
    let shown = |name: &str| caller.may(&access::scope(name), Permission::Read);
    let page = controller.look(|state| scope::list(state, &token, shown)).await?;
    Ok(ScopesResponse { scopes: page.names, continuation_token: Some(ContinuationToken { token: page.token }) })
}

pub(super) async fn streams(
    controller: &Controller,
    caller: &Caller,
    request: StreamsInScopeRequest,
) -> Result<StreamsInScopeResponse, Status> {
    let scope = request.scope.unwrap_or_default().scope;
    caller.needs(&access::scope(&scope), Permission::Read)?;
    let token = token(request.continuation_token);
    let shown = |name: &str| caller.may(&access::plain_stream(&scope, name), Permission::Read);
    let page = controller.look(|state| stream::list(state, &scope, &token, shown)).await?;
    Ok(streams_page(&scope, page))
}

pub(super) async fn tagged_streams(
    controller: &Controller,
    caller: &Caller,
    request: StreamsInScopeWithTagRequest,
) -> Result<StreamsInScopeResponse, Status> {
    let scope = request.scope.unwrap_or_default().scope;
    caller.needs(&access::scope(&scope), Permission::Read)?;
    let (token, tag) = (token(request.continuation_token), request.tag);
    let may = |name: &str| caller.may(&access::plain_stream(&scope, name), Permission::Read);
    let page = controller.look(|state| {
        stream::list(state, &scope, &token, |name| may(name) && stream::is_tagged(state, &scope, name, &tag))
    });
    Ok(streams_page(&scope, page.await?))
}

fn streams_page(scope: &str, page: Option<Page>) -> StreamsInScopeResponse {
    use streams_in_scope_response::Status;
    let Some(page) = page else {
        return StreamsInScopeResponse { status: Status::ScopeNotFound.into(), ..Default::default() };
    };
    StreamsInScopeResponse {
        streams: page.names.iter().map(|name| stream_info(scope, name)).collect(),
        continuation_token: Some(ContinuationToken { token: page.token }),
        status: Status::Success.into(),
    }
}

pub(super) async fn tables(
    controller: &Controller,
    caller: &Caller,
    request: KvTablesInScopeRequest,
) -> Result<KvTablesInScopeResponse, Status> {
    use kv_tables_in_scope_response::Status;
    let scope = request.scope.unwrap_or_default().scope;
    caller.needs(&access::scope(&scope), Permission::Read)?;
    let token = token(request.continuation_token);
    let shown = |name: &str| caller.may(&access::table(&scope, name), Permission::Read);
    let Some(page) = controller.look(|state| table::list(state, &scope, &token, shown)).await? else {
        return Ok(KvTablesInScopeResponse { status: Status::ScopeNotFound.into(), ..Default::default() });
    };
    let info = |kvt_name| KeyValueTableInfo { scope: scope.clone(), kvt_name };
    Ok(KvTablesInScopeResponse {
        kvtables: page.names.into_iter().map(info).collect(),
        continuation_token: Some(ContinuationToken { token: page.token }),
        status: Status::Success.into(),
    })
}
