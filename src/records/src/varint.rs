//! Zig-zag variable-length numbers, as v2 records use them.

use crate::error::InvalidRecord;

/// Most bytes of a 32-bit number.
pub(crate) const MAX_VARINT_BYTES: usize = 5;

/// Takes one byte off the front.
#[inline(always)]
pub(crate) fn take_u8(rest: &mut &[u8]) -> Result<u8, InvalidRecord> {
    let (byte, after) = rest.split_first().ok_or(InvalidRecord::Truncated)?;
    *rest = after;
    Ok(*byte)
}

/// Takes a 32-bit number off the front. As in Java, the bits that a fifth byte has too many are
/// dropped.
///
/// Nearly all numbers in records have one or two bytes, and the walk over a batch does little else
/// than read them.
#[inline(always)]
pub(crate) fn take_varint(rest: &mut &[u8]) -> Result<i32, InvalidRecord> {
    match **rest {
        [first, ref after @ ..] if first < 0x80 => {
            *rest = after;
            Ok(unzigzag32(u32::from(first)))
        }
        [first, second, ref after @ ..] if second < 0x80 => {
            *rest = after;
            Ok(unzigzag32(u32::from(first & 0x7f) | u32::from(second) << 7))
        }
        _ => take_long_varint(rest),
    }
}

#[inline(never)]
fn take_long_varint(rest: &mut &[u8]) -> Result<i32, InvalidRecord> {
    let mut value = 0;
    for shift in [0, 7, 14, 21, 28] {
        let byte = take_u8(rest)?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(unzigzag32(value));
        }
    }
    Err(InvalidRecord::VarintTooLong)
}

/// Takes a 64-bit number off the front.
#[inline(always)]
pub(crate) fn take_varlong(rest: &mut &[u8]) -> Result<i64, InvalidRecord> {
    match **rest {
        [first, ref after @ ..] if first < 0x80 => {
            *rest = after;
            Ok(unzigzag64(u64::from(first)))
        }
        [first, second, ref after @ ..] if second < 0x80 => {
            *rest = after;
            Ok(unzigzag64(u64::from(first & 0x7f) | u64::from(second) << 7))
        }
        _ => take_long_varlong(rest),
    }
}

#[inline(never)]
fn take_long_varlong(rest: &mut &[u8]) -> Result<i64, InvalidRecord> {
    let mut value = 0;
    for shift in [0, 7, 14, 21, 28, 35, 42, 49, 56, 63] {
        let byte = take_u8(rest)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(unzigzag64(value));
        }
    }
    Err(InvalidRecord::VarintTooLong)
}

/// Takes `len` bytes off the front; a negative length is null.
#[inline(always)]
pub(crate) fn take_nullable<'a>(
    rest: &mut &'a [u8],
    len: i32,
) -> Result<Option<&'a [u8]>, InvalidRecord> {
    let Ok(len) = usize::try_from(len) else {
        return Ok(None);
    };
    let (taken, after) = rest.split_at_checked(len).ok_or(InvalidRecord::Truncated)?;
    *rest = after;
    Ok(Some(taken))
}

#[inline]
fn unzigzag32(value: u32) -> i32 {
    ((value >> 1) as i32) ^ -((value & 1) as i32)
}

#[inline]
fn unzigzag64(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

#[inline]
fn zigzag64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Appends a number; 32-bit ones have the same form.
pub(crate) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag64(value);
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Bytes that `put_varlong` appends.
pub(crate) fn varlong_size(value: i64) -> usize {
    match zigzag64(value) {
        0 => 1,
        n => (70 - n.leading_zeros() as usize) / 7,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        put_varlong(&mut out, value);
        out
    }

    #[test]
    fn numbers_have_the_bytes_of_protocol_buffers() {
        let check = |value: i64, bytes: &[u8]| {
            assert_eq!(put(value), bytes, "{value}");
            assert_eq!(varlong_size(value), bytes.len(), "{value}");
            assert_eq!(take_varlong(&mut &bytes[..]), Ok(value));
        };
        check(0, &[0]);
        check(-1, &[1]);
        check(1, &[2]);
        check(63, &[0x7e]);
        check(-64, &[0x7f]);
        check(64, &[0x80, 1]);
        check(
            i64::MAX,
            &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        );
        check(
            i64::MIN,
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        );
    }

    #[test]
    fn too_long_and_too_short() {
        assert_eq!(
            take_varint(&mut &[0x80; 5][..]),
            Err(InvalidRecord::VarintTooLong)
        );
        assert_eq!(
            take_varint(&mut &[0x80; 4][..]),
            Err(InvalidRecord::Truncated)
        );
        assert_eq!(
            take_varlong(&mut &[0x80; 10][..]),
            Err(InvalidRecord::VarintTooLong)
        );
        assert_eq!(
            take_varlong(&mut &[0x80; 9][..]),
            Err(InvalidRecord::Truncated)
        );
        // A fifth byte holds four useful bits.
        assert_eq!(
            take_varint(&mut &[0x80, 0x80, 0x80, 0x80, 0x7f][..]),
            take_varint(&mut &[0x80, 0x80, 0x80, 0x80, 0x0f][..])
        );
    }

    proptest! {
        #[test]
        fn round_trip(long: i64, int: i32) {
            let bytes = put(long);
            prop_assert_eq!(bytes.len(), varlong_size(long));
            prop_assert_eq!(take_varlong(&mut &bytes[..]), Ok(long));
            prop_assert_eq!(take_varint(&mut &put(i64::from(int))[..]), Ok(int));
        }
    }
}
