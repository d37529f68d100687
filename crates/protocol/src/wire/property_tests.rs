//! Round trips of commands with arbitrary fields, built from what the table says about their kinds.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio_util::codec::Decoder;

use super::{CommandType, Frame, FrameCodec, Kind, WireCommand, command_from_json, command_to_json, sniff};

fn bytes_json() -> BoxedStrategy<Value> {
    prop::collection::vec(any::<u8>(), 0..64).prop_map(|bytes| json!({ "hex": hex::encode(bytes) })).boxed()
}

fn key() -> BoxedStrategy<Value> {
    (prop::collection::vec(any::<u8>(), 1..32), any::<i64>())
        .prop_map(|(data, version)| json!({ "data": { "hex": hex::encode(data) }, "keyVersion": version }))
        .boxed()
}

fn value_of(kind: Kind) -> BoxedStrategy<Value> {
    match kind {
        Kind::I8 => any::<i8>().prop_map(Value::from).boxed(),
        Kind::I32 => any::<i32>().prop_map(Value::from).boxed(),
        Kind::I64 => any::<i64>().prop_map(Value::from).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::from).boxed(),
        Kind::Uuid => any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).to_string().into()).boxed(),
        Kind::Str => any::<String>().prop_map(Value::from).boxed(),
        Kind::Buf | Kind::Raw => bytes_json(),
        Kind::Zeros => (0..200_u32).prop_map(Value::from).boxed(),
        Kind::Event => bytes_json().prop_map(|data| json!({ "data": data })).boxed(),
        Kind::ErrorCode => prop::sample::select(vec![-1, 0]).prop_map(|code| json!({ "code": code })).boxed(),
        Kind::TableKey => key(),
        Kind::TableEntries => prop::collection::vec((key(), bytes_json()), 0..4)
            .prop_map(|entries| {
                let pairs: Vec<_> = entries.into_iter().map(|(key, data)| json!([key, { "data": data }])).collect();
                json!({ "entries": pairs })
            })
            .boxed(),
        Kind::IteratorArgs => (bytes_json(), bytes_json(), bytes_json())
            .prop_map(|(token, from, to)| json!({ "continuationToken": token, "fromKey": from, "toKey": to }))
            .boxed(),
        Kind::AttributeUpdate => (any::<u128>(), any::<i8>(), any::<i64>(), any::<i64>())
            .prop_map(|(id, kind, new, old)| {
                let id = uuid::Uuid::from_u128(id).to_string();
                json!({ "attributeId": id, "attributeUpdateType": kind, "newValue": new, "oldValue": old })
            })
            .boxed(),
        Kind::ChunkInfo => (any::<i64>(), any::<String>(), any::<bool>())
            .prop_map(|(number, name, exists)| {
                json!({
                    "lengthInMetadata": number, "lengthInStorage": number, "startOffset": number,
                    "chunkName": name, "existsInStorage": exists,
                })
            })
            .boxed(),
        Kind::MergedSources => prop::collection::vec(any::<String>(), 0..4).prop_map(Value::from).boxed(),
        Kind::List(item) => prop::collection::vec(value_of(*item), 0..4).prop_map(Value::from).boxed(),
    }
}

fn command() -> impl Strategy<Value = WireCommand> {
    prop::sample::select(CommandType::ALL.to_vec()).prop_flat_map(|command| {
        let members: Vec<_> =
            command.info().fields.iter().map(|field| (Just(field.name), value_of(field.kind))).collect();
        members.prop_map(move |members| {
            let mut fields: Map<String, Value> =
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            if command == CommandType::SegmentsBatchMerged {
                let count = fields["sources"].as_array().map_or(0, Vec::len);
                fields.insert("newTargetWriteOffset".to_owned(), vec![7; count].into());
            }
            WireCommand::from_fields(command, fields).expect("fields of the right kinds")
        })
    })
}

proptest! {
    #[test]
    fn command_survives_bytes_and_json(command in command()) {
        let payload = command.payload();
        let (decoded, left) = WireCommand::decode(command.command_type(), payload.clone()).expect("own bytes");
        prop_assert_eq!(&decoded, &command);
        prop_assert_eq!(left, 0);
        prop_assert_eq!(command_from_json(&command_to_json(&command)).expect("own JSON"), command);
        prop_assert!(sniff(decoded.command_type(), &payload).is_ok());
    }

    #[test]
    fn frames_come_out_the_same_however_the_bytes_arrive(
        commands in prop::collection::vec(command(), 1..5),
        cuts in prop::collection::vec(1..40_usize, 1..50),
    ) {
        let frames: Vec<_> = commands.iter().map(WireCommand::frame).collect();
        let mut stream = BytesMut::new();
        frames.iter().for_each(|frame| frame.encode(&mut stream));
        prop_assert_eq!(decode_in_chunks(stream.freeze(), &cuts), frames);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_decode_to_more_than_they_are(
        command in prop::sample::select(CommandType::ALL.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let payload = Bytes::from(bytes);
        let _ = sniff(command, &payload);
        if let Ok((decoded, left)) = WireCommand::decode(command, payload.clone()) {
            prop_assert!(left <= payload.len());
            let again = WireCommand::decode(command, decoded.payload()).expect("own bytes");
            prop_assert_eq!(again.0, decoded);
        }
    }
}

fn decode_in_chunks(mut stream: Bytes, cuts: &[usize]) -> Vec<Frame> {
    let mut codec = FrameCodec::store();
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for cut in cuts.iter().cycle() {
        buffer.extend_from_slice(&stream.split_to((*cut).min(stream.len())));
        while let Some(frame) = codec.decode(&mut buffer).expect("well formed") {
            frames.push(frame);
        }
        if stream.is_empty() {
            break;
        }
    }
    frames
}
