//! Down-conversion: the announced size is kept, and whole entries in it are intact and old enough.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_records::{Magic, batches, down_convert, verify};

fuzz_target!(|input: &[u8]| {
    let Some(([choice], bytes)) = input.split_first_chunk::<1>() else {
        return;
    };
    let target = if choice & 1 == 0 {
        Magic::V0
    } else {
        Magic::V1
    };
    let Ok(converted) = down_convert(bytes, target, i64::from(choice >> 1)) else {
        return;
    };
    // What was old enough was copied unseen; what was converted must be right.
    for (index, entry) in batches(&converted).flatten().enumerate() {
        let copied = batches(bytes).flatten().any(|original| original == entry);
        if !copied {
            let header = verify(entry).unwrap_or_else(|error| panic!("entry {index}: {error}"));
            assert!(header.magic() <= target);
        }
    }
});
