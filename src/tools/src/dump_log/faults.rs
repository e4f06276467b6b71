//! What was found to be wrong, told at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Pairs of numbers that do not go together, by file. Which is which, the text says.
type Pairs = BTreeMap<String, Vec<(i64, i64)>>;

/// All faults of all files.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) index_mismatches: Pairs,
    pub(super) time_mismatches: Pairs,
    pub(super) times_out_of_order: Pairs,
    pub(super) offsets_not_found: Pairs,
    pub(super) gaps: Pairs,
}

/// Notes a pair of a file.
pub(super) fn note(pairs: &mut Pairs, path: &Path, pair: (i64, i64)) {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let of_file = pairs.entry(path.display().to_string()).or_default();
    of_file.push(pair);
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (file, pairs) in &self.index_mismatches {
            writeln!(f, "Mismatches in :{file}")?;
            for (index, log) in pairs.iter().rev() {
                writeln!(f, "  Index offset: {index}, log offset: {log}")?;
            }
        }
        for (file, pairs) in &self.time_mismatches {
            writeln!(f, "Found timestamp mismatch in :{file}")?;
            for (index, log) in pairs {
                writeln!(f, "  Index timestamp: {index}, log timestamp: {log}")?;
            }
        }
        for (file, pairs) in &self.times_out_of_order {
            writeln!(f, "Found out of order timestamp in :{file}")?;
            for (index, previous) in pairs {
                writeln!(
                    f,
                    "  Index timestamp: {index}, Previously indexed timestamp: {previous}"
                )?;
            }
        }
        for pairs in self.offsets_not_found.values() {
            writeln!(f, "The following indexed offsets are not found in the log.")?;
            for (indexed, found) in pairs {
                writeln!(f, "Indexed offset: {indexed}, found log offset: {found}")?;
            }
        }
        for (file, pairs) in &self.gaps {
            writeln!(f, "Non-consecutive offsets in {file}")?;
            for (first, second) in pairs.iter().rev() {
                writeln!(f, "  {first} is followed by {second}")?;
            }
        }
        Ok(())
    }
}
