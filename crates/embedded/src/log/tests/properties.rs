//! Any sequence of appends, restarts and losses of power.

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::runtime::{Builder, Runtime};

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Append {
        length: usize,
    },
    AppendUnreserved {
        length: usize,
    },
    AwaitDurable,
    /// All files that end before this many of the records.
    RemoveBefore {
        part: f64,
    },
    Reopen,
    /// In the midst of a sync, while more has gathered.
    LosePower {
        seed: u64,
        in_flight: usize,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        12 => (1..1500_usize).prop_map(|length| Act::Append { length }),
        1 => (1..6000_usize).prop_map(|length| Act::AppendUnreserved { length }),
        3 => Just(Act::AwaitDurable),
        1 => (0.0..1.0).prop_map(|part| Act::RemoveBefore { part }),
        1 => Just(Act::Reopen),
        2 => (any::<u64>(), 0..6_usize).prop_map(|(seed, in_flight)| Act::LosePower { seed, in_flight }),
    ];
    prop::collection::vec(act, 1..60)
}

/// A log, and what should be in it.
struct Model {
    runtime: Runtime,
    dir: TempDir,
    disk: Arc<TestDisk>,
    log: Option<Log>,
    /// By start; those that were removed too.
    records: Vec<(u64, Bytes)>,
    /// What `durable` acknowledged.
    durable: usize,
}

impl Model {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let (dir, disk) = (new_dir(), TestDisk::new());
        let (log, _) = Log::open(dir.path(), small_files_on(&disk)).expect("a log");
        Self { runtime, dir, disk, log: Some(log), records: Vec::new(), durable: 0 }
    }

    fn log(&self) -> &Log {
        self.log.as_ref().expect("is open between acts")
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Append { length } => self.append(length, true),
            Act::AppendUnreserved { length } => self.append(length, false),
            Act::AwaitDurable => self.await_durable(),
            Act::RemoveBefore { part } => self.remove_before(part),
            Act::Reopen => self.reopen(),
            Act::LosePower { seed, in_flight } => self.lose_power(seed, in_flight),
        }
    }

    fn append(&mut self, length: usize, reserved: bool) {
        let payload = payload(self.records.len(), length);
        let receipt = if reserved {
            self.runtime.block_on(append(self.log(), payload.clone()))
        } else {
            self.log().append_unreserved(vec![payload.clone()])
        };
        self.records.push((receipt.start, payload));
    }

    fn await_durable(&mut self) {
        self.runtime.block_on(self.log().durable(self.log().end())).expect("a disk that works");
        self.durable = self.records.len();
        for (start, payload) in &self.records {
            let read = self.log().read(start + RECORD_HEADER as u64, payload.len());
            assert!(*start < self.log().files()[0].first || read.expect("durable") == payload);
        }
    }

    fn remove_before(&mut self, part: f64) {
        let position = (self.log().end() as f64 * part) as u64;
        let before = self.log().files()[0].first;
        self.log().remove_before(position).expect("removed");
        assert!(self.log().files()[0].first <= position.max(before));
    }

    fn reopen(&mut self) {
        self.log = None;
        self.durable = self.records.len();
        self.disk = TestDisk::new();
        self.check_replay();
    }

    fn lose_power(&mut self, seed: u64, in_flight: usize) {
        self.await_durable();
        self.disk.hold();
        // Unreserved, since making room would wait for a sync, too.
        self.append(700, false);
        self.disk.await_sync();
        (0..in_flight).for_each(|_| self.append(300, false));
        let mut random = SmallRng::seed_from_u64(seed);
        self.disk.crash(|| random.random());
        self.log = None;
        self.disk = TestDisk::new();
        self.check_replay();
    }

    /// Opens the log: whatever was acknowledged is there, in order, and nothing but the beginning of what came after.
    fn check_replay(&mut self) {
        let (log, replay) = Log::open(self.dir.path(), small_files_on(&self.disk)).expect("a log");
        let first = replay.first();
        let records = replay.records_from(first).expect("the start");
        let found: Vec<_> =
            records.map(|record| record.map(|record| (record.start, record.payload)).expect("whole")).collect();
        let removed = self.records.partition_point(|(start, _)| *start < first);
        assert!(removed + found.len() >= self.durable);
        self.records.truncate(removed + found.len());
        assert_eq!(found, self.records[removed..]);
        self.log = Some(log);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_was_told_durable_is_replayed_in_order(acts in acts()) {
        let mut model = Model::new();
        acts.into_iter().for_each(|act| model.act(act));
        model.reopen();
    }
}
