//! The layout of a block of events on the wire.

use bytes::{BufMut as _, Bytes, BytesMut};
use pravega_protocol::wire::event::put_event;
use pravega_protocol::wire::{
    AppendBlockEnd, Command as _, CommandType, Data, EventNumber, RequestId, WriterId, put_header,
};

/// Bytes of a writer id.
const WRITER_ID_BYTES: usize = 16;

/// Bytes of an AppendBlockEnd frame without data.
const BLOCK_END_BYTES: usize = 8 + 44;

/// Encodes AppendBlock with its events and AppendBlockEnd, ready to be written.
pub(super) fn encode<'a>(
    writer_id: WriterId,
    last_number: i64,
    request_id: RequestId,
    framed_bytes: usize,
    payloads: impl ExactSizeIterator<Item = &'a Bytes>,
) -> Bytes {
    let num_events = i32::try_from(payloads.len()).expect("a block holds less than 2^24 bytes");
    let mut out = BytesMut::with_capacity(8 + WRITER_ID_BYTES + framed_bytes + BLOCK_END_BYTES);
    put_header(CommandType::AppendBlock.info().code, WRITER_ID_BYTES + framed_bytes, &mut out);
    out.put_slice(writer_id.0.as_bytes());
    payloads.for_each(|payload| put_event(payload, &mut out));
    let end = AppendBlockEnd {
        writer_id,
        size_of_whole_events: i32::try_from(framed_bytes).expect("a block holds less than 2^24 bytes"),
        data: Data::default(),
        num_events,
        last_event_number: EventNumber(last_number),
        request_id,
    };
    end.encode_frame(&mut out);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two events, as they were stored and read back on a live Pravega 0.13.0.
    #[test]
    fn block_of_two_events_is_laid_out_as_the_store_expects() {
        let writer_id = WriterId(uuid::uuid!("00112233-4455-6677-8899-aabbccddeeff"));
        let payloads = [Bytes::from_static(b"a"), Bytes::from_static(b"bb")];
        let block = encode(writer_id, 2, RequestId(77), 19, payloads.iter());
        let expected = "000000030000002300112233445566778899aabbccddeeff\
                        000000000000000161000000000000000262620000000400\
                        00002c00112233445566778899aabbccddeeff0000001300\
                        000000000000020000000000000002000000000000004d";
        assert_eq!(hex::encode(&block), expected);
        assert_eq!(block.len(), 95);
    }
}
