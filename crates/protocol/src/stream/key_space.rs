//! The key space [0, 1): where a routing key lands, and the parts of it that segments hold.

use serde::{Serialize, Serializer};

use super::murmur3::{BLOCK, Murmur3};

/// Java's `"EventRouter".hashCode()`.
const EVENT_ROUTER_SEED: u64 = 1_741_865_571;

/// Java's `"KeyValueTableRouter".hashCode()`, a negative `int` that Java widens with its sign.
const TABLE_ROUTER_SEED: u64 = -2_020_233_499_i64 as u64;

/// A place in the key space: 0 ≤ position < 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct KeyPosition(f64);

impl KeyPosition {
    /// A place in the key space; `None` outside [0, 1).
    #[must_use]
    pub fn new(position: f64) -> Option<Self> {
        (0.0..1.0).contains(&position).then_some(Self(position))
    }

    /// Where a key-value table puts this primary key.
    #[must_use]
    pub fn of_table_key(primary_key: &[u8]) -> Self {
        let mut hash = Murmur3::new(TABLE_ROUTER_SEED);
        let (blocks, rest) = primary_key.as_chunks();
        for block in blocks {
            hash.block(block);
        }
        Self::of_hash(hash.finish(rest))
    }

    /// Where Pravega's Java client puts events of this routing key. (The Rust and Python clients put keys
    /// that are not ASCII elsewhere.)
    ///
    /// Does not allocate.
    #[must_use]
    pub fn of_key(routing_key: &str) -> Self {
        let mut hash = Murmur3::new(EVENT_ROUTER_SEED);
        let mut block = [0; BLOCK];
        let mut filled = 0;
        // Java hashes the string as it holds it: UTF-16, little-endian.
        for unit in routing_key.encode_utf16() {
            block[filled..filled + 2].copy_from_slice(&unit.to_le_bytes());
            filled += 2;
            if filled == BLOCK {
                hash.block(&block);
                filled = 0;
            }
        }
        Self::of_hash(hash.finish(&block[..filled]))
    }

    /// A uniformly random place, for an event without a routing key.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The place as a number, 0 ≤ position < 1.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0
    }

    /// The high 52 bits of the hash are the fraction of a number in [1, 2).
    fn of_hash(hash: u64) -> Self {
        Self(f64::from_bits(0x3ff0_0000_0000_0000 | (hash >> 12)) - 1.0)
    }
}

/// A segment's part of the key space, `low` included; written `[low, high]` in JSON.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyRange {
    low: f64,
    high: f64,
}

impl KeyRange {
    /// The whole key space.
    pub const FULL: Self = Self { low: 0.0, high: 1.0 };

    /// The part from `low` to `high`; `None` unless 0 ≤ low < high ≤ 1.
    #[must_use]
    pub fn new(low: f64, high: f64) -> Option<Self> {
        (0.0 <= low && low < high && high <= 1.0).then_some(Self { low, high })
    }

    /// Where the part begins.
    #[must_use]
    pub fn low(self) -> f64 {
        self.low
    }

    /// Where the part ends.
    #[must_use]
    pub fn high(self) -> f64 {
        self.high
    }
}

impl Serialize for KeyRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.low, self.high].serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_key(key: &str) -> f64 {
        KeyPosition::of_key(key).as_f64()
    }

    #[test]
    fn keys_land_where_pravegas_java_client_puts_them() {
        #[derive(serde::Deserialize)]
        struct Vector {
            key: String,
            /// As text, because serde_json may miss a number by a unit in the last place.
            position: Box<serde_json::value::RawValue>,
        }
        let vectors = include_str!("../../tests/golden/routing-vectors.jsonl");
        let mut seen = 0;
        for line in vectors.lines() {
            let vector: Vector = serde_json::from_str(line).expect("a vector per line");
            let position: f64 = vector.position.get().parse().expect("a number");
            assert_eq!(of_key(&vector.key), position, "{:?}", vector.key);
            seen += 1;
        }
        assert_eq!(seen, 60);
    }

    #[test]
    fn keys_of_one_to_four_utf16_lengths_land_as_seen_on_a_live_pravega() {
        for (key, position) in [
            ("", 0.24117842791623523),
            ("a", 0.9433912753816884),
            ("hello", 0.658716230571337),
            ("key-1", 0.3829162539760538),
            ("user42", 0.12163707361343667),
            ("é", 0.6688272069632242),
            ("日本語", 0.33619521178203393),
            ("😀", 0.7750255912171164),
            ("naïve café", 0.2649586171904692),
        ] {
            assert_eq!(of_key(key), position, "{key:?}");
        }
    }

    #[test]
    fn table_keys_use_a_sign_extended_seed() {
        assert_eq!(KeyPosition::of_table_key(b"abcd").as_f64(), 0.3196015036346609);
        assert_eq!(KeyPosition::of_table_key(b"zzzz").as_f64(), 0.9591432989138349);
    }

    #[test]
    fn whole_blocks_hash_as_their_bytes_do() {
        for units in [7, 8, 9, 16, 17] {
            let key = "k".repeat(units);
            let bytes: Vec<u8> = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let mut hash = Murmur3::new(EVENT_ROUTER_SEED);
            let (blocks, rest) = bytes.as_chunks();
            blocks.iter().for_each(|block| hash.block(block));
            assert_eq!(KeyPosition::of_hash(hash.finish(rest)), KeyPosition::of_key(&key), "{units}");
        }
    }

    #[test]
    fn positions_stay_below_one() {
        assert!(KeyPosition::of_hash(u64::MAX).as_f64() < 1.0);
        assert_eq!(KeyPosition::of_hash(0).as_f64(), 0.0);
        assert_eq!(KeyPosition::new(1.0), None);
        assert_eq!(KeyPosition::new(f64::NAN), None);
    }

    #[test]
    fn random_positions_reach_both_halves() {
        let low = (0..1000).filter(|_| KeyPosition::random().as_f64() < 0.5).count();
        assert!((1..1000).contains(&low), "{low}");
    }

    #[test]
    fn a_range_is_never_empty_or_turned() {
        assert_eq!(KeyRange::new(0.0, 1.0), Some(KeyRange::FULL));
        for (low, high) in [(0.5, 0.5), (0.6, 0.5), (-0.1, 0.5), (0.5, 1.1), (f64::NAN, 1.0)] {
            assert_eq!(KeyRange::new(low, high), None);
        }
        let json = serde_json::to_string(&KeyRange::FULL).expect("a pair");
        assert_eq!(json, "[0.0,1.0]");
    }
}
