//! Down-conversion: whole entries in what comes out are intact and old enough.
//!
//! Input: a byte that chooses the target format and the first offset asked for, then the set.

use ottla_records::{Magic, batches, down_convert, verify};

/// The target.
pub fn run(input: &[u8]) {
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
            let header = verify(entry);
            assert!(
                header.is_ok_and(|header| header.magic() <= target),
                "entry {index}"
            );
        }
    }
}

/// Sets of every format and codec for both targets.
pub fn corpus() -> Vec<Vec<u8>> {
    let sets = crate::batches::corpus();
    let choices = [0, 1, 4];
    let inputs = choices.iter().flat_map(|choice| {
        let input = |set: &Vec<u8>| [&[*choice], &set[..]].concat();
        sets.iter().map(input)
    });
    inputs.collect()
}
