//! How calls end, in gRPC's words.

use pravega_protocol::controller as proto;
use tonic::{Code, Status};

use crate::controller::access::Denied;
use crate::controller::operations::status::{
    CutRelease, GroupCreationError, GroupDeletion, GroupUpdateError, Ping, ScaleError, ScaleProgress, ScopeCreation,
    ScopeDeletion, StreamCreation, StreamDeletion, StreamUpdate, TableCreation, TableDeletion, TimeNote,
    TransactionEnd, TransactionState, WriterRemoval,
};
use crate::controller::operations::{ErrorKind, OperationError};
use crate::node::ChangeError;

/// Messages that hold a status and nothing else.
macro_rules! statuses {
    ($($own:ident => $message:ident { $field:ident: $module:ident::$status:ident } { $($from:ident => $to:ident),* })*) => {
        $(impl From<$own> for proto::$message {
            fn from(own: $own) -> Self {
                let status = match own {
                    $($own::$from => proto::$module::$status::$to,)*
                };
                Self { $field: status.into() }
            }
        })*
    };
}

statuses! {
    ScopeCreation => CreateScopeStatus { status: create_scope_status::Status } { Created => Success, Exists => ScopeExists, InvalidName => InvalidScopeName }
    ScopeDeletion => DeleteScopeStatus { status: delete_scope_status::Status } { Deleted => Success, NotFound => ScopeNotFound, NotEmpty => ScopeNotEmpty }
    StreamCreation => CreateStreamStatus { status: create_stream_status::Status } { Created => Success, Exists => StreamExists, ScopeNotFound => ScopeNotFound, InvalidName => InvalidStreamName, InvalidConfig => Failure }
    StreamUpdate => UpdateStreamStatus { status: update_stream_status::Status } { Updated => Success, NotFound => StreamNotFound, Sealed => StreamSealed, Invalid => Failure }
    StreamDeletion => DeleteStreamStatus { status: delete_stream_status::Status } { Deleted => Success, NotFound => StreamNotFound, NotSealed => StreamNotSealed }
    ScaleProgress => ScaleStatusResponse { status: scale_status_response::ScaleStatus } { InProgress => InProgress, Done => Success, UnknownEpoch => InvalidInput }
    Ping => PingTxnStatus { status: ping_txn_status::Status } { Extended => Ok, Committed => Committed, Aborted => Aborted, LeaseTooLarge => LeaseTooLarge, MaxAgeExceeded => MaxExecutionTimeExceeded, NotFound => Unknown }
    TransactionEnd => TxnStatus { status: txn_status::Status } { Done => Success, Failed => Failure }
    TransactionState => TxnState { state: txn_state::State } { Open => Open, Committed => Committed, Aborted => Aborted, NotFound => Unknown }
    TimeNote => TimestampResponse { result: timestamp_response::Status } { Noted => Success, InvalidTime => InvalidTime, InvalidPosition => InvalidPosition }
    WriterRemoval => RemoveWriterResponse { result: remove_writer_response::Status } { Removed => Success, NotFound => UnknownWriter }
    GroupDeletion => DeleteReaderGroupStatus { status: delete_reader_group_status::Status } { Deleted => Success, NotFound => RgNotFound }
    CutRelease => UpdateSubscriberStatus { status: update_subscriber_status::Status } { Released => Success, StreamNotFound => StreamNotFound, SubscriberNotFound => SubscriberNotFound, GenerationMismatch => GenerationMismatch, InvalidCut => StreamCutNotValid, Failed => Failure }
    TableCreation => CreateKeyValueTableStatus { status: create_key_value_table_status::Status } { Created => Success, Exists => TableExists, ScopeNotFound => ScopeNotFound, InvalidName => InvalidTableName }
    TableDeletion => DeleteKvTableStatus { status: delete_kv_table_status::Status } { Deleted => Success, NotFound => TableNotFound }
}

impl From<ScaleError> for proto::scale_response::ScaleStreamStatus {
    fn from(error: ScaleError) -> Self {
        match error {
            ScaleError::PreconditionFailed => Self::PreconditionFailed,
            ScaleError::Invalid => Self::Failure,
        }
    }
}

impl From<GroupCreationError> for proto::create_reader_group_response::Status {
    fn from(error: GroupCreationError) -> Self {
        match error {
            GroupCreationError::ScopeNotFound => Self::ScopeNotFound,
            GroupCreationError::InvalidName => Self::InvalidRgName,
        }
    }
}

impl From<GroupUpdateError> for proto::update_reader_group_response::Status {
    fn from(error: GroupUpdateError) -> Self {
        match error {
            GroupUpdateError::NotFound => Self::RgNotFound,
            GroupUpdateError::InvalidConfig => Self::InvalidConfig,
        }
    }
}

impl From<OperationError> for Status {
    fn from(error: OperationError) -> Self {
        let code = match error.kind {
            ErrorKind::NotFound => Code::NotFound,
            ErrorKind::Internal => Code::Internal,
            ErrorKind::Unknown => Code::Unknown,
        };
        Self::new(code, error.message)
    }
}

impl From<Denied> for Status {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unauthenticated => Self::unauthenticated("Authentication failed"),
            Denied::Forbidden => Self::permission_denied("Authorization failed"),
        }
    }
}

impl From<ChangeError> for Status {
    fn from(failed: ChangeError) -> Self {
        match failed {
            ChangeError::NoRoom(no_room) => Self::resource_exhausted(no_room.to_string()),
            ChangeError::Log(failed) => Self::internal(failed.to_string()),
            ChangeError::Broken(broken) => Self::internal(broken.to_string()),
        }
    }
}
