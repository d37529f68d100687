//! The wire protocol without a gateway: one connection, a block for each event, a window of blocks in flight.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{SinkExt as _, StreamExt as _};
use pravega_protocol::wire::{
    AppendBlock, AppendBlockEnd, Command, Data, DelegationToken, EventNumber, FrameCodec, JavaStr, Raw, RequestId,
    Segment, SetupAppend, WireCommand, WriterId,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::codec::Framed;
use uuid::Uuid;

use crate::servers::BenchStream;

/// One writer on one connection.
pub(crate) struct DirectWriter {
    state: Arc<Mutex<State>>,
}

struct State {
    connection: Framed<TcpStream, FrameCodec>,
    writer_id: WriterId,
    number: i64,
}

impl DirectWriter {
    /// Connects to the store and sets up a writer on the stream's segment.
    pub(crate) async fn connect(stream: &BenchStream, store: &str) -> Self {
        let socket = TcpStream::connect(store).await.expect("the store listens");
        socket.set_nodelay(true).expect("a TCP socket");
        let mut connection = Framed::new(socket, FrameCodec::client());
        let writer_id = WriterId(Uuid::new_v4());
        let segment = format!("{}/{}/0.#epoch.0", stream.scope, stream.stream);
        let setup = SetupAppend {
            request_id: RequestId(1),
            writer_id,
            segment: Segment(JavaStr::new(segment).expect("short")),
            delegation_token: DelegationToken::none(),
        };
        connection.send(WireCommand::from(setup).frame()).await.expect("sent");
        let reply = connection.next().await.expect("open").expect("a frame").to_command().expect("decodes").0;
        assert!(matches!(reply, WireCommand::AppendSetup(_)), "{reply:?}");
        Self { state: Arc::new(Mutex::new(State { connection, writer_id, number: 0 })) }
    }

    /// Appends this many events with at most `window` of them unacknowledged.
    pub(crate) async fn run(&self, events: u64, window: usize) -> Duration {
        let mut state = self.state.lock().await;
        let begin = Instant::now();
        let first = state.number;
        let last = first + events as i64;
        let mut acknowledged = first;
        while acknowledged < last {
            while state.number < last && state.number - acknowledged < window as i64 {
                let block = state.next_block();
                state.connection.get_mut().write_all(&block).await.expect("sent");
            }
            let reply = state.connection.next().await.expect("open").expect("a frame").to_command().expect("decodes").0;
            match reply {
                WireCommand::DataAppended(ack) => acknowledged = ack.event_number.0 + 1,
                other => panic!("{other:?}"),
            }
        }
        begin.elapsed()
    }
}

impl State {
    fn next_block(&mut self) -> Bytes {
        let event = [&0_i32.to_be_bytes()[..], &100_i32.to_be_bytes(), &[b'x'; 100]].concat();
        let end = AppendBlockEnd {
            writer_id: self.writer_id,
            size_of_whole_events: event.len() as i32,
            data: Data::default(),
            num_events: 1,
            last_event_number: EventNumber(self.number),
            request_id: RequestId(self.number),
        };
        self.number += 1;
        let mut out = BytesMut::with_capacity(256);
        AppendBlock { writer_id: self.writer_id, data: Raw(event.into()) }.encode_frame(&mut out);
        end.encode_frame(&mut out);
        out.freeze()
    }
}
