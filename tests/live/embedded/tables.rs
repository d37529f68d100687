use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use pravega_protocol::wire::{
    CreateTableSegment, DelegationToken, DeleteTableSegment, GetTableSegmentInfo, IteratorArgs, NO_VALUE, Offset,
    ReadTable, ReadTableEntries, ReadTableEntriesDelta, ReadTableKeys, RemoveTableKeys, RequestId, SealSegment,
    Segment, TableEntries, TableEntry, TableKey, UpdateTableEntries, WireCommand,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::link::{Both, Link, Received, StateQuery};
use super::operations::named;
use super::wire::{Nodes, seed};

/// Operations per seed.
const OPERATIONS: usize = 2000;

/// Length of fixed keys.
const KEY_BYTES: usize = 4;

/// Keys of one table; as many others are never put.
const KEYS: usize = 12;

/// Key lengths of the tables: hash tables, fixed keys. The last is never created.
const TABLES: [i32; 4] = [0, 0, KEY_BYTES as i32, 0];

/// More entries than any table here has.
const ALL: i32 = 1000;

/// What is known about a table.
#[derive(Default)]
struct Known {
    generation: usize,
    exists: bool,
    length: i64,
    /// Versions of live keys, by the keys' numbers.
    versions: BTreeMap<usize, i64>,
    /// Keys that were removed, whether they existed or not.
    removed: BTreeSet<usize>,
    /// Where the last iterations continue, until something changes: the real store's token may lie behind a key that
    /// was just removed, and miss what comes before it.
    tokens: Both<Bytes>,
}

struct World {
    dice: StdRng,
    prefix: String,
    last_request: i64,
    tables: [Known; TABLES.len()],
    link: Link,
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn random_table_commands_are_answered_as_by_a_real_store() {
    let nodes = Nodes::start().await;
    for addresses in &nodes.pairs() {
        let mut world = World {
            dice: StdRng::seed_from_u64(seed()),
            prefix: format!("tables-{:016x}", rand::random::<u64>()),
            last_request: 0,
            tables: Default::default(),
            link: Link::open(addresses).await,
        };
        for _ in 0..OPERATIONS {
            world.step().await;
        }
        world.end().await;
    }
    nodes.stop().await;
}

fn token() -> DelegationToken {
    DelegationToken::none()
}

impl World {
    async fn step(&mut self) {
        let table = self.dice.random_range(0..TABLES.len());
        let is_there = self.tables[table].exists;
        match self.dice.random_range(0..40) {
            _ if !is_there && table + 1 < TABLES.len() => self.create(table).await,
            0 => self.create(table).await,
            1 => self.delete(table).await,
            2 => self.seal(table).await,
            3..6 => self.remove(table).await,
            6..10 => self.read(table).await,
            10..13 => self.iterate_keys(table).await,
            13..18 => self.iterate_entries(table).await,
            18..21 => self.delta(table).await,
            21..24 => self.info(table).await,
            _ => self.update(table).await,
        }
    }

    fn name(&self, table: usize) -> Segment {
        named(&format!("{}/{table}-{}_kvtable/0.#epoch.0", self.prefix, self.tables[table].generation))
    }

    fn request_id(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    async fn send(&mut self, table: usize, command: impl Fn(Segment, usize) -> WireCommand) -> Received {
        let name = self.name(table);
        let commands = [command(name.clone(), 0), command(name.clone(), 1)];
        let what = format!("{:?}", commands[1]);
        println!("{table}: {what}");
        let frames = commands.map(|command| {
            let mut frame = BytesMut::new();
            command.encode_frame(&mut frame);
            frame
        });
        let names = [name.clone(), name];
        let query = StateQuery { request_id: self.request_id(), segment: &names };
        let received = self.link.send(&what, &frames, query).await;
        if let Some(WireCommand::StreamSegmentInfo(info)) = received.replies.last() {
            self.tables[table].length = info.write_offset.0;
        }
        received
    }

    async fn create(&mut self, table: usize) {
        let request_id = self.request_id();
        let key_length = if self.dice.random_bool(0.05) { 257 } else { TABLES[table] };
        let received = self
            .send(table, |segment, _| {
                let (delegation_token, sorted_deprecated, rollover_size_bytes) = (token(), false, 0);
                CreateTableSegment {
                    request_id,
                    segment,
                    delegation_token,
                    sorted_deprecated,
                    key_length,
                    rollover_size_bytes,
                }
                .into()
            })
            .await;
        self.tables[table].exists |= matches!(received.replies.first(), Some(WireCommand::SegmentCreated(_)));
    }

    async fn delete(&mut self, table: usize) {
        let (request_id, must_be_empty) = (self.request_id(), self.dice.random_bool(0.7));
        let received = self
            .send(table, |segment, _| {
                DeleteTableSegment { request_id, segment, must_be_empty, delegation_token: token() }.into()
            })
            .await;
        if let Some(WireCommand::SegmentDeleted(_)) = received.replies.first() {
            self.renew(table);
        }
    }

    /// The name of a removed table cannot be reused for a while.
    fn renew(&mut self, table: usize) {
        let generation = self.tables[table].generation + 1;
        self.tables[table] = Known { generation, ..Known::default() };
    }

    async fn seal(&mut self, table: usize) {
        let request_id = self.request_id();
        if self.dice.random_bool(0.8) {
            return;
        }
        self.send(table, |segment, _| SealSegment { request_id, segment, delegation_token: token() }.into()).await;
    }

    fn key(&self, table: usize, number: usize) -> Bytes {
        match TABLES[table] {
            0 => format!("key {number}").into(),
            _ => format!("k{number:03}").into(),
        }
    }

    /// A condition for a key. Removed keys get none, since the real store looks them up in the background.
    fn version(&mut self, table: usize, number: usize) -> i64 {
        let known = self.tables[table].versions.get(&number).copied();
        let was_removed = self.tables[table].removed.contains(&number);
        match (self.dice.random_range(0..10), known) {
            (0, Some(_)) => -1,
            (1..4, Some(version)) => version,
            (4, Some(version)) => version + 1,
            (5, None) if number >= KEYS && !was_removed => 7,
            (6..8, None) if number >= KEYS => -1,
            _ => NO_VALUE,
        }
    }

    fn offset(&mut self, table: usize) -> Offset {
        let length = self.tables[table].length;
        Offset(*[-1, -1, -1, -1, -1, -1, length, length, 5].choose(&mut self.dice).expect("some"))
    }

    /// Numbers of distinct keys; those from `KEYS` on are never put.
    fn numbers(&mut self, below: usize) -> Vec<usize> {
        let mut numbers: Vec<_> = (0..self.dice.random_range(1..5)).map(|_| self.dice.random_range(0..below)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn wrong_length(&mut self, key: Bytes) -> Bytes {
        if self.dice.random_bool(0.02) { Bytes::from_static(b"longer than four") } else { key }
    }

    async fn update(&mut self, table: usize) {
        let (request_id, table_segment_offset) = (self.request_id(), self.offset(table));
        let numbers = self.numbers(KEYS);
        let entry = |number: &usize| {
            let (data, version) = (self.key(table, *number), self.version(table, *number));
            let data = if TABLES[table] > 0 { self.wrong_length(data) } else { data };
            let value: Vec<u8> = (0..self.dice.random_range(0..40)).map(|_| self.dice.random()).collect();
            TableEntry { key: TableKey { data, version }, value: value.into() }
        };
        let table_entries = TableEntries(numbers.iter().map(entry).collect());
        let received = self
            .send(table, |segment, _| {
                let (delegation_token, table_entries) = (token(), table_entries.clone());
                UpdateTableEntries { request_id, segment, delegation_token, table_entries, table_segment_offset }.into()
            })
            .await;
        if let Some(WireCommand::TableEntriesUpdated(updated)) = received.replies.first() {
            self.tables[table].tokens = Default::default();
            self.tables[table].versions.extend(numbers.into_iter().zip(updated.updated_versions.iter().copied()));
        }
    }

    async fn remove(&mut self, table: usize) {
        let (request_id, table_segment_offset) = (self.request_id(), self.offset(table));
        let numbers = self.numbers(2 * KEYS);
        let key = |number: &usize| {
            let (data, version) = (self.key(table, *number), self.version(table, *number));
            TableKey { data, version }
        };
        let keys: Vec<_> = numbers.iter().map(key).collect();
        let received = self
            .send(table, |segment, _| {
                let (delegation_token, keys) = (token(), keys.clone());
                RemoveTableKeys { request_id, segment, delegation_token, keys, table_segment_offset }.into()
            })
            .await;
        if let Some(WireCommand::TableKeysRemoved(_)) = received.replies.first() {
            self.tables[table].tokens = Default::default();
            self.tables[table].versions.retain(|number, _| !numbers.contains(number));
            self.tables[table].removed.extend(numbers);
        }
    }

    async fn read(&mut self, table: usize) {
        let request_id = self.request_id();
        let numbers = self.numbers(2 * KEYS);
        let key = |number: &usize| TableKey { data: self.key(table, *number), version: NO_VALUE };
        let keys: Vec<_> = numbers.iter().map(key).collect();
        self.send(table, |segment, _| {
            ReadTable { request_id, segment, delegation_token: token(), keys: keys.clone() }.into()
        })
        .await;
    }

    fn count(&mut self) -> i32 {
        // of fixed keys the real store returns as many as it finds together
        *[1, 2, 3, 5, ALL].choose(&mut self.dice).expect("some")
    }

    /// Where an iteration begins or continues. Only fixed keys have ranges, which take no token.
    fn arguments(&mut self, table: usize) -> Both<IteratorArgs> {
        let mut arguments: Both<IteratorArgs> = Default::default();
        let draws = self.dice.random_range(0..20);
        let tokens = self.tables[table].tokens.clone();
        let first = self.dice.random_range(0..KEYS);
        let (from, to) = (self.key(table, first), self.key(table, KEYS - 1));
        for (arguments, token) in arguments.iter_mut().zip(tokens) {
            match draws {
                0 => arguments.from_key = from.clone(),
                1..10 if TABLES[table] > 0 => (arguments.from_key, arguments.to_key) = (from.clone(), to.clone()),
                1..10 => arguments.continuation_token = token,
                _ => {}
            }
        }
        arguments
    }

    async fn iterate_keys(&mut self, table: usize) {
        let (request_id, count, args) = (self.request_id(), self.count(), self.arguments(table));
        let suggested_key_count = if TABLES[table] > 0 { ALL } else { count };
        let received = self
            .send(table, |segment, side| {
                let (delegation_token, args) = (token(), args[side].clone());
                ReadTableKeys { request_id, segment, delegation_token, suggested_key_count, args }.into()
            })
            .await;
        self.go_on(table, &received);
    }

    async fn iterate_entries(&mut self, table: usize) {
        let (request_id, count, args) = (self.request_id(), self.count(), self.arguments(table));
        let suggested_entry_count = if TABLES[table] > 0 { ALL } else { count };
        let received = self
            .send(table, |segment, side| {
                let (delegation_token, args) = (token(), args[side].clone());
                ReadTableEntries { request_id, segment, delegation_token, suggested_entry_count, args }.into()
            })
            .await;
        self.go_on(table, &received);
    }

    fn go_on(&mut self, table: usize, received: &Received) {
        let token = |replies: &[WireCommand]| match replies.first() {
            Some(WireCommand::TableKeysRead(read)) => read.continuation_token.0.clone(),
            Some(WireCommand::TableEntriesRead(read)) => read.continuation_token.0.clone(),
            _ => Bytes::new(),
        };
        let tokens = [token(&received.real), token(&received.replies)];
        // an empty token starts over
        let goes_on = tokens.iter().all(|token| !token.is_empty());
        self.tables[table].tokens = if goes_on { tokens } else { Default::default() };
    }

    /// All at once, since the real store does not see a removal that lies beyond the reply.
    async fn delta(&mut self, table: usize) {
        let request_id = self.request_id();
        let versions: Vec<_> = self.tables[table].versions.values().copied().collect();
        let length = self.tables[table].length;
        let from_position = match self.dice.random_range(0..6) {
            0 => length + 1,
            1 => length,
            2 => 0,
            _ => versions.choose(&mut self.dice).copied().unwrap_or(0),
        };
        self.send(table, |segment, _| {
            let (delegation_token, suggested_entry_count) = (token(), ALL);
            ReadTableEntriesDelta { request_id, segment, delegation_token, from_position, suggested_entry_count }.into()
        })
        .await;
    }

    async fn info(&mut self, table: usize) {
        let request_id = self.request_id();
        self.send(table, |segment_name, _| {
            GetTableSegmentInfo { request_id, segment_name, delegation_token: token() }.into()
        })
        .await;
    }

    /// Checks that no more replies come, and removes the tables.
    async fn end(mut self) {
        for table in 0..TABLES.len() {
            let request_id = self.request_id();
            self.send(table, |segment, _| {
                DeleteTableSegment { request_id, segment, must_be_empty: false, delegation_token: token() }.into()
            })
            .await;
        }
    }
}
