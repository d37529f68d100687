//! What the fuzz targets check; the tests run the same checks over the committed corpus.

use bytes::{Bytes, BytesMut};
use pravega_protocol::wire::{CommandType, Frame, FrameCodec, WireCommand, command_from_json, command_to_json, sniff};
use tokio_util::codec::Decoder;

/// Most memory that the codec may reserve ahead of the bytes that have arrived.
const MOST_AHEAD: usize = 256 * 1024;

/// Bytes from a peer, arriving in pieces whose size is given by the first byte. However they are split, the same frames
/// are decoded, they encode to the original bytes, and a header alone reserves no memory.
pub fn frame(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let whole = decode(stream, usize::MAX);
    let pieces = decode(stream, usize::from(*size).max(1));
    assert_eq!(whole, pieces, "frames depend on how the bytes arrive");
    let mut again = BytesMut::new();
    whole.iter().for_each(|frame| frame.encode(&mut again));
    assert_eq!(again, stream[..again.len()], "frames are not the bytes they came from");
}

fn decode(stream: &[u8], piece: usize) -> Vec<Frame> {
    let mut codec = FrameCodec::client();
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for chunk in stream.chunks(piece) {
        buffer.extend_from_slice(chunk);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return frames,
            }
        }
        assert!(buffer.capacity() <= stream.len() * 2 + MOST_AHEAD, "reserved {} bytes", buffer.capacity());
    }
    frames
}

/// A payload of the command that the first byte selects: it decodes or is an error. What decodes survives a round trip
/// through bytes and JSON, and can be sniffed.
pub fn command(data: &[u8]) {
    let Some((pick, payload)) = data.split_first() else {
        return;
    };
    let command = CommandType::ALL[usize::from(*pick) % CommandType::ALL.len()];
    let payload = Bytes::copy_from_slice(payload);
    let sniffed = sniff(command, &payload);
    let Ok((decoded, left)) = WireCommand::decode(command, payload.clone()) else {
        return;
    };
    assert!(left <= payload.len());
    sniffed.expect("what decodes can be sniffed");
    let (again, _) = WireCommand::decode(command, decoded.payload()).expect("own bytes decode");
    assert_eq!(again, decoded, "bytes lost something");
    let from_json = command_from_json(&command_to_json(&decoded)).expect("own JSON is taken");
    assert_eq!(from_json, decoded, "JSON lost something");
}
