//! The groups of one partition of `__consumer_offsets`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use ottla_metadata::{Millis, Offset, TopicName};

use crate::GroupId;
use crate::errors::GroupError;
use crate::events::{Action, Event, Now, Response, WaiterId};
use crate::group::Group;
use crate::join;
use crate::queries::{Description, FetchedOffset, Overview};
use crate::records::{CommittedOffset, DecodeError, Key, Replayed, StoredGroup};
use crate::settings::Settings;
use crate::stored::Stored;
use crate::sync;

/// The partition of `__consumer_offsets` that holds a group: Java's `hashCode` of the id, without
/// its sign, modulo the number of partitions.
pub fn partition_for(group: &str, partitions: i32) -> i32 {
    let hash = group.encode_utf16().fold(0i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    hash.checked_abs().unwrap_or(0) % partitions.max(1)
}

/// All groups of one partition.
///
/// To load: [`Groups::replay`] every record of the partition in order, then [`Groups::loaded`].
#[derive(Clone, Debug)]
pub struct Groups {
    settings: Arc<Settings>,
    groups: BTreeMap<GroupId, Group>,
    /// Each group's deadline, if it has one.
    deadlines: BTreeSet<(Millis, GroupId)>,
    /// What has been replayed and not yet become a group, in order of the log.
    loading: IndexMap<GroupId, Stored>,
}

impl Groups {
    /// No groups yet.
    pub fn new(settings: Arc<Settings>) -> Groups {
        Groups {
            settings,
            groups: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            loading: IndexMap::new(),
        }
    }

    /// New settings, for what happens from now on.
    pub fn set_settings(&mut self, settings: Arc<Settings>) {
        self.settings = settings;
    }

    /// Takes a record of the log in, while loading.
    ///
    /// # Errors
    /// What cannot be read changes nothing; loading goes on.
    pub fn replay(
        &mut self,
        offset: Offset,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Replayed, DecodeError> {
        match Key::decode(key)? {
            Key::Offset {
                group,
                topic,
                partition,
            } => {
                let value = value.map(CommittedOffset::decode).transpose()?;
                self.stored(group)
                    .replay_offset(offset, topic, partition, value);
            }
            Key::Group { group } => {
                let value = value.map(StoredGroup::decode).transpose()?;
                self.stored(group).replay_group(offset, value);
            }
            Key::Unknown(version) => return Ok(Replayed::UnknownKey(version)),
        }
        Ok(Replayed::Taken)
    }

    fn stored(&mut self, group: &str) -> &mut Stored {
        // The id is copied only when it is new.
        match self.loading.get_index_of(group) {
            Some(index) => &mut self.loading[index],
            None => self.loading.entry(GroupId::from(group)).or_default(),
        }
    }

    /// All records are replayed: groups with members become stable, their session timers start.
    pub fn loaded(&mut self, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        for (id, stored) in std::mem::take(&mut self.loading) {
            if stored.is_nothing() || self.groups.contains_key(&id) {
                continue;
            }
            let (group, mut wanted) = Group::load(id.clone(), stored, now, &self.settings);
            actions.append(&mut wanted);
            if let Some(deadline) = group.deadline() {
                self.deadlines.insert((deadline, id.clone()));
            }
            self.groups.insert(id, group);
        }
        actions
    }

    /// One event of one group, known or not.
    pub fn step(&mut self, now: Now, group: &str, event: Event) -> Vec<Action> {
        if !self.groups.contains_key(group) {
            match answer_of_nobody(&self.settings, &event) {
                Unknown::Answer(waiter, response) => {
                    return vec![Action::Answer { waiter, response }];
                }
                Unknown::Nothing => return Vec::new(),
                Unknown::Create => {
                    let id = GroupId::from(group);
                    self.groups.insert(id.clone(), Group::new(id, now));
                }
            }
        }
        self.step_known(now, group, event)
    }

    /// Steps a group that is there, follows its deadline, and forgets it when it is dead.
    fn step_known(&mut self, now: Now, id: &str, event: Event) -> Vec<Action> {
        let Some(group) = self.groups.get_mut(id) else {
            return Vec::new();
        };
        let before = group.deadline();
        let actions = group.step(now, &self.settings, event);
        let after = group.deadline();
        if before != after {
            if let Some(before) = before {
                self.deadlines.remove(&(before, group.id.clone()));
            }
            if let Some(after) = after {
                self.deadlines.insert((after, group.id.clone()));
            }
        }
        if group.is_dead() {
            self.groups.remove(id);
        }
        actions
    }

    /// Ticks every group whose deadline has come.
    pub fn tick(&mut self, now: Now) -> Vec<Action> {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now.mono);
        let due: Vec<GroupId> = due.map(|(_, id)| id.clone()).collect();
        self.each(now, due, Event::Tick)
    }

    /// When to [`Groups::tick`] next, by the monotonic clock.
    pub fn deadline(&self) -> Option<Millis> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Expired offsets of all groups go ([`Event::ExpireOffsets`]).
    pub fn expire_offsets(&mut self, now: Now) -> Vec<Action> {
        self.each(now, self.ids(), Event::ExpireOffsets)
    }

    /// The offsets of deleted topics go in all groups ([`Event::TopicsDeleted`]).
    pub fn topics_deleted(&mut self, now: Now, topics: &BTreeSet<TopicName>) -> Vec<Action> {
        self.each(now, self.ids(), Event::TopicsDeleted(topics.clone()))
    }

    /// The partition is led elsewhere: everybody who waits is sent away and nothing is left
    /// ([`Event::Unload`]).
    pub fn unload(&mut self, now: Now) -> Vec<Action> {
        self.loading.clear();
        self.each(now, self.ids(), Event::Unload)
    }

    fn ids(&self) -> Vec<GroupId> {
        self.groups.keys().cloned().collect()
    }

    fn each(&mut self, now: Now, ids: Vec<GroupId>, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        for id in ids {
            actions.append(&mut self.step_known(now, &id, event.clone()));
        }
        actions
    }

    /// A group, if there is one.
    pub fn get(&self, group: &str) -> Option<&Group> {
        self.groups.get(group)
    }

    /// A group for DescribeGroups; dead if there is none.
    pub fn describe(&self, group: &str) -> Description {
        self.get(group)
            .map_or_else(Description::dead, Group::describe)
    }

    /// The groups for ListGroups, by id.
    pub fn list(&self) -> impl Iterator<Item = Overview> + '_ {
        self.groups.values().map(Group::overview)
    }

    /// A partition's offset for OffsetFetch; `stable` is `requireStable` of versions 7 and later.
    pub fn offset(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
        stable: bool,
    ) -> FetchedOffset<'_> {
        match self.get(group) {
            Some(group) => group.offset(topic, partition, stable),
            None => FetchedOffset::None,
        }
    }

    /// All committed offsets of a group by topic and partition (each still to be asked for with
    /// [`Groups::offset`] when only stable ones are wanted).
    pub fn offsets(
        &self,
        group: &str,
    ) -> impl Iterator<Item = (&TopicName, i32, &CommittedOffset)> {
        self.get(group).into_iter().flat_map(Group::offsets)
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// What an event does to a group that is not there.
enum Unknown {
    Create,
    Answer(WaiterId, Response),
    Nothing,
}

fn answer_of_nobody(settings: &Settings, event: &Event) -> Unknown {
    let unknown = GroupError::UnknownMemberId;
    match event {
        Event::Join(join) => {
            let sent = join.member.member_id.clone();
            match join::refuse_always(settings, join) {
                Err(error) => Unknown::Answer(join.waiter, join::refusal(error, sent)),
                Ok(()) if sent.is_empty() => Unknown::Create,
                Ok(()) => Unknown::Answer(join.waiter, join::refusal(unknown, sent)),
            }
        }
        Event::Sync(sync) => {
            let error = sync::refuse_always(sync).err().unwrap_or(unknown);
            Unknown::Answer(sync.waiter, Response::Sync(Err(error)))
        }
        Event::Heartbeat { waiter, .. } => {
            Unknown::Answer(*waiter, Response::Heartbeat(Err(unknown)))
        }
        Event::Leave { waiter, members } => {
            let results = members.iter().map(|_| Err(unknown)).collect();
            Unknown::Answer(*waiter, Response::Leave(Ok(results)))
        }
        Event::Commit(commit) if commit.generation < 0 => Unknown::Create,
        Event::Commit(commit) => {
            let refused = commit.offsets.iter();
            let results = refused.map(|_| Err(GroupError::IllegalGeneration));
            Unknown::Answer(commit.waiter, Response::Commit(results.collect()))
        }
        Event::DeleteOffsets { waiter, .. } => {
            let error = GroupError::GroupIdNotFound;
            Unknown::Answer(*waiter, Response::DeleteOffsets(Err(error)))
        }
        Event::DeleteGroup { waiter } => {
            let error = GroupError::GroupIdNotFound;
            Unknown::Answer(*waiter, Response::DeleteGroup(Err(error)))
        }
        Event::TopicsDeleted(_)
        | Event::ExpireOffsets
        | Event::Appended { .. }
        | Event::Tick
        | Event::Unload => Unknown::Nothing,
    }
}
