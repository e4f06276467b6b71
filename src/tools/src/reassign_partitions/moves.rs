//! Moves between the log directories of a broker (KIP-113).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use ottla_client::Admin;
use ottla_metadata::{BrokerId, TopicPartition};
use ottla_protocol::ErrorCode;
use tokio::time::{Instant, sleep};

use super::plan::Replica;
use super::{Terse, words};
use crate::cli;

/// The pause before a replica is looked for again that is not on its broker yet.
const PAUSE: Duration = Duration::from_millis(100);

/// Where a replica is, and where it is going.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Whereabouts {
    pub(super) current: Option<String>,
    pub(super) future: Option<String>,
}

/// Where these replicas are.
pub(super) async fn find(
    admin: &Admin,
    replicas: &BTreeMap<Replica, String>,
) -> Result<BTreeMap<Replica, Whereabouts>> {
    let mut brokers: BTreeMap<BrokerId, BTreeMap<String, Vec<i32>>> = BTreeMap::new();
    for replica in replicas.keys() {
        let topics = brokers.entry(replica.broker).or_default();
        let numbers = topics.entry(replica.partition.topic.to_string());
        numbers.or_default().push(replica.partition.partition);
    }
    let mut found: BTreeMap<Replica, Whereabouts> = replicas
        .keys()
        .map(|replica| (replica.clone(), Whereabouts::default()))
        .collect();
    for (broker, topics) in brokers {
        for dir in admin.describe_log_dirs(broker, Some(&topics)).await? {
            for topic in &dir.topics {
                for partition in &topic.partitions {
                    let name = topic.name.as_str();
                    let partition_name = TopicPartition::new(name, partition.partition_index);
                    let replica = Replica {
                        broker,
                        partition: partition_name,
                    };
                    if let Some(known) = found.get_mut(&replica) {
                        let path = Some(dir.log_dir.to_string());
                        match partition.is_future_key {
                            true => known.future = path,
                            false => known.current = path,
                        }
                    }
                }
            }
        }
    }
    Ok(found)
}

/// Begins moves. A replica may have to come to its broker first.
pub(super) async fn begin(
    admin: &Admin,
    wanted: &BTreeMap<Replica, String>,
    timeout: Duration,
) -> Result<()> {
    let deadline = Instant::now() + timeout;
    let mut pending = wanted.clone();
    loop {
        for replica in ask(admin, &pending).await? {
            if let Some(dir) = pending.remove(&replica) {
                cli::print(&format!(
                    "Successfully started moving log directory to {dir} for replica {} with broker {} \n",
                    replica.partition, replica.broker
                ));
            }
        }
        if pending.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let left: Vec<_> = pending.keys().map(ToString::to_string).collect();
            bail!(Terse(format!(
                "Timed out before log directory move{} could be started for: {}",
                if left.len() == 1 { "" } else { "s" },
                left.join(",")
            )));
        }
        sleep(PAUSE).await;
    }
}

/// The replicas that their brokers are moving now.
async fn ask(admin: &Admin, wanted: &BTreeMap<Replica, String>) -> Result<BTreeSet<Replica>> {
    let mut brokers: BTreeMap<BrokerId, BTreeMap<TopicPartition, String>> = BTreeMap::new();
    for (replica, dir) in wanted {
        let dirs = brokers.entry(replica.broker).or_default();
        dirs.insert(replica.partition.clone(), dir.clone());
    }
    let mut begun = BTreeSet::new();
    for (broker, dirs) in brokers {
        for (partition, result) in admin.alter_replica_log_dirs(broker, &dirs).await? {
            let replica = Replica { broker, partition };
            match result {
                Ok(()) => _ = begun.insert(replica),
                Err(error) if error.code() == Some(ErrorCode::ReplicaNotAvailable) => {}
                Err(error) => {
                    let words = words(&error);
                    return Err(anyhow!("Failed to alter dir for {replica}: {words}"));
                }
            }
        }
    }
    Ok(begun)
}
