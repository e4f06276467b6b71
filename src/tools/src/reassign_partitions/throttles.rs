//! Throttles of what moves: which replicas on topics, how much on brokers (KIP-73, KIP-113).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use ottla_client::{Admin, AlterOp, ConfigResource, ResourceType, Topics};
use ottla_metadata::{BrokerId, TopicPartition};
use ottla_protocol::messages::list_partition_reassignments_response::OngoingPartitionReassignment;

use super::plan::Plan;
use crate::cli;
use crate::table::comma_list;

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const LOG_DIR_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADERS: &str = "leader.replication.throttled.replicas";
const FOLLOWERS: &str = "follower.replication.throttled.replicas";

/// Who sends and who receives the records of one partition.
#[derive(Clone, Debug, Default, PartialEq)]
struct Move {
    from: BTreeSet<BrokerId>,
    to: BTreeSet<BrokerId>,
}

/// All moves, by topic and partition.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Moves(BTreeMap<TopicPartition, Move>);

impl Moves {
    /// What is under way and what is to come.
    pub(super) fn new(
        under_way: &BTreeMap<TopicPartition, OngoingPartitionReassignment>,
        proposed: &BTreeMap<TopicPartition, Vec<BrokerId>>,
        current: &BTreeMap<TopicPartition, Vec<BrokerId>>,
    ) -> Result<Moves> {
        let mut moves = BTreeMap::new();
        for (tp, reassignment) in under_way {
            let ids = |ids: &[ottla_protocol::messages::BrokerId]| -> BTreeSet<BrokerId> {
                ids.iter().map(|id| BrokerId(id.0)).collect()
            };
            let to = ids(&reassignment.adding_replicas);
            let from = ids(&reassignment.replicas)
                .difference(&to)
                .copied()
                .collect();
            moves.insert(tp.clone(), Move { from, to });
        }
        for (tp, replicas) in proposed {
            let from = match (moves.get(tp), current.get(tp)) {
                (Some(known), _) => known.from.clone(),
                (None, Some(replicas)) => replicas.iter().copied().collect(),
                (None, None) => bail!("Trying to reassign a topic partition {tp} with 0 replicas"),
            };
            let to = replicas.iter().copied().filter(|id| !from.contains(id));
            let to = to.collect();
            moves.insert(tp.clone(), Move { from, to });
        }
        Ok(Moves(moves))
    }

    /// `partition:broker` lists of each topic, of those who send or of those who receive, in the
    /// order of their texts.
    fn replicas(&self, of: fn(&Move) -> &BTreeSet<BrokerId>) -> BTreeMap<&str, String> {
        let mut topics: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (tp, moving) in &self.0 {
            let listed = of(moving).iter().map(|id| format!("{}:{id}", tp.partition));
            topics.entry(&tp.topic).or_default().extend(listed);
        }
        let joined = |(topic, listed): (_, BTreeSet<String>)| {
            (topic, listed.into_iter().collect::<Vec<_>>().join(","))
        };
        topics.into_iter().map(joined).collect()
    }

    fn brokers(&self) -> BTreeSet<BrokerId> {
        let moves = self.0.values();
        moves
            .flat_map(|m| m.from.iter().chain(&m.to))
            .copied()
            .collect()
    }
}

/// Throttles replicas that move between brokers.
pub(super) async fn limit_moves(admin: &Admin, moves: &Moves, rate: i64) -> Result<()> {
    let mut followers = moves.replicas(|moving| &moving.to);
    for (topic, leaders) in moves.replicas(|moving| &moving.from) {
        let followers = followers.remove(topic).unwrap_or_default();
        let changes = [
            (LEADERS.to_owned(), AlterOp::Set(leaders)),
            (FOLLOWERS.to_owned(), AlterOp::Set(followers)),
        ];
        alter(admin, ResourceType::Topic, topic, changes.into()).await?;
    }
    set_rates(admin, &moves.brokers(), &[LEADER_RATE, FOLLOWER_RATE], rate).await?;
    cli::print(&format!(
        "The inter-broker throttle limit was set to {rate} B/s\n"
    ));
    Ok(())
}

/// Throttles replicas that move between the log directories of these brokers.
pub(super) async fn limit_log_dirs(
    admin: &Admin,
    brokers: &BTreeSet<BrokerId>,
    rate: i64,
) -> Result<()> {
    set_rates(admin, brokers, &[LOG_DIR_RATE], rate).await?;
    cli::print(&format!(
        "The replica-alter-dir throttle limit was set to {rate} B/s\n"
    ));
    Ok(())
}

/// Removes the throttles of all brokers and of the plan's topics: who took part in earlier
/// reassignments is not known.
pub(super) async fn clear(admin: &Admin, plan: &Plan) -> Result<()> {
    let cluster = admin.cluster();
    let view = cluster
        .retry(async || cluster.refresh(Topics::None).await)
        .await?;
    let named = plan.partitions.iter().flat_map(|(_, ids)| ids);
    let brokers: BTreeSet<BrokerId> = view.brokers.keys().chain(named).copied().collect();
    let listed: Vec<BrokerId> = brokers.iter().copied().collect();
    cli::print(&format!(
        "Clearing broker-level throttles on broker{} {}\n",
        if brokers.len() == 1 { "" } else { "s" },
        comma_list(&listed)
    ));
    let delete = |keys: &[&str]| -> BTreeMap<String, AlterOp> {
        let delete = |key: &&str| ((*key).to_owned(), AlterOp::Delete);
        keys.iter().map(delete).collect()
    };
    for id in brokers {
        let changes = delete(&[LEADER_RATE, FOLLOWER_RATE, LOG_DIR_RATE]);
        alter(admin, ResourceType::Broker, &id.to_string(), changes).await?;
    }
    let topics: BTreeSet<&str> = plan.partitions.iter().map(|(tp, _)| &*tp.topic).collect();
    let listed: Vec<&str> = topics.iter().copied().collect();
    cli::print(&format!(
        "Clearing topic-level throttles on topic{} {}\n",
        if topics.len() == 1 { "" } else { "s" },
        listed.join(",")
    ));
    for topic in topics {
        alter(
            admin,
            ResourceType::Topic,
            topic,
            delete(&[LEADERS, FOLLOWERS]),
        )
        .await?;
    }
    Ok(())
}

async fn set_rates(
    admin: &Admin,
    brokers: &BTreeSet<BrokerId>,
    keys: &[&str],
    rate: i64,
) -> Result<()> {
    for id in brokers {
        let set = |key: &&str| ((*key).to_owned(), AlterOp::Set(rate.to_string()));
        let changes = keys.iter().map(set).collect();
        alter(admin, ResourceType::Broker, &id.to_string(), changes).await?;
    }
    Ok(())
}

async fn alter(
    admin: &Admin,
    kind: ResourceType,
    name: &str,
    changes: BTreeMap<String, AlterOp>,
) -> Result<()> {
    let name = name.to_owned();
    let resource = ConfigResource { kind, name };
    Ok(admin.alter_configs(&resource, &changes).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves() {
        let ids = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect::<Vec<_>>();
        let tp = |number| TopicPartition::new("t", number);
        let wire = |ids: &[i32]| ids.iter().map(|id| (*id).into()).collect();
        let under_way = OngoingPartitionReassignment::default()
            .with_replicas(wire(&[3, 1]))
            .with_adding_replicas(wire(&[3]));
        let moves = Moves::new(
            &[
                (tp(0), under_way.clone()),
                (TopicPartition::new("u", 0), under_way),
            ]
            .into(),
            &[
                (tp(0), ids(&[4, 1])),
                (tp(10), ids(&[1, 5])),
                (tp(2), ids(&[1])),
            ]
            .into(),
            &[
                (tp(0), ids(&[3, 1])),
                (tp(10), ids(&[1, 2])),
                (tp(2), ids(&[1])),
            ]
            .into(),
        )
        .unwrap();
        let leaders = moves.replicas(|moving| &moving.from);
        assert_eq!(leaders["t"], "0:1,10:1,10:2,2:1");
        assert_eq!(leaders["u"], "0:1");
        let followers = moves.replicas(|moving| &moving.to);
        assert_eq!(followers["t"], "0:4,10:5");
        assert_eq!(followers["u"], "0:3");
        assert_eq!(
            moves.brokers().into_iter().collect::<Vec<_>>(),
            ids(&[1, 2, 3, 4, 5])
        );
        let missing = Moves::new(&[].into(), &[(tp(7), ids(&[1]))].into(), &[].into());
        assert!(missing.is_err());
    }
}
