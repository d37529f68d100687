//! The process is killed repeatedly in the middle of its work. After each restart, everything that it acknowledged is
//! there, and of the rest at most a beginning.

mod events;
mod values;

use std::path::Path;
use std::time::Duration;

use events::{Events, Way};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;
use tokio::time::sleep;
use values::{Counter, Entries};

use super::client::Client;
use super::wire::seed;
use crate::support::embedded::Embedded;

/// How often the process is killed, unless TEST_KILLS is set.
const ROUNDS: usize = 50;

/// How long it runs before it is killed, in milliseconds.
const WORKS: std::ops::Range<u64> = 50..600;

/// Every this many rounds everything is checked, not only what is new.
const WHOLE: usize = 10;

/// Everything that is written, and what is known about it.
struct World {
    events: Vec<Events>,
    counter: Counter,
    entries: Entries,
}

impl World {
    async fn begin(client: &mut Client) -> Self {
        let mut events = Vec::new();
        for (number, way) in [Way::Blocks, Way::Blocks, Way::Conditional, Way::Merged].into_iter().enumerate() {
            events.push(Events::begin(way, &format!("killed/events/{number}.#epoch.0"), client).await);
        }
        let counter = Counter::begin("killed/counter/0.#epoch.0", client).await;
        Self { events, counter, entries: Entries::begin("killed/_tables/entries", client).await }
    }

    /// All writers run concurrently, each on its own connection, until the store is gone.
    async fn work(self, address: &str, random: &mut StdRng) -> Self {
        let Self { events, mut counter, mut entries } = self;
        let mut sending = Vec::new();
        for mut events in events {
            let (mut client, mut random) = (Client::connect(address).await, StdRng::from_rng(random));
            sending.push(tokio::spawn(async move {
                events.send(&mut client, &mut random).await;
                events
            }));
        }
        let (mut client, mut random) = (Client::connect(address).await, StdRng::from_rng(random));
        let mut other = Client::connect(address).await;
        tokio::join!(counter.send(&mut client), entries.send(&mut other, &mut random));
        let mut events = Vec::new();
        for sent in sending {
            events.push(sent.await.expect("no panic"));
        }
        Self { events, counter, entries }
    }

    async fn check(&mut self, client: &mut Client, whole: bool) {
        for events in &mut self.events {
            events.check(client, whole).await;
        }
        self.counter.check(client).await;
        self.entries.check(client).await;
    }
}

fn rounds() -> usize {
    std::env::var("TEST_KILLS").map_or(ROUNDS, |kills| kills.parse().expect("a number"))
}

async fn kill_again_and_again(dir: &Path, random: &mut StdRng) -> World {
    let mut node = Embedded::in_directory(dir, &[]).await;
    let mut world = World::begin(&mut Client::connect(&node.pravega.store).await).await;
    for round in 1..=rounds() {
        let address = node.pravega.store.clone();
        let life = Duration::from_millis(random.random_range(WORKS));
        let killing = async {
            sleep(life).await;
            node.kill().await;
        };
        ((), world) = tokio::join!(killing, world.work(&address, random));
        node = Embedded::in_directory(dir, &[]).await;
        let is_last = round == rounds();
        world.check(&mut Client::connect(&node.pravega.store).await, is_last || round % WHOLE == 0).await;
    }
    node.stop().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_every_kill() {
    let dir = TempDir::new().expect("a folder");
    let world = kill_again_and_again(dir.path(), &mut StdRng::seed_from_u64(seed())).await;
    let acknowledged: Vec<u64> = world.events.iter().map(Events::acknowledged).collect();
    assert!(acknowledged.iter().all(|count| *count > 0), "{acknowledged:?}");
    println!("{acknowledged:?} events, {:?}", world.counter);
}
