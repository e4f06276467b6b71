//! Reading topics as a member of a consumer group.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ottla_metadata::{TopicName, TopicPartition};
use ottla_protocol::ErrorCode;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::cluster::Topics;
use crate::membership::{After, Membership, partition_counts};
use crate::{ClientError, Cluster, Consumer, ConsumerOptions, ConsumerRecord, Isolation};

/// How long leaving may take in all.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How soon a topic that does not exist is looked for again.
const MISSING_TOPIC_RETRY: Duration = Duration::from_secs(1);

/// What a member wants to read.
#[derive(Clone)]
pub enum Subscription {
    /// These topics; the brokers may create them if they are set up to.
    Topics(Vec<TopicName>),
    /// All topics whose names are let through, those included that come later.
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subscription::Topics(topics) => f.debug_tuple("Topics").field(topics).finish(),
            Subscription::Matching(_) => f.write_str("Matching"),
        }
    }
}

/// How a member takes part. The defaults are Kafka's.
#[derive(Clone, Debug)]
pub struct GroupOptions {
    /// `group.id`.
    pub group: String,
    /// `group.instance.id`: a member that is known by it keeps its place over a restart.
    pub instance: Option<String>,
    /// `session.timeout.ms`: who is not heard of for so long is no longer a member.
    pub session_timeout: Duration,
    /// `max.poll.interval.ms`: how long members are waited for when the group rebalances.
    pub rebalance_timeout: Duration,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `auto.commit.interval.ms`; nothing is committed if none.
    pub auto_commit: Option<Duration>,
    /// `metadata.max.age.ms`: how soon new topics and partitions are noticed.
    pub metadata_max_age: Duration,
}

impl GroupOptions {
    /// Kafka's defaults for this group.
    pub fn new(group: &str) -> GroupOptions {
        GroupOptions {
            group: group.to_owned(),
            instance: None,
            session_timeout: Duration::from_secs(45),
            rebalance_timeout: Duration::from_secs(300),
            heartbeat_interval: Duration::from_secs(3),
            auto_commit: Some(Duration::from_secs(5)),
            metadata_max_age: Duration::from_secs(300),
        }
    }
}

/// A member of a consumer group: reads what the group assigns to it, from where the group stands.
///
/// Heartbeats are sent while [`GroupConsumer::poll`] waits; whoever does not call it for longer
/// than the session timeout loses its partitions and joins again at the next call. A record counts
/// as read once [`GroupConsumer::consumed`] was told of it, so that none is skipped.
#[derive(Debug)]
pub struct GroupConsumer {
    cluster: Cluster,
    consumer: Consumer,
    reading: ConsumerOptions,
    membership: Membership,
    subscription: Subscription,
    options: GroupOptions,
    assigned: Vec<TopicPartition>,
    unread: Unread,
    /// What the last join subscribed to.
    topics: Vec<TopicName>,
    joined: bool,
    next_heartbeat: Instant,
    next_commit: Option<Instant>,
    next_metadata: Instant,
}

impl GroupConsumer {
    /// A member-to-be; it joins at the first poll.
    pub fn new(
        cluster: Cluster,
        subscription: Subscription,
        options: GroupOptions,
        reading: ConsumerOptions,
    ) -> GroupConsumer {
        let now = Instant::now();
        GroupConsumer {
            consumer: Consumer::new(cluster.clone(), reading),
            membership: Membership::new(
                cluster.clone(),
                &options.group,
                options.instance.as_deref(),
                options.session_timeout,
                options.rebalance_timeout,
            ),
            cluster,
            reading,
            subscription,
            assigned: Vec::new(),
            unread: Unread::default(),
            topics: Vec::new(),
            joined: false,
            next_heartbeat: now,
            next_commit: options.auto_commit.map(|interval| now + interval),
            next_metadata: now,
            options,
        }
    }

    /// The partitions that are this member's at the moment.
    pub fn assigned(&self) -> &[TopicPartition] {
        &self.assigned
    }

    /// Waits until there are records and returns them, those of each partition in order. May be
    /// dropped while it waits, without loss.
    ///
    /// # Errors
    /// What ends the membership for good (a fenced static member, a full group), and what
    /// [`Consumer::poll`] may meet.
    pub async fn poll(&mut self) -> Result<VecDeque<ConsumerRecord>, ClientError> {
        loop {
            if !self.joined {
                self.join().await?;
            }
            let due = self.due();
            if due <= Instant::now() {
                self.upkeep().await?;
                continue;
            }
            let records = tokio::select! {
                biased;
                () = sleep_until(due) => continue,
                records = self.consumer.poll() => records?,
            };
            for record in &records {
                self.unread
                    .handed_out(&record.partition, record.record.offset);
            }
            return Ok(records);
        }
    }

    /// The caller is done with this record: the next commit may cover it.
    pub fn consumed(&mut self, record: &ConsumerRecord) {
        self.unread
            .consumed(&record.partition, record.record.offset);
    }

    /// Commits, unless auto-commit is off, and leaves the group.
    ///
    /// # Errors
    /// Why the last commit or the leaving failed; nothing is repeated for long.
    pub async fn close(mut self) -> Result<(), ClientError> {
        let farewell = async {
            let committed = if self.joined && self.options.auto_commit.is_some() {
                self.commit().await
            } else {
                Ok(())
            };
            committed.and(self.membership.leave().await)
        };
        match timeout(CLOSE_TIMEOUT, farewell).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ClientError::DeadlinePassed {
                what: "the coordinator did not answer the leaving member".to_owned(),
                timeout: CLOSE_TIMEOUT,
            }),
        }
    }

    fn due(&self) -> Instant {
        let first = self.next_heartbeat.min(self.next_metadata);
        self.next_commit.map_or(first, |commit| first.min(commit))
    }

    /// Does what is due.
    async fn upkeep(&mut self) -> Result<(), ClientError> {
        let now = Instant::now();
        if self.next_heartbeat <= now {
            let beat = self.membership.heartbeat().await;
            self.next_heartbeat = Instant::now() + self.options.heartbeat_interval;
            self.settle(beat)?;
        }
        if let Some(interval) = self.options.auto_commit
            && self.next_commit.is_some_and(|commit| commit <= now)
            && self.joined
        {
            let committed = self.commit().await;
            self.next_commit = Some(Instant::now() + interval);
            match &committed {
                Err(error) if After::of(error) == After::Fail && !is_final(error) => {
                    tracing::warn!(%error, "offsets were not committed");
                }
                _ => self.settle(committed)?,
            }
        }
        if self.next_metadata <= now && self.joined {
            match self.changed().await {
                Ok(true) => self.joined = false,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "topics could not be looked for"),
            }
            self.next_metadata = Instant::now() + self.metadata_interval();
        }
        Ok(())
    }

    /// What an answer of the coordinator means for the membership.
    fn settle(&mut self, answer: Result<(), ClientError>) -> Result<(), ClientError> {
        let Err(error) = answer else { return Ok(()) };
        match self.membership.heed(&error) {
            After::Fail => return Err(error),
            After::Rejoin | After::JoinAnew => {
                tracing::debug!(%error, "joining again");
                self.joined = false;
            }
            After::FindCoordinator => {
                self.next_heartbeat = Instant::now() + self.cluster.options().retry_backoff;
            }
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), ClientError> {
        let position = |p: &TopicPartition| {
            let position = self.unread.next(p).or_else(|| self.consumer.position(p));
            Some((p.clone(), position?))
        };
        let offsets = self.assigned.iter().filter_map(position).collect();
        self.membership.commit(&offsets).await
    }

    /// Gives back all partitions, joins, and begins with what it is assigned.
    async fn join(&mut self) -> Result<(), ClientError> {
        if self.options.auto_commit.is_some() && self.membership.is_member() {
            // Others go on from here. If it fails they read again what this member has read.
            if let Err(error) = self.commit().await {
                tracing::debug!(%error, "offsets were not committed before a rebalance");
            }
        }
        while !self.joined {
            for partition in self.assigned.drain(..) {
                self.consumer.unassign(&partition);
            }
            self.unread = Unread::default();
            self.topics = self.wanted().await?;
            let partitions = self.membership.join(&self.topics).await?;
            tracing::debug!(?partitions, "joined");
            self.assigned.clone_from(&partitions);
            match self.begin(&partitions).await {
                Ok(()) => self.joined = true,
                Err(error) => match self.membership.heed(&error) {
                    After::Fail => return Err(error),
                    After::FindCoordinator => sleep(self.cluster.options().retry_backoff).await,
                    After::Rejoin | After::JoinAnew => {}
                },
            }
        }
        let now = Instant::now();
        self.next_heartbeat = now + self.options.heartbeat_interval;
        self.next_commit = self.options.auto_commit.map(|interval| now + interval);
        self.next_metadata = now + self.metadata_interval();
        Ok(())
    }

    /// Reads these partitions from where the group stands, or from where new groups begin.
    async fn begin(&mut self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        let stable = self.reading.isolation == Isolation::ReadCommitted;
        let committed = self.membership.committed(partitions, stable).await?;
        let mut new = BTreeMap::new();
        for partition in partitions {
            match (committed.get(partition), self.reading.reset) {
                (Some(at), _) => self.consumer.assign(partition.clone(), at.offset),
                (None, Some(spec)) => drop(new.insert(partition.clone(), spec)),
                (None, None) => {
                    return Err(ClientError::from_code(
                        ErrorCode::OffsetOutOfRange.code(),
                        Some(&format!(
                            "the group has no offset for {partition} and there is no reset policy"
                        )),
                    ));
                }
            }
        }
        self.consumer.assign_at(&new).await
    }

    /// The topics to subscribe to.
    async fn wanted(&self) -> Result<Vec<TopicName>, ClientError> {
        let cluster = &self.cluster;
        match &self.subscription {
            Subscription::Topics(topics) => {
                let wanted = Topics::NamedOrCreated(topics);
                cluster
                    .retry(async || cluster.refresh(wanted).await)
                    .await?;
                Ok(topics.clone())
            }
            Subscription::Matching(lets_through) => {
                let view = cluster
                    .retry(async || cluster.refresh(Topics::All).await)
                    .await?;
                let names = view.topics.keys();
                Ok(names.filter(|name| lets_through(name)).cloned().collect())
            }
        }
    }

    /// Whether there are topics or partitions that the group does not know of.
    async fn changed(&self) -> Result<bool, ClientError> {
        if matches!(self.subscription, Subscription::Matching(_))
            && self.wanted().await? != self.topics
        {
            return Ok(true);
        }
        let Some(known) = &self.membership.led_topics else {
            return Ok(false);
        };
        let names = known.keys().cloned().collect();
        Ok(partition_counts(&self.cluster, names).await? != *known)
    }

    fn metadata_interval(&self) -> Duration {
        let led = self.membership.led_topics.as_ref();
        if led.is_some_and(|topics| topics.values().any(|count| *count == 0)) {
            MISSING_TOPIC_RETRY.min(self.options.metadata_max_age)
        } else {
            self.options.metadata_max_age
        }
    }
}

/// Whether a refused commit means that the member is none any more.
fn is_final(error: &ClientError) -> bool {
    matches!(
        error.code(),
        Some(ErrorCode::FencedInstanceId | ErrorCode::GroupAuthorizationFailed)
    )
}

/// Records that were handed out and that the caller has not finished with: by partition, the first
/// of them and the last.
#[derive(Debug, Default)]
struct Unread(BTreeMap<TopicPartition, (i64, i64)>);

impl Unread {
    fn handed_out(&mut self, partition: &TopicPartition, offset: i64) {
        match self.0.get_mut(partition) {
            Some((_, last)) => *last = offset,
            None => drop(self.0.insert(partition.clone(), (offset, offset))),
        }
    }

    fn consumed(&mut self, partition: &TopicPartition, offset: i64) {
        if let Some((first, last)) = self.0.get_mut(partition) {
            *first = offset.saturating_add(1);
            if *first > *last {
                self.0.remove(partition);
            }
        }
    }

    /// The first record that may not be committed.
    fn next(&self, partition: &TopicPartition) -> Option<i64> {
        self.0.get(partition).map(|(first, _)| *first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_not_committed() {
        let t = TopicPartition::new("t", 0);
        let mut unread = Unread::default();
        assert_eq!(unread.next(&t), None);
        for offset in [5, 6, 8] {
            unread.handed_out(&t, offset);
        }
        assert_eq!(unread.next(&t), Some(5));
        unread.consumed(&t, 5);
        assert_eq!(unread.next(&t), Some(6));
        unread.handed_out(&t, 9);
        unread.consumed(&t, 8);
        assert_eq!(unread.next(&t), Some(9));
        unread.consumed(&t, 9);
        assert_eq!(unread.next(&t), None);
        // Given back in a rebalance in the meantime.
        unread.consumed(&t, 10);
        assert_eq!(unread.next(&t), None);
    }
}
