//! Scaling, stream cuts, truncation, and the times that writers note.

use pravega_protocol::controller::scale_request::KeyRangeEntry;
use pravega_protocol::controller::scale_status_response::ScaleStatus;
use pravega_protocol::controller::*;

use super::side::{Side, ask, id, map};

const PATIENCE: usize = 1000;

pub(super) async fn ask(side: &mut Side) {
    ask!(side, create_stream, side.fixed("scaled", 2));
    refused(side).await;
    scale(side, &[id(0, 0)], &[(0.0, 0.25), (0.25, 0.5)]).await;
    scale(side, &[id(1, 0), id(3, 1)], &[(0.25, 1.0)]).await;
    history(side).await;
    cuts(side).await;
    truncation(side).await;
    marks(side).await;
    updates(side).await;
}

fn request(side: &Side, sealed: &[i64], ranges: &[(f64, f64)]) -> ScaleRequest {
    ScaleRequest {
        stream_info: Some(side.stream("scaled")),
        sealed_segments: sealed.to_vec(),
        new_key_ranges: ranges.iter().map(|(start, end)| KeyRangeEntry { start: *start, end: *end }).collect(),
        scale_timestamp: 0,
    }
}

async fn refused(side: &mut Side) {
    for (sealed, ranges) in [
        (&[id(9, 0)][..], &[(0.0, 0.5)][..]),
        (&[id(0, 0)], &[(0.0, 0.4)]),
        (&[id(0, 0)], &[(0.0, 0.3), (0.2, 0.5)]),
        (&[id(0, 0), id(1, 0)], &[(0.0, 1.0)]),
        (&[id(0, 0)], &[]),
        (&[id(0, 0)], &[(0.5, 0.0)]),
    ] {
        ask!(side, scale, request(side, sealed, ranges));
    }
    ask!(side, scale, ScaleRequest { stream_info: Some(side.stream("nope")), ..request(side, &[0], &[(0.0, 1.0)]) });
}

/// Scales and waits for completion. The steps in between are not compared.
async fn scale(side: &mut Side, sealed: &[i64], ranges: &[(f64, f64)]) {
    let scaled = ask!(side, scale, request(side, sealed, ranges)).expect("a scale");
    let check = ScaleStatusRequest { stream_info: Some(side.stream("scaled")), epoch: scaled.epoch };
    for _ in 0..PATIENCE {
        let status = side.client.check_scale(check.clone()).await.expect("a status").into_inner();
        if status.status() != ScaleStatus::InProgress {
            break;
        }
    }
    ask!(side, check_scale, check);
}

async fn history(side: &mut Side) {
    for epoch in [-1, 0, 1, 2, 3] {
        ask!(side, check_scale, ScaleStatusRequest { stream_info: Some(side.stream("scaled")), epoch });
        ask!(side, get_epoch_segments, GetEpochSegmentsRequest { stream_info: Some(side.stream("scaled")), epoch });
    }
    ask!(side, check_scale, ScaleStatusRequest { stream_info: Some(side.stream("nope")), epoch: 0 });
    ask!(side, get_current_segments, side.stream("scaled"));
    for (number, epoch) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 3)] {
        ask!(side, get_segments_immediately_following, side.segment("scaled", number, epoch));
        ask!(side, is_segment_valid, side.segment("scaled", number, epoch));
    }
}

async fn cuts(side: &mut Side) {
    let head = [(id(0, 0), 0), (id(1, 0), 0)];
    let middle = [(id(2, 1), 0), (id(3, 1), 0), (id(1, 0), 0)];
    let tail = [(id(2, 1), 0), (id(4, 2), 0)];
    let waiting = [(id(0, 0), 0), (id(4, 2), -1)];
    for cut in [
        &head[..],
        &middle,
        &tail,
        &waiting,
        &[],
        &[(id(0, 0), 0)],
        &[(id(0, 0), 1 << 40), (id(1, 0), 1 << 40)],
        &[(id(0, 0), 0), (id(2, 1), 0), (id(1, 0), 0)],
        &[(id(9, 0), 0), (id(1, 0), 0)],
        &[(id(0, 9), 0)],
        &[(id(2, 1), 0), (id(3, 1), -1), (id(1, 0), 0)],
        &[(id(0, 0), -1), (id(1, 0), -1)],
    ] {
        ask!(side, is_stream_cut_valid, side.cut("scaled", cut));
    }
    for (from, to) in [
        (&[][..], &[][..]),
        (&head, &[]),
        (&[], &tail),
        (&head, &tail),
        (&middle, &tail),
        (&head, &middle),
        (&tail, &head),
        (&tail, &tail),
        (&[(id(9, 0), 0)], &[]),
    ] {
        let range = StreamCutRange { stream_info: Some(side.stream("scaled")), from: map(from), to: map(to) };
        ask!(side, get_segments_between, range);
    }
}

async fn truncation(side: &mut Side) {
    let head = GetSegmentsRequest { stream_info: Some(side.stream("scaled")), timestamp: 0 };
    for cut in [
        &[][..],
        &[(id(0, 0), 0)],
        &[(id(9, 0), 0), (id(1, 0), 0)],
        &[(id(2, 1), 0), (id(3, 1), 0), (id(1, 0), 0)],
        &[(id(0, 0), 0), (id(1, 0), 0)],
        &[(id(2, 1), 0), (id(4, 2), 0)],
    ] {
        ask!(side, truncate_stream, side.cut("scaled", cut));
        ask!(side, get_segments, head.clone());
    }
}

async fn marks(side: &mut Side) {
    let cut = |offset| [(id(2, 1), offset), (id(4, 2), 0)];
    for (offset, timestamp) in [(5, 10), (5, 9), (4, 11), (6, 10), (6, 12)] {
        let position = Some(side.cut("scaled", &cut(offset)));
        let mark = TimestampFromWriter { writer: "w".into(), position, timestamp };
        ask!(side, note_timestamp_from_writer, mark);
    }
    for writer in ["w", "nobody"] {
        let remove = RemoveWriterRequest { writer: writer.into(), stream: Some(side.stream("scaled")) };
        ask!(side, remove_writer, remove);
    }
}

/// Updating the fixed number of segments scales the stream.
async fn updates(side: &mut Side) {
    ask!(side, update_stream, side.fixed("scaled", 3));
    ask!(side, get_current_segments, side.stream("scaled"));
    ask!(side, seal_stream, side.stream("scaled"));
    ask!(side, scale, request(side, &[id(5, 3)], &[(0.0, 1.0 / 3.0)]));
}
