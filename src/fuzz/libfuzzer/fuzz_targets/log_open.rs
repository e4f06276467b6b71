#![no_main]
//! A log directory made of arbitrary files is loaded and read.

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use ottla_log::{LogConfig, LogDirs, LogManager, LogManagerConfig};

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
fn fill(dir: &std::path::Path, data: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(dir.join("t-0"))?;
    let Some((first, mut rest)) = data.split_first() else {
        return Ok(());
    };
    if first & 1 == 1 {
        std::fs::write(dir.join(".kafka_cleanshutdown"), "")?;
    }
    while let Some((head, tail)) = rest.split_first_chunk::<3>() {
        let name = NAMES[usize::from(head[0]) % NAMES.len()];
        let len = usize::from(u16::from_be_bytes([head[1], head[2]])).min(tail.len());
        let (content, tail) = tail.split_at(len);
        std::fs::write(dir.join(name), content)?;
        rest = tail;
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let Ok(root) = root else { return };
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
});
