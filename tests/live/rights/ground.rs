//! What requests are made on: segments that no other request uses, made behind the gateway's back.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use pravega_protocol::controller::stream_info::AccessOperation;
use pravega_protocol::wire::{
    AppendBlockEnd, Buf, CreateSegment, CreateTableSegment, Data, DelegationToken, EventNumber, GetStreamSegmentInfo,
    JavaStr, Offset, ReadTable, RequestId, SealSegment, Segment, SetupAppend, TableEntries, TableEntry, TableKey,
    UpdateTableEntries, WireCommand, WriterId,
};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::support::secured::users::ADMIN;
use crate::support::secured::{SecuredPravega, StoreSession};
use crate::support::wire::framed;

/// The next segment's number, above those of the controller and unlike those of earlier runs; tests share a real Pravega.
static NEXT_NUMBER: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(rand::random_range(1_000..1 << 31)));

/// The only event of a segment that was filled.
pub(super) const EVENT: &[u8] = b"{\"here\":\"before\"}";

/// What a request finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The stream's own segment, with events.
    Stream,
    /// Nothing of this name.
    Nothing,
    /// A segment with one event.
    Segment,
    /// A table with one entry.
    Table,
    /// A segment with one event, and a sealed one to be merged into it.
    Mergeable,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Target {
    found: Found,
    /// The number within `shop/orders`.
    number: u32,
    /// Where the segment ends.
    pub(super) tail: i64,
    /// What a message carries as its delegation token.
    pub(super) token: DelegationToken,
    /// Of a writer that no one else is.
    pub(super) writer: WriterId,
}

/// Makes targets.
pub(super) struct Ground {
    session: Mutex<StoreSession>,
    /// May do everything to `shop/orders`.
    token: DelegationToken,
}

impl Target {
    /// The same, with messages that carry this token.
    pub(super) fn with(&self, token: DelegationToken) -> Self {
        Self { token, ..self.clone() }
    }

    /// The name of its segment.
    pub(super) fn name(&self) -> String {
        format!("shop/orders/{}.#epoch.0", self.number)
    }

    /// The name of its segment within the stream.
    pub(super) fn short_name(&self) -> String {
        format!("{}.#epoch.0", self.number)
    }

    pub(super) fn segment(&self) -> Segment {
        Segment(self.java_name())
    }

    fn java_name(&self) -> JavaStr {
        JavaStr::new(self.name()).expect("a short name")
    }

    /// What is to be merged into the segment.
    pub(super) fn source(&self) -> JavaStr {
        let transaction = self.writer.0.simple();
        JavaStr::new(format!("{}#transaction.{transaction}", self.name())).expect("a short name")
    }
}

impl Ground {
    pub(super) async fn of(pravega: &SecuredPravega) -> Self {
        let token = pravega.token(ADMIN, "shop", "orders", AccessOperation::ReadWrite).await.expect("allowed");
        Self { session: Mutex::new(pravega.session().await), token }
    }

    /// A token that permits everything.
    pub(super) fn token(&self) -> DelegationToken {
        self.token.clone()
    }

    /// Makes a target whose messages carry no token.
    pub(super) async fn make(&self, found: Found) -> Target {
        let number = match found {
            Found::Stream => 0,
            _ => NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
        };
        let writer = WriterId(Uuid::new_v4());
        let mut target = Target { found, number, tail: 0, token: DelegationToken::none(), writer };
        let mut session = self.session.lock().await;
        match found {
            Found::Nothing => {}
            Found::Stream => self.append(&mut session, &target).await,
            Found::Segment => {
                self.create(&mut session, target.segment()).await;
                self.append(&mut session, &target).await;
            }
            Found::Table => self.create_table(&mut session, &target).await,
            Found::Mergeable => {
                self.create(&mut session, target.segment()).await;
                self.append(&mut session, &target).await;
                self.create(&mut session, Segment(target.source())).await;
                self.seal(&mut session, Segment(target.source())).await;
            }
        }
        drop(session);
        if let Some(WireCommand::StreamSegmentInfo(info)) = self.look(&target).await.first() {
            target.tail = info.write_offset.0;
        }
        target
    }

    /// What can be seen of a target; a request that was refused does not change it.
    pub(super) async fn state(&self, target: &Target) -> String {
        let seen = self.look(target).await;
        let shown = seen.into_iter().map(|seen| match seen {
            // Its stack trace may differ.
            WireCommand::NoSuchSegment(missing) => format!("no {}", missing.segment.0.as_str()),
            other => format!("{other:?}"),
        });
        shown.collect::<Vec<_>>().join("\n")
    }

    async fn look(&self, target: &Target) -> Vec<WireCommand> {
        let mut session = self.session.lock().await;
        let (request_id, delegation_token) = (RequestId(1), self.token());
        if target.found == Found::Table {
            // A real one counts entries some time after they were put.
            let (segment, keys) = (target.segment(), vec![one_key()]);
            return vec![session.ask(ReadTable { request_id, segment, delegation_token, keys }).await];
        }
        let mut seen = Vec::new();
        let source = (target.found == Found::Mergeable).then(|| Segment(target.source()));
        for segment_name in [Some(target.segment()), source].into_iter().flatten() {
            let delegation_token = delegation_token.clone();
            seen.push(session.ask(GetStreamSegmentInfo { request_id, segment_name, delegation_token }).await);
        }
        seen
    }

    async fn create(&self, session: &mut StoreSession, segment: Segment) {
        let command = CreateSegment {
            request_id: RequestId(1),
            segment,
            target_rate: 0,
            scale_type: 0,
            delegation_token: self.token(),
            rollover_size_bytes: 0,
        };
        let reply = session.ask(command).await;
        assert!(matches!(reply, WireCommand::SegmentCreated(_)), "{reply:?}");
    }

    async fn append(&self, session: &mut StoreSession, target: &Target) {
        let (request_id, writer_id) = (RequestId(1), WriterId(Uuid::new_v4()));
        let (segment, delegation_token) = (target.segment(), self.token());
        let reply = session.ask(SetupAppend { request_id, writer_id, segment, delegation_token }).await;
        assert!(matches!(reply, WireCommand::AppendSetup(_)), "{reply:?}");
        let block = AppendBlockEnd {
            writer_id,
            size_of_whole_events: 0,
            data: Data(Buf(framed(EVENT).into())),
            num_events: 1,
            last_event_number: EventNumber(1),
            request_id,
        };
        let reply = session.ask(block).await;
        assert!(matches!(reply, WireCommand::DataAppended(_)), "{reply:?}");
    }

    async fn seal(&self, session: &mut StoreSession, segment: Segment) {
        let reply =
            session.ask(SealSegment { request_id: RequestId(1), segment, delegation_token: self.token() }).await;
        assert!(matches!(reply, WireCommand::SegmentSealed(_)), "{reply:?}");
    }

    async fn create_table(&self, session: &mut StoreSession, target: &Target) {
        let (request_id, segment) = (RequestId(1), target.segment());
        let table = CreateTableSegment {
            request_id,
            segment: segment.clone(),
            delegation_token: self.token(),
            sorted_deprecated: false,
            key_length: 0,
            rollover_size_bytes: 0,
        };
        let reply = session.ask(table).await;
        assert!(matches!(reply, WireCommand::SegmentCreated(_)), "{reply:?}");
        let update = UpdateTableEntries {
            request_id,
            segment,
            delegation_token: self.token(),
            table_entries: one_entry(),
            table_segment_offset: Offset(-1),
        };
        let reply = session.ask(update).await;
        assert!(matches!(reply, WireCommand::TableEntriesUpdated(_)), "{reply:?}");
    }
}

/// The entry of every table.
pub(super) fn one_entry() -> TableEntries {
    TableEntries(vec![TableEntry { key: one_key(), value: "value".into() }])
}

/// Its key, without a condition.
pub(super) fn one_key() -> TableKey {
    TableKey { data: "key".into(), version: pravega_protocol::wire::NO_VALUE }
}
