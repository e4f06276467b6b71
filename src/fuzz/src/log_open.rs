//! A log directory made of any files, those of an interrupted compaction among them, is loaded,
//! read and truncated.
//!
//! Input: a byte that says whether the last stop was clean; then pieces of the number of a file, a
//! length of two bytes, and the file's content.

use std::path::Path;
use std::sync::Arc;

use ottla_log::{LogConfig, LogDirs, LogManager, LogManagerConfig};

use crate::log_directory::{PRISTINE, temporary_folder};

const NAMES: [&str; 14] = [
    "t-0/00000000000000000000.log",
    "t-0/00000000000000000000.index",
    "t-0/00000000000000000000.timeindex",
    "t-0/00000000000000000000.txnindex",
    "t-0/00000000000000000009.log",
    "t-0/00000000000000000009.index",
    "t-0/00000000000000000009.snapshot",
    "t-0/00000000000000000005.log.swap",
    "t-0/00000000000000000007.log.cleaned",
    "t-0/leader-epoch-checkpoint",
    "t-0/partition.metadata",
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "meta.properties",
];

/// Pieces of name, length and content, as long as there are any; the first byte says whether the
/// last stop was clean.
fn fill(dir: &Path, data: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(dir.join("t-0"))?;
    let Some((first, mut rest)) = data.split_first() else {
        return Ok(());
    };
    if first & 1 == 1 {
        std::fs::write(dir.join(".kafka_cleanshutdown"), "")?;
    }
    while let Some((head, tail)) = rest.split_first_chunk::<3>() {
        let [number, high, low] = *head;
        let name = NAMES.iter().cycle().nth(usize::from(number));
        let len = usize::from(u16::from_be_bytes([high, low])).min(tail.len());
        let (content, tail) = tail.split_at(len);
        std::fs::write(dir.join(name.unwrap_or(&"")), content)?;
        rest = tail;
    }
    Ok(())
}

/// The target.
pub fn run(data: &[u8]) {
    let root = temporary_folder();
    if fill(root.path(), data).is_err() {
        return;
    }
    let Ok(dirs) = LogDirs::lock(&[root.path().to_owned()]) else {
        return;
    };
    let _ = dirs.identity();
    let config = Arc::new(LogConfig::default());
    let loaded = LogManager::load(
        dirs,
        LogManagerConfig::default(),
        |_| Arc::clone(&config),
        0,
    );
    let Ok(manager) = loaded else { return };
    for log in manager.logs() {
        let (start, end) = (log.log_start_offset(), log.log_end_offset());
        assert!(start <= end);
        let _ = log.read(start, 1000, end, true);
        let _ = log.read(end.saturating_sub(1), 1000, end, true);
        let _ = log.offset_for_timestamp(0, end);
        let _ = log.offset_of_max_timestamp();
        let _ = log.aborted_transactions(start, end);
        let _ = log.truncate_to(start + (end - start) / 2);
    }
    let _ = manager.shutdown(0);
}

/// Files of a broker under these names: all of them, and leaving one out.
pub fn corpus() -> Vec<Vec<u8>> {
    let pieces = (0..).zip(NAMES).filter_map(|(n, name)| piece(n, name));
    let pieces: Vec<Vec<u8>> = pieces.collect();
    let inputs = (0..=pieces.len()).flat_map(|left_out| {
        let kept = pieces.iter().enumerate().filter(|(n, _)| *n != left_out);
        let kept: Vec<u8> = kept.flat_map(|(_, piece)| piece).copied().collect();
        [0, 1].map(|clean| [&[clean], &kept[..]].concat())
    });
    inputs.collect()
}

/// The content of a file of the same kind, as a piece of an input.
fn piece(number: u8, name: &str) -> Option<Vec<u8>> {
    let kind = |name: &str| name.split('.').nth(1).map(str::to_owned);
    let file = Path::new(name).file_name()?.to_str()?;
    let mut like = PRISTINE.iter().filter(|(path, _)| {
        let path = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        path == file || (file.starts_with('0') && kind(path) == kind(file))
    });
    let (_, bytes) = like.next()?;
    let len = u16::try_from(bytes.len()).ok()?.to_be_bytes();
    Some([&[number], &len[..], bytes].concat())
}
