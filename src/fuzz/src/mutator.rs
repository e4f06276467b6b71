//! Damage: from a valid input one that is likely to be read some way before it is refused.

use crate::random::Random;

/// An input longer than this only costs time.
const MAX_INPUT: usize = 16 * 1024;

/// Numbers at which lengths, counts and offsets go wrong.
const EDGES: [i64; 14] = [
    0,
    1,
    -1,
    -2,
    i8::MAX as i64,
    i8::MIN as i64,
    i16::MAX as i64,
    i16::MIN as i64,
    i32::MAX as i64,
    i32::MAX as i64 - 1,
    i32::MIN as i64,
    i64::MAX,
    i64::MAX - 1,
    i64::MIN,
];

/// Variable-length numbers with the same purpose: -1, 2^31-1, 2^32-1, 2^64-1, one that never ends.
const VARINTS: [&[u8]; 5] = [
    &[0x01],
    &[0xfe, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0xff; 12],
];

/// One input of a session: a member of the corpus, damaged one to four times.
pub(crate) fn mutate(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let pick = |random: &mut Random| -> &[u8] {
        corpus.get(random.below(corpus.len())).map_or(&[], |v| v)
    };
    let mut input = pick(random).to_vec();
    for _ in 0..=random.below(4) {
        match random.below(9) {
            0 => flip_bit(&mut input, random),
            1 => edge_number(&mut input, random),
            2 => near_number(&mut input, random),
            3 => {
                let varint = VARINTS.get(random.below(VARINTS.len())).copied();
                overwrite(&mut input, random, varint.unwrap_or_default());
            }
            4 => input.truncate(random.below(input.len().saturating_add(1))),
            5 => splice(&mut input, pick(random), random),
            6 => random_bytes(&mut input, random),
            7 => remove(&mut input, random),
            _ => repeat(&mut input, random),
        }
    }
    input.truncate(MAX_INPUT);
    input
}

fn flip_bit(input: &mut [u8], random: &mut Random) {
    let at = random.below(input.len());
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

/// Puts `bytes` over what is there.
fn overwrite(input: &mut [u8], random: &mut Random, bytes: &[u8]) {
    let at = random.below(input.len());
    for (to, from) in input.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

fn edge_number(input: &mut [u8], random: &mut Random) {
    let number = EDGES.get(random.below(EDGES.len())).copied().unwrap_or(0);
    let bytes = number.to_be_bytes();
    let width = 1 << random.below(4);
    overwrite(input, random, bytes.get(8 - width..).unwrap_or_default());
}

/// Adds a little to, or takes it from, what may be a length of four bytes.
fn near_number(input: &mut [u8], random: &mut Random) {
    let at = random.below(input.len());
    if let Some(number) = input
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut::<4>())
    {
        let step = random.below(9) as i32 - 4;
        *number = i32::from_be_bytes(*number).wrapping_add(step).to_be_bytes();
    }
}

/// The beginning of one and the end of another.
fn splice(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    input.truncate(random.below(input.len().saturating_add(1)));
    let from = random.below(other.len());
    input.extend_from_slice(other.get(from..).unwrap_or_default());
}

fn random_bytes(input: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(input.len().saturating_add(1));
    let bytes: Vec<u8> = (0..random.below(20)).map(|_| random.byte()).collect();
    input.splice(at..at, bytes);
}

fn remove(input: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(input.len());
    let end = at.saturating_add(random.below(20)).min(input.len());
    input.drain(at..end);
}

/// A piece of the input once more.
fn repeat(input: &mut Vec<u8>, random: &mut Random) {
    let from = random.below(input.len());
    let end = from.saturating_add(random.below(200)).min(input.len());
    let piece = input.get(from..end).unwrap_or_default().to_vec();
    let at = random.below(input.len().saturating_add(1));
    input.splice(at..at, piece);
}
