//! Big-endian numbers in byte slices that nobody has checked yet.

/// The `N` bytes at `at`, if the slice reaches that far.
#[inline]
fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

#[inline]
pub(crate) fn i16_at(bytes: &[u8], at: usize) -> Option<i16> {
    chunk(bytes, at).map(i16::from_be_bytes)
}

#[inline]
pub(crate) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    chunk(bytes, at).map(i32::from_be_bytes)
}

#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    chunk(bytes, at).map(u32::from_be_bytes)
}

#[inline]
pub(crate) fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    chunk(bytes, at).map(i64::from_be_bytes)
}

/// The `M` bytes at `at` of an array whose length covers the positions of its format.
#[inline]
fn part<const N: usize, const M: usize>(array: &[u8; N], at: usize) -> [u8; M] {
    let mut out = [0; M];
    out.copy_from_slice(&array[at..at + M]);
    out
}

#[inline]
pub(crate) fn i16_in<const N: usize>(array: &[u8; N], at: usize) -> i16 {
    i16::from_be_bytes(part(array, at))
}

#[inline]
pub(crate) fn i32_in<const N: usize>(array: &[u8; N], at: usize) -> i32 {
    i32::from_be_bytes(part(array, at))
}

#[inline]
pub(crate) fn u32_in<const N: usize>(array: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes(part(array, at))
}

#[inline]
pub(crate) fn i64_in<const N: usize>(array: &[u8; N], at: usize) -> i64 {
    i64::from_be_bytes(part(array, at))
}

/// Writes `value` at `at`. A position that the bytes do not cover is left alone: callers own what
/// they write to.
#[inline]
pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(target) = bytes
        .get_mut(at..)
        .and_then(|tail| tail.first_chunk_mut::<N>())
    {
        *target = value;
    }
}
