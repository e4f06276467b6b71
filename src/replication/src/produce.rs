//! Appends of producers.
//!
//! Everything that can be known in the call is known in the call: admission, validation, append,
//! and, when this broker is the whole ISR, that the records are committed. Only followers and
//! flushes make a request wait.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_log::{AppendError, Appended};
use ottla_metadata::{Millis, Offset, is_internal};
use ottla_partition::{Event, WaitError};
use smallvec::SmallVec;

use crate::completion::Completion;
use crate::convert::millis;
use crate::error::ProduceError;
use crate::manager::{ReplicaManager, wall_clock};
use crate::replica::{Aftermath, Replica, Waits, Watermark};
use crate::wait::{Ticket, Wait};

/// `acks` of a produce request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredAcks {
    /// 0: nobody waits for an answer.
    None,
    /// 1: the leader has the records.
    Leader,
    /// -1: every in-sync replica has them.
    All,
}

/// What a produce request says of itself.
#[derive(Clone, Copy, Debug)]
pub struct ProduceOptions {
    /// When to answer.
    pub acks: RequiredAcks,
    /// How long to wait for acks=all.
    pub timeout: Duration,
    /// Whether internal topics may be written.
    pub internal_topics: bool,
    /// Version 7 and later: zstd is understood.
    pub zstd: bool,
    /// Version 3 and later: exactly one batch of format v2 per partition.
    pub single_v2_batch: bool,
}

/// Where the records of a partition went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// Offset of the first record.
    pub first_offset: Offset,
    /// The time given to the records, -1 when they keep their own.
    pub log_append_time: Millis,
    /// The log start offset.
    pub log_start_offset: Offset,
}

/// One result per [`Produce::append`], in that order.
pub type ProduceResults = SmallVec<[Result<Produced, ProduceError>; 1]>;

/// A produce request being carried out.
pub struct Produce<'a> {
    manager: &'a Arc<ReplicaManager>,
    options: ProduceOptions,
    now_ms: Millis,
    results: ProduceResults,
    waiting: Option<Waiting>,
}

/// What a request waits for. The common request waits for nothing and has none.
struct Waiting {
    wait: Arc<Wait<Result<(), WaitError>>>,
    /// The result that each slot of `wait` decides about, and the partition concerned.
    slots: Vec<(usize, Arc<Replica>)>,
    deadline: Millis,
}

impl ReplicaManager {
    /// Begins a produce request.
    pub fn produce(self: &Arc<Self>, options: ProduceOptions) -> Produce<'_> {
        let (now_ms, results) = (wall_clock(), ProduceResults::new());
        Produce {
            manager: self,
            options,
            now_ms,
            results,
            waiting: None,
        }
    }
}

impl Produce<'_> {
    /// Appends the records of one partition, now.
    pub fn append(&mut self, topic: &str, partition: i32, records: Bytes) {
        let result = self.try_append(topic, partition, records);
        self.results.push(result);
    }

    /// Notes that one partition was refused before its turn came.
    pub fn refuse(&mut self, error: ProduceError) {
        self.results.push(Err(error));
    }

    /// Ends the request: the results, or the promise of them.
    pub fn finish(self) -> Completion<ProduceResults> {
        match self.waiting {
            Some(waiting) if !waiting.wait.is_filled() => {
                let manager = Arc::clone(self.manager);
                Completion::Pending(Box::pin(waiting.wait_out(manager, self.results)))
            }
            Some(waiting) => Completion::Ready(waiting.settle(self.results)),
            None => Completion::Ready(self.results),
        }
    }

    fn try_append(
        &mut self,
        topic: &str,
        partition: i32,
        records: Bytes,
    ) -> Result<Produced, ProduceError> {
        if !self.options.internal_topics && is_internal(topic) {
            return Err(ProduceError::InternalTopic);
        }
        let replica = self.manager.online(topic, partition)?;
        let appended = self.append_to(&replica, records)?;
        Ok(Produced {
            first_offset: appended.first_offset,
            log_append_time: appended.log_append_time,
            log_start_offset: appended.log_start_offset,
        })
    }

    fn append_to(
        &mut self,
        replica: &Arc<Replica>,
        records: Bytes,
    ) -> Result<Appended, ProduceError> {
        let _leadership = replica.leadership.read();
        let all_acks = self.options.acks == RequiredAcks::All;
        let leader_epoch = replica.state().brain.admit(all_acks)?;
        let mut rules = replica.rules.load().records.clone();
        rules.now_ms = self.now_ms;
        rules.zstd_allowed &= self.options.zstd;
        rules.require_single_v2_batch = self.options.single_v2_batch;
        let set = ottla_records::validate(records, &rules)?;
        if set.is_empty() {
            return Ok(nothing_appended(replica));
        }
        let size = set.size();
        match replica
            .log()
            .append_as_leader(set, leader_epoch, self.now_ms)
        {
            Ok(appended) => {
                self.appended(replica, &appended, size);
                Ok(appended)
            }
            Err(error) => {
                if let AppendError::Storage(storage) = &error {
                    self.manager.storage_failed(replica, storage);
                }
                Err(error.into())
            }
        }
    }

    /// Tells the brain, and finds out whether the request has to wait.
    fn appended(&mut self, replica: &Arc<Replica>, appended: &Appended, size: usize) {
        let manager = self.manager;
        let now = manager.now();
        let mut state = replica.state();
        let mut aftermath = Aftermath::default();
        if !appended.duplicate {
            aftermath = manager.end_watches(replica, &mut state);
            state.readers.appended(
                appended.next_offset,
                u64::try_from(size).unwrap_or(u64::MAX),
            );
        }
        if let Some(offset) = appended.needs_flush_to {
            manager.flush(replica, &mut state, offset);
            if self.options.acks != RequiredAcks::None {
                let slot = self.results.len();
                let ticket = self.waiting(now).open(slot, replica);
                state.flush.enter(offset, ticket);
            }
        }
        let log_end = appended.next_offset;
        if state.flush.admits(log_end) {
            aftermath.add(replica.step(&mut state, now, Event::Appended { log_end }));
        }
        let watermark = state.brain.high_watermark();
        if state.readers.is_behind(watermark) {
            state.readers.committed(watermark);
        }
        let required = appended.last_offset.saturating_add(1);
        let committed = match self.options.acks {
            RequiredAcks::None | RequiredAcks::Leader => Some(Ok(())),
            RequiredAcks::All => state.brain.committed(required),
        };
        if committed != Some(Ok(())) {
            let slot = self.results.len();
            let waiting = self.waiting(now);
            let (deadline, ticket) = (waiting.deadline, waiting.open(slot, replica));
            let waits = Waits {
                watermark: Watermark::High,
                required,
                deadline,
            };
            aftermath.add(replica.wait_for(&mut state, now, waits, ticket));
        }
        drop(state);
        manager.finish(replica, aftermath);
    }

    fn waiting(&mut self, now: Millis) -> &mut Waiting {
        let deadline = now.saturating_add(millis(self.options.timeout));
        self.waiting.get_or_insert_with(|| Waiting {
            wait: Arc::new(Wait::new()),
            slots: Vec::new(),
            deadline,
        })
    }
}

impl Waiting {
    fn open(&mut self, result: usize, replica: &Arc<Replica>) -> Ticket<Result<(), WaitError>> {
        self.slots.push((result, Arc::clone(replica)));
        self.wait.open()
    }

    async fn wait_out(
        self,
        manager: Arc<ReplicaManager>,
        results: ProduceResults,
    ) -> ProduceResults {
        let patience = self
            .deadline
            .saturating_sub(manager.now())
            .max(0)
            .unsigned_abs();
        let patience = Duration::from_millis(patience);
        if tokio::time::timeout(patience, self.wait.filled())
            .await
            .is_err()
        {
            let now = manager.now().max(self.deadline);
            for (_, replica) in &self.slots {
                manager.step_at(replica, now, Event::Tick);
            }
            // What is left now waits for a flush, which has no deadline: in Kafka it is part of
            // the append.
            self.wait.filled().await;
        }
        self.settle(results)
    }

    fn settle(self, mut results: ProduceResults) -> ProduceResults {
        for ((result, _), outcome) in self.slots.iter().zip(self.wait.take()) {
            let (Some(result), Some(Err(error))) = (results.get_mut(*result), outcome) else {
                continue;
            };
            if result.is_ok() {
                *result = Err(error.into());
            }
        }
        results
    }
}

/// The answer to a set without a whole batch, which old clients may send.
fn nothing_appended(replica: &Replica) -> Appended {
    Appended {
        first_offset: -1,
        last_offset: -1,
        next_offset: replica.log().log_end_offset(),
        log_append_time: -1,
        log_start_offset: replica.log().log_start_offset(),
        duplicate: false,
        needs_flush_to: None,
    }
}
