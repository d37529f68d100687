//! The catalog's records in the node's state.

use pravega_protocol::stream::{Scope, ScopedStream, StreamName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::controller::catalog::{Epoch, History, StreamRecord, key};
use crate::node::{State, Step};

pub(crate) fn read<T: DeserializeOwned>(state: &State, key: &str) -> Option<T> {
    state.record(key).map(|record| decode(record))
}

pub(crate) fn decode<T: DeserializeOwned>(record: &[u8]) -> T {
    serde_json::from_slice(record).expect("records are written by this module")
}

pub(crate) fn write<T: Serialize>(step: &mut Step<'_>, key: &str, record: &T) {
    let json = serde_json::to_vec(record).expect("records are plain values");
    step.put(key, json.into());
}

/// The keys below a prefix, without it.
pub(crate) fn names<'a>(state: &'a State, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    state.records(prefix).map(|(key, _)| &key[prefix.len()..])
}

pub(crate) fn remove_all(step: &mut Step<'_>, prefix: &str) {
    let keys: Vec<String> = step.state().records(prefix).map(|(key, _)| key.to_owned()).collect();
    for key in keys {
        step.remove(&key);
    }
}

/// The names as a stream, whether there is one or not; `None` where there can be none.
pub(crate) fn name(scope: &str, stream: &str) -> Option<ScopedStream> {
    Some(ScopedStream::new(Scope::new(scope).ok()?, StreamName::new(stream).ok()?))
}

/// A stream that exists, as a look or the beginning of a step sees it.
pub(crate) struct KnownStream {
    pub(crate) name: ScopedStream,
    pub(crate) record: StreamRecord,
}

pub(crate) fn known(state: &State, scope: &str, stream: &str) -> Option<KnownStream> {
    let name = name(scope, stream)?;
    let record = read(state, &key::stream(&name))?;
    Some(KnownStream { name, record })
}

impl KnownStream {
    pub(crate) fn history<'a>(&'a self, state: &'a State) -> Recorded<'a> {
        Recorded { state, stream: &self.name, active: self.record.active }
    }

    pub(crate) fn active(&self, state: &State) -> Epoch {
        self.history(state).epoch(self.record.active).expect("a stream has the epoch that it says is active")
    }

    pub(crate) fn save(&self, step: &mut Step<'_>) {
        write(step, &key::stream(&self.name), &self.record);
    }

    /// Makes an epoch the active one.
    pub(crate) fn advance(&mut self, step: &mut Step<'_>, epoch: &Epoch) {
        let is_first = epoch.number == 0 && self.record.active == 0;
        assert!(is_first || epoch.number == self.record.active + 1, "epochs are numbered without gaps");
        write(step, &key::epoch(&self.name, epoch.number), epoch);
        self.record.active = epoch.number;
    }
}

/// The history of one stream, read record by record.
pub(crate) struct Recorded<'a> {
    state: &'a State,
    stream: &'a ScopedStream,
    active: u32,
}

impl History for Recorded<'_> {
    fn active(&self) -> u32 {
        self.active
    }

    fn epoch(&self, number: u32) -> Option<Epoch> {
        read(self.state, &key::epoch(self.stream, number))
    }
}
