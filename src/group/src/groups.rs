//! The groups of one partition of `__consumer_offsets`.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::{Millis, Offset, TopicName};

use crate::events::{Action, Event, Now};
use crate::queries::{Description, FetchedOffset, Overview};
use crate::records::{CommittedOffset, DecodeError, Replayed};
use crate::settings::Settings;

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
}

impl Groups {
    /// No groups yet.
    pub fn new(settings: Arc<Settings>) -> Groups {
        Groups { settings }
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
        todo!("{offset}{key:?}{value:?}")
    }

    /// All records are replayed: groups with members become stable, their session timers start.
    pub fn loaded(&mut self, now: Now) -> Vec<Action> {
        todo!("{now:?}")
    }

    /// One event of one group, known or not.
    pub fn step(&mut self, now: Now, group: &str, event: Event) -> Vec<Action> {
        todo!("{now:?}{group}{event:?}")
    }

    /// Ticks every group whose deadline has come.
    pub fn tick(&mut self, now: Now) -> Vec<Action> {
        todo!("{now:?}")
    }

    /// When to [`Groups::tick`] next, by the monotonic clock.
    pub fn deadline(&self) -> Option<Millis> {
        todo!()
    }

    /// Expired offsets of all groups go ([`Event::ExpireOffsets`]).
    pub fn expire_offsets(&mut self, now: Now) -> Vec<Action> {
        todo!("{now:?}")
    }

    /// The offsets of deleted topics go in all groups ([`Event::TopicsDeleted`]).
    pub fn topics_deleted(&mut self, now: Now, topics: &BTreeSet<TopicName>) -> Vec<Action> {
        todo!("{now:?}{topics:?}")
    }

    /// The partition is led elsewhere: everybody who waits is sent away and nothing is left
    /// ([`Event::Unload`]).
    pub fn unload(&mut self, now: Now) -> Vec<Action> {
        todo!("{now:?}")
    }

    /// A group for DescribeGroups; dead if there is none.
    pub fn describe(&self, group: &str) -> Description {
        todo!("{group}")
    }

    /// The groups for ListGroups, by id.
    pub fn list(&self) -> impl Iterator<Item = Overview> + '_ {
        std::iter::empty()
    }

    /// A partition's offset for OffsetFetch; `stable` is `requireStable` of versions 7 and later.
    pub fn offset(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
        stable: bool,
    ) -> FetchedOffset<'_> {
        todo!("{group}{topic}{partition}{stable}")
    }

    /// All committed offsets of a group by topic and partition (each still to be asked for with
    /// [`Groups::offset`] when only stable ones are wanted).
    pub fn offsets(
        &self,
        group: &str,
    ) -> impl Iterator<Item = (&TopicName, i32, &CommittedOffset)> {
        let _ = group;
        std::iter::empty()
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
