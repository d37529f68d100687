use std::sync::Arc;

use bytes::Bytes;
use pravega_protocol::wire::{AttributeUpdate, NO_VALUE};
use uuid::Uuid;

use super::*;

#[test]
fn bytes_are_read_back_at_every_offset_whatever_pieces_they_came_in() {
    let node = node(1 << 20);
    create(&node, "s");
    let mut whole = Vec::new();
    for len in [1, 100, 70_000, 3, 65_535, 1, 65_536, 9] {
        let data: Vec<u8> = (0..len).map(|i: u32| (i % 251) as u8).collect();
        whole.extend_from_slice(&data);
        assert_eq!(append(&node, "s", &data), Ok(Appended { length: whole.len() as u64 }));
    }
    for (offset, max) in [(0, whole.len()), (1, 5), (99, 70_100), (70_101, 3), (whole.len() - 1, 10), (whole.len(), 10)]
    {
        let end = whole.len().min(offset + max);
        assert!(read(&node, "s", offset as u64, max) == whole[offset..end], "{offset} {max}");
    }
}

#[test]
fn merge_moves_the_source_to_the_end_and_deletes_it() {
    let node = node(1 << 20);
    create(&node, "target");
    create(&node, "source");
    append(&node, "target", b"one").expect("open");
    append(&node, "source", b"two").expect("open");
    let merged = node.step(|step| step.merge_segment("target", "source", &[])).into_inner();
    assert_eq!(merged, Ok(Appended { length: 6 }));
    append(&node, "target", b"three").expect("open");
    assert_eq!(read(&node, "target", 0, 100), b"onetwothree");
    assert_eq!(append(&node, "source", b"x"), Err(SegmentError::NotFound));
}

#[test]
fn refused_append_changes_nothing() {
    let node = node(1 << 20);
    create(&node, "s");
    let id = Uuid::from_u128(7);
    let update = AttributeUpdate { attribute_id: id, update_type: 4, new_value: 1, old_value: 9 };
    let refused = node.step(|step| step.append("s", Bytes::from_static(b"x"), &[update], None)).into_inner();
    assert_eq!(refused, Err(SegmentError::BadAttribute));
    let refused = node.step(|step| step.append("s", Bytes::from_static(b"x"), &[], Some(5))).into_inner();
    assert_eq!(refused, Err(SegmentError::BadOffset { length: 0 }));
    let seen = node.look(|state| {
        let segment = state.segment("s").expect("there");
        (segment.data().length(), segment.attribute(id))
    });
    assert_eq!(seen.into_inner(), (0, NO_VALUE));
}

#[tokio::test]
async fn room_is_waited_for_until_truncation_frees_it() {
    let node = node(10);
    create(&node, "s");
    let room = node.room_for(10).await.expect("empty");
    append(&node, "s", b"0123456789").expect("open");
    drop(room);
    assert_eq!(node.room_for(1).await.err().map(|error| matches!(error, NoRoom::Memory { max_bytes: 10 })), Some(true));
    let waiting = tokio::spawn({
        let node = Arc::clone(&node);
        async move { node.room_for(1).await.is_ok() }
    });
    tokio::task::yield_now().await;
    node.step(|step| step.truncate_segment("s", 10)).into_inner().expect("within");
    assert!(waiting.await.expect("no panic"));
}
