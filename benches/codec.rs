//! The cost of splitting bytes into frames, decoding them, and encoding events as a block.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pravega_protocol::stream::KeyPosition;
use pravega_protocol::wire::event::{Deframed, deframe};
use pravega_protocol::wire::{
    AppendBlock, AppendBlockEnd, Command, Data, DataAppended, EventNumber, Frame, FrameCodec, Offset, Raw, RequestId,
    WriterId,
};
use tokio_util::codec::Decoder;
use uuid::Uuid;

const EVENTS: usize = 1000;
const EVENT_BYTES: usize = 100;

fn writer_id() -> WriterId {
    WriterId(Uuid::from_u128(7))
}

/// Events as they are framed in a segment.
fn framed_events() -> Bytes {
    let event = [&0_i32.to_be_bytes()[..], &(EVENT_BYTES as i32).to_be_bytes(), &[b'x'; EVENT_BYTES]].concat();
    event.repeat(EVENTS).into()
}

fn encode_block(c: &mut Criterion) {
    let data = framed_events();
    let block = AppendBlock { writer_id: writer_id(), data: Raw(data.clone()) };
    let end = AppendBlockEnd {
        writer_id: writer_id(),
        size_of_whole_events: data.len() as i32,
        data: Data::default(),
        num_events: EVENTS as i32,
        last_event_number: EventNumber(1),
        request_id: RequestId(1),
    };
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("append block of 1000 events of 100 B", |b| {
        b.iter(|| {
            let mut out = BytesMut::with_capacity(data.len() + 128);
            block.encode_frame(&mut out);
            end.encode_frame(&mut out);
            black_box(out)
        });
    });
    group.finish();
}

fn acknowledgements(count: i64) -> BytesMut {
    let mut stream = BytesMut::new();
    for number in 0..count {
        DataAppended {
            writer_id: writer_id(),
            event_number: EventNumber(number),
            previous_event_number: EventNumber(number - 1),
            request_id: RequestId(number),
            current_segment_write_offset: Offset(number * 108),
        }
        .encode_frame(&mut stream);
    }
    stream
}

fn decode_acknowledgements(c: &mut Criterion) {
    let stream = acknowledgements(EVENTS as i64);
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("1000 acknowledgements", |b| {
        b.iter(|| {
            let mut bytes = stream.clone();
            let mut codec = FrameCodec::client();
            while let Some(frame) = codec.decode(&mut bytes).expect("well formed") {
                black_box(Frame::to_command(&frame).expect("well formed"));
            }
        });
    });
    group.finish();
}

fn deframe_events(c: &mut Criterion) {
    let data = framed_events();
    let mut group = c.benchmark_group("deframe");
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("1000 events of 100 B", |b| {
        b.iter(|| {
            let mut rest = data.clone();
            while !rest.is_empty() {
                let room = rest.len();
                let Deframed::Event(payload) = deframe(&mut rest, room) else { unreachable!("whole events") };
                black_box(payload);
            }
        });
    });
    group.finish();
}

fn hash_keys(c: &mut Criterion) {
    c.bench_function("position of a routing key of 16 characters", |b| {
        b.iter(|| KeyPosition::of_key(black_box("device-000012345")));
    });
}

criterion_group!(benches, encode_block, decode_acknowledgements, deframe_events, hash_keys);
criterion_main!(benches);
