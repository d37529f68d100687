//! Writers whose connection is lost or poisoned: nothing is lost and nothing is stored twice.

use pravega_protocol::wire::{EventNumber, InvalidEventNumber, JavaStr, NO_VALUE, WrongHost};

use super::scripted;
use crate::support::scripted_store::{Block, Conversation, ScriptedStore, Writer};
use crate::support::{Answer, Gateway, Stream};

/// How a store may lose a writer after it received a block.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Closes,
    SaysInvalidEventNumber,
    SaysWrongHost,
    SendsGarbage,
    SendsHalfAFrame,
    AcknowledgesWhatWasNotSent,
}

const LOSSES: [Loss; 6] = [
    Loss::Closes,
    Loss::SaysInvalidEventNumber,
    Loss::SaysWrongHost,
    Loss::SendsGarbage,
    Loss::SendsHalfAFrame,
    Loss::AcknowledgesWhatWasNotSent,
];

impl Loss {
    /// Loses the writer. Returns the connection if it stays open.
    async fn happen(self, mut conversation: Conversation, writer: &Writer, block: &Block) -> Option<Conversation> {
        let (writer_id, request_id) = (writer.id, block.request_id);
        let (nothing, segment) = (JavaStr::default(), writer.segment.clone());
        match self {
            Self::Closes => return None,
            Self::SaysInvalidEventNumber => {
                let event_number = EventNumber(block.last_number);
                let server_stack_trace = nothing;
                let reply = InvalidEventNumber { writer_id, request_id, server_stack_trace, event_number };
                conversation.send(reply).await;
                // as a real store does next
                return None;
            }
            Self::SaysWrongHost => {
                let (correct_host, server_stack_trace) = (nothing.clone(), nothing);
                conversation.send(WrongHost { request_id, segment, correct_host, server_stack_trace }).await;
            }
            Self::SendsGarbage => conversation.send_bytes(&[0, 0, 0, 7, 0x80, 0, 0, 0]).await,
            Self::SendsHalfAFrame => {
                conversation.send_bytes(&[0, 0, 0, 7, 0, 0, 0, 48, 1, 2, 3]).await;
                return None;
            }
            Self::AcknowledgesWhatWasNotSent => {
                let other = Block { last_number: block.last_number + 1000, ..block.clone() };
                conversation.acknowledge(&other, NO_VALUE, 13).await;
            }
        }
        Some(conversation)
    }
}

/// Receives a writer's first block, on a connection that is then lost.
async fn lose(store: &mut ScriptedStore, loss: Loss) -> (Writer, Block, Option<Conversation>) {
    let (mut conversation, writer) = store.new_writer().await;
    let block = conversation.receive_block().await;
    let open = loss.happen(conversation, &writer, &block).await;
    (writer, block, open)
}

async fn post(gateway: &Gateway, stream: &Stream, event: &'static str) -> Answer {
    Answer::of(gateway.post(&stream.events()).body(event)).await
}

#[tokio::test]
async fn block_that_was_stored_is_acknowledged_and_not_sent_again() {
    for loss in LOSSES {
        let (mut store, gateway, stream) = scripted(&[]).await;
        let play = async {
            let (lost, block, open) = lose(&mut store, loss).await;
            let (conversation, writer) = store.writer(block.last_number).await;
            assert_eq!((writer.id, &writer.segment), (lost.id, &lost.segment), "{loss:?}");
            (block, conversation, open)
        };
        let (answer, (first, mut conversation, _open)) = tokio::join!(post(&gateway, &stream, "first"), play);
        let answer = answer.expect(201);
        assert!(!answer.headers.contains_key("location"), "{loss:?}");
        assert_eq!((&answer.json()["offset"], &answer.json()["segment"]), (&().into(), &"0.#epoch.0".into()));

        let play = async {
            let block = conversation.receive_block().await;
            conversation.acknowledge(&block, first.last_number, 26).await;
            block
        };
        let (answer, second) = tokio::join!(post(&gateway, &stream, "later"), play);
        assert_eq!(answer.expect(201).json()["offset"], 13);
        assert_eq!(second.payloads, ["later"], "{loss:?}");
        assert!(second.last_number > first.last_number, "{loss:?}");
    }
}

#[tokio::test]
async fn block_that_was_not_stored_is_sent_again_with_the_same_number() {
    for loss in LOSSES {
        let (mut store, gateway, stream) = scripted(&[]).await;
        let play = async {
            let (lost, first, open) = lose(&mut store, loss).await;
            let (mut conversation, writer) = store.new_writer().await;
            assert_eq!(writer.id, lost.id, "{loss:?}");
            let second = conversation.receive_block().await;
            assert_eq!((&second.payloads, second.last_number), (&first.payloads, first.last_number), "{loss:?}");
            conversation.acknowledge(&second, NO_VALUE, 13).await;
            open
        };
        let (answer, _open) = tokio::join!(post(&gateway, &stream, "event"), play);
        let answer = answer.expect(201);
        assert_eq!((&answer.json()["offset"], &answer.json()["nextOffset"]), (&0.into(), &13.into()), "{loss:?}");
        assert!(answer.header("location").ends_with("&offset=0"), "{loss:?}");
    }
}

/// The smallest blocks that are possible.
const SMALL_BLOCKS: [&str; 2] = ["--set", "append.max-block=1KiB"];

/// An event that fills a block: one that does not would wait for the block before it.
fn filling(name: &str) -> String {
    format!("{name:-<1024}")
}

/// Three events on their way, each in a block of its own. One before them is stored: nothing follows the first block of a
/// connection until then.
struct ThreeBlocks {
    conversation: Conversation,
    stored: Block,
    blocks: Vec<Block>,
    posts: tokio::task::JoinSet<Answer>,
}

impl ThreeBlocks {
    async fn send(store: &mut ScriptedStore, gateway: &Gateway, stream: &Stream) -> Self {
        let mut posts = tokio::task::JoinSet::new();
        let mut post = |event: String| posts.spawn(Answer::of(gateway.post(&stream.events()).body(event)));
        post("before".to_owned());
        let (mut conversation, _) = store.new_writer().await;
        let stored = conversation.receive_block().await;
        post(filling("one"));
        // It is to be there before the writer has nothing to do.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        conversation.acknowledge(&stored, NO_VALUE, 14).await;
        let mut blocks = vec![conversation.receive_block().await];
        for event in ["two", "three"] {
            post(filling(event));
            blocks.push(conversation.receive_block().await);
        }
        let payloads: Vec<_> = blocks.iter().flat_map(|block| block.payloads.clone()).collect();
        assert_eq!(payloads, ["one", "two", "three"].map(filling));
        Self { conversation, stored, blocks, posts }
    }
}

/// The offsets of all events, which must be stored.
async fn offsets(mut posts: tokio::task::JoinSet<Answer>) -> Vec<Option<i64>> {
    let mut offsets = Vec::new();
    while let Some(answer) = posts.join_next().await {
        let answer = answer.expect("no panic").expect(201);
        let offset = answer.json()["offset"].as_i64();
        assert_eq!(answer.headers.contains_key("location"), offset.is_some());
        offsets.push(offset);
    }
    offsets.sort_unstable();
    offsets
}

#[tokio::test]
async fn only_the_blocks_above_the_stores_number_are_sent_again_each_as_it_was() {
    let (mut store, gateway, stream) = scripted(&SMALL_BLOCKS).await;
    let ThreeBlocks { conversation, blocks, posts, .. } = ThreeBlocks::send(&mut store, &gateway, &stream).await;
    drop(conversation);
    let (mut conversation, _) = store.writer(blocks[0].last_number).await;
    for (pair, end) in blocks.windows(2).zip([2078, 3110]) {
        let again = conversation.receive_block().await;
        assert_eq!((&again.payloads, again.last_number), (&pair[1].payloads, pair[1].last_number));
        conversation.acknowledge(&again, pair[0].last_number, end).await;
    }
    assert_eq!(offsets(posts).await, [None, Some(0), Some(1046), Some(2078)]);
}

#[tokio::test]
async fn acknowledgement_that_covers_several_blocks_answers_all_and_places_none() {
    let (mut store, gateway, stream) = scripted(&SMALL_BLOCKS).await;
    let ThreeBlocks { mut conversation, stored, blocks, posts } =
        ThreeBlocks::send(&mut store, &gateway, &stream).await;
    conversation.acknowledge(&blocks[2], stored.last_number, 3110).await;
    assert_eq!(offsets(posts).await, [None, None, None, Some(0)]);
}

#[tokio::test]
async fn event_that_nobody_waits_for_any_more_is_not_sent_again() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let request = gateway.post(&stream.events()).header("Request-Timeout", "500ms").body("given up");
    let play = async {
        let (mut conversation, _) = store.new_writer().await;
        conversation.receive_block().await;
        conversation
    };
    let (answer, conversation) = tokio::join!(Answer::of(request), play);
    answer.expect(503);
    drop(conversation);

    let play = async {
        let (mut conversation, _) = store.new_writer().await;
        let block = conversation.receive_block().await;
        conversation.acknowledge(&block, NO_VALUE, 13).await;
        block
    };
    let (answer, block) = tokio::join!(post(&gateway, &stream, "later"), play);
    answer.expect(201);
    assert_eq!(block.payloads, ["later"]);
}

#[tokio::test]
async fn read_whose_connection_is_poisoned_is_asked_again() {
    for garbage in [&[0, 0, 0, 10, 0x80, 0, 0, 0][..], &[0, 0, 0, 10, 0, 0, 0, 99, 1]] {
        let (mut store, gateway, stream) = scripted(&[]).await;
        let play = async {
            let mut first = store.conversation().await;
            first.receive_question().await;
            first.send_bytes(garbage).await;
            drop(first);
            let mut second = store.conversation().await;
            let question = second.receive_question().await;
            second.send_state(question, false).await;
            second
        };
        let (answer, _open) = tokio::join!(Answer::of(gateway.get(&stream.events())), play);
        assert_eq!(answer.expect(200).header("next-offset"), "0");
    }
}
