//! Which partition a record goes to (Kafka's `DefaultPartitioner` and `BuiltInPartitioner`).

/// 32-bit MurmurHash2 with the Java client's seed; all Kafka clients agree on it.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Lengths beyond 2^32 do not occur: a key is part of a record of at most 2 GiB.
    let mut h = 0x9747_b28c ^ (data.len() as u32);
    let mut rest = data;
    while let Some((chunk, tail)) = rest.split_first_chunk::<4>() {
        rest = tail;
        let mut k = u32::from_le_bytes(*chunk).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

/// The partition of a key among `partitions`, the same for every Java client. `partitions` above
/// zero.
pub fn partition_of_key(key: &[u8], partitions: u32) -> i32 {
    let positive = murmur2(key) & 0x7fff_ffff;
    // Below 2^31 by the mask.
    (positive % partitions.max(1)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_java_clients() {
        // Values of UtilsTest.testMurmur2 in Kafka's client.
        for (text, expected) in [
            ("21", -973932308_i32),
            ("foobar", -790332482),
            ("a-little-bit-long-string", -985981536),
            ("a-little-bit-longer-string", -1486304829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58897971,
            ),
            ("abc", 479470107),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, expected, "{text}");
        }
    }
}
