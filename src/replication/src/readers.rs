//! Fetches that wait at a partition for data.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use ottla_metadata::{BrokerId, Offset};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::fetch::ReadBound;
use crate::lookout::Lookout;

/// The shared part of a waiting fetch. It is woken once, by whoever finds that it has enough.
pub(crate) struct FetchWake {
    missing: AtomicI64,
    enough: AtomicBool,
    /// One bit per partition of the fetch: whether it has news.
    touched: Mutex<Vec<u64>>,
    notify: Notify,
}

impl FetchWake {
    pub(crate) fn new(missing: i64) -> FetchWake {
        FetchWake {
            missing: AtomicI64::new(missing),
            enough: AtomicBool::new(false),
            touched: Mutex::default(),
            notify: Notify::new(),
        }
    }

    /// So many bytes more can be read of the partition at `place`. Answers whether that made it
    /// enough.
    fn grow(&self, place: usize, bytes: u64) -> bool {
        self.touch(place);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let before = self.missing.fetch_sub(bytes, Ordering::AcqRel);
        let enough = before <= bytes;
        if enough {
            self.enough.store(true, Ordering::Release);
            self.notify.notify_one();
        }
        enough
    }

    /// Something changed that only a fresh look at the partition at `place` can judge.
    pub(crate) fn look_again(&self, place: usize) {
        self.touch(place);
        self.notify.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }

    /// The partition at `place` has news that need not be told before the fetch's time is up.
    pub(crate) fn touch(&self, place: usize) {
        let mut touched = self.touched.lock();
        if touched.len() <= place / 64 {
            touched.resize(place / 64 + 1, 0);
        }
        if let Some(word) = touched.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    /// The places of the partitions that have news, ascending.
    pub(crate) fn take_touched(&self) -> Vec<usize> {
        let words = std::mem::take(&mut *self.touched.lock());
        let bits = |(at, word): (usize, u64)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| at * 64 + bit)
        };
        let set = words.into_iter().enumerate().filter(|(_, word)| *word != 0);
        set.flat_map(bits).collect()
    }

    /// Whether it was woken because enough can be read.
    pub(crate) fn has_enough(&self) -> bool {
        self.enough.load(Ordering::Acquire)
    }
}

struct Reader {
    id: u64,
    bound: ReadBound,
    /// A reader of the log's end that also wants to hear of the watermark.
    tells_watermark: bool,
    /// Which of the fetch's partitions this is.
    place: usize,
    wake: Arc<FetchWake>,
}

/// A follower that has everything, see `lookout.rs`.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) id: u64,
    pub(crate) from: BrokerId,
    /// Its log end and log start, as it said.
    pub(crate) at: Offset,
    pub(crate) log_start: Offset,
    /// It wants to hear of the watermark at once.
    pub(crate) tells_watermark: bool,
    /// That the watermark has moved is noted already.
    pub(crate) is_noted: bool,
    pub(crate) place: u64,
    pub(crate) lookout: Arc<Lookout>,
}

/// Sets appended above the high watermark that are remembered one by one; older ones are merged.
const MAX_UNSEEN: usize = 4096;

/// Everybody who waits at one partition, and how many bytes they cannot see yet.
#[derive(Default)]
pub(crate) struct Readers {
    /// Ascending by id.
    waiting: Vec<Reader>,
    /// Likewise.
    standing: Vec<Standing>,
    next_id: u64,
    /// End offset and size of each set appended above the high watermark.
    unseen: VecDeque<(Offset, u64)>,
}

impl Readers {
    pub(crate) fn enter(
        &mut self,
        bound: ReadBound,
        tells_watermark: bool,
        place: usize,
        wake: Arc<FetchWake>,
    ) -> u64 {
        self.next_id += 1;
        self.waiting.push(Reader {
            id: self.next_id,
            bound,
            tells_watermark,
            place,
            wake,
        });
        self.next_id
    }

    pub(crate) fn leave(&mut self, id: u64) {
        if let Ok(place) = self.waiting.binary_search_by_key(&id, |reader| reader.id) {
            self.waiting.remove(place);
        } else if let Ok(place) = self.standing.binary_search_by_key(&id, |s| s.id) {
            self.standing.remove(place);
        }
    }

    /// Enters a follower that has everything, under a new id.
    pub(crate) fn stand(&mut self, standing: Standing) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        self.standing.push(Standing { id, ..standing });
        id
    }

    pub(crate) fn standing(&self) -> std::slice::Iter<'_, Standing> {
        self.standing.iter()
    }

    /// Followers that had everything have it no more.
    pub(crate) fn end_standing(&mut self) {
        for standing in self.standing.drain(..) {
            standing.lookout.tell(standing.place);
        }
    }

    /// Everybody is told that the log starts elsewhere when their time is up.
    pub(crate) fn log_start_moved(&mut self) {
        for reader in &self.waiting {
            reader.wake.touch(reader.place);
        }
        self.note_standing(|_| false);
    }

    fn note_standing(&mut self, is_urgent: impl Fn(&Standing) -> bool) {
        for standing in &mut self.standing {
            if is_urgent(standing) {
                standing.lookout.tell(standing.place);
            } else if !standing.is_noted {
                standing.lookout.note(standing.place);
            }
            standing.is_noted = true;
        }
    }

    /// A set was appended. Readers bounded by the log end see it now, others when the watermark
    /// passes it.
    pub(crate) fn appended(&mut self, end: Offset, bytes: u64) {
        if self.unseen.len() >= MAX_UNSEEN {
            let oldest = self.unseen.pop_front().map_or(0, |(_, bytes)| bytes);
            if let Some((_, next)) = self.unseen.front_mut() {
                *next += oldest;
            }
        }
        self.unseen.push_back((end, bytes));
        self.waiting
            .retain(|r| r.bound != ReadBound::LogEnd || !r.wake.grow(r.place, bytes));
    }

    /// Whether a set below the watermark is still counted as unseen: its append was told of after
    /// that of a later one, which moved the watermark.
    pub(crate) fn is_behind(&self, watermark: Offset) -> bool {
        self.unseen
            .front()
            .is_some_and(|(end, _)| *end <= watermark)
    }

    /// The watermark rose to `offset`.
    pub(crate) fn committed(&mut self, offset: Offset) {
        self.note_standing(|standing| standing.tells_watermark && !standing.is_noted);
        let mut bytes = 0;
        while let Some((_, size)) = self.unseen.front().filter(|(end, _)| *end <= offset) {
            bytes += size;
            self.unseen.pop_front();
        }
        self.waiting.retain(|reader| match reader.bound {
            ReadBound::LogEnd if reader.tells_watermark => {
                reader.wake.look_again(reader.place);
                false
            }
            // It hears of the watermark when its time is up.
            ReadBound::LogEnd => {
                reader.wake.touch(reader.place);
                true
            }
            ReadBound::HighWatermark => !reader.wake.grow(reader.place, bytes),
            // The last stable offset may have moved by less, or by more.
            ReadBound::LastStable => {
                reader.wake.look_again(reader.place);
                false
            }
        });
    }

    /// Something else changed: everybody looks again.
    pub(crate) fn disturb(&mut self) {
        for reader in self.waiting.drain(..) {
            reader.wake.look_again(reader.place);
        }
        self.end_standing();
    }

    /// The role changed: readers begin anew, and what was unseen may be cut off.
    pub(crate) fn forget_unseen(&mut self) {
        self.unseen.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_that_are_told_of_out_of_order_are_all_counted() {
        let mut readers = Readers::default();
        let wake = Arc::new(FetchWake::new(100));
        readers.enter(ReadBound::HighWatermark, false, 3, Arc::clone(&wake));
        readers.appended(20, 60);
        readers.committed(20);
        assert!(!wake.has_enough());
        readers.appended(10, 60);
        assert!(readers.is_behind(20));
        readers.committed(20);
        assert!(wake.has_enough());
        assert_eq!(wake.take_touched(), [3]);
        for place in [200, 0, 64, 0] {
            wake.look_again(place);
        }
        assert_eq!(wake.take_touched(), [0, 64, 200]);
    }
}
