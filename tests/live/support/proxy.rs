//! A TCP proxy between a gateway and its store, which treats the traffic as the test demands.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use pravega_protocol::wire::{Frame, FrameCodec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::codec::Decoder as _;

use super::fault::{Fault, Faults, Kind};

/// Most bytes forwarded at once.
const CHUNK: usize = 16 * 1024;

/// Bytes that a split affects, and the pause between its pieces, so that they arrive separately.
const MOST_SPLIT: usize = 100;
const BETWEEN_PIECES: Duration = Duration::from_millis(1);

/// The longest delay that a throttle catches up on.
const LATEST: Duration = Duration::from_millis(100);

/// How bytes are treated on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// They arrive as they were sent.
    Faithful,
    /// None arrive until the treatment changes.
    Stalled,
    /// Whatever is sent ends its connection, and new ones end at once.
    Severed,
    /// They arrive at the store this much later.
    Late(Duration),
    /// This many per second arrive at the store over all connections.
    Throttled(u32),
}

/// A proxy on its own port. Once dropped, it accepts no more connections; existing ones end with the runtime.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: String,
    road: Road,
    accepting: JoinHandle<()>,
}

/// What all connections share.
#[derive(Debug, Clone)]
struct Road {
    treatment: watch::Sender<Treatment>,
    faults: Arc<Faults>,
    /// When the throttle lets the next bytes pass.
    free_at: Arc<Mutex<Instant>>,
    to_store: Arc<AtomicU64>,
    recording: Option<Recording>,
}

/// All that was forwarded to the store, connection by connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recording(Arc<parking_lot::Mutex<Vec<BytesMut>>>);

impl Recording {
    /// Begins with a connection; returns its number.
    fn begin(&self) -> usize {
        let mut connections = self.0.lock();
        connections.push(BytesMut::new());
        connections.len() - 1
    }

    fn add(&self, connection: usize, bytes: &[u8]) {
        self.0.lock()[connection].extend_from_slice(bytes);
    }

    /// Whether a text was among it.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let found = |bytes: &BytesMut| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        self.0.lock().iter().any(found)
    }

    /// The messages, those of a connection in their order; the last of each may still be on its way.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        let connections = self.0.lock().clone();
        connections.into_iter().flat_map(frames_of).collect()
    }
}

fn frames_of(mut bytes: BytesMut) -> Vec<Frame> {
    let mut codec = FrameCodec::store();
    std::iter::from_fn(|| codec.decode(&mut bytes).expect("gateways send frames")).collect()
}

impl Proxy {
    /// Forwards connections to `target`, a `host:port`, and injects these faults.
    pub(crate) async fn start(target: &str, faults: Arc<Faults>) -> Self {
        Self::begin(target, faults, None).await
    }

    /// A proxy without faults, and what it will have forwarded.
    pub(crate) async fn recording(target: &str) -> (Self, Recording) {
        let recording = Recording::default();
        (Self::begin(target, Arc::new(Faults::new(0, 0)), Some(recording.clone())).await, recording)
    }

    async fn begin(target: &str, faults: Arc<Faults>, recording: Option<Recording>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let road = Road {
            treatment: watch::Sender::new(Treatment::Faithful),
            faults,
            free_at: Arc::new(Mutex::new(Instant::now())),
            to_store: Arc::default(),
            recording,
        };
        let accepting = tokio::spawn(accept(listener, target.to_owned(), road.clone()));
        Self { address, road, accepting }
    }

    /// A proxy without faults.
    pub(crate) async fn faithful(target: &str) -> Self {
        Self::start(target, Arc::new(Faults::new(0, 0))).await
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The rewrite rule that sends a gateway here, whichever store the controller names.
    pub(crate) fn rule(&self) -> String {
        format!("*:*={}", self.address)
    }

    /// Applies a treatment to all traffic from now on.
    pub(crate) fn treat(&self, treatment: Treatment) {
        self.road.treatment.send_replace(treatment);
    }

    /// Bytes forwarded to the store so far.
    pub(crate) fn bytes_to_store(&self) -> u64 {
        self.road.to_store.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: String, road: Road) {
    while let Ok((gateway, _)) = listener.accept().await {
        let (target, road) = (target.clone(), road.clone());
        tokio::spawn(async move {
            if *road.treatment.borrow() == Treatment::Severed {
                return;
            }
            // If the store is down, the gateway sees a connection that closes at once.
            if let Ok(store) = TcpStream::connect(&target).await {
                connect(gateway, store, road).await;
            }
        });
    }
}

/// Forwards bytes in both directions until either side or a fault ends the connection.
async fn connect(gateway: TcpStream, store: TcpStream, road: Road) {
    for socket in [&gateway, &store] {
        socket.set_nodelay(true).expect("it is TCP");
    }
    let ((from_gateway, to_gateway), (from_store, to_store)) = (gateway.into_split(), store.into_split());
    let away = Lane::new(road.clone(), to_store, true);
    let back = Lane::new(road, to_gateway, false);
    tokio::select! {
        _ = away.run(from_gateway) => {}
        _ = back.run(from_store) => {}
    }
}

/// One direction of a connection.
struct Lane {
    road: Road,
    to: OwnedWriteHalf,
    is_to_store: bool,
    fault: Fault,
    /// Its number in the recording.
    connection: usize,
}

impl Lane {
    fn new(road: Road, to: OwnedWriteHalf, is_to_store: bool) -> Self {
        let fault = road.faults.draw();
        let connection = road.recording.as_ref().filter(|_| is_to_store).map_or(0, Recording::begin);
        Self { road, to, is_to_store, fault, connection }
    }

    async fn run(mut self, mut from: OwnedReadHalf) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        loop {
            bytes.reserve(CHUNK);
            let limited = &mut (&mut from).take(CHUNK as u64);
            if limited.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            self.pass(bytes.split()).await?;
        }
    }

    /// Forwards bytes and injects the faults that are due among them.
    async fn pass(&mut self, mut bytes: BytesMut) -> io::Result<()> {
        while self.fault.after < bytes.len() {
            let before = bytes.split_to(self.fault.after);
            self.write(&before).await?;
            if self.road.faults.happens(self.fault.kind) {
                self.suffer(&mut bytes).await?;
            }
            self.fault = self.road.faults.draw();
        }
        self.fault.after -= bytes.len();
        self.write(&bytes).await
    }

    async fn suffer(&mut self, bytes: &mut BytesMut) -> io::Result<()> {
        match self.fault.kind {
            Kind::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
            Kind::Stall(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            Kind::Split(piece) => {
                let mut split = bytes.split_to(MOST_SPLIT.min(bytes.len()));
                while split.has_remaining() {
                    let piece = split.split_to(piece.min(split.len()));
                    self.write(&piece).await?;
                    tokio::time::sleep(BETWEEN_PIECES).await;
                }
                Ok(())
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.road.admit(bytes.len(), self.is_to_store).await?;
        if let Some(recording) = self.road.recording.as_ref().filter(|_| self.is_to_store) {
            recording.add(self.connection, bytes);
        }
        self.to.write_all(bytes).await
    }
}

impl Road {
    /// Waits until the treatment lets this many bytes pass, if it does.
    async fn admit(&self, bytes: usize, is_to_store: bool) -> io::Result<()> {
        let mut treatment = self.treatment.subscribe();
        let moving = treatment.wait_for(|treatment| *treatment != Treatment::Stalled).await;
        let treatment = *moving.expect("the sender is in our hands");
        if treatment == Treatment::Severed {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if !is_to_store {
            return Ok(());
        }
        self.to_store.fetch_add(bytes as u64, Ordering::Relaxed);
        match treatment {
            Treatment::Throttled(per_second) => {
                let mut free_at = self.free_at.lock().await;
                tokio::time::sleep_until(*free_at).await;
                // A late timer must not lower the rate.
                let begun = (*free_at).max(Instant::now() - LATEST);
                *free_at = begun + Duration::from_secs_f64(bytes as f64 / f64::from(per_second));
            }
            Treatment::Late(delay) => tokio::time::sleep(delay).await,
            Treatment::Faithful | Treatment::Stalled | Treatment::Severed => {}
        }
        Ok(())
    }
}
