//! The end of the log as readers see it, with the last few appends: whoever reads there needs
//! neither index nor disk to find the position.

use std::sync::Arc;

use ottla_metadata::Offset;

use crate::segment::{Located, Segment};

/// Appends remembered.
const RECENT: usize = 16;

#[derive(Debug)]
pub(super) struct Tail {
    pub(super) active: Arc<Segment>,
    pub(super) end: Offset,
    /// Bytes of the active segment that lie below `end`.
    pub(super) size: u64,
    /// The first batch of each of the last appends, as a ring.
    recent: Vec<Recent>,
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Recent {
    first: Offset,
    last: Offset,
    position: u64,
    size: usize,
}

impl Tail {
    pub(super) fn new(active: Arc<Segment>, end: Offset) -> Tail {
        Tail {
            size: active.size(),
            active,
            end,
            recent: Vec::new(),
            next: 0,
        }
    }

    /// An append whose first batch holds `first` to `last`.
    pub(super) fn appended(
        &mut self,
        first: Offset,
        last: Offset,
        batch_size: usize,
        set_size: u64,
        end: Offset,
    ) {
        let entry = Recent {
            first,
            last,
            position: self.size,
            size: batch_size,
        };
        match self.recent.get_mut(self.next) {
            Some(slot) => *slot = entry,
            None => self.recent.push(entry),
        }
        self.next = (self.next + 1) % RECENT;
        self.size += set_size;
        self.end = end;
    }

    /// The batch with `offset`, if it is the first of a recent append.
    pub(super) fn find(&self, offset: Offset) -> Option<Located> {
        self.recent
            .iter()
            .find(|r| r.first <= offset && offset <= r.last)
            .map(|r| Located {
                position: r.position,
                size: r.size,
            })
    }

    /// Where the records below `offset` end in the active segment, if that is known.
    pub(super) fn position_of(&self, offset: Offset) -> Option<u64> {
        if offset >= self.end {
            return Some(self.size);
        }
        self.find(offset).map(|located| located.position)
    }
}
