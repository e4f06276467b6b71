//! Which partitions are meant, and their offsets.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow};
use ottla_client::{Cluster, ClusterView, Isolation, OffsetSpec, Topics};
use ottla_metadata::{TopicName, TopicPartition};

/// An argument of --topic: a topic with all its partitions, or some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TopicArg {
    Whole(TopicName),
    Some(Vec<TopicPartition>),
}

impl TopicArg {
    pub(super) fn parse(text: &str) -> Result<TopicArg> {
        let Some((topic, list)) = text.split_once(':') else {
            return Ok(TopicArg::Whole(TopicName::from(text)));
        };
        if topic.is_empty() || list.is_empty() || list.contains(':') {
            return Err(crate::cli::usage(format!(
                "Invalid topic arg '{text}', expected topic name and partitions"
            )));
        }
        let partition = |number: &str| {
            let number = number.parse().map_err(|_| {
                crate::cli::usage(format!(
                    "Invalid partition '{number}' specified in topic arg '{text}'"
                ))
            })?;
            Ok(TopicPartition::new(topic, number))
        };
        let partitions = list.split(',').map(partition).collect::<Result<_>>()?;
        Ok(TopicArg::Some(partitions))
    }
}

/// What the cluster knows of these topics; of those that do not exist, nothing.
pub(super) async fn topics(
    cluster: &Cluster,
    names: &BTreeSet<TopicName>,
) -> Result<std::sync::Arc<ClusterView>> {
    let names: Vec<TopicName> = names.iter().cloned().collect();
    let wanted = if names.is_empty() {
        Topics::None
    } else {
        Topics::Named(&names)
    };
    Ok(cluster
        .retry(async || cluster.refresh(wanted).await)
        .await?)
}

fn exists(view: &ClusterView, partition: &TopicPartition) -> bool {
    view.topics
        .get(&partition.topic)
        .is_some_and(|t| t.partitions.contains_key(&partition.partition))
}

/// These offsets, of every partition.
///
/// # Errors
/// The first partition's for which there is none, be it because it does not exist.
pub(super) async fn offsets(
    cluster: &Cluster,
    partitions: &BTreeSet<TopicPartition>,
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, i64>> {
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names = partitions.iter().map(|p| p.topic.clone()).collect();
    let view = topics(cluster, &names).await?;
    // Those that do not exist would be waited for.
    if let Some(unknown) = partitions.iter().find(|p| !exists(&view, p)) {
        return Err(anyhow!("{unknown}: there is no such partition"));
    }
    let wanted = partitions.iter().map(|p| (p.clone(), spec)).collect();
    let mut offsets = BTreeMap::new();
    let found = cluster
        .list_offsets(&wanted, Isolation::ReadUncommitted)
        .await;
    for (partition, answer) in found {
        let found = answer.map_err(|error| anyhow!("{partition}: {error}"))?;
        offsets.insert(partition, found.offset);
    }
    Ok(offsets)
}

/// The ends of those partitions that exist and have a leader.
pub(super) async fn known_ends(
    cluster: &Cluster,
    partitions: &BTreeSet<TopicPartition>,
) -> Result<BTreeMap<TopicPartition, i64>> {
    let names = partitions.iter().map(|p| p.topic.clone()).collect();
    let view = topics(cluster, &names).await?;
    let wanted: BTreeMap<_, _> = partitions
        .iter()
        .filter(|p| view.leader(&p.topic, p.partition).is_some())
        .map(|p| (p.clone(), OffsetSpec::Latest))
        .collect();
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = cluster
        .list_offsets(&wanted, Isolation::ReadUncommitted)
        .await;
    let mut ends = BTreeMap::new();
    for (partition, answer) in found {
        match answer {
            Ok(found) => drop(ends.insert(partition, found.offset)),
            Err(error) => eprintln!("{partition}: the end is unknown: {error}"),
        }
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_arguments() {
        let check = |text: &str, expected: Option<TopicArg>| {
            assert_eq!(TopicArg::parse(text).ok(), expected, "{text}");
        };
        let some = |list: &[i32]| {
            let partitions = list.iter().map(|p| TopicPartition::new("t", *p));
            Some(TopicArg::Some(partitions.collect()))
        };
        check("t", Some(TopicArg::Whole(TopicName::from("t"))));
        check("t:0", some(&[0]));
        check("t:0,12,3", some(&[0, 12, 3]));
        check("t:", None);
        check(":1", None);
        check("t:1:2", None);
        check("t:a", None);
        check("t:1,,2", None);
    }
}
