//! What operators do, all the time: partitions move between brokers, leaders are elected, topics
//! come and go. None of it has to succeed; none of it may cost a record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ottla_client::{Admin, ClientError, Cluster, ElectionType, NewTopic};
use ottla_metadata::BrokerId;
use ottla_protocol::StrBytes;
use ottla_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use ottla_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use ottla_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use ottla_protocol::messages::{AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest};
use tokio::runtime::Handle;

use super::schedule::Random;

/// The thread that does it.
pub(super) struct Churn {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeMap<&'static str, usize>>,
}

impl Churn {
    /// Begins. Has to be called within a runtime.
    pub(super) fn start(
        client: Cluster,
        topic: &str,
        partitions: i32,
        brokers: i32,
        seed: u64,
    ) -> Churn {
        let stop = Arc::new(AtomicBool::new(false));
        let operator = Operator {
            admin: Admin::new(client),
            topic: topic.to_owned(),
            partitions,
            brokers,
            random: Random::new(seed),
            done: BTreeMap::new(),
        };
        let (runtime, stopped) = (Handle::current(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || runtime.block_on(operator.run(stopped)));
        Churn { stop, thread }
    }

    /// Ends, and waits until all reassignments are through. Answers what was done how often.
    ///
    /// # Errors
    /// They are not through within `bound`.
    pub(super) async fn finish(self, client: Cluster, bound: Duration) -> Result<String, String> {
        self.stop.store(true, Ordering::Relaxed);
        let done = self.thread.join().map_err(|_| "the operator panicked")?;
        let admin = Admin::new(client);
        let start = Instant::now();
        loop {
            let left = admin.list_reassignments().await;
            match left {
                Ok(left) if left.is_empty() => return Ok(format!("{done:?}")),
                left if start.elapsed() > bound => {
                    return Err(format!("reassignments do not end: {left:?}"));
                }
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

struct Operator {
    admin: Admin,
    topic: String,
    partitions: i32,
    brokers: i32,
    random: Random,
    done: BTreeMap<&'static str, usize>,
}

impl Operator {
    async fn run(mut self, stop: Arc<AtomicBool>) -> BTreeMap<&'static str, usize> {
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            let (what, result) = match self.random.below(7) {
                5 | 6 => ("moves", self.move_to_another_directory().await),
                0..=2 => ("reassignments", self.reassign().await),
                3 => ("elections", self.elect().await),
                _ => ("topics", self.topic_comes_and_goes(number).await),
            };
            if result.is_ok() {
                *self.done.entry(what).or_default() += 1;
            }
            let pause = 300 + self.random.below(1500);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        self.done
    }

    /// Three brokers by lot get a partition.
    async fn reassign(&mut self) -> Result<(), ClientError> {
        let mut brokers: Vec<i32> = (0..self.brokers).collect();
        for at in (1..brokers.len()).rev() {
            brokers.swap(at, self.random.below(at as u64 + 1) as usize);
        }
        brokers.truncate(3);
        let partition = self.random.below(u64::from(self.partitions.unsigned_abs())) as i32;
        let partition = ReassignablePartition::default()
            .with_partition_index(partition)
            .with_replicas(Some(brokers.into_iter().map(Into::into).collect()));
        let topic = ReassignableTopic::default()
            .with_name(StrBytes::from_string(self.topic.clone()).into())
            .with_partitions(vec![partition]);
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(5000)
            .with_topics(vec![topic]);
        let controller = self.admin.cluster().controller().await?;
        let response = controller.call(&request).await?;
        ClientError::check(response.error_code, None)?;
        let partition = response
            .responses
            .first()
            .and_then(|t| t.partitions.first());
        ClientError::check(partition.map_or(0, |p| p.error_code), None)
    }

    /// A replica goes to another directory of its broker (KIP-113).
    async fn move_to_another_directory(&mut self) -> Result<(), ClientError> {
        let broker = BrokerId(self.random.below(u64::from(self.brokers.unsigned_abs())) as i32);
        let partition = self.random.below(u64::from(self.partitions.unsigned_abs())) as i32;
        let dirs = self.admin.describe_log_dirs(broker, None).await?;
        let there = |dir: &DescribeLogDirsResult| {
            dir.topics.iter().any(|topic| {
                let mut partitions = topic.partitions.iter();
                topic.name.as_str() == self.topic
                    && partitions.any(|p| p.partition_index == partition)
            })
        };
        let Some(other) = dirs.iter().find(|dir| !there(dir)) else {
            return Ok(());
        };
        let name = StrBytes::from_string(self.topic.clone());
        let topic = AlterReplicaLogDirTopic::default()
            .with_name(name.into())
            .with_partitions(vec![partition]);
        let dir = AlterReplicaLogDir::default()
            .with_path(other.log_dir.clone())
            .with_topics(vec![topic]);
        let request = AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]);
        let connection = self.admin.cluster().broker(broker).await?;
        let response = connection.call(&request).await?;
        let result = response.results.first().and_then(|t| t.partitions.first());
        ClientError::check(result.map_or(0, |p| p.error_code), None)
    }

    async fn elect(&mut self) -> Result<(), ClientError> {
        let elected = self
            .admin
            .elect_leaders(ElectionType::Preferred, None)
            .await;
        elected.map(drop)
    }

    async fn topic_comes_and_goes(&mut self, number: u32) -> Result<(), ClientError> {
        let first = self.random.below(u64::from(self.brokers.unsigned_abs())) as i32;
        let replicas = (0..3).map(|n| BrokerId((first + n) % self.brokers));
        let topic = NewTopic {
            name: format!("passing-{number}"),
            partitions: None,
            replication_factor: None,
            assignment: BTreeMap::from([(0, replicas.collect())]),
            configs: BTreeMap::new(),
        };
        self.admin.create_topic(&topic, false).await?;
        self.admin.delete_topic(&topic.name).await
    }
}
