//! Reading entries and their records: whatever comes, an answer.

use ottla_records::{batches, control_record, records, verify};

/// The target.
pub fn run(bytes: &[u8]) {
    for entry in batches(bytes).flatten() {
        let _ = verify(entry);
        let _ = control_record(entry);
        // Checksums are not asked for here, so that the fuzzer gets past them.
        if let Ok(iter) = records(entry) {
            iter.for_each(drop);
        }
    }
}

/// Sets of every format and codec.
pub fn corpus() -> Vec<Vec<u8>> {
    crate::batches::corpus()
}
