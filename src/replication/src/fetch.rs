//! Reads, by the rules of KIP-74, and the decision whether a fetch may be answered already.

use std::sync::Arc;
use std::time::Duration;

use ottla_log::{AbortedTransaction, LogSlice, ReadError, StorageError};
use ottla_metadata::{BrokerId, LeaderEpoch, Offset, TopicId, TopicName};
use ottla_partition::{LeaderNeeded, Role};

use crate::completion::Completion;
use crate::error::{FetchError, PartitionError};
use crate::lookout::Lookout;
use crate::manager::ReplicaManager;
use crate::replica::Replica;

/// What a consumer wants to see of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Everything committed to the replicas.
    ReadUncommitted,
    /// Nothing at or above an open transaction.
    ReadCommitted,
}

/// Who fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchOrigin {
    /// A consumer, or a tool that debugs as one.
    Consumer,
    /// A broker that follows; its offset is its log end.
    Follower(BrokerId),
}

/// Where a consumer is, for the choice of a replica near it (KIP-392).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerPlace {
    /// `client.rack`, not empty.
    pub rack: String,
    /// The listener that it came in on.
    pub listener: Arc<str>,
}

/// One partition of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// The topic's name.
    pub topic: TopicName,
    /// The topic's id; zero when the request names topics.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: i32,
    /// From where on.
    pub fetch_offset: Offset,
    /// A follower's log start offset, -1 for none.
    pub log_start_offset: Offset,
    /// At most so many bytes of this partition.
    pub max_bytes: usize,
    /// The leadership the client believes in.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// Epoch of the last record the client has: the leader looks whether histories diverge.
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// The high watermark that the reader was told last, -1 for none.
    pub known_high_watermark: Offset,
}

/// A fetch.
#[derive(Clone, Debug)]
pub struct FetchSpec {
    /// Who fetches.
    pub origin: FetchOrigin,
    /// How long to wait for `min_bytes`.
    pub max_wait: Duration,
    /// With fewer bytes the answer waits.
    pub min_bytes: usize,
    /// At most so many bytes in all.
    pub max_bytes: usize,
    /// Versions 0 to 2: limits hold even for the first batch, which then comes cut.
    pub hard_limits: bool,
    /// What to see of transactions.
    pub isolation: Isolation,
    /// Only leaders may answer (followers always, consumers before version 11).
    pub leader_only: bool,
    /// Where a consumer is, if it says.
    pub place: Option<ConsumerPlace>,
    /// The partitions in the order of the request.
    pub partitions: Vec<FetchPartition>,
    /// What tells of other partitions that the reader waits for too. When it has news the fetch ends,
    /// and [`ReplicaManager::fetch_news`] reads those.
    pub lookout: Option<Arc<Lookout>>,
}

/// Where the histories of the client and of the leader part (KIP-595).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DivergingEpoch {
    /// The largest epoch the leader knows that is not above the client's.
    pub epoch: LeaderEpoch,
    /// Where it ends.
    pub end_offset: Offset,
}

/// A partition's part of the answer.
#[derive(Clone, Debug)]
pub struct FetchedPartition {
    /// The high watermark.
    pub high_watermark: Offset,
    /// The last stable offset.
    pub last_stable_offset: Offset,
    /// The log start offset.
    pub log_start_offset: Offset,
    /// The records, if there are any.
    pub records: Option<LogSlice>,
    /// Read-committed only: aborted transactions in the range.
    pub aborted: Option<Vec<AbortedTransaction>>,
    /// Set when there are no records because the client has to truncate first.
    pub diverging: Option<DivergingEpoch>,
    /// Set when there are no records because the client should read from another replica.
    pub preferred: Option<BrokerId>,
}

/// Results of a fetch in the order of its partitions.
pub type FetchResults = Vec<Result<FetchedPartition, FetchError>>;

/// Where a read must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadBound {
    LogEnd,
    HighWatermark,
    LastStable,
}

/// Stands for the bound of a partition that a throttled follower gets nothing of.
pub(crate) const HELD_BACK: Offset = -2;

/// Which look at a fetch's partitions it is. What a follower says of itself counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    First,
    Later,
}

/// One look at all partitions of a fetch.
pub(crate) struct Look {
    pub(crate) results: FetchResults,
    /// Bytes of all records.
    pub(crate) bytes: usize,
    /// An error, a divergence, or records that no longer wait would make more of.
    pub(crate) is_urgent: bool,
    /// There is nothing to wait for: no partition is known.
    pub(crate) is_vain: bool,
    /// Where each read ended by its bound, to notice what happens before the wait begins.
    pub(crate) bounds: Vec<Offset>,
}

impl FetchSpec {
    pub(crate) fn bound(&self) -> ReadBound {
        match (self.origin, self.isolation) {
            (FetchOrigin::Follower(_), _) => ReadBound::LogEnd,
            (FetchOrigin::Consumer, Isolation::ReadUncommitted) => ReadBound::HighWatermark,
            (FetchOrigin::Consumer, Isolation::ReadCommitted) => ReadBound::LastStable,
        }
    }

    pub(crate) fn is_satisfied_by(&self, look: &Look) -> bool {
        look.is_urgent || look.is_vain || look.bytes >= self.min_bytes
    }
}

impl Look {
    /// The places of partitions of which no news comes, though they may have some: they are held
    /// back, or were not to be read.
    pub(crate) fn unwatched(&self) -> impl Iterator<Item = usize> {
        let seen = self.results.iter().zip(&self.bounds).enumerate();
        let unwatched = seen.filter(|(_, (result, bound))| result.is_err() || **bound == HELD_BACK);
        unwatched.map(|(place, _)| place)
    }
}

impl ReplicaManager {
    /// Reads, now if there is enough to read, else when there is or `max_wait` has passed.
    pub fn fetch(self: &Arc<Self>, spec: FetchSpec) -> Completion<(FetchSpec, FetchResults)> {
        let look = self.look(&spec, Turn::First);
        if spec.max_wait.is_zero() || spec.is_satisfied_by(&look) {
            self.count_throttled(&spec, &look);
            return Completion::Ready((spec, look.results));
        }
        Completion::Pending(Box::pin(Arc::clone(self).wait_for_data(spec, look)))
    }

    /// Reads partitions that turned out to have news while a fetch waited, at once.
    pub fn fetch_news(&self, spec: FetchSpec) -> (FetchSpec, FetchResults) {
        let look = self.look(&spec, Turn::Later);
        self.count_throttled(&spec, &look);
        (spec, look.results)
    }

    /// Looks at all partitions, in the order of the fetch.
    pub(crate) fn look(&self, spec: &FetchSpec, turn: Turn) -> Look {
        let count = spec.partitions.len();
        let mut look = Look {
            results: Vec::with_capacity(count),
            bytes: 0,
            is_urgent: false,
            is_vain: spec.lookout.is_none(),
            bounds: Vec::with_capacity(count),
        };
        for partition in &spec.partitions {
            let (result, bound) = self.look_at_one(spec, partition, &mut look, turn);
            look.results.push(result);
            look.bounds.push(bound);
        }
        self.look_for_rolled(spec, &mut look);
        look
    }

    /// Looks once more at the partitions at these places; the others are as they were.
    pub(crate) fn look_at(&self, spec: &FetchSpec, look: &mut Look, places: &[usize]) {
        for place in places.iter().copied() {
            let Some(partition) = spec.partitions.get(place) else {
                continue;
            };
            if let Some(Ok(old)) = look.results.get(place) {
                look.bytes -= bytes_of(old);
            }
            let (result, bound) = self.look_at_one(spec, partition, look, Turn::Later);
            if let (Some(old), Some(old_bound)) =
                (look.results.get_mut(place), look.bounds.get_mut(place))
            {
                (*old, *old_bound) = (result, bound);
            }
        }
        self.look_for_rolled(spec, look);
    }

    /// Reads one partition and counts what it gives.
    fn look_at_one(
        &self,
        spec: &FetchSpec,
        partition: &FetchPartition,
        look: &mut Look,
        turn: Turn,
    ) -> (Result<FetchedPartition, FetchError>, Offset) {
        let (result, bound) = match self.read(spec, partition, look.bytes, turn) {
            Ok(read) => (Ok(read.fetched), read.bound),
            Err(error) => (Err(error), -1),
        };
        match &result {
            Ok(fetched) => {
                look.bytes += bytes_of(fetched);
                look.is_urgent |= fetched.diverging.is_some()
                    || fetched.preferred.is_some()
                    || self.tells_watermark(spec, partition, fetched.high_watermark);
                look.is_vain = false;
            }
            // Clients ask for metadata then; an answer at once would have them ask in a circle.
            Err(FetchError::Partition(PartitionError::Unknown)) => {}
            Err(_) => look.is_urgent = true,
        }
        (result, bound)
    }

    fn look_for_rolled(&self, spec: &FetchSpec, look: &mut Look) {
        if look.bytes > 0 && !look.is_urgent && look.bytes < spec.min_bytes {
            look.is_urgent = self.any_rolled(spec, look);
        }
    }

    /// One partition's read. `taken` is what the partitions before it gave.
    fn read(
        &self,
        spec: &FetchSpec,
        wanted: &FetchPartition,
        taken: usize,
        turn: Turn,
    ) -> Result<Read, FetchError> {
        let replica = self.online(&wanted.topic, wanted.partition)?;
        if !wanted.topic_id.is_zero()
            && !replica.topic_id.is_zero()
            && wanted.topic_id != replica.topic_id
        {
            return Err(PartitionError::InconsistentTopicId.into());
        }
        // What a follower says of itself counts in the leadership that it said it to.
        let is_follower = matches!(spec.origin, FetchOrigin::Follower(_));
        let _leadership = is_follower.then(|| replica.leadership.read());
        let high_watermark = self.admit_reader(&replica, spec, wanted)?;
        let log = replica.log();
        let fetched = FetchedPartition {
            high_watermark,
            last_stable_offset: log.last_stable_offset().min(high_watermark),
            log_start_offset: log.log_start_offset(),
            records: None,
            aborted: None,
            diverging: None,
            preferred: None,
        };
        if let Some(preferred) = self.nearest_replica(&replica, spec, wanted) {
            let preferred = FetchedPartition {
                preferred: Some(preferred),
                last_stable_offset: -1,
                ..fetched
            };
            return Ok(Read {
                fetched: preferred,
                bound: -1,
            });
        }
        let bound = match spec.bound() {
            ReadBound::LogEnd => log.log_end_offset(),
            ReadBound::HighWatermark => high_watermark,
            ReadBound::LastStable => fetched.last_stable_offset,
        };
        let begun = || Read {
            fetched: fetched.clone(),
            bound,
        };
        let mut read = self.read_log(&replica, spec, wanted, taken, begun());
        let moved = matches!(
            read,
            Err(FetchError::Read(ReadError::Storage(
                StorageError::SegmentDeleted(_)
            )))
        );
        if moved && !is_follower {
            // It was exchanged for its copy in another directory: read there once that is done.
            drop(replica.leadership.read());
            read = self.read_log(&replica, spec, wanted, taken, begun());
        }
        if let Err(FetchError::Read(ReadError::Storage(error))) = &read {
            self.storage_failed(&replica, error);
        }
        let mut read = read?;
        if read.fetched.diverging.is_none() && self.holds_back(&replica, spec) {
            // Nobody waits for data that may not be sent.
            (read.fetched.records, read.bound) = (None, HELD_BACK);
        }
        Ok(self.follower_fetched(&replica, spec, wanted, turn, read))
    }

    /// Whether this replica may answer this reader; answers its high watermark.
    fn admit_reader(
        &self,
        replica: &Replica,
        spec: &FetchSpec,
        wanted: &FetchPartition,
    ) -> Result<Offset, PartitionError> {
        let needed = if spec.leader_only {
            LeaderNeeded::Yes
        } else {
            LeaderNeeded::No
        };
        let state = replica.state();
        state
            .brain
            .check_epoch(wanted.current_leader_epoch, needed)?;
        if let (FetchOrigin::Follower(from), Role::Leader(leader)) =
            (spec.origin, state.brain.role())
        {
            if !leader.followers.contains_key(&from) {
                return Err(match wanted.current_leader_epoch {
                    Some(_) => PartitionError::UnknownLeaderEpoch,
                    None => PartitionError::NotLeader,
                });
            }
        }
        Ok(state.brain.high_watermark())
    }

    fn read_log(
        &self,
        replica: &Replica,
        spec: &FetchSpec,
        wanted: &FetchPartition,
        taken: usize,
        mut read: Read,
    ) -> Result<Read, FetchError> {
        let log = replica.log();
        if let Some(epoch) = wanted.last_fetched_epoch {
            read.fetched.diverging = diverging(replica, epoch, wanted.fetch_offset)?;
            if read.fetched.diverging.is_some() {
                return Ok(read);
            }
        }
        let budget = wanted.max_bytes.min(spec.max_bytes.saturating_sub(taken));
        let min_one = taken == 0 && !spec.hard_limits;
        let records = log.read(wanted.fetch_offset, budget, read.bound, min_one)?;
        // A first batch that does not fit is of no use to a client that was promised whole ones.
        let is_whole = |slice: &LogSlice| spec.hard_limits || slice.first_entry_size <= slice.len;
        read.fetched.records = records.filter(is_whole);
        if spec.bound() == ReadBound::LastStable {
            let aborted = log.aborted_transactions(wanted.fetch_offset, read.bound);
            read.fetched.aborted = Some(aborted.map_err(ReadError::Storage)?);
        }
        Ok(read)
    }

    /// Whether some partition has the rest of its data in a later segment: then waiting would not
    /// make this answer longer (`FetchOffset.onOlderSegment`).
    fn any_rolled(&self, spec: &FetchSpec, look: &Look) -> bool {
        let fetched = look.results.iter().zip(&look.bounds).zip(&spec.partitions);
        fetched.into_iter().any(|((result, bound), wanted)| {
            let Ok(FetchedPartition {
                records: Some(records),
                ..
            }) = result
            else {
                return false;
            };
            let Ok(replica) = self.online(&wanted.topic, wanted.partition) else {
                return true;
            };
            let last = replica.log().read(bound.saturating_sub(1), 1, *bound, true);
            matches!(last, Ok(Some(last)) if last.segment_base != records.segment_base)
        })
    }
}

fn bytes_of(fetched: &FetchedPartition) -> usize {
    fetched.records.as_ref().map_or(0, |records| records.len)
}

/// A partition's part and the offset at which its bound ended it.
pub(crate) struct Read {
    pub(crate) fetched: FetchedPartition,
    pub(crate) bound: Offset,
}

/// Where the reader's history and ours part, if they do before its fetch offset (4.4 of KIP-595's
/// truncation on fetch).
fn diverging(
    replica: &Replica,
    last_fetched_epoch: LeaderEpoch,
    fetch_offset: Offset,
) -> Result<Option<DivergingEpoch>, FetchError> {
    let (epoch, end_offset) = replica.log().epoch_end_offset(last_fetched_epoch);
    if epoch < 0 || end_offset < 0 {
        return Err(FetchError::UnknownFetchedEpoch);
    }
    if epoch < last_fetched_epoch || end_offset < fetch_offset {
        return Ok(Some(DivergingEpoch { epoch, end_offset }));
    }
    Ok(None)
}
