//! Frames made by Pravega's own Java classes; `tests/golden/capture` holds the program that made them.

use bytes::BytesMut;
use serde_json::Value;
use tokio_util::codec::Decoder;

use super::{CommandType, FrameCodec, command_from_json, command_to_json};

fn vectors() -> impl Iterator<Item = Value> {
    include_str!("../../tests/golden/wire-vectors.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
}

fn frame_bytes(vector: &Value) -> Vec<u8> {
    hex::decode(vector["frame"].as_str().expect("frame is text")).expect("frame is hex")
}

#[test]
fn every_frame_decodes_to_its_fields_and_nothing_is_left_over() {
    for vector in vectors() {
        let mut bytes = BytesMut::from(frame_bytes(&vector).as_slice());
        let frame = FrameCodec::store().decode(&mut bytes).expect("a frame").expect("a whole frame");
        let (command, left) = frame.to_command().unwrap_or_else(|error| panic!("{error}: {vector}"));
        let mut expected = vector.clone();
        expected.as_object_mut().expect("an object").remove("frame");
        assert_eq!(command_to_json(&command), expected);
        assert_eq!((left, bytes.len()), (0, 0), "{vector}");
    }
}

#[test]
fn every_vector_encodes_to_its_frame() {
    for vector in vectors() {
        let command = command_from_json(&vector).unwrap_or_else(|error| panic!("{error}: {vector}"));
        let mut out = BytesMut::new();
        command.frame().encode(&mut out);
        assert_eq!(hex::encode(out), hex::encode(frame_bytes(&vector)), "{vector}");
    }
}

#[test]
fn vectors_cover_every_command_that_0_13_has() {
    let newer = [CommandType::LocateOffset, CommandType::OffsetLocated];
    let seen: Vec<_> = vectors().map(|vector| vector["name"].clone()).collect();
    for command in CommandType::ALL.iter().filter(|command| !newer.contains(command)) {
        assert!(seen.contains(&command.info().name.into()), "{command:?} has no vector");
    }
}

#[test]
fn older_peers_shorter_frames_take_the_defaults() {
    let cases = [
        ("0000000700000018000102030405060708090a0b0c0d0e0f000000000000002a", "previousEventNumber", -1),
        ("00000035000000100000000000000001000161000000000000", "offset", -1),
        (
            "0000000c00000024000000000000000100016101000000000000000000000000000000000000000000000000000000",
            "startOffset",
            0,
        ),
    ];
    for (hex, field, expected) in cases {
        let mut bytes = hex::decode(hex).expect("hex");
        let length = u8::try_from(bytes.len() - 8).expect("short");
        bytes[7] = length;
        let frame =
            FrameCodec::client().decode(&mut BytesMut::from(bytes.as_slice())).expect("a frame").expect("whole");
        let (command, _) = frame.to_command().expect("a short tail is fine");
        assert_eq!(command.to_fields()[field], expected, "{field}");
    }
}

#[test]
fn bytes_that_a_newer_peer_appends_are_skipped_and_counted() {
    for vector in vectors().filter(|vector| !takes_the_rest(vector)) {
        let mut bytes = frame_bytes(&vector);
        bytes.extend([0xab; 5]);
        let length = u32::try_from(bytes.len() - 8).expect("short");
        bytes[4..8].copy_from_slice(&length.to_be_bytes());
        let frame = FrameCodec::store().decode(&mut BytesMut::from(bytes.as_slice())).expect("a frame").expect("whole");
        let (command, left) = frame.to_command().unwrap_or_else(|error| panic!("{error}: {vector}"));
        assert_eq!((command_to_json(&command)["fields"].clone(), left), (vector["fields"].clone(), 5), "{vector}");
    }
}

fn takes_the_rest(vector: &Value) -> bool {
    let name = vector["name"].as_str().expect("a name");
    ["AppendBlock", "Event", "Padding", "PartialEvent"].contains(&name)
}

#[test]
fn frame_cut_off_at_any_byte_is_an_error_or_an_older_peers_frame() {
    for vector in vectors() {
        let bytes = frame_bytes(&vector);
        let code = i32::from_be_bytes(bytes[..4].try_into().expect("four bytes"));
        let command = CommandType::from_code(code).expect("known");
        for end in 8..bytes.len() {
            let payload = bytes::Bytes::copy_from_slice(&bytes[8..end]);
            if let Ok((short, _)) = super::WireCommand::decode(command, payload) {
                assert!(may_be_shorter(command), "{command:?} took {} of {} bytes: {short:?}", end, bytes.len());
            }
        }
    }
}

fn may_be_shorter(command: CommandType) -> bool {
    use super::Kind;
    use super::info::Absent;
    command
        .info()
        .fields
        .last()
        .is_some_and(|last| last.absent != Absent::Never || matches!(last.kind, Kind::Raw | Kind::Zeros))
}
