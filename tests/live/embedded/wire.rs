use bytes::BytesMut;
use pravega_protocol::wire::WireCommand;
use tempfile::TempDir;

use super::link::{Both, Link, Received, StateQuery, WaitingRead, Writer};
use super::operations::{Kind, Operation, Operations, SEGMENTS, TRANSIENT};
use super::same::is_refusal;
use crate::support::Pravega;
use crate::support::embedded::Embedded;

/// Operations per seed.
const OPERATIONS: usize = 1000;

/// Seeds per run.
const SEEDS: usize = 4;

/// Connections per seed.
const LINKS: usize = 3;

/// The seed of all random choices: TEST_SEED if set, and printed so that a run can be repeated.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("TEST_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a seed"));
    println!("TEST_SEED={seed}");
    seed
}

/// Both stores and the state of the test.
struct World {
    operations: Operations,
    links: Vec<Link>,
    control: Link,
}

/// One node that keeps everything in memory, and one with a directory.
pub(crate) struct Nodes {
    in_memory: Embedded,
    in_directory: Embedded,
    _directory: TempDir,
}

impl Nodes {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let in_directory = Embedded::in_directory(directory.path(), &[]).await;
        Self { in_memory: Embedded::start(&[]).await, in_directory, _directory: directory }
    }

    /// Addresses of the real store, paired with each node's.
    pub(crate) fn pairs(&self) -> [Both<String>; 2] {
        [&self.in_memory, &self.in_directory].map(|node| [Pravega::of_this_run().store, node.pravega.store.clone()])
    }

    pub(crate) async fn stop(self) {
        self.in_memory.stop().await;
        self.in_directory.stop().await;
    }
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn random_commands_are_answered_as_by_a_real_store() {
    let nodes = Nodes::start().await;
    for addresses in nodes.pairs().iter().cycle().take(SEEDS) {
        let mut world = World::new(seed(), addresses).await;
        for _ in 0..OPERATIONS {
            world.step().await;
        }
        world.end().await;
    }
    nodes.stop().await;
}

impl World {
    async fn new(seed: u64, addresses: &Both<String>) -> Self {
        let mut links = Vec::new();
        for _ in 0..LINKS {
            links.push(Link::open(addresses).await);
        }
        let prefix = format!("wire-{:016x}", rand::random::<u64>());
        let operations = Operations::new(seed, &prefix);
        Self { operations, links, control: Link::open(addresses).await }
    }

    /// Performs one operation on one link and checks that both stores answer alike.
    async fn step(&mut self) {
        let link = self.operations.below(LINKS);
        for known in &mut self.operations.segments {
            known.is_awaited = self.links.iter().flat_map(|link| &link.waiting).any(|read| read.segment == known.names);
        }
        let operation = self.operations.next(&self.links[link].writers);
        println!("{link}: {}", operation.what);
        let names = self.operations.segments[operation.segment].names.clone();
        let query = StateQuery { request_id: self.operations.request_id(), segment: &names };
        let received = self.links[link].send(&operation.what, &operation.frames, query).await;
        self.learn(link, &operation, &received);
        let existed: Vec<_> = (0..SEGMENTS).map(|segment| self.exists(segment)).collect();
        for segment in 0..SEGMENTS {
            self.look(segment).await;
        }
        self.receive_late().await;
        if let Kind::Merge = operation.kind {
            let gone: Vec<_> = (0..SEGMENTS).filter(|index| existed[*index] && !self.exists(*index)).collect();
            gone.iter().for_each(|index| self.operations.segments[*index].is_merged = true);
            self.forget_writers(&gone);
        }
        let renamed = self.operations.rename();
        self.forget_writers(&renamed);
    }

    fn exists(&self, segment: usize) -> bool {
        self.operations.segments[segment].exists
    }

    fn forget_writers(&mut self, segments: &[usize]) {
        for link in &mut self.links {
            link.writers.retain(|writer| !segments.contains(&writer.segment));
        }
    }

    /// Checks that no more replies come, and removes the segments.
    async fn end(mut self) {
        let names = self.operations.segments[0].names.clone();
        let nothing = [BytesMut::new(), BytesMut::new()];
        for link in &mut self.links {
            let query = StateQuery { request_id: self.operations.request_id(), segment: &names };
            link.send("the end", &nothing, query).await;
        }
        for segment in (0..SEGMENTS).filter(|segment| *segment != TRANSIENT) {
            let delete = self.operations.delete(segment);
            let names = self.operations.segments[segment].names.clone();
            let query = StateQuery { request_id: self.operations.request_id(), segment: &names };
            self.control.send(&delete.what, &delete.frames, query).await;
        }
        self.receive_late().await;
    }

    fn learn(&mut self, link: usize, operation: &Operation, received: &Received) {
        if received.closed {
            // the real store removes it with some of the connections that it closes, but not with others
            self.operations.forget_transient();
            self.forget_writers(&[TRANSIENT]);
            return;
        }
        let reply_at = received.replies.iter().position(|reply| reply.request_id() == Some(operation.request_id));
        let reply = reply_at.map(|at| &received.replies[at]);
        match (&operation.kind, reply) {
            (Kind::Read { offset }, None) => {
                let segment = self.operations.segments[operation.segment].names.clone();
                let read = WaitingRead { request_id: operation.request_id, segment, offset: *offset };
                self.links[link].waiting.push(read);
            }
            (Kind::SetUp(id), reply) => {
                let writers = &mut self.links[link].writers;
                writers.retain(|writer| writer.id != *id);
                if let Some(WireCommand::AppendSetup(set_up)) = reply {
                    let last = set_up.last_event_number.0;
                    writers.push(Writer { id: *id, segment: operation.segment, last });
                }
            }
            (Kind::Append(id), Some(WireCommand::DataAppended(appended))) => {
                let writer = self.links[link].writers.iter_mut().find(|writer| writer.id == *id);
                writer.expect("it was set up").last = appended.event_number.0;
            }
            // the real store forgets the writer, ours keeps refusing
            (Kind::Append(id), Some(reply)) if is_refusal(reply) => {
                self.links[link].writers.retain(|writer| writer.id != *id);
            }
            (Kind::Transient, Some(WireCommand::SegmentCreated(ours))) => {
                let at = reply_at.expect("there is one");
                let WireCommand::SegmentCreated(real) = &received.real[at] else { panic!("{:?}", received.real) };
                let names = [real.segment.clone(), ours.segment.clone()];
                self.operations.segments[TRANSIENT].names = names;
                self.forget_writers(&[TRANSIENT]);
            }
            _ => {}
        }
    }

    /// Compares a segment's state and remembers it.
    async fn look(&mut self, segment: usize) {
        let names = self.operations.segments[segment].names.clone();
        let query = StateQuery { request_id: self.operations.request_id(), segment: &names };
        let nothing = [BytesMut::new(), BytesMut::new()];
        let received = self.control.send("state", &nothing, query).await;
        let known = &mut self.operations.segments[segment];
        match received.replies.last() {
            Some(WireCommand::StreamSegmentInfo(info)) => {
                known.exists = true;
                known.is_sealed = info.is_sealed;
                (known.start, known.length) = (info.start_offset.0, info.write_offset.0);
            }
            _ => {
                known.is_spent |= known.exists;
                known.exists = false;
                known.is_sealed = false;
                (known.start, known.length) = (0, 0);
            }
        }
    }

    /// Receives the replies to reads that no longer wait.
    async fn receive_late(&mut self) {
        for link in &mut self.links {
            for read in link.waiting.clone() {
                let known = self.operations.segments.iter().find(|known| known.names == read.segment);
                // a transient segment that was replaced by another is left alone
                let waits = known.is_none_or(|known| known.exists && !known.is_sealed && known.length <= read.offset);
                if !waits {
                    link.receive_late(&read).await;
                }
            }
        }
    }
}
