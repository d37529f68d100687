//! Frames: a code, a length and a payload, cut out of a byte stream and written to one.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::event::EVENT_HEADER_BYTES;

/// Bytes of a frame's header: an i32 code and an i32 length of what follows.
pub const HEADER_BYTES: usize = 8;

/// Largest payload that a store accepts; it closes the connection on anything larger. The store bounds header and
/// payload together by 0xFFFFFF. Source: CommandDecoder.java, `WireCommands.MAX_WIRECOMMAND_SIZE`.
pub const MAX_PAYLOAD_TO_STORE: usize = 0xFF_FFFF - HEADER_BYTES;

/// Largest payload that clients accept from a store. Source: CommandDecoder.java as the Java client uses it.
pub const MAX_PAYLOAD_FROM_STORE: usize = 0xFF_FFFF;

/// Largest payload that Pravega's clients write and read as one event.
/// Source: `io.pravega.client.stream.Serializer.MAX_EVENT_SIZE`.
pub const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;

// a header can announce every frame, and a frame can hold every event
const _: () = assert!(MAX_PAYLOAD_FROM_STORE <= i32::MAX as usize);
const _: () = assert!(EVENT_HEADER_BYTES + MAX_EVENT_BYTES <= MAX_PAYLOAD_TO_STORE);

/// Most bytes reserved ahead of those that have arrived, whatever a header announces.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// A code and its payload, untyped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Code of the command, possibly unknown to the table.
    pub code: i32,
    /// The bytes after the header.
    pub payload: Bytes,
}

impl Frame {
    /// Bytes of the frame with its header.
    pub fn encoded_len(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }

    /// Header and payload in one piece.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.encoded_len());
        self.encode(&mut out);
        out.freeze()
    }

    /// Appends header and payload.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(self.encoded_len());
        put_header(self.code, self.payload.len(), out);
        out.put_slice(&self.payload);
    }
}

/// Appends a frame's header.
///
/// # Panics
/// If the length is 2^31 or more.
pub fn put_header(code: i32, payload_len: usize, out: &mut BytesMut) {
    out.put_i32(code);
    out.put_i32(i32::try_from(payload_len).expect("payloads are bounded far below 2^31 bytes"));
}

/// A byte stream that is not a sequence of frames. No later frame can be found, so the connection is lost.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A header announces a negative length.
    #[error("frame of type {code} has negative length {length}")]
    NegativeLength {
        /// Code in the header.
        code: i32,
        /// Length in the header.
        length: i32,
    },
    /// A frame is larger than the receiving side accepts.
    #[error("frame of type {code} has a payload of {length} bytes; the limit is {limit}")]
    TooLarge {
        /// Code in the header.
        code: i32,
        /// Length of the payload, in bytes.
        length: usize,
        /// Largest payload accepted, in bytes.
        limit: usize,
    },
    /// The stream ended inside a frame.
    #[error("the input ended inside a frame, {left} bytes after its start")]
    CutOff {
        /// Bytes of the unfinished frame.
        left: usize,
    },
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Splits a byte stream into frames and writes frames, within size limits. Knows nothing of their payloads.
#[derive(Debug, Clone)]
pub struct FrameCodec {
    max_read: usize,
    max_written: usize,
}

impl FrameCodec {
    /// The codec of a client of the segment store.
    pub fn client() -> Self {
        Self { max_read: MAX_PAYLOAD_FROM_STORE, max_written: MAX_PAYLOAD_TO_STORE }
    }

    /// The codec of a segment store.
    pub fn store() -> Self {
        Self { max_read: MAX_PAYLOAD_TO_STORE, max_written: MAX_PAYLOAD_FROM_STORE }
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(mut header) = src.get(..HEADER_BYTES) else {
            return Ok(None);
        };
        let (code, length) = (header.get_i32(), header.get_i32());
        let length = usize::try_from(length).map_err(|_| FrameError::NegativeLength { code, length })?;
        check_len(code, length, self.max_read)?;
        let missing = (HEADER_BYTES + length).saturating_sub(src.len());
        if missing > 0 {
            src.reserve(missing.min(src.len().max(READ_AHEAD_BYTES)));
            return Ok(None);
        }
        src.advance(HEADER_BYTES);
        Ok(Some(Frame { code, payload: src.split_to(length).freeze() }))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(FrameError::CutOff { left: src.len() }),
            decoded => Ok(decoded),
        }
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        check_len(frame.code, frame.payload.len(), self.max_written)?;
        frame.encode(out);
        Ok(())
    }
}

fn check_len(code: i32, length: usize, limit: usize) -> Result<(), FrameError> {
    if length > limit { Err(FrameError::TooLarge { code, length, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(code: i32, length: i32) -> BytesMut {
        let mut bytes = BytesMut::new();
        bytes.put_i32(code);
        bytes.put_i32(length);
        bytes
    }

    #[test]
    fn largest_frame_passes_and_one_byte_more_does_not() {
        let limit = MAX_PAYLOAD_TO_STORE;
        let frame = |len| Frame { code: 3, payload: Bytes::from(vec![0; len]) };
        let mut out = BytesMut::new();
        FrameCodec::client().encode(frame(limit), &mut out).expect("at the limit");
        let decoded = FrameCodec::store().decode(&mut out).expect("at the limit");
        assert_eq!(decoded.map(|frame| frame.payload.len()), Some(limit));
        let refused = FrameCodec::client().encode(frame(limit + 1), &mut out);
        assert!(matches!(refused, Err(FrameError::TooLarge { length, .. }) if length == limit + 1));
    }

    #[test]
    fn oversize_and_negative_lengths_are_refused_from_the_header_alone() {
        let oversize = FrameCodec::store().decode(&mut header(3, 16_777_208));
        assert!(matches!(oversize, Err(FrameError::TooLarge { length: 16_777_208, limit: 16_777_207, .. })));
        let negative = FrameCodec::client().decode(&mut header(3, -1));
        assert!(matches!(negative, Err(FrameError::NegativeLength { length: -1, .. })));
    }

    #[test]
    fn announced_length_alone_does_not_size_the_buffer() {
        let mut bytes = header(10, 16_777_215);
        assert!(FrameCodec::client().decode(&mut bytes).expect("within the limit").is_none());
        assert!(bytes.capacity() <= 2 * READ_AHEAD_BYTES, "reserved {} bytes", bytes.capacity());
    }

    #[test]
    fn end_inside_a_frame_is_an_error() {
        let mut bytes = header(10, 5);
        assert!(matches!(FrameCodec::client().decode_eof(&mut bytes), Err(FrameError::CutOff { left: 8 })));
        bytes.truncate(7);
        assert!(matches!(FrameCodec::client().decode_eof(&mut bytes), Err(FrameError::CutOff { left: 7 })));
    }

    #[test]
    fn end_between_frames_is_the_end() {
        assert!(FrameCodec::client().decode_eof(&mut BytesMut::new()).expect("no frame is cut off").is_none());
    }

    #[test]
    fn part_of_a_header_stays_until_the_rest_arrives() {
        let mut bytes = header(10, 0);
        let last = bytes.split_off(7);
        assert!(FrameCodec::client().decode(&mut bytes).expect("nothing is wrong so far").is_none());
        bytes.unsplit(last);
        let frame = FrameCodec::client().decode(&mut bytes).expect("well formed");
        assert_eq!(frame, Some(Frame { code: 10, payload: Bytes::new() }));
    }

    #[test]
    fn only_the_first_of_two_frames_is_taken() {
        let frames = [Frame { code: 1, payload: "a".into() }, Frame { code: -1, payload: "bc".into() }];
        let mut bytes = BytesMut::new();
        frames.iter().for_each(|frame| bytes.extend_from_slice(&frame.to_bytes()));
        assert_eq!(FrameCodec::client().decode(&mut bytes).expect("well formed").as_ref(), Some(&frames[0]));
        assert_eq!(bytes.len(), frames[1].encoded_len());
    }

    #[test]
    fn clients_accept_larger_frames_than_stores() {
        let announced = || header(10, 16_777_215);
        assert!(FrameCodec::client().decode(&mut announced()).is_ok());
        assert!(FrameCodec::store().decode(&mut announced()).is_err());
        assert!(FrameCodec::client().decode(&mut header(10, 16_777_216)).is_err());
    }
}
