//! The follower's end of an incremental fetch session (KIP-227, `FetchSessionHandler`): what it
//! fetches, what the leader knows of that, and what the next request must say.

use std::collections::HashMap;

use ottla_metadata::{LeaderEpoch, Offset, TopicId, TopicPartition};

/// What is fetched of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) topic_id: TopicId,
    pub(crate) at: Offset,
    pub(crate) log_start: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) last_epoch: Option<LeaderEpoch>,
}

struct Entry {
    wanted: Wanted,
    /// Whether the leader's session has the partition.
    is_known: bool,
    /// Whether it stands in `changed`.
    is_queued: bool,
    /// Full requests name partitions in this order; those that gave records go to the end.
    turn: u64,
}

/// All that one connection fetches.
#[derive(Default)]
pub(super) struct Session {
    id: i32,
    epoch: i32,
    by_id: bool,
    entries: HashMap<TopicPartition, Entry>,
    without_id: usize,
    changed: Vec<TopicPartition>,
    forgotten: Vec<(TopicPartition, TopicId)>,
    /// What the request under way names, unless it is a full one.
    named: Vec<TopicPartition>,
    next_turn: u64,
}

/// The next request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) session_id: i32,
    pub(super) session_epoch: i32,
    /// Topics are named by id.
    pub(super) by_id: bool,
    pub(super) partitions: Vec<(TopicPartition, Wanted)>,
    pub(super) forgotten: Vec<(TopicPartition, TopicId)>,
}

/// The epoch of a request outside of sessions, and of one that begins a session.
const NO_SESSIONS: i32 = -1;
const FULL: i32 = 0;

impl Session {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Fetches this from now on.
    pub(super) fn want(&mut self, partition: &TopicPartition, wanted: Wanted) {
        if let Some(entry) = self.entries.get_mut(partition) {
            if entry.wanted == wanted {
                return;
            }
            if entry.wanted.topic_id == wanted.topic_id {
                entry.wanted = wanted;
                if !std::mem::replace(&mut entry.is_queued, true) {
                    self.changed.push(partition.clone());
                }
                return;
            }
            self.leave(partition);
        }
        self.without_id += usize::from(wanted.topic_id.is_zero());
        self.next_turn += 1;
        let entry = Entry {
            wanted,
            is_known: false,
            is_queued: true,
            turn: self.next_turn,
        };
        self.entries.insert(partition.clone(), entry);
        self.changed.push(partition.clone());
    }

    /// Does not fetch this any more.
    pub(super) fn leave(&mut self, partition: &TopicPartition) {
        let Some(entry) = self.entries.remove(partition) else {
            return;
        };
        self.without_id -= usize::from(entry.wanted.topic_id.is_zero());
        if entry.is_known {
            self.forgotten
                .push((partition.clone(), entry.wanted.topic_id));
        }
    }

    /// What was last asked of a partition.
    pub(super) fn wanted(&self, partition: &TopicPartition) -> Option<Wanted> {
        self.entries.get(partition).map(|entry| entry.wanted)
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = (&TopicPartition, Wanted)> {
        self.entries
            .iter()
            .map(|(partition, entry)| (partition, entry.wanted))
    }

    /// The next request; `None` when there is nothing to fetch.
    pub(super) fn next(&mut self, sessions: bool, ids: bool) -> Option<Plan> {
        if self.entries.is_empty() && (self.forgotten.is_empty() || self.id == 0) {
            return None;
        }
        let by_id = ids && self.without_id == 0;
        if self.id != 0 && by_id != self.by_id {
            self.begin_anew();
        }
        self.by_id = by_id;
        let changed = std::mem::take(&mut self.changed);
        let forgotten = std::mem::take(&mut self.forgotten);
        let is_full = !sessions || self.epoch == FULL;
        let mut partitions = Vec::with_capacity(changed.len());
        if is_full {
            let mut all: Vec<_> = self.entries.iter().collect();
            all.sort_unstable_by_key(|(_, entry)| entry.turn);
            partitions.extend(all.iter().map(|(tp, entry)| ((*tp).clone(), entry.wanted)));
            self.entries
                .values_mut()
                .for_each(|entry| entry.is_queued = false);
        } else {
            for partition in changed {
                // It may have left, and even come back, since it was queued.
                if let Some(entry) = self.entries.get_mut(&partition) {
                    if std::mem::take(&mut entry.is_queued) {
                        partitions.push((partition, entry.wanted));
                    }
                }
            }
        }
        self.named = match is_full {
            true => Vec::new(),
            false => partitions.iter().map(|(tp, _)| tp.clone()).collect(),
        };
        Some(Plan {
            session_id: if sessions { self.id } else { 0 },
            session_epoch: if sessions { self.epoch } else { NO_SESSIONS },
            by_id,
            partitions,
            // What came back meanwhile is named among the partitions.
            forgotten: match is_full {
                true => Vec::new(),
                false => self.still_away(forgotten),
            },
        })
    }

    fn still_away(
        &self,
        mut left: Vec<(TopicPartition, TopicId)>,
    ) -> Vec<(TopicPartition, TopicId)> {
        left.retain(|(partition, id)| {
            let entry = self.entries.get(partition);
            entry.is_none_or(|entry| entry.wanted.topic_id != *id)
        });
        left
    }

    /// The leader took the request in and answered with this session id.
    pub(super) fn answered(&mut self, session_id: i32) {
        let named = std::mem::take(&mut self.named);
        // An incremental answer outside of sessions says that the leader has closed ours.
        if self.epoch == FULL || session_id == 0 {
            self.id = session_id.max(0);
            self.epoch = i32::from(self.id != 0);
            let is_known = self.id != 0;
            for entry in self.entries.values_mut().filter(|e| !e.is_queued) {
                entry.is_known = is_known;
            }
            return;
        }
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        for partition in named {
            if let Some(entry) = self.entries.get_mut(&partition).filter(|e| !e.is_queued) {
                entry.is_known = true;
            }
        }
    }

    /// The next request begins a new session and ends the one there may be.
    pub(super) fn begin_anew(&mut self) {
        self.epoch = FULL;
        self.forgotten.clear();
        self.entries
            .values_mut()
            .for_each(|entry| entry.is_known = false);
    }

    /// The leader does not know the session (any more).
    pub(super) fn lost(&mut self) {
        self.begin_anew();
        self.id = 0;
    }

    /// The partition gave records: others come before it in the next full request.
    pub(super) fn had_its_turn(&mut self, partition: &TopicPartition) {
        self.next_turn += 1;
        let turn = self.next_turn;
        if let Some(entry) = self.entries.get_mut(partition) {
            entry.turn = turn;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn wanted(id: u8, at: i64) -> Wanted {
        Wanted {
            topic_id: TopicId([id; 16]),
            at,
            log_start: 0,
            leader_epoch: 1,
            last_epoch: None,
        }
    }

    /// Session id and epoch, partitions with offsets, forgotten partitions.
    #[track_caller]
    fn check(session: &mut Session, expected: (i32, i32), asked: &[(i32, i64)], forgotten: &[i32]) {
        let plan = session.next(true, true).expect("something to fetch");
        let named = plan.partitions.iter();
        let mut named: Vec<_> = named
            .map(|(tp, wanted)| (tp.partition, wanted.at))
            .collect();
        named.sort_unstable();
        let left: Vec<_> = plan.forgotten.iter().map(|(tp, _)| tp.partition).collect();
        assert_eq!((plan.session_id, plan.session_epoch), expected);
        assert_eq!((&named[..], &left[..]), (asked, forgotten));
    }

    #[test]
    fn a_session_names_what_changed() {
        let mut session = Session::default();
        assert_eq!(session.next(true, true), None);
        session.want(&tp(0), wanted(1, 5));
        session.want(&tp(1), wanted(1, 7));
        check(&mut session, (0, 0), &[(0, 5), (1, 7)], &[]);
        session.answered(9);
        check(&mut session, (9, 1), &[], &[]);
        session.answered(9);
        session.want(&tp(1), wanted(1, 8));
        session.want(&tp(1), wanted(1, 9));
        session.leave(&tp(0));
        check(&mut session, (9, 2), &[(1, 9)], &[0]);
        session.answered(9);
        session.leave(&tp(1));
        session.want(&tp(1), wanted(1, 9));
        check(&mut session, (9, 3), &[(1, 9)], &[]);
        session.answered(9);
        session.leave(&tp(1));
        session.want(&tp(1), wanted(2, 0));
        check(&mut session, (9, 4), &[(1, 0)], &[1]);
        session.answered(9);
        session.begin_anew();
        check(&mut session, (9, 0), &[(1, 0)], &[]);
        session.answered(10);
        session.leave(&tp(1));
        check(&mut session, (10, 1), &[], &[1]);
        session.answered(10);
        session.lost();
        assert_eq!(session.next(true, true), None);
    }

    #[test]
    fn without_a_session_everything_is_named_in_turn() {
        let mut session = Session::default();
        session.want(&tp(0), wanted(1, 5));
        session.want(&tp(1), wanted(1, 7));
        for (sessions, epoch) in [(true, 0), (false, -1)] {
            for first in [0, 1] {
                let plan = session.next(sessions, true).expect("something to fetch");
                assert_eq!((plan.session_id, plan.session_epoch), (0, epoch));
                assert_eq!(plan.partitions[0].0, tp(first));
                session.answered(0);
                session.had_its_turn(&tp(first));
            }
        }
    }

    #[test]
    fn one_topic_without_an_id_makes_a_session_of_names() {
        let mut session = Session::default();
        session.want(&tp(0), wanted(1, 5));
        assert!(session.next(true, true).expect("a plan").by_id);
        session.answered(9);
        session.want(&tp(1), wanted(0, 5));
        check(&mut session, (9, 0), &[(0, 5), (1, 5)], &[]);
        assert!(!session.by_id);
        session.answered(11);
        session.leave(&tp(1));
        check(&mut session, (11, 0), &[(0, 5)], &[]);
        assert!(session.by_id);
    }
}
