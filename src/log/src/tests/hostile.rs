//! Files that somebody or something has damaged: nothing panics, and what is left can be used.

use proptest::prelude::*;

use super::support::*;
use crate::{LogConfig, LogDirs, LogManager, LogManagerConfig};

#[derive(Clone, Debug)]
enum Damage {
    Flip { at: usize, mask: u8 },
    Cut { at: usize },
    Extend { with: Vec<u8> },
    Replace { with: Vec<u8> },
    Zero { at: usize, len: usize },
    Remove,
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..100);
    prop_oneof![
        4 => (any::<usize>(), 1_u8..).prop_map(|(at, mask)| Damage::Flip { at, mask }),
        2 => any::<usize>().prop_map(|at| Damage::Cut { at }),
        1 => bytes().prop_map(|with| Damage::Extend { with }),
        1 => bytes().prop_map(|with| Damage::Replace { with }),
        1 => (any::<usize>(), 1_usize..200).prop_map(|(at, len)| Damage::Zero { at, len }),
        1 => Just(Damage::Remove),
    ]
}

fn apply(path: &std::path::Path, damage: &Damage) {
    let mut content = std::fs::read(path).unwrap();
    let position = |at: usize| at % content.len().max(1);
    match damage {
        Damage::Flip { at, mask } => {
            let at = position(*at);
            if let Some(byte) = content.get_mut(at) {
                *byte ^= mask;
            }
        }
        Damage::Cut { at } => content.truncate(position(*at)),
        Damage::Extend { with } => content.extend_from_slice(with),
        Damage::Replace { with } => content.clone_from(with),
        Damage::Zero { at, len } => {
            let at = position(*at);
            let end = (at + len).min(content.len());
            content[at..end].fill(0);
        }
        Damage::Remove => {
            std::fs::remove_file(path).unwrap();
            return;
        }
    }
    std::fs::write(path, content).unwrap();
}

fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found
}

fn run(damages: &[(usize, Damage)], keep_marker: bool) {
    let fixture = Fixture::new(LogConfig {
        segment_bytes: 1500,
        index_interval_bytes: 100,
        ..LogConfig::default()
    });
    let log = fixture.log();
    for i in 0..40 {
        let spec = Spec {
            count: 2,
            timestamp: NOW + i64::from(i),
            producer: Some((1, 0, i * 2)),
            transactional: i > 30,
            ..Spec::default()
        };
        log.append_as_leader(set(&spec), i / 10, NOW).unwrap();
    }
    log.set_high_watermark(50);
    log.advance_log_start_offset(5).unwrap();
    fixture.manager().shutdown(NOW).unwrap();
    let dir = fixture.dir();
    let replica = fixture.replica_dir();
    let root = fixture.root;
    drop((log, fixture.manager));
    let marker = dir.join(".kafka_cleanshutdown");
    for (index, damage) in damages {
        let mut all = files(&replica);
        all.extend(files(&dir).into_iter().filter(|f| *f != marker));
        apply(&all[index % all.len()], damage);
    }
    if !keep_marker {
        std::fs::remove_file(&marker).unwrap();
    }
    use_all(&dir);
    // And once more, with what that has made of it.
    use_all(&dir);
    drop(root);
}

/// Loads the directory and does a bit of everything; errors are answers, panics are not.
fn use_all(dir: &std::path::Path) {
    let dirs = LogDirs::lock(&[dir.to_owned()]).unwrap();
    let _ = dirs.identity();
    let config = std::sync::Arc::new(LogConfig::default());
    let of = |_: &str| std::sync::Arc::clone(&config);
    let Ok(manager) = LogManager::load(dirs, LogManagerConfig::default(), of, NOW) else {
        return;
    };
    for log in manager.logs() {
        let (start, end) = (log.log_start_offset(), log.log_end_offset());
        assert!(start <= end);
        for from in start..end.min(start + 100) {
            let _ = log.read(from, 300, end, true);
            let _ = log.read(from, 300, from + 3, false);
        }
        for timestamp in [-1, 0, NOW, NOW + 20, NOW + 39, i64::MAX] {
            let _ = log.offset_for_timestamp(timestamp, end);
            let _ = log.legacy_offsets_before(timestamp, 5, NOW);
        }
        let _ = log.offset_of_max_timestamp();
        let _ = log.aborted_transactions(start, end);
        for epoch in -1..6 {
            log.epoch_end_offset(epoch);
        }
        if let Ok(appended) = log.append_as_leader(set(&Spec::default()), 9, NOW) {
            assert_eq!(appended.first_offset, end);
            let found = log.read(end, 1000, end + 1, true).unwrap().unwrap();
            assert_eq!(found.len, found.first_entry_size);
        }
        log.set_high_watermark(end);
        let _ = log.apply_retention(NOW);
        let _ = log.truncate_to(start + (end - start) / 2);
        let _ = log.flush_to(end);
    }
    manager.housekeeping(i64::MAX);
    let _ = manager.shutdown(NOW);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn damaged_files_do_no_harm(
        damages in prop::collection::vec((any::<usize>(), damage()), 1..4),
        keep_marker in any::<bool>(),
    ) {
        run(&damages, keep_marker);
    }
}
