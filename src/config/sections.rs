//! Every setting: its key, type, default and range.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use http_server::ListenAddress;
use pravega_protocol::stream::{Scope, StreamName};
use pravega_protocol::wire::{MAX_EVENT_BYTES, MAX_PAYLOAD_TO_STORE};
use reqwest::Url;

use super::setting::within;
use super::table::settings;
use super::value::{AuthMode, LogFormat, Percent, Size, Webhook};
use crate::controller::{ControllerAddresses, RewriteRule};

/// The most that an event may have, and its default.
const MAX_EVENT: Size = Size::bytes(MAX_EVENT_BYTES as u64);

/// The most that a raw message may have, and its default.
const MAX_RAW_MESSAGE: Size = Size::bytes(MAX_PAYLOAD_TO_STORE as u64);

/// The most segments of a stream that an append creates.
const MOST_CREATED_SEGMENTS: NonZeroU32 = NonZeroU32::new(1000).expect("not 0");

const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const BYTE: Size = Size::bytes(1);
const GIB: Size = Size::mib(1024);
const HALF: Percent = Percent::new(50).expect("it is one");

settings! {
    /// All settings.
    pub struct Config {
        /// Where callers are served. Default `["127.0.0.1:8080"]`: this machine only.
        listen: Vec<ListenAddress> = vec![ListenAddress::Tcp("127.0.0.1:8080".to_owned())], not_empty;
        /// Where `/healthz`, `/readyz` and `/metrics` are served, in plain HTTP. Default `127.0.0.1:8081`.
        management: ListenAddress = ListenAddress::Tcp("127.0.0.1:8081".to_owned()), anything;
        /// The scope of requests that name none. Default: none, such requests are refused.
        default_scope: Option<Scope> = None, anything;
        /// The stream of requests that name none. Default: none, such requests are refused.
        default_stream: Option<StreamName> = None, anything;
        /// `NAME=QUERY` pairs: `POST /v1/webhooks/NAME` appends as `POST /v1/events?QUERY` does, whatever its own query.
        /// Default: none.
        webhooks: Vec<Webhook> = Vec::new(), distinct;
        /// Whether an append creates the scope and the stream that it names. Default: only with the embedded Pravega.
        auto_create: Option<bool> = None, anything;
        /// Segments of a stream that is created so. Default 1: it is read without naming a segment.
        auto_create_segments: NonZeroU32 = NonZeroU32::MIN, within(NonZeroU32::MIN..=MOST_CREATED_SEGMENTS);
    }
    sections {
        /// TLS towards callers.
        tls: Tls;
        /// The Pravega in this process.
        embedded: Embedded;
        /// Who may do what.
        auth: Auth;
        /// How to reach Pravega's controller.
        controller: Controller;
        /// How to reach Pravega's segment stores.
        segment_store: SegmentStore;
        /// Whom to believe that it is Pravega.
        upstream: Upstream;
        /// What may be appended.
        append: Append;
        /// What one read returns.
        read: Read;
        /// How long a request may take.
        request: Request;
        /// What callers may use of this process.
        limits: Limits;
        /// How the process ends.
        shutdown: Shutdown;
        /// What is logged.
        log: Log;
        /// Where traces go.
        telemetry: Telemetry;
    }
}

settings! {
    /// TLS towards callers, on TCP listeners: the files are read again when they change. Unix sockets and the management
    /// listener are always plain.
    pub struct Tls {
        /// PEM file of the certificates, the leaf first; needs `key`. Default: none, callers are served without TLS.
        cert: Option<PathBuf> = None, anything;
        /// PEM file of the key. Default: none.
        key: Option<PathBuf> = None, anything;
        /// PEM file of the authorities, one of which must have signed the certificate that each caller has to show.
        /// Default: none, callers are not asked for certificates.
        client_ca: Option<PathBuf> = None, anything;
    }
}

settings! {
    /// The Pravega in this process: for development, tests and the edge. It listens on 127.0.0.1.
    pub struct Embedded {
        /// Whether there is one; the gateway then uses it and no other. Default no.
        enabled: bool = false, anything;
        /// Directory that keeps everything. Default: none, all is in memory and gone when the process ends.
        data: Option<PathBuf> = None, anything;
        /// Most bytes of events and table entries in memory; over it appends wait, then fail. Default 1 GiB.
        max_bytes: Size = GIB, within(Size::mib(1)..=Size::mib(1024 * 1024));
        /// Port of its segment store; 0 picks a free one. Default 6000.
        segment_store_port: u16 = 6000, anything;
        /// Port of its controller, gRPC and REST; 0 picks a free one. Default 9090.
        controller_port: u16 = 9090, anything;
        /// Another port of its controller, where clients look for REST; 0 picks a free one. Default 9091.
        rest_port: u16 = 9091, anything;
        /// File of the users it admits, in Pravega's format. Default: none, every caller may do everything.
        users: Option<PathBuf> = None, anything;
        /// Lifetime of a delegation token; 0 for unlimited. Default 10 min.
        token_life: Duration = Duration::from_secs(600), within(Duration::ZERO..=24 * HOUR);
        /// PEM file of its certificates, the leaf first; needs `tls-key`, and then all ports speak TLS. Default: none. The
        /// gateway in the same process trusts the leaf.
        tls_certificate: Option<PathBuf> = None, anything;
        /// PEM file of the key. Default: none.
        tls_key: Option<PathBuf> = None, anything;
    }
}

settings! {
    /// Who may do what.
    pub struct Auth {
        /// Who decides: `passthrough`, Pravega by the credentials that each caller shows. Default `passthrough`; where
        /// Pravega has authentication off, no one is asked for any.
        mode: AuthMode = AuthMode::Passthrough, anything;
    }
}

settings! {
    /// How to reach Pravega's controller, and how long its answers are cached.
    pub struct Controller {
        /// Controllers, tried in order: `host:port`, `tcp://…` or `tls://…`. Default `["127.0.0.1:9090"]`.
        address: ControllerAddresses = local_controller(), anything;
        /// URL of the controller's REST API. Default: none, it is searched for on the controller's host.
        rest: Option<Url> = None, anything;
        /// Longest wait for a connection to a controller. Default 2 s.
        connect_timeout: Duration = Duration::from_secs(2), within(MILLISECOND..=MINUTE);
        /// How long the segments of a stream are cached. Default 10 s.
        segments_ttl: Duration = Duration::from_secs(10), within(Duration::ZERO..=HOUR);
        /// How long the store of a segment is cached. Default 20 s.
        endpoint_ttl: Duration = Duration::from_secs(20), within(Duration::ZERO..=HOUR);
        /// How long "does not exist" and "is sealed" are cached. Default 1 s, and no more, so that a new stream is
        /// soon seen.
        missing_ttl: Duration = Duration::from_secs(1), within(Duration::ZERO..=Duration::from_secs(1));
    }
}

settings! {
    /// How to reach Pravega's segment stores. Connections are counted per store.
    pub struct SegmentStore {
        /// `FROM=TO` pairs of host:port that replace what the controller says; `*` matches any host or port.
        /// Default: none.
        rewrite: Vec<RewriteRule> = Vec::new(), anything;
        /// Shared connections for appends. Default 2.
        append_sessions: usize = 2, within(1..=64);
        /// Shared connections for reads. Default 2.
        read_sessions: usize = 2, within(1..=64);
        /// Most connections leased to one raw request each. Default 32.
        exclusive_connections: usize = 32, within(1..=4096);
        /// Longest wait for a connection, its handshake included. Default 5 s.
        connect_timeout: Duration = Duration::from_secs(5), within(MILLISECOND..=MINUTE);
        /// Silence after which a keep-alive is sent. Default 20 s.
        keep_alive: Duration = Duration::from_secs(20), within(MILLISECOND..=HOUR);
        /// Silence after which a connection is given up; longer than `keep_alive`. Default 60 s.
        dead_after: Duration = MINUTE, within(MILLISECOND..=HOUR);
        /// Whether scopes and streams that begin with `_`, Pravega's own, may be used. Default no.
        internal_streams: bool = false, anything;
    }
}

settings! {
    /// Whom to believe that it is Pravega, where it is reached through TLS.
    pub struct Upstream {
        /// PEM file of the authorities that vouch for controllers and segment stores; needed for `tls://` and `https://`.
        /// It is read again when it changes. Default: none.
        ca: Option<PathBuf> = None, anything;
    }
}

settings! {
    /// What may be appended, and in what portions it goes to the store.
    pub struct Append {
        /// Largest payload of one event. Default 8 MiB, which is also the most.
        max_event: Size = MAX_EVENT, within(BYTE..=MAX_EVENT);
        /// Whether an event of no bytes is taken. Default no: the Python client never gets past one.
        empty_events: bool = false, anything;
        /// Bytes after which a block of several events is sent. Default 1 MiB.
        max_block: Size = Size::mib(1), within(Size::kib(1)..=Size::mib(8));
        /// Full blocks of one segment that may await their ack at once; a smaller one waits for it, for 1 s at most. Default 4.
        max_in_flight_blocks: usize = 4, within(1..=1024);
    }
}

settings! {
    /// What one read returns at most.
    pub struct Read {
        /// Largest event that is buffered whole; a larger one is only streamed. Default 16 MiB.
        max_event: Size = Size::mib(16), within(BYTE..=GIB);
        /// Most events in one page. Default 10,000.
        page_events: usize = 10_000, within(1..=1_000_000);
        /// Most bytes of payload in one page, the first event aside. Default 8 MiB.
        page_bytes: Size = Size::mib(8), within(BYTE..=GIB);
    }
}

settings! {
    /// How long a request may take.
    pub struct Request {
        /// Time until a request is answered with `503`; for streamed bodies and waits, time without progress.
        /// Callers may lower it. Default 30 s.
        timeout: Duration = Duration::from_secs(30), within(Duration::from_millis(10)..=HOUR);
    }
}

settings! {
    /// What callers may use of this process. Memory is bounded by these, not by load.
    pub struct Limits {
        /// Most connections at once; more wait to be accepted. Lowered to the descriptor limit less 512.
        /// Default 16,384.
        connections: usize = 16_384, within(1..=1_000_000);
        /// Most bytes of headers in one request; more is `431`. Default 64 KiB.
        headers: Size = Size::kib(64), within(Size::kib(1)..=Size::mib(1));
        /// Time for the whole head of a request. Default 10 s.
        header_timeout: Duration = Duration::from_secs(10), within(MILLISECOND..=HOUR);
        /// How long a connection may be open without a request in flight; then it is closed. When all connections are
        /// used up, the one that was idle longest makes room. Default 75 s, longer than the 60 s of common load
        /// balancers.
        idle: Duration = Duration::from_secs(75), within(MILLISECOND..=DAY);
        /// Longest silence inside a request body, then `408`; and longest time in which a caller takes nothing of an
        /// answer, then its connection is closed. Default 30 s.
        body_idle: Duration = Duration::from_secs(30), within(MILLISECOND..=HOUR);
        /// Most requests at once on one HTTP/2 connection. Default 256.
        http2_streams: u32 = 256, within(1..=65_535);
        /// Bytes of bodies and pages held at once, over all requests; then `503`. Default 64 MiB.
        bytes_in_flight: Size = Size::mib(64), within(Size::kib(1)..=Size::mib(1024 * 1024));
        /// What one caller may hold of each part of those; then `429`, or `503` if no one else has a request in flight.
        /// A caller is known by its `Authorization`, else by its address. Default 50 %; with 100 % callers are not
        /// distinguished.
        caller_share: Percent = HALF, anything;
        /// Longest wait of one request for its share of those bytes. Default 1 s.
        budget_wait: Duration = Duration::from_secs(1), within(Duration::ZERO..=MINUTE);
        /// Largest JSON document. Default 32 MiB.
        json_document: Size = Size::mib(32), within(BYTE..=GIB);
        /// Largest payload of one raw message. Default 16,777,207, the most that a store takes.
        raw_message: Size = MAX_RAW_MESSAGE, within(BYTE..=MAX_RAW_MESSAGE);
        /// Largest sequence of raw messages. Default 32 MiB.
        raw_sequence: Size = Size::mib(32), within(BYTE..=GIB);
        /// Bytes of a refused body that are read and thrown away, so that the caller sees the answer.
        /// Default 16 MiB.
        drain_bytes: Size = Size::mib(16), within(Size::bytes(0)..=GIB);
        /// Time for that. Default 2 s.
        drain_time: Duration = Duration::from_secs(2), within(Duration::ZERO..=MINUTE);
    }
}

settings! {
    /// How the process ends after SIGTERM or SIGINT.
    pub struct Shutdown {
        /// Time between being not ready and accepting no more, after SIGTERM. Default 5 s.
        delay: Duration = Duration::from_secs(5), within(Duration::ZERO..=HOUR);
        /// Time after that to finish what is in flight. Default 25 s.
        grace: Duration = Duration::from_secs(25), within(Duration::ZERO..=HOUR);
    }
}

settings! {
    /// What is logged, to standard error.
    pub struct Log {
        /// `text` for people or `json`, one object per line. Default `text`.
        format: LogFormat = LogFormat::Text, anything;
        /// What is logged, as `level` or `target=level`, comma separated. Default `info`.
        level: String = "info".to_owned(), filter;
        /// Whether every request leaves a line, target `access`. Default yes.
        access: bool = true, anything;
    }
}

settings! {
    /// Where traces go.
    pub struct Telemetry {
        /// URL of an OpenTelemetry collector that takes OTLP over gRPC. Default: none, no traces are sent. Needs a build
        /// with the feature `otlp`.
        otlp_endpoint: Option<Url> = None, anything;
    }
}

fn local_controller() -> ControllerAddresses {
    "127.0.0.1:9090".parse().expect("a valid address")
}

fn anything<T>(_value: &T) -> Result<(), String> {
    Ok(())
}

#[expect(clippy::ptr_arg, reason = "a check takes the type of its field")]
fn not_empty<T>(list: &Vec<T>) -> Result<(), String> {
    if list.is_empty() {
        return Err("needs at least one address".to_owned());
    }
    Ok(())
}

#[expect(clippy::ptr_arg, reason = "a check takes the type of its field")]
fn distinct(webhooks: &Vec<Webhook>) -> Result<(), String> {
    let mut names = BTreeSet::new();
    match webhooks.iter().find(|webhook| !names.insert(&webhook.name)) {
        Some(again) => Err(format!("{:?} is given more than once", again.name)),
        None => Ok(()),
    }
}

fn filter(level: &String) -> Result<(), String> {
    match tracing_subscriber::EnvFilter::builder().parse(level) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("expected a level or target=level, comma separated: {error}")),
    }
}
