//! Who waits for which sync, and what a failed one means.

use std::sync::Barrier;

use super::support::*;
use crate::{AppendError, LogConfig, ReadError, StorageError};

/// Storage of which every append wants to be flushed.
fn storage() -> Storage {
    Storage::with(LogConfig {
        flush_messages: 1,
        ..LogConfig::default()
    })
}

#[test]
fn those_who_wait_share_the_next_sync() {
    const OTHERS: usize = 7;
    let storage = storage();
    let (log, faults) = (&storage.log, &storage.faults);
    // The first flush after an epoch began writes its file too.
    append(log, &Spec::default());
    log.flush_to(1).unwrap();
    let before = faults.syncs();
    faults.hold_syncs(true);
    let appended = Barrier::new(OTHERS + 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let upto = append(log, &Spec::default()).needs_flush_to.unwrap();
            log.flush_to(upto).unwrap();
            assert!(log.recovery_point() >= upto);
        });
        faults.wait_for_syncs(before + 1);
        for _ in 0..OTHERS {
            scope.spawn(|| {
                let upto = append(log, &Spec::default()).needs_flush_to.unwrap();
                appended.wait();
                log.flush_to(upto).unwrap();
                assert!(log.recovery_point() >= upto);
            });
        }
        appended.wait();
        assert_eq!(log.recovery_point(), 1, "the sync has not ended");
        faults.hold_syncs(false);
    });
    assert_eq!(log.recovery_point(), 2 + OTHERS as i64);
    assert_eq!(
        faults.syncs() - before,
        2,
        "one for the first, one for all others"
    );
}

#[test]
fn a_failed_sync_is_final() {
    let storage = storage();
    let log = &storage.log;
    append(log, &Spec::default());
    log.flush_to(1).unwrap();
    append(log, &Spec::default());
    storage.faults.fail_next();
    assert!(matches!(
        log.flush_to(2),
        Err(StorageError::Io {
            operation: "sync",
            ..
        })
    ));
    // The disk would work again, but nobody asks it.
    let done = storage.faults.done();
    assert!(matches!(log.flush_to(2), Err(StorageError::Offline(_))));
    assert_eq!(log.recovery_point(), 1);
    assert!(matches!(
        log.append_as_leader(set(&Spec::default()), 0, NOW),
        Err(AppendError::Storage(StorageError::Offline(_)))
    ));
    assert!(matches!(
        log.read(0, 100, 1, true),
        Err(ReadError::Storage(StorageError::Offline(_)))
    ));
    assert!(log.is_offline() && storage.manager.has_offline_dir());
    let offline = storage.manager.dir_status()[0].offline.clone().unwrap();
    assert!(offline.contains("cannot sync"), "{offline}");
    storage.manager.housekeeping(i64::MAX);
    assert!(
        storage.manager.shutdown(NOW).is_ok(),
        "there is no directory to stop"
    );
    assert_eq!(storage.faults.done(), done);
}
