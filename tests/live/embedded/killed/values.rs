//! An attribute that is counted up, and the entries of a table.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;

use bytes::Bytes;
use pravega_protocol::wire::{
    AttributeId, CreateTableSegment, GetSegmentAttribute, NO_VALUE, Offset, ReadTable, RemoveTableKeys, Segment,
    TableEntries, TableEntry, TableKey, UpdateSegmentAttribute, UpdateTableEntries, WireCommand,
};
use rand::Rng as _;
use rand::rngs::StdRng;
use uuid::Uuid;

use crate::embedded::client::{Client, Gone, named, token};

/// Commands in flight at most.
const WINDOW: usize = 16;

/// Keys of the table.
const KEYS: u8 = 8;

/// The version of a key that does not exist.
const NOT_THERE: i64 = -1;

const COUNTER: AttributeId = AttributeId(Uuid::from_u128(11));

/// An attribute that every update increments by one.
#[derive(Debug)]
pub(super) struct Counter {
    segment: Segment,
    sent: i64,
    acknowledged: i64,
}

impl Counter {
    pub(super) async fn begin(name: &str, client: &mut Client) -> Self {
        let segment = named(name);
        client.create(&segment).await;
        Self { segment, sent: NO_VALUE, acknowledged: NO_VALUE }
    }

    pub(super) async fn send(&mut self, client: &mut Client) {
        let Err(Gone) = self.count(client).await;
    }

    async fn count(&mut self, client: &mut Client) -> Result<Infallible, Gone> {
        let mut in_flight = 0;
        loop {
            while in_flight < WINDOW {
                let (expected_value, new_value) = (self.sent, next(self.sent));
                let (request_id, segment_name, delegation_token) = (client.request_id(), self.segment.clone(), token());
                let attribute_id = COUNTER;
                self.sent = new_value;
                in_flight += 1;
                let update = UpdateSegmentAttribute {
                    request_id,
                    segment_name,
                    attribute_id,
                    new_value,
                    expected_value,
                    delegation_token,
                };
                client.send(update).await?;
            }
            match client.receive().await? {
                WireCommand::SegmentAttributeUpdated(updated) => assert!(updated.success, "it had another value"),
                other => panic!("not updated: {other:?}"),
            }
            self.acknowledged = next(self.acknowledged);
            in_flight -= 1;
        }
    }

    pub(super) async fn check(&mut self, client: &mut Client) {
        let (request_id, segment_name, delegation_token) = (client.request_id(), self.segment.clone(), token());
        let attribute_id = COUNTER;
        let query = GetSegmentAttribute { request_id, segment_name, attribute_id, delegation_token };
        let value = match client.ask(query).await.expect("it runs") {
            WireCommand::SegmentAttribute(attribute) => attribute.value,
            other => panic!("no attribute: {other:?}"),
        };
        assert!((self.acknowledged..=self.sent).contains(&value), "{self:?}, and it is {value}");
        (self.sent, self.acknowledged) = (value, value);
    }
}

fn next(value: i64) -> i64 {
    if value == NO_VALUE { 0 } else { value + 1 }
}

/// A change of one key: a new value, or a removal.
#[derive(Debug, Clone)]
struct Put {
    key: u8,
    value: Option<Bytes>,
}

/// A table and the changes in flight to it.
#[derive(Debug)]
pub(super) struct Entries {
    segment: Segment,
    /// Acknowledged versions and values, by key.
    there: BTreeMap<u8, (i64, Bytes)>,
    in_flight: VecDeque<Put>,
    puts: u64,
}

impl Entries {
    pub(super) async fn begin(name: &str, client: &mut Client) -> Self {
        let (request_id, segment, delegation_token) = (client.request_id(), named(name), token());
        let (sorted_deprecated, key_length, rollover_size_bytes) = (false, 0, 0);
        let create = CreateTableSegment {
            request_id,
            segment: segment.clone(),
            delegation_token,
            sorted_deprecated,
            key_length,
            rollover_size_bytes,
        };
        let reply = client.ask(create).await.expect("it runs");
        assert!(matches!(reply, WireCommand::SegmentCreated(_)), "{reply:?}");
        Self { segment, there: BTreeMap::new(), in_flight: VecDeque::new(), puts: 0 }
    }

    pub(super) async fn send(&mut self, client: &mut Client, random: &mut StdRng) {
        let Err(Gone) = self.put(client, random).await;
    }

    async fn put(&mut self, client: &mut Client, random: &mut StdRng) -> Result<Infallible, Gone> {
        loop {
            while self.in_flight.len() < WINDOW {
                let command = self.next(client, random);
                client.send(command).await?;
            }
            let reply = client.receive().await?;
            self.acknowledge(reply);
        }
    }

    /// Puts, conditionally where the version is known, and occasionally removes.
    fn next(&mut self, client: &mut Client, random: &mut StdRng) -> WireCommand {
        self.puts += 1;
        let key = random.random_range(0..KEYS);
        let is_quiet = self.in_flight.iter().all(|put| put.key != key);
        let version = match self.there.get(&key) {
            Some((version, _)) if is_quiet => *version,
            None if is_quiet => NOT_THERE,
            _ => NO_VALUE,
        };
        let (request_id, segment, delegation_token) = (client.request_id(), self.segment.clone(), token());
        let (data, table_segment_offset) = (Bytes::from(vec![key]), Offset(-1));
        if random.random_ratio(1, 10) {
            self.in_flight.push_back(Put { key, value: None });
            let keys = vec![TableKey { data, version: NO_VALUE }];
            return RemoveTableKeys { request_id, segment, delegation_token, keys, table_segment_offset }.into();
        }
        let value = Bytes::from(format!("{} {}", self.puts, "x".repeat(random.random_range(0..2000))));
        self.in_flight.push_back(Put { key, value: Some(value.clone()) });
        let table_entries = TableEntries(vec![TableEntry { key: TableKey { data, version }, value }]);
        UpdateTableEntries { request_id, segment, delegation_token, table_entries, table_segment_offset }.into()
    }

    fn acknowledge(&mut self, reply: WireCommand) {
        let Put { key, value } = self.in_flight.pop_front().expect("a reply to something");
        match (reply, value) {
            (WireCommand::TableEntriesUpdated(updated), Some(value)) => {
                self.there.insert(key, (updated.updated_versions[0], value));
            }
            (WireCommand::TableKeysRemoved(_), None) => drop(self.there.remove(&key)),
            (other, _) => panic!("not changed: {other:?}"),
        }
    }

    /// Checks that the table is as acknowledged, plus some of the changes in flight, and continues from there.
    pub(super) async fn check(&mut self, client: &mut Client) {
        let found = self.read(client).await;
        let mut expected = self.there.clone();
        let mut in_flight = std::mem::take(&mut self.in_flight).into_iter();
        while !agree(&expected, &found) {
            let Some(Put { key, value }) = in_flight.next() else {
                panic!(
                    "{:?}: there is {found:?}\nacknowledged was {:?}\nthat became {expected:?}",
                    self.segment, self.there
                )
            };
            match value {
                // its version is unknown
                Some(value) => drop(expected.insert(key, (NO_VALUE, value))),
                None => drop(expected.remove(&key)),
            }
        }
        self.there = found;
    }

    async fn read(&self, client: &mut Client) -> BTreeMap<u8, (i64, Bytes)> {
        let (request_id, segment, delegation_token) = (client.request_id(), self.segment.clone(), token());
        let key = |key| TableKey { data: vec![key].into(), version: NO_VALUE };
        let read = ReadTable { request_id, segment, delegation_token, keys: (0..KEYS).map(key).collect() };
        match client.ask(read).await.expect("it runs") {
            WireCommand::TableRead(read) => {
                let there = read.entries.0.into_iter().filter(|entry| entry.key.version >= 0);
                there.map(|entry| (entry.key.data[0], (entry.key.version, entry.value))).collect()
            }
            other => panic!("no entries: {other:?}"),
        }
    }
}

/// Whether the values and all known versions match.
fn agree(expected: &BTreeMap<u8, (i64, Bytes)>, found: &BTreeMap<u8, (i64, Bytes)>) -> bool {
    let same = |(key, (version, value)): (&u8, &(i64, Bytes))| {
        let there = found.get(key);
        there.is_some_and(|(found, there)| there == value && (*version == NO_VALUE || version == found))
    };
    expected.len() == found.len() && expected.iter().all(same)
}
