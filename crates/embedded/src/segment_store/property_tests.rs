//! Any sequence of frames on a connection without a socket.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http_server::tls::Acceptor;
use pravega_protocol::wire::{
    AppendBlock, AppendBlockEnd, CommandType, DelegationToken, Frame, FrameCodec, Hello, Offset, Raw, ReadSegment,
    RequestId, SealSegment, TruncateSegment, WireCommand,
};
use proptest::collection;
use proptest::prelude::*;
use tokio_util::codec::Decoder as _;

use super::StoreContext;
use super::conversation::{Conversation, Next};
use super::tests::{WRITER, block, create, read, segment, set_up};
use crate::node::{NoRoom, Node, NodeLimits, State};

/// So little that some appends find no room.
const MAX_BYTES: u64 = 200;

/// A connection that has no socket, to a node with the segment "s".
fn conversation(node: &Arc<Node>) -> Conversation {
    let context = StoreContext { node: Arc::clone(node), tokens: None, acceptor: Acceptor::plain() };
    let mut conversation = Conversation::new(Arc::new(context));
    assert!(matches!(conversation.hear(WireCommand::from(create()).frame()), Next::Hear));
    conversation
}

/// A command as clients send it, with names that exist or nearly do.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![0..20_i64, Just(-1), Just(i64::MIN), Just(i64::MAX)];
    let data = collection::vec(any::<u8>(), 0..40);
    (0..9_u8, number, any::<i32>(), data).prop_map(|(kind, number, other, data)| {
        let data = Bytes::from(data);
        let command: WireCommand = match kind {
            0 => set_up().into(),
            1 => block(number, data).into(),
            2 => AppendBlockEnd { size_of_whole_events: other % 64, num_events: other, ..block(number, data) }.into(),
            3 => AppendBlock { writer_id: WRITER, data: Raw(data) }.into(),
            4 => ReadSegment { suggested_length: other, ..read(number) }.into(),
            5 => {
                let (request_id, delegation_token) = (RequestId(6), DelegationToken::none());
                let truncation_offset = Offset(number);
                TruncateSegment { request_id, segment: segment(), truncation_offset, delegation_token }.into()
            }
            6 => Hello { high_version: other, low_version: other / 2 }.into(),
            7 => {
                let (request_id, delegation_token) = (RequestId(7), DelegationToken::none());
                SealSegment { request_id, segment: segment(), delegation_token }.into()
            }
            _ => create().into(),
        };
        command.frame().to_bytes().to_vec()
    })
}

/// Any type with any bytes, or a command with a few of them changed.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let known = (0..CommandType::ALL.len()).prop_map(|index| CommandType::ALL[index].info().code);
    let code = prop_oneof![4 => known, 1 => any::<i32>()];
    let hostile = (code, collection::vec(any::<u8>(), 0..80));
    let hostile = hostile.prop_map(|(code, payload)| Frame { code, payload: payload.into() }.to_bytes().to_vec());
    let damaged = (command(), any::<prop::sample::Index>(), any::<u8>());
    let damaged = damaged.prop_map(|(mut bytes, at, byte)| {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    });
    prop_oneof![6 => command(), 1 => damaged, 1 => hostile]
}

/// Commands of which a connection may say nothing yet.
fn is_silent(code: i32) -> bool {
    let silent =
        [CommandType::AppendBlock, CommandType::ReadSegment, CommandType::Padding, CommandType::AppendBlockEnd];
    silent.iter().any(|command| command.info().code == code)
}

proptest! {
    #[test]
    fn whatever_is_said_is_answered_or_ends_the_connection(frames in collection::vec(frame(), 1..60)) {
        let mut incoming: BytesMut = frames.concat().as_slice().into();
        let node = Node::in_memory(NodeLimits { max_bytes: MAX_BYTES, wait_for_room: Duration::ZERO });
        let mut conversation = conversation(&node);
        let mut codec = FrameCodec::store();
        let mut due = conversation.replies.cost();
        while let Ok(Some(frame)) = codec.decode(&mut incoming) {
            let code = frame.code;
            match conversation.hear(frame) {
                Next::Close(_) => break,
                Next::WaitForRoom(deferred) => {
                    let full = NoRoom::Memory { max_bytes: MAX_BYTES };
                    prop_assert!(matches!(conversation.refuse(&deferred, &full), Next::Hear));
                }
                Next::Hear => {
                    let now = conversation.replies.cost();
                    prop_assert!(now > due || is_silent(code), "nothing is answered to {code}");
                    due = now;
                }
            }
        }
        conversation.replies.settle(&node).expect("there is no log");
        let held = node.look(State::bytes).into_inner();
        prop_assert!(held <= MAX_BYTES, "{held} bytes are held");
        let mut replies: BytesMut = conversation.replies.outbox.copy_to_bytes(conversation.replies.outbox.remaining()).into();
        while let Some(reply) = FrameCodec::client().decode(&mut replies).expect("replies are frames") {
            prop_assert!(reply.to_command().is_ok());
        }
        prop_assert!(replies.is_empty());
    }
}
