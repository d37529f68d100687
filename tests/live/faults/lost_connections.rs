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

/// Three events, each in a block of its own and none acknowledged, on a connection that then closes.
async fn three_blocks(
    store: &mut ScriptedStore,
    gateway: &Gateway,
    stream: &Stream,
) -> (Vec<Block>, tokio::task::JoinSet<Answer>) {
    let mut posts = tokio::task::JoinSet::new();
    let mut blocks = Vec::new();
    let mut conversation = None;
    for event in ["one", "two", "three"] {
        posts.spawn(Answer::of(gateway.post(&stream.events()).body(event)));
        if conversation.is_none() {
            conversation = Some(store.new_writer().await.0);
        }
        let block = conversation.as_mut().expect("just made").receive_block().await;
        assert_eq!(block.payloads, [event]);
        blocks.push(block);
    }
    (blocks, posts)
}

#[tokio::test]
async fn only_the_blocks_above_the_stores_number_are_sent_again_each_as_it_was() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let (blocks, mut posts) = three_blocks(&mut store, &gateway, &stream).await;
    let (mut conversation, _) = store.writer(blocks[0].last_number).await;
    for lost in &blocks[1..] {
        let again = conversation.receive_block().await;
        assert_eq!((&again.payloads, again.last_number), (&lost.payloads, lost.last_number));
    }
    conversation.acknowledge(&blocks[1], blocks[0].last_number, 22).await;
    conversation.acknowledge(&blocks[2], blocks[1].last_number, 35).await;
    let mut offsets = Vec::new();
    while let Some(answer) = posts.join_next().await {
        offsets.push(answer.expect("no panic").expect(201).json()["offset"].as_i64());
    }
    offsets.sort_unstable();
    assert_eq!(offsets, [None, Some(11), Some(22)]);
}

#[tokio::test]
async fn acknowledgement_that_covers_several_blocks_answers_all_and_places_none() {
    let (mut store, gateway, stream) = scripted(&[]).await;
    let (blocks, mut posts) = three_blocks(&mut store, &gateway, &stream).await;
    let (mut conversation, _) = store.new_writer().await;
    for _ in &blocks {
        conversation.receive_block().await;
    }
    conversation.acknowledge(&blocks[2], NO_VALUE, 35).await;
    while let Some(answer) = posts.join_next().await {
        let answer = answer.expect("no panic").expect(201);
        assert!(answer.json()["offset"].is_null() && !answer.headers.contains_key("location"));
    }
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
