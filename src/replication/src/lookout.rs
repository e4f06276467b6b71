//! Partitions of which a follower has everything, all of it committed.
//!
//! A follower's fetch session leaves a [`Watch`] at each and does not look at them again before its
//! [`Lookout`] tells of news, so that a fetch costs what has changed, not what there is. That the
//! follower goes on asking still counts for each of them: the brain hears of it before it judges who
//! is in sync, and before the log grows.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use ottla_metadata::{BrokerId, LeaderEpoch, Millis, Offset, TopicId};
use ottla_partition::{Event, Isr};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::manager::ReplicaManager;
use crate::readers::Standing;
use crate::replica::{Aftermath, Replica, State};

/// What the watches of one follower's session tell.
#[derive(Debug, Default)]
pub struct Lookout {
    /// Places of the partitions that have news.
    news: Mutex<Vec<u64>>,
    urgent: Notify,
    /// When the follower last asked.
    heard_ms: AtomicI64,
}

impl Lookout {
    /// The places of the watches that have news, each of which has told all it will.
    pub fn take_news(&self) -> Vec<u64> {
        std::mem::take(&mut *self.news.lock())
    }

    /// There is news that a fetch which waits is to be answered with.
    pub(crate) fn tell(&self, place: u64) {
        self.note(place);
        self.urgent.notify_one();
    }

    /// There is news that can wait until the fetch's time is up.
    pub(crate) fn note(&self, place: u64) {
        self.news.lock().push(place);
    }

    /// Until there is news worth an answer.
    pub(crate) async fn woken(&self) {
        loop {
            self.urgent.notified().await;
            // It may have been taken before this fetch began to wait.
            if !self.news.lock().is_empty() {
                return;
            }
        }
    }

    pub(crate) fn heard_ms(&self) -> Millis {
        self.heard_ms.load(Ordering::Acquire)
    }
}

/// A partition as a follower knows it.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The topic's id; zero when the request names topics.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: i32,
    /// The leadership that the follower believes in.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The follower's log end.
    pub at: Offset,
    /// The follower's log start.
    pub log_start: Offset,
    /// The high watermark that it was told last.
    pub high_watermark: Offset,
    /// The leader's log start that it was told last.
    pub leader_log_start: Offset,
}

/// A place at a partition, given up when dropped.
#[derive(Debug)]
pub struct Watch {
    replica: Weak<Replica>,
    id: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(replica) = self.replica.upgrade() {
            replica.state().readers.leave(self.id);
        }
    }
}

impl ReplicaManager {
    /// The follower has asked again: what is watched for it is as it was.
    pub fn heard(&self, lookout: &Lookout) {
        lookout.heard_ms.store(self.now(), Ordering::Release);
    }

    /// Has `lookout` told when there is something new for the follower `from` in a partition;
    /// `place` names it. `None` if there is already, or if the follower's fetches count: it is not in
    /// sync, or something is not committed.
    pub fn watch(
        &self,
        lookout: &Arc<Lookout>,
        place: u64,
        from: BrokerId,
        known: &Known<'_>,
    ) -> Option<Watch> {
        let replica = self.online(known.topic, known.partition).ok()?;
        let ids = (known.topic_id, replica.topic_id);
        if ids.0 != ids.1 && !ids.0.is_zero() && !ids.1.is_zero() {
            return None;
        }
        let log = replica.log();
        let mut state = replica.state();
        let brain = &state.brain;
        let leader = brain.leader()?;
        let in_sync = matches!(&leader.isr, Isr::Settled(isr) if isr.contains(&from));
        let in_term = known
            .leader_epoch
            .is_none_or(|epoch| epoch == brain.leader_epoch());
        let said = leader.followers.get(&from)?;
        // While something is not committed, time may make it so: then each of its fetches counts.
        let has_all = known.at == log.log_end_offset()
            && known.at == brain.high_watermark()
            && said.log_end == Some(known.at);
        let knows_all = known.high_watermark == brain.high_watermark()
            && known.leader_log_start == log.log_start_offset();
        if !(in_sync && in_term && has_all && knows_all) {
            return None;
        }
        let id = state.readers.stand(Standing {
            id: 0,
            from,
            at: known.at,
            log_start: known.log_start,
            tells_watermark: self.settings.rack_aware,
            is_noted: false,
            place,
            lookout: Arc::clone(lookout),
        });
        Some(Watch {
            replica: Arc::downgrade(&replica),
            id,
        })
    }

    /// The brain hears of followers that had everything when they last asked.
    pub(crate) fn confirm_watched(&self, replica: &Replica, state: &mut State) -> Aftermath {
        let mut aftermath = Aftermath::default();
        for (heard, event) in state
            .readers
            .standing()
            .map(Standing::fetched)
            .collect::<Vec<_>>()
        {
            aftermath.add(replica.step(state, heard, event));
        }
        aftermath
    }

    /// The log has grown: followers that had everything have it no more.
    pub(crate) fn end_watches(&self, replica: &Replica, state: &mut State) -> Aftermath {
        let aftermath = match state.readers.standing().len() {
            0 => Aftermath::default(),
            _ => self.confirm_watched(replica, state),
        };
        state.readers.end_standing();
        aftermath
    }
}

impl Standing {
    /// What the follower's last request said of the partition, and when.
    fn fetched(&self) -> (Millis, Event) {
        let event = Event::FollowerFetched {
            from: self.from,
            at: self.at,
            log_start: self.log_start,
        };
        (self.lookout.heard_ms(), event)
    }
}
