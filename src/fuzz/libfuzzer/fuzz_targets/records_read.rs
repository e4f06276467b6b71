//! Reading entries and their records: whatever comes, an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_records::{batches, control_record, records, verify};

fuzz_target!(|bytes: &[u8]| {
    for entry in batches(bytes).flatten() {
        let _ = verify(entry);
        let _ = control_record(entry);
        // Checksums are not asked for here, so that the fuzzer gets past them.
        if let Ok(iter) = records(entry) {
            iter.for_each(drop);
        }
    }
});
