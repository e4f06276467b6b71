//! Which leader epoch begins at which offset (Kafka's `LeaderEpochFileCache`).

use std::fmt::Write as _;

use ottla_metadata::{LeaderEpoch, NO_EPOCH, Offset};

use crate::checkpoint::{Malformed, lines};

/// The file in the replica's directory.
pub(crate) const FILE_NAME: &str = "leader-epoch-checkpoint";

/// Epochs and where they begin, both strictly ascending. Pure, so that simulations use it too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epochs(Vec<(LeaderEpoch, Offset)>);

impl From<&[(LeaderEpoch, Offset)]> for Epochs {
    /// Entries taken from other epochs.
    fn from(entries: &[(LeaderEpoch, Offset)]) -> Epochs {
        Epochs(entries.to_vec())
    }
}

impl Epochs {
    pub(crate) fn parse(content: &[u8]) -> Result<Epochs, Malformed> {
        let mut epochs = Epochs::default();
        for line in lines(content)? {
            let malformed = || Malformed(format!("line {line:?}"));
            let mut words = line.split_ascii_whitespace();
            let (Some(epoch), Some(start), None) = (words.next(), words.next(), words.next())
            else {
                return Err(malformed());
            };
            epochs.assign(
                epoch.parse().map_err(|_| malformed())?,
                start.parse().map_err(|_| malformed())?,
            );
        }
        Ok(epochs)
    }

    pub(crate) fn render(&self) -> String {
        let mut text = format!("0\n{}\n", self.0.len());
        for (epoch, start) in &self.0 {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{epoch} {start}");
        }
        text
    }

    /// The epochs that begin below `end`.
    pub(crate) fn below(&self, end: Offset) -> &[(LeaderEpoch, Offset)] {
        let count = self.0.partition_point(|(_, start)| *start < end);
        self.0.get(..count).unwrap_or_default()
    }

    /// Where the newest epoch begins.
    pub(crate) fn latest_start(&self) -> Option<Offset> {
        self.0.last().map(|(_, start)| *start)
    }

    /// The newest epoch.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.0.last().map(|(epoch, _)| *epoch)
    }

    /// Notes that `epoch` begins at `start`; whatever contradicts it at the tail goes. Answers
    /// whether anything changed.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if epoch < 0 || start < 0 {
            return false;
        }
        if let Some((latest, at)) = self.0.last() {
            if epoch == *latest && start >= *at {
                return false;
            }
        }
        while self
            .0
            .last()
            .is_some_and(|(e, s)| *e >= epoch || *s >= start)
        {
            self.0.pop();
        }
        self.0.push((epoch, start));
        true
    }

    /// Drops epochs that begin at or after `end`. Answers whether anything changed.
    pub fn truncate_from_end(&mut self, end: Offset) -> bool {
        let keep = self.0.partition_point(|(_, start)| *start < end);
        let changed = keep < self.0.len();
        self.0.truncate(keep);
        changed
    }

    /// Lets the first epoch begin at `start`. Answers whether anything changed.
    pub(crate) fn truncate_from_start(&mut self, start: Offset) -> bool {
        let at_or_before = self.0.partition_point(|(_, s)| *s <= start);
        match at_or_before
            .checked_sub(1)
            .and_then(|i| self.0.get_mut(i).map(|e| (i, e)))
        {
            Some((i, entry)) if i > 0 || entry.1 != start => {
                entry.1 = start;
                self.0.drain(..i);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn clear(&mut self) -> bool {
        let changed = !self.0.is_empty();
        self.0.clear();
        changed
    }

    /// The epoch of the record at `offset`.
    pub fn of_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.0.partition_point(|(_, start)| *start <= offset);
        after
            .checked_sub(1)
            .and_then(|i| self.0.get(i))
            .map(|e| e.0)
    }

    /// The largest known epoch not above `epoch`, and where it ends; `log_end` is where the latest
    /// ends. For an epoch older than all known ones it is that epoch and the start of the first
    /// known; (-1, -1) stands for "unknown".
    pub fn end_offset(&self, epoch: LeaderEpoch, log_end: Offset) -> (LeaderEpoch, Offset) {
        const UNKNOWN: (LeaderEpoch, Offset) = (NO_EPOCH, -1);
        if epoch < 0 {
            return UNKNOWN;
        }
        if self.latest() == Some(epoch) {
            return (epoch, log_end);
        }
        let higher = self.0.partition_point(|(e, _)| *e <= epoch);
        let Some((_, end)) = self.0.get(higher) else {
            return UNKNOWN;
        };
        let known = higher.checked_sub(1).and_then(|i| self.0.get(i));
        (known.map_or(epoch, |(e, _)| *e), *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> Epochs {
        let mut epochs = Epochs::default();
        for (epoch, start) in entries {
            assert!(epochs.assign(*epoch, *start));
        }
        epochs
    }

    #[test]
    fn assign() {
        for (start, assigned, expected) in [
            (&[(1, 0)][..], (1, 5), &[(1, 0)][..]),
            (&[(1, 5)], (1, 3), &[(1, 3)]),
            (&[(1, 0)], (2, 7), &[(1, 0), (2, 7)]),
            (&[(1, 0), (3, 7)], (2, 9), &[(1, 0), (2, 9)]),
            (&[(1, 0), (3, 7)], (4, 7), &[(1, 0), (4, 7)]),
            (&[(1, 0)], (-1, 9), &[(1, 0)]),
        ] {
            let mut got = epochs(start);
            got.assign(assigned.0, assigned.1);
            assert_eq!(got.0, expected, "{start:?} + {assigned:?}");
        }
    }

    #[test]
    fn truncation() {
        let all = epochs(&[(1, 0), (2, 10), (4, 20)]);
        let end = |at| {
            let mut e = all.clone();
            (e.truncate_from_end(at), e.0)
        };
        assert_eq!(end(21), (false, all.0.clone()));
        assert_eq!(end(20), (true, vec![(1, 0), (2, 10)]));
        assert_eq!(end(0), (true, vec![]));
        let start = |at| {
            let mut e = all.clone();
            (e.truncate_from_start(at), e.0)
        };
        assert_eq!(start(0), (false, all.0.clone()));
        assert_eq!(start(5), (true, vec![(1, 5), (2, 10), (4, 20)]));
        assert_eq!(start(10), (true, vec![(2, 10), (4, 20)]));
        assert_eq!(start(99), (true, vec![(4, 99)]));
    }

    #[test]
    fn lookups() {
        let all = epochs(&[(1, 5), (2, 10), (4, 20)]);
        for (epoch, expected) in [
            (-1, (-1, -1)),
            (0, (0, 5)),
            (1, (1, 10)),
            (2, (2, 20)),
            (3, (2, 20)),
            (4, (4, 33)),
            (5, (-1, -1)),
        ] {
            assert_eq!(all.end_offset(epoch, 33), expected, "{epoch}");
        }
        assert_eq!(Epochs::default().end_offset(0, 33), (-1, -1));
        for (offset, expected) in [(4, None), (5, Some(1)), (19, Some(2)), (99, Some(4))] {
            assert_eq!(all.of_offset(offset), expected, "{offset}");
        }
    }

    #[test]
    fn text() {
        let all = epochs(&[(1, 5), (2, 10)]);
        assert_eq!(all.render(), "0\n2\n1 5\n2 10\n");
        assert_eq!(Epochs::parse(all.render().as_bytes()), Ok(all));
        assert!(Epochs::parse(b"0\n1\n1 x\n").is_err());
    }
}
