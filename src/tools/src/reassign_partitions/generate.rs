//! `--generate`: a proposal.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use ottla_client::Admin;
use ottla_controller::{Candidate, Start};
use ottla_metadata::{BrokerId, TopicPartition};

use super::execute::describe;
use super::plan::{self, duplicates, listed};
use crate::cli;

/// The ids of --broker-list.
pub(super) fn parse_brokers(list: &str) -> Result<BTreeSet<BrokerId>> {
    let mut ids = Vec::new();
    for id in list.split(',') {
        match id.trim().parse() {
            Ok(id) => ids.push(BrokerId(id)),
            Err(_) => bail!("--broker-list {list}: ids are expected"),
        }
    }
    let twice = duplicates(&ids);
    if !twice.is_empty() {
        bail!(
            "Broker list contains duplicate entries: [{}]",
            listed(&twice)
        );
    }
    Ok(ids.into_iter().collect())
}

pub(super) async fn run(
    admin: &Admin,
    topics: &[String],
    brokers: &BTreeSet<BrokerId>,
    rack_aware: bool,
) -> Result<()> {
    let names: BTreeSet<&str> = topics.iter().map(String::as_str).collect();
    let view = describe(admin, &names).await?;
    let mut current = BTreeMap::new();
    for name in &names {
        if let Some(topic) = view.topics.get(*name) {
            for (number, partition) in &topic.partitions {
                let tp = TopicPartition::new(*name, *number);
                current.insert(tp, partition.replicas.clone());
            }
        }
    }
    let nodes = view.brokers.values().filter(|n| brokers.contains(&n.id));
    let candidates: Vec<Candidate> = nodes
        .map(|node| Candidate {
            id: node.id,
            rack: node.rack.clone().filter(|_| rack_aware),
        })
        .collect();
    let rackless = candidates.iter().filter(|c| c.rack.is_none()).count();
    if rack_aware && rackless != 0 && rackless != candidates.len() {
        bail!(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make \
             replica assignment without rack information."
        );
    }
    let proposed = propose(&current, &candidates, || Start {
        index: rand::random_range(0..candidates.len().max(1)),
        shift: rand::random_range(0..candidates.len().max(1)),
    })?;
    cli::print(&format!(
        "Current partition replica assignment\n{}\n\nProposed partition reassignment configuration\n{}\n",
        plan::format(&current)?,
        plan::format(&proposed)?
    ));
    Ok(())
}

/// Each topic anew, with as many replicas as its first partition has.
fn propose(
    current: &BTreeMap<TopicPartition, Vec<BrokerId>>,
    candidates: &[Candidate],
    mut start: impl FnMut() -> Start,
) -> Result<BTreeMap<TopicPartition, Vec<BrokerId>>> {
    let mut topics: BTreeMap<&str, Vec<&Vec<BrokerId>>> = BTreeMap::new();
    for (tp, replicas) in current {
        topics.entry(&tp.topic).or_default().push(replicas);
    }
    let mut proposed = BTreeMap::new();
    for (name, partitions) in topics {
        let factor = partitions.first().map_or(0, |replicas| replicas.len());
        let count = i32::try_from(partitions.len())?;
        if factor > candidates.len() {
            bail!(
                "Replication factor: {factor} larger than available brokers: {}.",
                candidates.len()
            );
        }
        let placed = ottla_controller::place(candidates, count, factor, 0, start())?;
        let placed = placed.into_iter();
        proposed.extend(placed.map(|(number, ids)| (TopicPartition::new(name, number), ids)));
    }
    Ok(proposed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals() {
        let ids = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect::<Vec<_>>();
        let candidates = [5, 6, 7].map(|id| Candidate {
            id: BrokerId(id),
            rack: None,
        });
        let current: BTreeMap<_, _> = [
            (TopicPartition::new("a", 0), ids(&[1, 2])),
            (TopicPartition::new("a", 1), ids(&[2, 3])),
            (TopicPartition::new("b", 0), ids(&[1])),
        ]
        .into();
        let start = || Start { index: 1, shift: 0 };
        let proposed = propose(&current, &candidates, start).unwrap();
        let proposed: Vec<_> = proposed.into_values().collect();
        assert_eq!(proposed, [ids(&[6, 7]), ids(&[7, 5]), ids(&[6])]);
        let error = propose(&current, &candidates[..1], start).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Replication factor: 2 larger than available brokers: 1."
        );
    }

    #[test]
    fn brokers() {
        assert_eq!(parse_brokers("1,0").unwrap().len(), 2);
        for (list, want) in [
            ("1,x", "--broker-list 1,x: ids are expected"),
            ("1,2,1", "Broker list contains duplicate entries: [1]"),
        ] {
            assert_eq!(parse_brokers(list).unwrap_err().to_string(), want);
        }
    }
}
