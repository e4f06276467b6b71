//! What a leader's answer does to a replica here: records are appended as they came, and the brain
//! hears of it.
//!
//! `leadership` is held for reading from the question whether the answer still counts to the
//! brain's step, so that the role stays what it is in between.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_log::{AppendError, Appended, StorageError};
use ottla_metadata::{LeaderEpoch, Millis, Offset};
use ottla_partition::{EpochEnd, Event, LeaderAnswer};
use ottla_protocol::ErrorCode;

use super::session::Wanted;
use crate::manager::{ReplicaManager, wall_clock};
use crate::replica::Replica;

/// Pause before a flush is tried again that found no descriptor.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// A partition's part of the answer to a fetch.
#[derive(Debug)]
pub(super) enum Fetched {
    /// No error; the records may be empty.
    Records {
        records: Bytes,
        high_watermark: Offset,
        log_start: Offset,
    },
    /// The histories part.
    Diverging(EpochEnd),
    /// An error code.
    Error(i16),
}

/// Records that were appended, and count when they have reached the disk (`flush.messages`).
pub(super) struct Unflushed {
    replica: Arc<Replica>,
    leader_epoch: LeaderEpoch,
    up_to: Offset,
    answer: LeaderAnswer,
}

impl ReplicaManager {
    /// Takes a part of a fetch's answer in. A divergence cuts the log, so that it may block.
    pub(super) fn fetched(
        self: &Arc<Self>,
        replica: &Arc<Replica>,
        asked: Wanted,
        fetched: Fetched,
    ) -> Option<Unflushed> {
        let _leadership = replica.leadership.read();
        if !replica
            .state()
            .brain
            .expects_records(asked.leader_epoch, asked.at)
        {
            return None;
        }
        let at = asked.at;
        let answer = match fetched {
            Fetched::Records {
                records,
                high_watermark,
                log_start,
            } => {
                let appended = self.append_records(replica, at, records);
                let answer = match &appended {
                    Ok(_) => LeaderAnswer::Records {
                        at,
                        log_end: replica.log().log_end_offset(),
                        latest_epoch: replica.log().latest_epoch(),
                        leader_high_watermark: high_watermark,
                        leader_log_start: log_start,
                    },
                    Err(()) => LeaderAnswer::Failed,
                };
                if let Ok(Some(up_to)) = appended {
                    return Some(Unflushed {
                        replica: Arc::clone(replica),
                        leader_epoch: asked.leader_epoch,
                        up_to,
                        answer,
                    });
                }
                answer
            }
            Fetched::Diverging(leader) => LeaderAnswer::Diverging {
                at,
                leader,
                local: local_end(replica, leader),
            },
            Fetched::Error(code) => refusal(replica, code, at),
        };
        self.leader_answered(replica, asked.leader_epoch, answer);
        None
    }

    /// Has what was appended reach the disk, then lets it count. Blocks.
    pub(super) fn flush_fetched(&self, unflushed: Vec<Unflushed>) {
        for Unflushed {
            replica,
            leader_epoch,
            up_to,
            answer,
        } in unflushed
        {
            let flushed = loop {
                match replica.log().flush_to(up_to) {
                    // The records are in the log, so this cannot be begun anew.
                    Err(StorageError::Exhausted { .. }) => std::thread::sleep(SHORTAGE_PAUSE),
                    flushed => break flushed,
                }
            };
            if let Err(error) = flushed {
                self.storage_failed(&replica, &error);
                continue;
            }
            let _leadership = replica.leadership.read();
            self.leader_answered(&replica, leader_epoch, answer);
        }
    }

    /// Takes the answer to a question for the end of an epoch in. Cuts the log, so it may block.
    pub(super) fn epoch_end_answered(
        &self,
        replica: &Replica,
        leader_epoch: LeaderEpoch,
        answer: Result<EpochEnd, i16>,
    ) {
        let _leadership = replica.leadership.read();
        let answer = match answer {
            Ok(leader) => LeaderAnswer::EpochEnd {
                leader,
                local: local_end(replica, leader),
            },
            Err(code) => refusal(replica, code, -1),
        };
        self.leader_answered(replica, leader_epoch, answer);
    }

    /// Takes both ends of the leader's log in. Cuts the log, so it may block.
    pub(super) fn leader_offsets_answered(
        &self,
        replica: &Replica,
        leader_epoch: LeaderEpoch,
        answer: Result<(Offset, Offset), i16>,
    ) {
        let _leadership = replica.leadership.read();
        let answer = match answer {
            Ok((start, end)) => LeaderAnswer::Offsets {
                start,
                end,
                latest_epoch: replica.log().latest_epoch(),
            },
            Err(code) => refusal(replica, code, -1),
        };
        self.leader_answered(replica, leader_epoch, answer);
    }

    /// The leader could not be asked.
    pub(super) fn leader_failed(&self, replica: &Replica, leader_epoch: LeaderEpoch) {
        self.leader_answered(replica, leader_epoch, LeaderAnswer::Failed);
    }

    fn leader_answered(&self, replica: &Replica, leader_epoch: LeaderEpoch, answer: LeaderAnswer) {
        let answered = Event::LeaderAnswered {
            leader_epoch,
            answer,
        };
        self.step(replica, answered);
    }

    /// Until when a throttled follower that is behind must not fetch (`shouldFollowerThrottle`).
    pub(super) fn held_back_until(&self, replica: &Replica, now: Millis) -> Option<Millis> {
        let is_throttled = replica
            .rules
            .load()
            .throttled_followers
            .has(&replica.partition);
        is_throttled
            .then(|| self.throttles.follower.lock().exceeded_until(now))
            .flatten()
    }

    /// Appends what the leader sent. Answers up to where it must be flushed before it counts.
    fn append_records(
        &self,
        replica: &Replica,
        at: Offset,
        records: Bytes,
    ) -> Result<Option<Offset>, ()> {
        if records.is_empty() {
            return Ok(None);
        }
        let size = u64::try_from(records.len()).unwrap_or(u64::MAX);
        if replica
            .rules
            .load()
            .throttled_followers
            .has(&replica.partition)
        {
            self.throttles.follower.lock().record(self.now(), size);
        }
        let appended = match append(replica, at, records) {
            Ok(Some(appended)) => appended,
            // Before version 3 a batch that is larger than the limit comes cut.
            Ok(None) => {
                tracing::error!(
                    partition = %replica.partition, at,
                    "a batch is larger than replica.fetch.max.bytes: replication stands still"
                );
                return Err(());
            }
            Err(error) => {
                tracing::error!(partition = %replica.partition, at, %error, "cannot append what the leader sent");
                if let AppendError::Storage(error) = &error {
                    self.storage_failed(replica, error);
                }
                // What came before the batch that was refused is in the log and counts: the next
                // fetch begins with that one, and fails. Whether a flush was due is not known, so it is.
                let log = replica.log();
                let log_end = log.log_end_offset();
                if log_end <= at || log.is_offline() {
                    return Err(());
                }
                replica.state().readers.appended(log_end, size);
                return Ok(Some(log_end));
            }
        };
        replica.state().readers.appended(appended.next_offset, size);
        Ok(appended.needs_flush_to)
    }
}

/// An empty log may have to begin with a batch that holds the leader's log start offset in its
/// middle: it then starts where the batch does (`UnexpectedAppendOffsetException`).
fn append(replica: &Replica, at: Offset, records: Bytes) -> Result<Option<Appended>, AppendError> {
    let log = replica.log();
    match log.append_as_follower(records.clone(), wall_clock()) {
        Err(AppendError::UnexpectedOffset { first, .. })
            if log.log_start_offset() == at
                && log.log_end_offset() == at
                && straddles(&records, at) =>
        {
            log.truncate_fully_and_start_at(first)?;
            log.append_as_follower(records, wall_clock())
        }
        appended => appended,
    }
}

fn straddles(records: &Bytes, at: Offset) -> bool {
    let first = ottla_records::batches(records).next();
    let header = first.and_then(|batch| ottla_records::verify(batch.ok()?).ok());
    header.is_some_and(|header| header.last_offset() >= at)
}

fn local_end(replica: &Replica, leader: EpochEnd) -> EpochEnd {
    let (epoch, end_offset) = replica.log().epoch_end_offset(leader.epoch);
    EpochEnd { epoch, end_offset }
}

fn refusal(replica: &Replica, code: i16, at: Offset) -> LeaderAnswer {
    let known = ErrorCode::from_code(code);
    let name = known.map_or("an unknown error", ErrorCode::name);
    if matches!(
        known,
        Some(
            ErrorCode::NotLeaderOrFollower
                | ErrorCode::UnknownLeaderEpoch
                | ErrorCode::UnknownTopicOrPartition
                | ErrorCode::UnknownTopicId
        )
    ) {
        tracing::debug!(partition = %replica.partition, name, "the leader does not know yet that it leads");
        return LeaderAnswer::NotYet;
    }
    tracing::info!(partition = %replica.partition, code, name, "the leader refused a follower's request");
    match known {
        Some(ErrorCode::FencedLeaderEpoch) => LeaderAnswer::Fenced,
        Some(ErrorCode::OffsetOutOfRange) if at >= 0 => LeaderAnswer::OutOfRange { at },
        _ => LeaderAnswer::Failed,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arc_swap::ArcSwap;
    use ottla_config::{ServerConfig, TopicConfig};
    use ottla_log::{LogDirs, LogManager};
    use ottla_metadata::{BrokerId, BrokerInfo, ClusterImage, TopicId, TopicPartition};
    use ottla_records::{BatchBuilder, BatchOptions};

    use super::*;
    use crate::convert::log_config;
    use crate::{Assignment, Leadership, Options, Settings, TopicConfigs};

    const EPOCH: LeaderEpoch = 3;

    struct SmallSegments(ServerConfig);

    impl TopicConfigs for SmallSegments {
        fn topic(&self, _: &str) -> Arc<TopicConfig> {
            let small = BTreeMap::from([("segment.bytes".to_owned(), "200".to_owned())]);
            Arc::new(TopicConfig::resolve(&self.0, &small).unwrap())
        }
    }

    /// A follower of broker 1. Its fetcher does not run before the test awaits something.
    fn follower(dir: &std::path::Path) -> (Arc<ReplicaManager>, Arc<Replica>) {
        let settings = [("zookeeper.connect", "nowhere:1")];
        let (server, _) = ServerConfig::from_settings(settings).unwrap();
        let configs = Arc::new(SmallSegments(server));
        let dirs = LogDirs::lock(&[dir.join("logs")]).unwrap();
        let of_topic = |name: &str| Arc::new(log_config(&configs.topic(name)));
        let logs = LogManager::load(dirs, Default::default(), of_topic, 0).unwrap();
        let mut image = ClusterImage::default();
        let leader = BrokerInfo {
            id: BrokerId(1),
            epoch: 1,
            endpoints: Vec::new(),
            rack: None,
        };
        image.brokers.insert(leader.id, Arc::new(leader));
        let manager = ReplicaManager::new(Options {
            broker: BrokerId(0),
            logs: Arc::new(logs),
            image: Arc::new(ArcSwap::from_pointee(image)),
            configs,
            isr_store: None,
            settings: Settings::default(),
        });
        let replicas = [BrokerId(0), BrokerId(1)];
        let answers = manager.apply_leader_and_isr(vec![Assignment {
            partition: TopicPartition::new("t", 0),
            topic_id: TopicId([7; 16]),
            controller_epoch: 1,
            leader: Some(BrokerId(1)),
            leadership: Leadership {
                leader_epoch: EPOCH,
                partition_epoch: 0,
                replicas: replicas.into_iter().collect(),
                isr: replicas.into_iter().collect(),
            },
            is_new: true,
        }]);
        answers.into_iter().for_each(|(_, answer)| answer.unwrap());
        let replica = manager.online("t", 0).ok().unwrap();
        (manager, replica)
    }

    fn batch(base_offset: Offset, size: usize) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchOptions {
            base_offset,
            leader_epoch: EPOCH,
            ..BatchOptions::default()
        })
        .unwrap();
        let value = vec![b'v'; size];
        builder.append(1000, None, Some(&value), &[]).unwrap();
        builder.build().unwrap()
    }

    /// The second batch is larger than a segment may be: only the first can be appended.
    #[tokio::test]
    async fn the_part_of_an_answer_that_was_appended_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (manager, replica) = follower(dir.path());
        let wanted = |at| Wanted {
            topic_id: TopicId([7; 16]),
            at,
            log_start: 0,
            leader_epoch: EPOCH,
            last_epoch: None,
        };
        let fetched = |records: Vec<u8>| Fetched::Records {
            records: records.into(),
            high_watermark: 2,
            log_start: 0,
        };
        let both = [batch(0, 10), batch(1, 300)].concat();
        let unflushed = manager.fetched(&replica, wanted(0), fetched(both));
        manager.flush_fetched(unflushed.into_iter().collect());
        assert_eq!(replica.log().log_end_offset(), 1);
        assert!(replica.state().brain.expects_records(EPOCH, 1));
        assert_eq!(replica.state().brain.high_watermark(), 1);
        // By itself it is refused, and the back-off begins.
        let unflushed = manager.fetched(&replica, wanted(1), fetched(batch(1, 300)));
        assert!(unflushed.is_none());
        let next = replica.state().brain.next_request(manager.now());
        assert!(matches!(next, ottla_partition::NextRequest::At(_)));
    }
}
