//! Which partition a key belongs to: as Kafka's Java clients do it, so that both agree.

/// The partition of a key among `partitions` (1 when it is less).
#[must_use]
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    // Java's `toPositive`: the sign bit is cut off.
    (murmur2(key) & i32::MAX).checked_rem(partitions.max(1)).unwrap_or(0)
}

/// The 32-bit MurmurHash2 of Kafka's `Utils.murmur2`.
#[must_use]
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    #[expect(clippy::cast_possible_truncation, reason = "a key is shorter than 4 GB, and Java truncates as well")]
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let word: [u8; 4] = word.try_into().unwrap_or_default();
        let mut k = u32::from_le_bytes(word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ hash >> 15).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_java_client() {
        // From Kafka's UtilsTest.testMurmur2.
        let cases: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in cases {
            assert_eq!(murmur2(key), hash, "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn a_negative_hash_loses_its_sign_bit_and_not_its_sign() {
        // -973932308 & 0x7fffffff = 1173551340
        assert_eq!(partition_of(b"21", 7), 1_173_551_340 % 7);
        assert_eq!(partition_of(b"abc", 6), 479_470_107 % 6);
        assert_eq!(partition_of(b"abc", 0), 0);
    }
}
