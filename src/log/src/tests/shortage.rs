//! A system that is short of descriptors: what fails is tried again, and the directory goes on.

use super::support::*;
use crate::{AppendError, Log, LogConfig, StorageError};

/// Until nothing of the log is open: the first call finds it in use.
fn release(log: &Log) {
    log.release_idle();
    log.release_idle();
}

#[test]
fn a_shortage_fails_the_operation_and_not_the_directory() {
    let Storage {
        _root,
        faults,
        manager,
        log,
    } = Storage::with(LogConfig::default());
    append(&log, &Spec::default());
    release(&log);
    faults.take_descriptors(true);
    let refused = log.append_as_leader(set(&Spec::default()), 0, NOW);
    assert!(
        matches!(
            refused,
            Err(AppendError::Storage(StorageError::Exhausted { .. }))
        ),
        "{refused:?}"
    );
    assert!(!log.is_offline() && log.log_end_offset() == 1);
    faults.take_descriptors(false);
    append(&log, &Spec::default());
    assert_eq!(log.log_end_offset(), 2);
    log.flush_to(2).unwrap();
    assert_eq!(log.recovery_point(), 2);
    manager.shutdown(NOW).unwrap();
}

/// A flush that found no descriptor has flushed nothing, and the next one flushes all of it.
#[test]
fn a_flush_is_repeated() {
    let storage = Storage::with(LogConfig::default());
    let log = &storage.log;
    append(log, &Spec::default());
    let before = storage.faults.syncs();
    storage.faults.take_descriptors(true);
    log.flush_to(1).unwrap_err();
    assert!(!log.is_offline());
    storage.faults.take_descriptors(false);
    log.flush_to(1).unwrap();
    assert!(storage.faults.syncs() > before);
    assert_eq!(log.recovery_point(), 1);
}

/// A descriptor with unsynced data behind it is not given back before a sync.
#[test]
fn idle_descriptors_are_synced_before_they_are_closed() {
    let storage = Storage::with(LogConfig::default());
    let log = &storage.log;
    append(log, &Spec::default());
    let before = storage.faults.syncs();
    log.release_idle();
    assert_eq!(storage.faults.syncs(), before, "it was used just now");
    log.release_idle();
    assert_eq!(storage.faults.syncs(), before + 1);
    log.release_idle();
    assert_eq!(
        storage.faults.syncs(),
        before + 1,
        "nothing is left to sync"
    );
    // A failed sync takes the directory offline instead of being forgotten.
    append(log, &Spec::default());
    log.release_idle();
    storage.faults.fail_next();
    log.release_idle();
    assert!(log.is_offline());
}
