//! A `.txnindex` file: the aborted transactions of a segment.

use std::path::Path;

use anyhow::{Result, bail};
use bytes::Buf;

use super::Dump;

/// Version, producer id, first and last offset, last stable offset.
const ENTRY: usize = 34;
/// The only version there is.
const VERSION: i16 = 0;

pub(super) fn dump(dump: &mut Dump<'_>, path: &Path) -> Result<()> {
    let bytes = std::fs::read(path)?;
    for mut entry in bytes.chunks(ENTRY) {
        if entry.len() < ENTRY {
            bail!("a torn entry at the end");
        }
        let version = entry.try_get_i16()?;
        if version != VERSION {
            bail!("Unexpected aborted transaction version {version}");
        }
        let mut next = || entry.try_get_i64();
        let (producer, first, last, stable) = (next()?, next()?, next()?, next()?);
        writeln!(
            dump.out,
            "version: {version} producerId: {producer} firstOffset: {first} lastOffset: {last} lastStableOffset: {stable}"
        )?;
    }
    Ok(())
}
