//! MurmurHash3 for x64, 128 bits, of which Pravega uses the first 64.
//!
//! Fed in blocks so that a routing key is hashed as it is transcoded, without a buffer for the whole.

pub(super) const BLOCK: usize = 16;

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

pub(super) struct Murmur3 {
    h1: u64,
    h2: u64,
    bytes: u64,
}

impl Murmur3 {
    pub(super) const fn new(seed: u64) -> Self {
        Self { h1: seed, h2: seed, bytes: 0 }
    }

    pub(super) fn block(&mut self, block: &[u8; BLOCK]) {
        let (k1, k2) = lanes(block);
        self.h1 = (self.h1 ^ mix1(k1)).rotate_left(27).wrapping_add(self.h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        self.h2 = (self.h2 ^ mix2(k2)).rotate_left(31).wrapping_add(self.h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
        self.bytes += BLOCK as u64;
    }

    /// Takes the bytes after the last whole block, fewer than [`BLOCK`], and returns the first half of the
    /// digest.
    pub(super) fn finish(mut self, rest: &[u8]) -> u64 {
        assert!(rest.len() < BLOCK, "a whole block is fed as one");
        let mut block = [0; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        // Absent bytes count as zeros, and a zero lane mixes to zero.
        let (k1, k2) = lanes(&block);
        self.bytes += rest.len() as u64;
        self.h1 ^= mix1(k1) ^ self.bytes;
        self.h2 ^= mix2(k2) ^ self.bytes;
        self.h1 = self.h1.wrapping_add(self.h2);
        self.h2 = self.h2.wrapping_add(self.h1);
        avalanche(self.h1).wrapping_add(avalanche(self.h2))
    }
}

fn lanes(block: &[u8; BLOCK]) -> (u64, u64) {
    let both = u128::from_le_bytes(*block);
    (both as u64, (both >> 64) as u64)
}

fn mix1(lane: u64) -> u64 {
    lane.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn mix2(lane: u64) -> u64 {
    lane.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn avalanche(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}
