use ring::digest::{SHA256, digest};

/// First half of a key's SHA-256, the order of hash tables: two numbers with signs, as Java compares UUIDs.
///
/// No two keys with the same half are known; the later one would replace the earlier.
/// Source: `KeyHasher.java`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyHash {
    high: i64,
    low: i64,
}

/// Smallest and largest high half belong to other attributes of a segment.
const HIGHS: std::ops::RangeInclusive<i64> = i64::MIN + 1..=i64::MAX - 1;

impl KeyHash {
    pub(super) const BYTES: usize = 16;

    pub(super) fn of(key: &[u8]) -> Self {
        let digest = digest(&SHA256, key);
        let hash = Self::from_bytes(digest.as_ref()[..Self::BYTES].try_into().expect("a digest has 32 bytes"));
        Self { high: hash.high.clamp(*HIGHS.start(), *HIGHS.end()), ..hash }
    }

    pub(super) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let both = i128::from_be_bytes(bytes);
        Self { high: (both >> 64) as i64, low: both as i64 }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        (i128::from(self.high) << 64 | i128::from(self.low as u64)).to_be_bytes()
    }

    /// Whether a key can have it.
    pub(super) fn is_valid(self) -> bool {
        HIGHS.contains(&self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hash_to_the_first_half_of_their_digest() {
        let hash = KeyHash::of(b"bb");
        assert_eq!(hex::encode(hash.to_bytes()), "3b64db95cb55c763391c707108489ae1");
        assert_eq!(KeyHash::from_bytes(hash.to_bytes()), hash);
    }

    #[test]
    fn hashes_compare_as_signed_numbers() {
        let of_byte = |byte| KeyHash::from_bytes([byte; KeyHash::BYTES]);
        assert!(of_byte(0x80) < of_byte(0xff));
        assert!(of_byte(0xff) < of_byte(0x00));
        assert!(of_byte(0x00) < of_byte(0x7e));
    }

    #[test]
    fn the_outermost_highs_belong_to_no_key() {
        assert!(!KeyHash { high: i64::MIN, low: 0 }.is_valid());
        assert!(KeyHash { high: i64::MIN + 1, low: i64::MIN }.is_valid());
        assert!(!KeyHash { high: i64::MAX, low: 0 }.is_valid());
    }
}
