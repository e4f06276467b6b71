//! What handlers ask. Events are taken within the call, in its order; answers may come later.

use std::sync::Arc;

use ottla_group::records::CommittedOffset;
use ottla_group::{
    Commit, Description, Event, FetchedOffset, GroupError, Groups, Join, JoinRefused, Joined,
    MemberRef, Overview, Response, Sync, Synced, WaiterId,
};
use ottla_metadata::{TopicName, TopicPartition};
use ottla_replication::Completion;
use tokio::sync::oneshot::error::TryRecvError;

use crate::coordinator::Coordinator;
use crate::error::Unavailable;
use crate::shard::Phase;

/// An answer of a group, or why this broker does not answer for it.
pub type Answer<T> = Completion<Result<T, Unavailable>>;

/// What is committed for a partition: `Ok(None)` for nothing, an error when a commit is under way
/// and only stable offsets are wanted.
pub type CommittedPartition = (TopicName, i32, Result<Option<CommittedOffset>, GroupError>);

/// All groups here.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Those that are known.
    pub groups: Vec<Overview>,
    /// Whether there may be more: a partition is being loaded.
    pub is_loading: bool,
}

impl Coordinator {
    /// JoinGroup. The waiter of `join` is set here.
    pub fn join(self: &Arc<Self>, group: &str, join: Join) -> Answer<Result<Joined, JoinRefused>> {
        self.ask(
            group,
            |waiter| Event::Join(Join { waiter, ..join }),
            |response| match response {
                Response::Join(result) => Some(result),
                _ => None,
            },
        )
    }

    /// SyncGroup. The waiter of `sync` is set here.
    pub fn sync(self: &Arc<Self>, group: &str, sync: Sync) -> Answer<Result<Synced, GroupError>> {
        self.ask(
            group,
            |waiter| Event::Sync(Sync { waiter, ..sync }),
            |response| match response {
                Response::Sync(result) => Some(result),
                _ => None,
            },
        )
    }

    /// Heartbeat.
    pub fn heartbeat(
        self: &Arc<Self>,
        group: &str,
        member: MemberRef,
        generation: i32,
    ) -> Answer<Result<(), GroupError>> {
        let event = |waiter| Event::Heartbeat {
            waiter,
            member,
            generation,
        };
        self.ask(group, event, |response| match response {
            Response::Heartbeat(result) => Some(result),
            _ => None,
        })
    }

    /// LeaveGroup: an error of the whole, or the members' outcomes in order.
    pub fn leave(
        self: &Arc<Self>,
        group: &str,
        members: Vec<MemberRef>,
    ) -> Answer<Result<Vec<Result<(), GroupError>>, GroupError>> {
        let event = |waiter| Event::Leave { waiter, members };
        self.ask(group, event, |response| match response {
            Response::Leave(result) => Some(result),
            _ => None,
        })
    }

    /// OffsetCommit: the partitions' outcomes in order. The waiter of `commit` is set here.
    pub fn commit(
        self: &Arc<Self>,
        group: &str,
        commit: Commit,
    ) -> Answer<Vec<Result<(), GroupError>>> {
        self.ask(
            group,
            |waiter| Event::Commit(Commit { waiter, ..commit }),
            |response| match response {
                Response::Commit(results) => Some(results),
                _ => None,
            },
        )
    }

    /// OffsetDelete: an error of the whole, or the partitions' outcomes in order.
    pub fn delete_offsets(
        self: &Arc<Self>,
        group: &str,
        partitions: Vec<TopicPartition>,
    ) -> Answer<Result<Vec<Result<(), GroupError>>, GroupError>> {
        let event = |waiter| Event::DeleteOffsets { waiter, partitions };
        self.ask(group, event, |response| match response {
            Response::DeleteOffsets(result) => Some(result),
            _ => None,
        })
    }

    /// DeleteGroups, of one group.
    pub fn delete_group(self: &Arc<Self>, group: &str) -> Answer<Result<(), GroupError>> {
        let event = |waiter| Event::DeleteGroup { waiter };
        self.ask(group, event, |response| match response {
            Response::DeleteGroup(result) => Some(result),
            _ => None,
        })
    }

    /// OffsetFetch of the partitions named, in that order; `stable` refuses those of which a commit
    /// is under way (`requireStable`).
    ///
    /// # Errors
    /// This broker does not answer for the group.
    pub fn offsets(
        &self,
        group: &str,
        partitions: impl IntoIterator<Item = (TopicName, i32)>,
        stable: bool,
    ) -> Result<Vec<CommittedPartition>, Unavailable> {
        let shard = self.shard_of(group)?;
        let mut state = shard.state();
        Ok(look_up(state.groups()?, group, partitions, stable))
    }

    /// OffsetFetch of everything that the group has committed, by topic and partition.
    ///
    /// # Errors
    /// This broker does not answer for the group.
    pub fn all_offsets(
        &self,
        group: &str,
        stable: bool,
    ) -> Result<Vec<CommittedPartition>, Unavailable> {
        let shard = self.shard_of(group)?;
        let mut state = shard.state();
        let groups = state.groups()?;
        let offsets = groups.offsets(group);
        let names: Vec<(TopicName, i32)> = offsets
            .map(|(topic, partition, _)| (Arc::clone(topic), partition))
            .collect();
        Ok(look_up(groups, group, names, stable))
    }

    /// DescribeGroups, of one group.
    ///
    /// # Errors
    /// This broker does not answer for the group.
    pub fn describe(&self, group: &str) -> Result<Description, Unavailable> {
        let shard = self.shard_of(group)?;
        let mut state = shard.state();
        Ok(state.groups()?.describe(group))
    }

    /// ListGroups.
    pub fn list(&self) -> Listing {
        let mut listing = Listing {
            groups: Vec::new(),
            is_loading: false,
        };
        for shard in self.all() {
            match &shard.state().phase {
                Phase::Loading => listing.is_loading = true,
                Phase::Serving(groups) => listing.groups.extend(groups.list()),
                Phase::Gone => {}
            }
        }
        listing
    }

    /// Feeds an event to the group's brain, now, and answers with what `read` makes of its
    /// response.
    fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        group: &str,
        event: impl FnOnce(WaiterId) -> Event,
        read: fn(Response) -> Option<T>,
    ) -> Answer<T> {
        let shard = match self.shard_of(group) {
            Ok(shard) => shard,
            Err(unavailable) => return Completion::Ready(Err(unavailable)),
        };
        let mut state = shard.state();
        if let Err(unavailable) = state.groups() {
            return Completion::Ready(Err(unavailable));
        }
        let (waiter, mut receiver) = state.open();
        let now = self.clock.now();
        let actions = match state.groups() {
            Ok(groups) => groups.step(now, group, event(waiter)),
            Err(unavailable) => return Completion::Ready(Err(unavailable)),
        };
        self.carry_out(&shard, &mut state, actions);
        drop(state);
        // A lost sender, and a response that belongs to another question, mean the same to a
        // client: look for the coordinator again.
        let settle = move |response| {
            let answer = Option::and_then(response, read);
            answer.ok_or(Unavailable::NotCoordinator)
        };
        match receiver.try_recv() {
            Ok(response) => Completion::Ready(settle(Some(response))),
            Err(TryRecvError::Closed) => Completion::Ready(settle(None)),
            Err(TryRecvError::Empty) => {
                Completion::Pending(Box::pin(async move { settle(receiver.await.ok()) }))
            }
        }
    }
}

fn look_up(
    groups: &Groups,
    group: &str,
    partitions: impl IntoIterator<Item = (TopicName, i32)>,
    stable: bool,
) -> Vec<CommittedPartition> {
    let found = partitions.into_iter().map(|(topic, partition)| {
        let found = match groups.offset(group, &topic, partition, stable) {
            FetchedOffset::None => Ok(None),
            FetchedOffset::Committed(offset) => Ok(Some(offset.clone())),
            FetchedOffset::Unstable => Err(GroupError::UnstableOffsetCommit),
        };
        (topic, partition, found)
    });
    found.collect()
}
