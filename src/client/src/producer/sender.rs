//! The task that owns the batches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ottla_metadata::{BrokerId, TopicName, TopicPartition};
use ottla_protocol::ErrorCode;
use ottla_records::increment_sequence;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::batch::{Batch, Pending, Sequence};
use super::send::{self, Settled};
use super::{Idempotence, ProducerOptions};
use crate::cluster::Topics;
use crate::{ClientError, Cluster};

/// Commands that are obeyed before it is looked what to send: that look goes over all partitions.
const COMMANDS: usize = 256;

/// What a producer asks of its sender.
#[derive(Debug)]
pub(super) enum Command {
    /// Put a record into a batch.
    Append {
        topic: TopicName,
        /// None: whichever partition's turn it is.
        partition: Option<i32>,
        /// How many there are.
        partitions: u32,
        pending: Pending,
    },
    /// Send everything; answer when nothing is left.
    Flush(oneshot::Sender<()>),
}

/// What a task of the sender came back with.
#[derive(Debug)]
enum Done {
    Produced(Vec<Settled>),
    Refreshed,
    ProducerId(Result<(i64, i16), ClientError>),
}

/// The batches of a partition. At most one is on its way, which keeps their order.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Batch>,
    on_its_way: bool,
    next_sequence: i32,
}

/// The partition that records without a key go to at the moment (KIP-794).
#[derive(Debug)]
struct Sticky {
    partition: i32,
    bytes: usize,
}

pub(super) struct Sender {
    cluster: Cluster,
    options: Arc<ProducerOptions>,
    commands: mpsc::Receiver<Command>,
    lanes: BTreeMap<TopicPartition, Lane>,
    sticky: BTreeMap<TopicName, Sticky>,
    flushes: Vec<oneshot::Sender<()>>,
    tasks: JoinSet<Done>,
    refreshing: bool,
    /// Turned off when it proves impossible.
    idempotence: Idempotence,
    producer: Option<(i64, i16)>,
    asking_for_id: bool,
}

impl Sender {
    pub(super) fn new(
        cluster: Cluster,
        options: Arc<ProducerOptions>,
        commands: mpsc::Receiver<Command>,
    ) -> Sender {
        Sender {
            cluster,
            idempotence: options.idempotence,
            options,
            commands,
            lanes: BTreeMap::new(),
            sticky: BTreeMap::new(),
            flushes: Vec::new(),
            tasks: JoinSet::new(),
            refreshing: false,
            producer: None,
            asking_for_id: false,
        }
    }

    /// Runs until the producer is dropped.
    pub(super) async fn run(mut self) {
        let mut commands = Vec::with_capacity(COMMANDS);
        loop {
            let due = self.send_what_is_due();
            if self.is_idle() {
                for flush in self.flushes.drain(..) {
                    // Whoever asked may have gone.
                    let _ = flush.send(());
                }
            }
            tokio::select! {
                biased;
                Some(done) = self.tasks.join_next() => {
                    // No task panics or is aborted before this one ends.
                    if let Ok(done) = done {
                        self.take(done);
                    }
                }
                count = self.commands.recv_many(&mut commands, COMMANDS) => {
                    if count == 0 {
                        return;
                    }
                    commands.drain(..).for_each(|command| self.obey(command));
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.lanes
            .values()
            .all(|lane| lane.waiting.is_empty() && !lane.on_its_way)
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Append {
                topic,
                partition,
                partitions,
                pending,
            } => {
                let partition =
                    partition.unwrap_or_else(|| self.stick(&topic, partitions, pending.size));
                let lane = self
                    .lanes
                    .entry(TopicPartition { topic, partition })
                    .or_default();
                match lane.waiting.back_mut() {
                    Some(batch)
                        if batch.attempts == 0
                            && batch.sequence.is_none()
                            && batch.has_room(&pending, self.options.batch_bytes) =>
                    {
                        batch.push(pending);
                    }
                    _ => lane.waiting.push_back(Batch::new(pending)),
                }
            }
            Command::Flush(reply) => self.flushes.push(reply),
        }
    }

    /// The partition for a record without a key: the same until a batch's worth went there.
    fn stick(&mut self, topic: &TopicName, partitions: u32, size: usize) -> i32 {
        let another = || {
            let drawn: u32 = rand::random();
            i32::try_from(drawn % partitions.max(1)).unwrap_or(0)
        };
        let sticky = self
            .sticky
            .entry(Arc::clone(topic))
            .or_insert_with(|| Sticky {
                partition: another(),
                bytes: 0,
            });
        if sticky.bytes > 0 && sticky.bytes.saturating_add(size) > self.options.batch_bytes {
            sticky.partition = another();
            sticky.bytes = 0;
        }
        sticky.bytes = sticky.bytes.saturating_add(size);
        sticky.partition
    }

    /// Starts the requests whose time has come, and says when the next one's will.
    fn send_what_is_due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let view = self.cluster.view();
        let mut wakes: BTreeSet<Instant> = BTreeSet::new();
        let mut by_leader: BTreeMap<BrokerId, Vec<(TopicPartition, Batch)>> = BTreeMap::new();
        let mut leaderless = BTreeSet::new();
        let mut id_wanted = false;
        let idempotent = self.idempotence != Idempotence::Off;
        for (partition, lane) in &mut self.lanes {
            let Some(first) = lane.waiting.front().filter(|_| !lane.on_its_way) else {
                continue;
            };
            let expires = first.created + self.options.delivery_timeout;
            if expires <= now {
                if let Some(batch) = lane.waiting.pop_front() {
                    let error = expired(partition, &batch, &self.options);
                    batch.settle(partition, Err(error));
                }
                wakes.insert(now);
                continue;
            }
            let full = lane.waiting.len() > 1 || first.bytes() >= self.options.batch_bytes;
            let lingered = if full || first.attempts > 0 || !self.flushes.is_empty() {
                now
            } else {
                first.created + self.options.linger
            };
            let ready = first.not_before.map_or(lingered, |t| t.max(lingered));
            if ready > now {
                wakes.insert(ready.min(expires));
                continue;
            }
            let Some(leader) = view.leader(&partition.topic, partition.partition) else {
                leaderless.insert(Arc::clone(&partition.topic));
                wakes.insert(expires);
                continue;
            };
            let request = by_leader.entry(leader.id).or_default();
            let taken: usize = request.iter().map(|(_, b)| b.bytes()).sum();
            if taken > 0 && taken + first.bytes() > self.options.max_request_bytes {
                wakes.insert(now);
                continue;
            }
            if idempotent && first.sequence.is_none() && self.producer.is_none() {
                id_wanted = true;
                wakes.insert(expires);
                continue;
            }
            if let Some(mut batch) = lane.waiting.pop_front() {
                lane.number(&mut batch, self.producer.filter(|_| idempotent));
                lane.on_its_way = true;
                request.push((partition.clone(), batch));
            }
        }
        for (leader, batches) in by_leader.into_iter().filter(|(_, b)| !b.is_empty()) {
            let cluster = self.cluster.clone();
            let options = Arc::clone(&self.options);
            self.tasks.spawn(async move {
                Done::Produced(send::produce(cluster, options, leader, batches).await)
            });
        }
        if !leaderless.is_empty() {
            self.refresh(leaderless.into_iter().collect());
        }
        if id_wanted && !self.asking_for_id {
            self.asking_for_id = true;
            let cluster = self.cluster.clone();
            self.tasks
                .spawn(async move { Done::ProducerId(send::producer_id(cluster).await) });
        }
        wakes.first().copied()
    }

    fn refresh(&mut self, topics: Vec<TopicName>) {
        if self.refreshing {
            return;
        }
        self.refreshing = true;
        let cluster = self.cluster.clone();
        self.tasks.spawn(async move {
            // What it fails for, the next attempt meets again.
            drop(cluster.refresh(Topics::NamedOrCreated(&topics)).await);
            sleep(cluster.options().retry_backoff).await;
            Done::Refreshed
        });
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Refreshed => self.refreshing = false,
            Done::ProducerId(Ok(id)) => {
                self.asking_for_id = false;
                self.producer = Some(id);
                self.lanes
                    .values_mut()
                    .for_each(|lane| lane.next_sequence = 0);
            }
            Done::ProducerId(Err(error)) if error.is_retriable() => self.asking_for_id = false,
            Done::ProducerId(Err(ClientError::Unsupported { .. }))
                if self.idempotence == Idempotence::IfPossible =>
            {
                self.asking_for_id = false;
                self.idempotence = Idempotence::Off;
            }
            Done::ProducerId(Err(error)) => {
                self.asking_for_id = false;
                for (partition, lane) in &mut self.lanes {
                    for batch in lane.waiting.drain(..) {
                        batch.settle(partition, Err(error.clone()));
                    }
                }
            }
            Done::Produced(settled) => {
                for (partition, batch, result) in settled {
                    self.settle(partition, batch, result);
                }
            }
        }
    }

    fn settle(
        &mut self,
        partition: TopicPartition,
        mut batch: Batch,
        result: Result<(i64, i64), ClientError>,
    ) {
        let lane = self.lanes.entry(partition.clone()).or_default();
        lane.on_its_way = false;
        let error = match result {
            Ok(acknowledged) => return batch.settle(&partition, Ok(acknowledged)),
            Err(error) => error,
        };
        if error.code() == Some(ErrorCode::MessageTooLarge) && batch.len() > 1 {
            if let Some(sequence) = batch.sequence {
                lane.next_sequence = sequence.base;
            }
            match batch.split() {
                Ok([head, tail]) => {
                    lane.waiting.push_front(tail);
                    lane.waiting.push_front(head);
                }
                Err(whole) => whole.settle(&partition, Err(error)),
            }
            return;
        }
        if error.code() == Some(ErrorCode::UnsupportedForMessageFormat)
            && batch.sequence.is_some()
            && self.options.idempotence == Idempotence::IfPossible
        {
            self.idempotence = Idempotence::Off;
            batch.sequence = None;
            lane.waiting.push_front(batch);
            return;
        }
        let in_time = batch.created + self.options.delivery_timeout > Instant::now();
        if error.is_retriable() && batch.attempts < self.options.retries && in_time {
            if batch.not_before.is_none() {
                tracing::warn!(%partition, %error, "produce request failed, to be repeated");
            }
            // What could not even be sent has all its attempts left.
            if !matches!(error, ClientError::Unreachable { .. }) {
                batch.attempts += 1;
            }
            batch.not_before = Some(Instant::now() + self.cluster.options().retry_backoff);
            lane.waiting.push_front(batch);
            self.refresh(vec![partition.topic]);
            return;
        }
        if batch.sequence.is_some() {
            // What follows would leave a gap in the sequence; a new id begins anew.
            self.producer = None;
        }
        batch.settle(&partition, Err(error));
    }
}

impl Lane {
    /// Gives the batch its place, if it is idempotent and has none yet.
    fn number(&mut self, batch: &mut Batch, producer: Option<(i64, i16)>) {
        if let (None, Some((producer_id, producer_epoch))) = (batch.sequence, producer) {
            batch.sequence = Some(Sequence {
                producer_id,
                producer_epoch,
                base: self.next_sequence,
            });
            let records = i32::try_from(batch.len()).unwrap_or(i32::MAX);
            self.next_sequence = increment_sequence(self.next_sequence, records);
        }
    }
}

fn expired(partition: &TopicPartition, batch: &Batch, options: &ProducerOptions) -> ClientError {
    ClientError::DeadlinePassed {
        what: format!(
            "{} record(s) for {partition} could not be delivered",
            batch.len()
        ),
        timeout: options.delivery_timeout,
    }
}
