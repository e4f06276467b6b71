//! The image of the cluster, from UpdateMetadata (`ZkMetadataCache.updateMetadata`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_controller::{PartitionUpdate, UpdateMetadata};
use ottla_metadata::{ClusterImage, TopicImage, TopicName};

/// The image after `request`, and the topics that it says are deleted.
///
/// The set of brokers is replaced; partitions are merged. A topic goes with its last partition, and
/// a complete request drops whatever it does not name. What is merely not named is not known to be
/// deleted, since a controller passes over znodes that it cannot read: nobody may take it for the
/// end of the topic's offsets and configuration.
pub(crate) fn apply(
    image: &ClusterImage,
    request: &UpdateMetadata,
) -> (ClusterImage, Vec<TopicName>) {
    let mut next = image.clone();
    next.controller = Some(request.sender.controller);
    next.brokers = request
        .brokers
        .iter()
        .map(|broker| (broker.id, Arc::clone(broker)))
        .collect();
    let mut by_topic: BTreeMap<&TopicName, Vec<&PartitionUpdate>> = BTreeMap::new();
    for update in request.partitions.iter() {
        by_topic
            .entry(&update.partition.topic)
            .or_default()
            .push(update);
    }
    let mut removed = Vec::new();
    if request.complete {
        let stale: Vec<TopicName> = next
            .topics
            .keys()
            .filter(|name| !by_topic.contains_key(name))
            .cloned()
            .collect();
        for name in stale {
            next.remove_topic(&name);
        }
    }
    for (name, updates) in by_topic {
        if !merge(&mut next, name, &updates, request.complete) {
            removed.push(Arc::clone(name));
        }
    }
    (next, removed)
}

/// Merges one topic's changes; false if that removed the topic.
fn merge(
    image: &mut ClusterImage,
    name: &TopicName,
    updates: &[&PartitionUpdate],
    complete: bool,
) -> bool {
    let old = image.topic(name);
    let was_there = old.is_some();
    // Another topic of that name, whose predecessor's end we have missed, inherits nothing.
    let successor = |old: &TopicImage| {
        let told = updates.iter().filter(|update| update.image.is_some());
        let mut ids = told.map(|update| update.topic_id);
        ids.any(|id| !id.is_zero() && !old.id.is_zero() && id != old.id)
    };
    let mut topic = match old {
        Some(topic) if !successor(topic) => TopicImage::clone(topic),
        Some(_) | None => TopicImage {
            name: Arc::clone(name),
            id: ottla_metadata::TopicId::ZERO,
            partitions: BTreeMap::new(),
        },
    };
    let mut named = BTreeSet::new();
    for update in updates {
        let number = update.partition.partition;
        match &update.image {
            Some(partition) => {
                topic.id = update.topic_id;
                topic.partitions.insert(number, partition.clone());
                named.insert(number);
            }
            None => {
                topic.partitions.remove(&number);
            }
        }
    }
    if complete {
        topic.partitions.retain(|number, _| named.contains(number));
    }
    if topic.partitions.is_empty() {
        image.remove_topic(name);
        return !was_there;
    }
    image.put_topic(topic);
    true
}

#[cfg(test)]
mod tests {
    use ottla_controller::Sender;
    use ottla_metadata::{BrokerId, BrokerInfo, PartitionImage, TopicId, TopicPartition};

    use super::*;

    fn request(partitions: &[(&str, i32, Option<i32>)], complete: bool) -> UpdateMetadata {
        let update = |(topic, number, leader): &(&str, i32, Option<i32>)| PartitionUpdate {
            partition: TopicPartition::new(*topic, *number),
            topic_id: TopicId([1; 16]),
            image: leader.map(|leader| PartitionImage {
                replicas: vec![],
                isr: vec![],
                leader: Some(BrokerId(leader)),
                leader_epoch: 0,
                controller_epoch: 1,
                partition_epoch: 0,
                offline_replicas: vec![],
            }),
        };
        UpdateMetadata {
            sender: Sender {
                controller: BrokerId(1),
                controller_epoch: 1,
                broker_epoch: 1,
            },
            brokers: vec![Arc::new(BrokerInfo {
                id: BrokerId(1),
                epoch: 1,
                endpoints: vec![],
                rack: None,
            })],
            partitions: partitions.iter().map(update).collect(),
            complete,
        }
    }

    /// Applies the requests in turn; `want` are the partitions left, `gone` what the last removed.
    fn check(requests: &[UpdateMetadata], want: &[&str], gone: &[&str]) {
        let mut image = ClusterImage::default();
        let mut removed = Vec::new();
        for request in requests {
            (image, removed) = apply(&image, request);
        }
        let partitions: Vec<String> = image
            .topics
            .values()
            .flat_map(|topic| {
                topic
                    .partitions
                    .keys()
                    .map(|p| format!("{}-{p}", topic.name))
            })
            .collect();
        assert_eq!(partitions, want);
        assert_eq!(removed.iter().map(|name| &**name).collect::<Vec<_>>(), gone);
        assert_eq!(image.controller, Some(BrokerId(1)));
        assert!(image.brokers.contains_key(&BrokerId(1)));
    }

    #[test]
    fn updates_are_merged() {
        let ab = request(
            &[("a", 0, Some(1)), ("a", 1, Some(1)), ("b", 0, Some(1))],
            false,
        );
        check(std::slice::from_ref(&ab), &["a-0", "a-1", "b-0"], &[]);
        check(
            &[ab.clone(), request(&[], false)],
            &["a-0", "a-1", "b-0"],
            &[],
        );
        check(
            &[ab.clone(), request(&[("a", 0, None)], false)],
            &["a-1", "b-0"],
            &[],
        );
        let gone = request(&[("a", 0, None), ("a", 1, None)], false);
        check(&[ab.clone(), gone.clone()], &["b-0"], &["a"]);
        check(&[gone], &[], &[]);
        check(
            &[ab.clone(), request(&[("a", 0, Some(2))], true)],
            &["a-0"],
            &[],
        );
        check(&[ab.clone(), request(&[], true)], &[], &[]);
        let mut again = request(&[("a", 0, Some(1))], false);
        again.partitions = again
            .partitions
            .iter()
            .map(|update| PartitionUpdate {
                topic_id: TopicId([2; 16]),
                ..update.clone()
            })
            .collect();
        check(&[ab, again], &["a-0", "b-0"], &[]);
    }
}
