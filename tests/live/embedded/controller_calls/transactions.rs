//! Transactions, including ones committed after a scale.

use pravega_protocol::controller::scale_request::KeyRangeEntry;
use pravega_protocol::controller::*;

use super::side::{Side, ask, id};

const PATIENCE: usize = 1000;

pub(super) async fn ask(side: &mut Side) {
    ask!(side, create_stream, side.fixed("txn", 1));
    refused(side).await;
    outcomes(side).await;
    rolled(side).await;
    sealed(side).await;
}

fn create(side: &Side, stream: &str, lease: i64) -> CreateTxnRequest {
    CreateTxnRequest { stream_info: Some(side.stream(stream)), lease, scale_grace_period: 0 }
}

fn about(side: &Side, txn: Option<TxnId>) -> TxnRequest {
    TxnRequest { stream_info: Some(side.stream("txn")), txn_id: txn, writer_id: String::new(), timestamp: i64::MIN }
}

async fn begin(side: &mut Side) -> Option<TxnId> {
    ask!(side, create_transaction, create(side, "txn", 30_000)).expect("a transaction").txn_id
}

/// Waits until a commit or abort completes. The steps in between are not compared.
async fn settle(side: &mut Side, txn: Option<TxnId>) {
    for _ in 0..PATIENCE {
        let state = side.client.check_transaction_state(about(side, txn)).await.expect("a state").into_inner();
        if !matches!(state.state(), txn_state::State::Committing | txn_state::State::Aborting) {
            break;
        }
    }
    ask!(side, check_transaction_state, about(side, txn));
}

async fn refused(side: &mut Side) {
    for (stream, lease) in [("txn", 9_999), ("txn", 600_001), ("txn", 0), ("nope", 30_000), ("nope", 1)] {
        ask!(side, create_transaction, create(side, stream, lease));
    }
    let unknown = Some(TxnId { high_bits: 0, low_bits: 1 << 60 });
    ask!(side, check_transaction_state, about(side, unknown));
    ask!(side, commit_transaction, about(side, unknown));
    ask!(side, abort_transaction, about(side, unknown));
    let ping = PingTxnRequest { stream_info: Some(side.stream("txn")), txn_id: unknown, lease: 30_000 };
    ask!(side, ping_transaction, ping);
    let elsewhere = TxnRequest { stream_info: Some(side.stream("nope")), ..about(side, unknown) };
    ask!(side, check_transaction_state, elsewhere.clone());
    ask!(side, commit_transaction, elsewhere.clone());
    ask!(side, abort_transaction, elsewhere);
    ask!(side, list_completed_transactions, ListCompletedTxnRequest { stream_info: Some(side.stream("nope")) });
}

async fn ping(side: &mut Side, txn: Option<TxnId>, lease: i64) {
    let ping = PingTxnRequest { stream_info: Some(side.stream("txn")), txn_id: txn, lease };
    ask!(side, ping_transaction, ping);
}

async fn outcomes(side: &mut Side) {
    let committed = begin(side).await;
    let aborted = begin(side).await;
    ask!(side, check_transaction_state, about(side, committed));
    for lease in [30_000, 600_001, 600_000] {
        ping(side, committed, lease).await;
    }
    ask!(side, commit_transaction, about(side, committed));
    settle(side, committed).await;
    ask!(side, abort_transaction, about(side, aborted));
    settle(side, aborted).await;
    for txn in [committed, aborted] {
        ask!(side, commit_transaction, about(side, txn));
        ask!(side, abort_transaction, about(side, txn));
        ping(side, txn, 30_000).await;
    }
}

async fn scale(side: &mut Side, sealed: i64, ranges: &[(f64, f64)]) {
    let request = ScaleRequest {
        stream_info: Some(side.stream("txn")),
        sealed_segments: vec![sealed],
        new_key_ranges: ranges.iter().map(|(start, end)| KeyRangeEntry { start: *start, end: *end }).collect(),
        scale_timestamp: 0,
    };
    let scaled = ask!(side, scale, request).expect("a scale");
    let check = ScaleStatusRequest { stream_info: Some(side.stream("txn")), epoch: scaled.epoch };
    for _ in 0..PATIENCE {
        let status = side.client.check_scale(check.clone()).await.expect("a status").into_inner();
        if status.status() != scale_status_response::ScaleStatus::InProgress {
            break;
        }
    }
}

/// Committing a transaction of an older epoch creates two more epochs.
async fn rolled(side: &mut Side) {
    let txn = begin(side).await;
    scale(side, id(0, 0), &[(0.0, 0.5), (0.5, 1.0)]).await;
    let kept = begin(side).await;
    scale(side, id(1, 1), &[(0.0, 0.5)]).await;
    ask!(side, commit_transaction, about(side, txn));
    settle(side, txn).await;
    for epoch in 0..6 {
        ask!(side, get_epoch_segments, GetEpochSegmentsRequest { stream_info: Some(side.stream("txn")), epoch });
        ask!(side, check_scale, ScaleStatusRequest { stream_info: Some(side.stream("txn")), epoch });
    }
    for (number, epoch) in [(0, 0), (1, 1), (2, 1), (3, 2), (0, 3), (2, 4), (3, 4)] {
        ask!(side, get_segments_immediately_following, side.segment("txn", number, epoch));
        ask!(side, is_segment_valid, side.segment("txn", number, epoch));
    }
    let of_repeated = begin(side).await;
    ask!(side, commit_transaction, about(side, of_repeated));
    settle(side, of_repeated).await;
    ask!(side, commit_transaction, about(side, kept));
    settle(side, kept).await;
    ask!(side, get_current_segments, side.stream("txn"));
}

async fn sealed(side: &mut Side) {
    let open = begin(side).await;
    ask!(side, seal_stream, side.stream("txn"));
    ask!(side, check_transaction_state, about(side, open));
    ask!(side, create_transaction, create(side, "txn", 30_000));
    ask!(side, delete_stream, side.stream("txn"));
    ask!(side, check_transaction_state, about(side, open));
}
