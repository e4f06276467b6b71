//! Incremental fetch sessions (KIP-227): what a client fetches again and again is remembered here,
//! so that its requests and our responses name only what has changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use ottla_metadata::{Millis, TopicId, TopicName};
use ottla_protocol::ErrorCode;
use ottla_replication::{Lookout, Watch};
use parking_lot::{Mutex, RwLock};
use rand::Rng;

/// A session that was not used for so long may be evicted, and only one that old may be evicted by
/// an equal (`KafkaBroker.MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
const EVICTABLE_AFTER_MS: Millis = 120_000;

/// The most partitions that all sessions together remember, at some 200 bytes each. Beyond, clients
/// fetch outside of sessions.
const MAX_CACHED_PARTITIONS: usize = 2_000_000;

/// The session id that means "none".
pub(crate) const NO_SESSION: i32 = 0;
/// The epoch of a full fetch that begins a session.
pub(crate) const INITIAL_EPOCH: i32 = 0;
/// The epoch of a full fetch outside of sessions.
pub(crate) const FINAL_EPOCH: i32 = -1;

/// A topic as a session knows it: by id from version 13 on, by name before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    Name(TopicName),
    Id(TopicId),
}

/// A partition as a session knows it.
pub(crate) type PartitionKey = (TopicKey, i32);

/// What a client last asked of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) fetch_offset: i64,
    pub(crate) log_start_offset: i64,
    pub(crate) max_bytes: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
    /// The high watermark that the session was told last, -1 for none.
    pub(crate) known_high_watermark: i64,
}

/// What a response says of a partition, as far as it decides whether the response must name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) has_records: bool,
    pub(crate) is_failed: bool,
    pub(crate) is_diverging: bool,
    pub(crate) is_sent_elsewhere: bool,
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
}

#[derive(Debug)]
struct Cached {
    key: PartitionKey,
    wanted: Wanted,
    high_watermark: i64,
    log_start_offset: i64,
    /// Set while there is nothing to tell; whatever comes is heard of.
    watch: Option<Watch>,
}

/// A session. Its requests come one after the other; a wrong epoch gives away those that do not.
pub(crate) struct Session {
    pub(crate) id: i32,
    /// Followers' sessions rank above consumers'.
    is_privileged: bool,
    uses_ids: bool,
    created_ms: Millis,
    last_used_ms: AtomicI64,
    size: AtomicUsize,
    /// Where watches tell of news, by turn.
    lookout: Arc<Lookout>,
    state: Mutex<State>,
}

/// Partitions in the order of their turn. Those that gave records go to the end, so that none
/// starves when responses are full.
struct State {
    epoch: i32,
    partitions: BTreeMap<u64, Cached>,
    turns: HashMap<PartitionKey, u64>,
    /// The turns of those that are not watched.
    active: BTreeSet<u64>,
    next_turn: u64,
}

/// All sessions, at most `max.incremental.fetch.session.cache.slots`.
#[derive(Default)]
pub(crate) struct FetchSessions {
    sessions: RwLock<HashMap<i32, Arc<Session>>>,
}

/// An incremental request that was taken in.
pub(crate) enum Resumed {
    /// The session and the epoch that its response must still find.
    Session(Arc<Session>, i32),
    /// Nothing was left in the session: it is gone, and the request is answered outside of it.
    Emptied,
}

/// What a full request begins a session with.
pub(crate) struct NewSession {
    pub(crate) is_privileged: bool,
    pub(crate) uses_ids: bool,
    pub(crate) partitions: Vec<(PartitionKey, Wanted, Told)>,
}

fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

impl FetchSessions {
    /// Forgets a session.
    pub(crate) fn close(&self, id: i32) {
        self.sessions.write().remove(&id);
    }

    /// Begins a session if there is room, or somebody gives way; else answers [`NO_SESSION`].
    pub(crate) fn open(&self, new: NewSession, slots: usize, now: Millis) -> i32 {
        let mut sessions = self.sessions.write();
        let size = new.partitions.len();
        if cached(&sessions).saturating_add(size) > MAX_CACHED_PARTITIONS {
            return NO_SESSION;
        }
        if sessions.len() >= slots {
            let Some(victim) = victim(&sessions, &new, now) else {
                return NO_SESSION;
            };
            sessions.remove(&victim);
        }
        let mut id = NO_SESSION;
        while id == NO_SESSION || sessions.contains_key(&id) {
            id = rand::rng().random_range(1..i32::MAX);
        }
        sessions.insert(id, Arc::new(Session::new(id, new, now)));
        id
    }

    /// Takes in an incremental request.
    ///
    /// # Errors
    /// The error of the whole response: the client begins anew with a full fetch.
    pub(crate) fn resume(
        &self,
        (id, epoch): (i32, i32),
        uses_ids: bool,
        changed: &[(PartitionKey, Wanted)],
        forgotten: &[PartitionKey],
        now: Millis,
    ) -> Result<Resumed, ErrorCode> {
        let session = self.sessions.read().get(&id).map(Arc::clone);
        let session = session.ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let mut state = session.state.lock();
        if state.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_ids != uses_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        for (key, wanted) in changed {
            state.put(key, *wanted);
        }
        for key in forgotten {
            state.remove(key);
        }
        let left = state.partitions.len();
        state.epoch = next_epoch(epoch);
        let expected = state.epoch;
        drop(state);
        let before = session.size.swap(left, Ordering::Relaxed);
        if left == 0 {
            self.close(id);
            return Ok(Resumed::Emptied);
        }
        if left > before && cached(&self.sessions.read()) > MAX_CACHED_PARTITIONS {
            self.close(id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        session.last_used_ms.store(now, Ordering::Relaxed);
        Ok(Resumed::Session(session, expected))
    }
}

/// Partitions of all sessions.
fn cached(sessions: &HashMap<i32, Arc<Session>>) -> usize {
    sessions
        .values()
        .map(|session| session.size.load(Ordering::Relaxed))
        .sum()
}

/// Who gives way to a new session (`FetchSessionCacheShard.tryEvict`): the one unused for longest
/// if that is long enough; else the lowest in rank of those that may be evicted, if the newcomer
/// ranks at least as high.
fn victim(sessions: &HashMap<i32, Arc<Session>>, new: &NewSession, now: Millis) -> Option<i32> {
    let last_used = |s: &Session| s.last_used_ms.load(Ordering::Relaxed);
    let stalest = sessions.values().min_by_key(|s| (last_used(s), s.id))?;
    if now.saturating_sub(last_used(stalest)) > EVICTABLE_AFTER_MS {
        return Some(stalest.id);
    }
    let is_evictable = |s: &&Arc<Session>| {
        let is_old = now.saturating_sub(s.created_ms) > EVICTABLE_AFTER_MS;
        is_old || (new.is_privileged && !s.is_privileged)
    };
    let rank = |s: &Session| (s.is_privileged, s.size.load(Ordering::Relaxed), s.id);
    let lowest = sessions
        .values()
        .filter(is_evictable)
        .min_by_key(|s| rank(s))?;
    let own = (new.is_privileged, new.partitions.len(), NO_SESSION);
    (own >= rank(lowest)).then_some(lowest.id)
}

impl Session {
    fn new(id: i32, new: NewSession, now: Millis) -> Session {
        let mut state = State {
            epoch: next_epoch(INITIAL_EPOCH),
            partitions: BTreeMap::new(),
            turns: HashMap::new(),
            active: BTreeSet::new(),
            next_turn: 0,
        };
        for (key, wanted, told) in new.partitions {
            let (high_watermark, log_start_offset) = (told.high_watermark, told.log_start_offset);
            state.push(Cached {
                key,
                wanted,
                high_watermark,
                log_start_offset,
                watch: None,
            });
        }
        Session {
            id,
            is_privileged: new.is_privileged,
            uses_ids: new.uses_ids,
            created_ms: now,
            last_used_ms: AtomicI64::new(now),
            size: AtomicUsize::new(state.partitions.len()),
            lookout: Arc::default(),
            state: Mutex::new(state),
        }
    }

    /// Where watches tell of news; none for consumers, of which nothing is watched.
    pub(crate) fn lookout(&self) -> Option<&Arc<Lookout>> {
        self.is_privileged.then_some(&self.lookout)
    }

    /// The same while something is watched.
    pub(crate) fn watched(&self) -> Option<&Arc<Lookout>> {
        let state = self.state.lock();
        let is_watched = state.active.len() < state.partitions.len();
        is_watched.then_some(&self.lookout)
    }

    /// Everything the session fetches and that may have news, in the order of turns.
    pub(crate) fn partitions(&self) -> Vec<(PartitionKey, Wanted)> {
        self.news();
        let state = self.state.lock();
        let active = state.active.iter();
        active.filter_map(|turn| state.asked(*turn)).collect()
    }

    /// What had no news and has some now.
    pub(crate) fn news(&self) -> Vec<(PartitionKey, Wanted)> {
        let news = self.lookout.take_news();
        let mut state = self.state.lock();
        let turns = news.into_iter().filter(|turn| state.activate(*turn));
        let turns: Vec<u64> = turns.collect();
        turns.iter().filter_map(|turn| state.asked(*turn)).collect()
    }

    /// Which of the partitions the response must name; remembers what it tells. Those of which there
    /// was nothing to tell are watched from now on, if `watch` says that it goes: it is given the
    /// place in `told` and the turn.
    ///
    /// # Errors
    /// Another request of the session came meanwhile.
    pub(crate) fn select(
        &self,
        expected_epoch: i32,
        told: &[(PartitionKey, Told)],
        watch: impl Fn(usize, u64) -> Option<Watch>,
    ) -> Result<Vec<bool>, ErrorCode> {
        let mut state = self.state.lock();
        if state.epoch != expected_epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        let told = told.iter().enumerate();
        Ok(told
            .map(|(place, (key, told))| {
                if !told.is_quiet() {
                    return state.tell(key, told);
                }
                let is_news = state.tell(key, told);
                if let Some(turn) = state.turns.get(key).copied() {
                    state.leave_to(turn, watch(place, turn));
                }
                is_news
            })
            .collect())
    }
}

impl Told {
    /// Nothing was sent that the client has to act upon.
    fn is_quiet(&self) -> bool {
        !(self.has_records || self.is_failed || self.is_diverging || self.is_sent_elsewhere)
    }
}

impl State {
    fn asked(&self, turn: u64) -> Option<(PartitionKey, Wanted)> {
        let cached = self.partitions.get(&turn)?;
        let wanted = Wanted {
            known_high_watermark: cached.high_watermark,
            ..cached.wanted
        };
        Some((cached.key.clone(), wanted))
    }

    /// Takes back a watch; answers whether there was one.
    fn activate(&mut self, turn: u64) -> bool {
        let cached = self.partitions.get_mut(&turn);
        let watch = cached.and_then(|cached| cached.watch.take());
        watch.is_some() && self.active.insert(turn)
    }

    /// Leaves a partition to a watch, if there is one.
    fn leave_to(&mut self, turn: u64, watch: Option<Watch>) {
        if let (Some(cached), Some(watch)) = (self.partitions.get_mut(&turn), watch) {
            cached.watch = Some(watch);
            self.active.remove(&turn);
        }
    }

    fn push(&mut self, cached: Cached) {
        self.active.insert(self.next_turn);
        self.turns.insert(cached.key.clone(), self.next_turn);
        self.partitions.insert(self.next_turn, cached);
        self.next_turn += 1;
    }

    fn put(&mut self, key: &PartitionKey, wanted: Wanted) {
        let turn = self.turns.get(key).copied();
        if let Some(turn) = turn {
            self.activate(turn);
        }
        match turn.and_then(|turn| self.partitions.get_mut(&turn)) {
            Some(cached) => cached.wanted = wanted,
            None => {
                let key = key.clone();
                self.push(Cached {
                    key,
                    wanted,
                    high_watermark: -1,
                    log_start_offset: -1,
                    watch: None,
                });
            }
        }
    }

    fn remove(&mut self, key: &PartitionKey) {
        if let Some(turn) = self.turns.remove(key) {
            self.partitions.remove(&turn);
            self.active.remove(&turn);
        }
    }

    /// Whether the response must name the partition (`CachedPartition.maybeUpdateResponseData`).
    fn tell(&mut self, key: &PartitionKey, told: &Told) -> bool {
        let Some(turn) = self.turns.get(key).copied() else {
            return true;
        };
        let Some(cached) = self.partitions.get_mut(&turn) else {
            return true;
        };
        let is_news = cached.high_watermark != told.high_watermark
            || cached.log_start_offset != told.log_start_offset;
        // After an error the next good response is news, whatever it says.
        cached.high_watermark = if told.is_failed {
            -1
        } else {
            told.high_watermark
        };
        cached.log_start_offset = told.log_start_offset;
        if told.has_records {
            if let Some(cached) = self.partitions.remove(&turn) {
                self.active.remove(&turn);
                self.push(cached);
            }
        }
        is_news || !told.is_quiet()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted {
        fetch_offset: 0,
        log_start_offset: -1,
        max_bytes: 100,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        known_high_watermark: -1,
    };

    fn key(partition: i32) -> PartitionKey {
        (TopicKey::Name("t".into()), partition)
    }

    fn told(high_watermark: i64) -> Told {
        Told {
            has_records: false,
            is_failed: false,
            is_diverging: false,
            is_sent_elsewhere: false,
            high_watermark,
            log_start_offset: 0,
        }
    }

    fn new(is_privileged: bool, partitions: i32) -> NewSession {
        let partitions = (0..partitions).map(|p| (key(p), WANTED, told(5))).collect();
        NewSession {
            is_privileged,
            uses_ids: false,
            partitions,
        }
    }

    fn resume(sessions: &FetchSessions, id: i32, epoch: i32) -> Result<Arc<Session>, ErrorCode> {
        match sessions.resume((id, epoch), false, &[], &[], 0)? {
            Resumed::Session(session, _) => Ok(session),
            Resumed::Emptied => panic!("emptied"),
        }
    }

    fn order(session: &Session) -> Vec<i32> {
        session
            .partitions()
            .iter()
            .map(|((_, partition), _)| *partition)
            .collect()
    }

    #[test]
    fn only_news_is_told_and_those_with_records_go_to_the_end() {
        let sessions = FetchSessions::default();
        let id = sessions.open(new(false, 3), 10, 0);
        let session = resume(&sessions, id, 1).unwrap();
        let with_records = Told {
            has_records: true,
            ..told(5)
        };
        let failed = Told {
            is_failed: true,
            ..told(-1)
        };
        let news = [(key(0), with_records), (key(1), told(5)), (key(2), failed)];
        assert_eq!(
            session.select(2, &news, |_, _| None),
            Ok(vec![true, false, true])
        );
        assert_eq!(order(&session), [1, 2, 0]);
        let session = resume(&sessions, id, 2).unwrap();
        let quiet = [(key(0), told(5)), (key(1), told(6)), (key(2), told(5))];
        assert_eq!(
            session.select(3, &quiet, |_, _| None),
            Ok(vec![false, true, true])
        );
        assert_eq!(
            session.select(2, &quiet, |_, _| None),
            Err(ErrorCode::InvalidFetchSessionEpoch)
        );
    }

    #[test]
    fn epochs_and_ids_must_fit() {
        let sessions = FetchSessions::default();
        let id = sessions.open(new(false, 1), 10, 0);
        let code = |id, epoch| resume(&sessions, id, epoch).err();
        assert_eq!(code(id, 2), Some(ErrorCode::InvalidFetchSessionEpoch));
        assert_eq!(code(id ^ 1, 1), Some(ErrorCode::FetchSessionIdNotFound));
        let by_id = sessions.resume((id, 1), true, &[], &[], 0).err();
        assert_eq!(by_id, Some(ErrorCode::FetchSessionTopicIdError));
        assert_eq!(code(id, 1), None);
        assert_eq!(next_epoch(i32::MAX), 1);
    }

    #[test]
    fn partitions_come_and_go() {
        let sessions = FetchSessions::default();
        let id = sessions.open(new(false, 2), 10, 0);
        let changed = Wanted {
            fetch_offset: 9,
            ..WANTED
        };
        let resumed = sessions.resume(
            (id, 1),
            false,
            &[(key(0), changed), (key(7), WANTED)],
            &[key(1)],
            0,
        );
        let Ok(Resumed::Session(session, 2)) = resumed else {
            panic!("not resumed")
        };
        let told = Wanted {
            known_high_watermark: 5,
            ..changed
        };
        assert_eq!(session.partitions(), [(key(0), told), (key(7), WANTED)]);
        let emptied = sessions.resume((id, 2), false, &[], &[key(0), key(7)], 0);
        assert!(matches!(emptied, Ok(Resumed::Emptied)));
        assert_eq!(
            resume(&sessions, id, 3).err(),
            Some(ErrorCode::FetchSessionIdNotFound)
        );
    }

    #[test]
    fn who_gives_way() {
        let check = |old: NewSession, new: NewSession, now: Millis, expected: bool| {
            let sessions = FetchSessions::default();
            let first = sessions.open(old, 1, 0);
            assert_ne!(first, NO_SESSION);
            // used at the end of the period, so that it is old but not stale
            let _ = sessions.resume((first, 1), false, &[], &[], now);
            assert_eq!(sessions.open(new, 1, now) != NO_SESSION, expected);
            assert_eq!(resume(&sessions, first, 2).is_err(), expected);
        };
        check(new(false, 1), new(false, 9), 1000, false);
        check(new(false, 9), new(true, 1), 1000, true);
        check(new(true, 1), new(true, 9), 1000, false);
        check(new(false, 2), new(false, 3), 120_001, true);
        check(new(false, 2), new(false, 2), 120_001, false);
        check(new(false, 2), new(false, 1), 120_001, false);
        check(new(true, 1), new(false, 9), 120_001, false);
        let sessions = FetchSessions::default();
        let stale = sessions.open(new(true, 9), 1, 0);
        assert_ne!(sessions.open(new(false, 1), 1, 120_001), NO_SESSION);
        assert!(resume(&sessions, stale, 1).is_err());
        assert_eq!(
            FetchSessions::default().open(new(true, 1), 0, 0),
            NO_SESSION
        );
    }
}
