//! Random batches against the model.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::model::{Batch, Condition, Pair, any_batches, any_key, any_keys};
use super::*;

proptest! {
    #[test]
    fn a_table_reads_as_the_last_record_of_every_key(
        keys in any_keys(),
        batches in any_batches(),
        asked in prop::collection::vec(any_key(), 0..8),
    ) {
        let pair = Pair::after(keys, &batches);
        let request: Vec<_> = asked.iter().map(|name| key(name.clone(), NO_VALUE)).collect();
        let live = pair.model.live();
        for (key, found) in asked.iter().zip(pair.table.read(&request).expect("keys of the right length")) {
            let (version, value) = live.get(key).cloned().unwrap_or((NOT_EXISTS, Bytes::new()));
            prop_assert_eq!((&found.key.data, found.key.version, found.value), (key, version, value));
        }
        prop_assert_eq!(pair.table.info().entry_count, live.len() as i64);
        prop_assert_eq!(pair.table.check_deletion(true).is_ok(), keys == Keys::Hashed && live.is_empty());
    }

    #[test]
    fn an_iteration_shows_every_live_key_once(keys in any_keys(), batches in any_batches(), count in 1..6_i32) {
        let mut pair = Pair::after(keys, &batches);
        let seen = pair.iterate(count, |_| ());
        let expected = pair.live_keys();
        prop_assert_eq!(seen.len(), expected.len());
        prop_assert_eq!(seen.into_iter().map(|key| (key.data, key.version)).collect::<BTreeMap<_, _>>(), expected);
    }

    #[test]
    fn an_iteration_misses_no_key_that_lives_through_it(
        batches in any_batches(),
        meanwhile in any_batches(),
        count in 1..4_i32,
    ) {
        let mut pair = Pair::after(Keys::Hashed, &batches);
        let mut lasting: BTreeSet<_> = pair.live_keys().into_keys().collect();
        let mut meanwhile = meanwhile.into_iter();
        let seen = pair.iterate(count, |pair| {
            if let Some(batch) = meanwhile.next() {
                pair.submit(&batch);
                let live = pair.live_keys();
                lasting.retain(|key| live.contains_key(key));
            }
        });
        let names: BTreeSet<_> = seen.iter().map(|key| key.data.clone()).collect();
        prop_assert_eq!(names.len(), seen.len());
        prop_assert!(names.is_superset(&lasting));
    }

    #[test]
    fn deltas_tell_live_entries_in_the_order_of_their_versions(batches in any_batches(), count in 1..6_i32) {
        let pair = Pair::after(Keys::Hashed, &batches);
        let mut expected: Vec<_> =
            pair.model.live().into_iter().map(|(name, (version, value))| entry(name, value, version)).collect();
        expected.sort_by_key(|entry| entry.key.version);
        prop_assert_eq!(pair.deltas(count), expected);
    }

    #[test]
    fn a_replay_comes_to_the_same_table(keys in any_keys(), batches in any_batches()) {
        let pair = Pair::after(keys, &batches);
        let mut replayed = Table::new(keys);
        for change in &pair.log {
            let mut record = BytesMut::new();
            change.encode(&mut record);
            replayed.apply(&TableChange::decode(record.freeze()).expect("its own records"));
        }
        prop_assert_eq!(&replayed, &pair.table);
        let live = pair.table.live().map(|(version, key, value)| (version, key.clone(), value.clone()));
        prop_assert_eq!(Table::restore(keys, pair.table.length(), live), pair.table);
    }

    #[test]
    fn a_table_counts_the_bytes_of_live_entries(keys in any_keys(), batches in any_batches()) {
        let mut pair = Pair::after(keys, &batches);
        let everything: Vec<_> = pair.live_keys().into_keys().map(|key| (key, Condition::None)).collect();
        let bytes = |(key, (_, value)): (Bytes, (i64, Bytes))| ENTRY_OVERHEAD_BYTES + (key.len() + value.len()) as u64;
        prop_assert_eq!(pair.table.bytes(), pair.model.live().into_iter().map(bytes).sum::<u64>());
        pair.submit(&Batch::Remove(everything));
        prop_assert_eq!(pair.table.bytes(), 0);
    }
}
