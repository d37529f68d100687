//! Every call of the service, with the function that answers it.

use pravega_protocol::controller as proto;
use pravega_protocol::controller::controller_service_server::ControllerService;
use tonic::{Request, Response, Status};

use super::{groups, lists, scopes, segments, streams, tables, transactions, writers};
use crate::controller::Controller;
use crate::controller::access::Caller;

/// Every call with what answers it.
macro_rules! calls {
    ($($call:ident($request:ident) -> $answer:ident = $act:path;)*) => {
        #[tonic::async_trait]
        impl ControllerService for Controller {
            $(async fn $call(
                &self,
                request: Request<proto::$request>,
            ) -> Result<Response<proto::$answer>, Status> {
                let caller = self.caller(&request).await?;
                $act(self, &caller, request.into_inner()).await.map(Response::new)
            })*
        }
    };
}

calls! {
    get_controller_server_list(ServerRequest) -> ServerResponse = lists::servers;

    create_scope(ScopeInfo) -> CreateScopeStatus = scopes::create;
    delete_scope(ScopeInfo) -> DeleteScopeStatus = scopes::delete;
    delete_scope_recursive(ScopeInfo) -> DeleteScopeStatus = scopes::delete_recursively;
    check_scope_exists(ScopeInfo) -> ExistsResponse = scopes::exists;
    list_scopes(ScopesRequest) -> ScopesResponse = lists::scopes;

    create_stream(StreamConfig) -> CreateStreamStatus = streams::create;
    update_stream(StreamConfig) -> UpdateStreamStatus = streams::update;
    truncate_stream(StreamCut) -> UpdateStreamStatus = streams::truncate;
    seal_stream(StreamInfo) -> UpdateStreamStatus = streams::seal;
    delete_stream(StreamInfo) -> DeleteStreamStatus = streams::delete;
    check_stream_exists(StreamInfo) -> ExistsResponse = streams::exists;
    get_stream_configuration(StreamInfo) -> StreamConfig = streams::configuration;
    list_streams_in_scope(StreamsInScopeRequest) -> StreamsInScopeResponse = lists::streams;
    list_streams_in_scope_for_tag(StreamsInScopeWithTagRequest) -> StreamsInScopeResponse = lists::tagged_streams;

    get_current_segments(StreamInfo) -> SegmentRanges = segments::current;
    get_epoch_segments(GetEpochSegmentsRequest) -> SegmentRanges = segments::of_epoch;
    get_segments(GetSegmentsRequest) -> SegmentsAtTime = segments::head;
    get_segments_immediately_following(SegmentId) -> SuccessorResponse = segments::following;
    get_segments_immediatly_following(SegmentId) -> SuccessorResponse = segments::following;
    get_segments_between(StreamCutRange) -> StreamCutRangeResponse = segments::between;
    get_uri(SegmentId) -> NodeUri = segments::uri;
    is_segment_valid(SegmentId) -> SegmentValidityResponse = segments::is_valid;
    is_stream_cut_valid(StreamCut) -> StreamCutValidityResponse = segments::is_cut_valid;

    scale(ScaleRequest) -> ScaleResponse = streams::scale;
    check_scale(ScaleStatusRequest) -> ScaleStatusResponse = streams::check_scale;

    create_transaction(CreateTxnRequest) -> CreateTxnResponse = transactions::begin;
    ping_transaction(PingTxnRequest) -> PingTxnStatus = transactions::ping;
    commit_transaction(TxnRequest) -> TxnStatus = transactions::commit;
    abort_transaction(TxnRequest) -> TxnStatus = transactions::abort;
    check_transaction_state(TxnRequest) -> TxnState = transactions::check;
    list_completed_transactions(ListCompletedTxnRequest) -> ListCompletedTxnResponse = transactions::completed;

    get_delegation_token(StreamInfo) -> DelegationToken = segments::token;
    note_timestamp_from_writer(TimestampFromWriter) -> TimestampResponse = writers::note;
    remove_writer(RemoveWriterRequest) -> RemoveWriterResponse = writers::remove;

    create_reader_group(ReaderGroupConfiguration) -> CreateReaderGroupResponse = groups::create;
    update_reader_group(ReaderGroupConfiguration) -> UpdateReaderGroupResponse = groups::update;
    get_reader_group_config(ReaderGroupInfo) -> ReaderGroupConfigResponse = groups::configuration;
    delete_reader_group(ReaderGroupInfo) -> DeleteReaderGroupStatus = groups::delete;
    list_subscribers(StreamInfo) -> SubscribersResponse = groups::subscribers;
    update_subscriber_stream_cut(SubscriberStreamCut) -> UpdateSubscriberStatus = groups::release;

    create_key_value_table(KeyValueTableConfig) -> CreateKeyValueTableStatus = tables::create;
    get_current_segments_key_value_table(KeyValueTableInfo) -> SegmentRanges = tables::segments;
    get_key_value_table_configuration(KeyValueTableInfo) -> KeyValueTableConfigResponse = tables::configuration;
    list_key_value_tables_in_scope(KvTablesInScopeRequest) -> KvTablesInScopeResponse = lists::tables;
    delete_key_value_table(KeyValueTableInfo) -> DeleteKvTableStatus = tables::delete;
}

impl Controller {
    async fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let authorization = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        Ok(self.access.enter(authorization).await?)
    }
}
