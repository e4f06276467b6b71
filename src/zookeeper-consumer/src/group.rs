//! What all members of a group compute their shares from.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::TopicName;
use ottla_zk::znode::Subscription;

use crate::assignment::ConsumerThread;
use crate::filter::{BadFilter, TopicFilter};

/// A group and its topics at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupView {
    /// Every topic that a member wants, with the number of streams in which it wants it, by the
    /// member's id.
    pub(crate) members: BTreeMap<String, BTreeMap<TopicName, i32>>,
    /// The partitions of these topics. A topic that does not exist has none.
    pub(crate) partitions: BTreeMap<TopicName, BTreeSet<i32>>,
}

impl GroupView {
    /// A group whose members have these subscriptions, in a cluster with these topics.
    ///
    /// # Errors
    /// The pattern of a member, of which nobody can know then what it reads.
    pub fn new(
        subscriptions: &BTreeMap<String, Subscription>,
        existing: &BTreeSet<TopicName>,
    ) -> Result<GroupView, BadFilter> {
        let mut members = BTreeMap::new();
        for (consumer, subscription) in subscriptions {
            members.insert(consumer.clone(), topics(subscription, existing)?);
        }
        Ok(GroupView {
            members,
            partitions: BTreeMap::new(),
        })
    }

    /// The topics whose partitions count.
    pub fn topics(&self) -> BTreeSet<TopicName> {
        let topics = self.members.values().flat_map(|topics| topics.keys());
        topics.cloned().collect()
    }

    /// Adds the partitions of a topic.
    pub fn add_partitions(&mut self, topic: TopicName, partitions: impl IntoIterator<Item = i32>) {
        let known = self.partitions.entry(topic).or_default();
        known.extend(partitions);
    }

    /// The threads that read each topic, in their order.
    pub(crate) fn threads_by_topic(&self) -> BTreeMap<TopicName, Vec<ConsumerThread>> {
        let mut threads: BTreeMap<TopicName, Vec<ConsumerThread>> = BTreeMap::new();
        for (consumer, topics) in &self.members {
            for (topic, streams) in topics {
                let of_topic = threads.entry(topic.clone()).or_default();
                of_topic.extend((0..*streams).map(|thread| ConsumerThread {
                    consumer: consumer.clone(),
                    thread,
                }));
            }
        }
        for of_topic in threads.values_mut() {
            of_topic.sort_by_cached_key(ConsumerThread::sort_key);
        }
        threads
    }
}

fn topics(
    subscription: &Subscription,
    existing: &BTreeSet<TopicName>,
) -> Result<BTreeMap<TopicName, i32>, BadFilter> {
    let filter = TopicFilter::of(subscription)?;
    Ok(match (subscription, filter) {
        (
            Subscription::WhiteList { streams, .. } | Subscription::BlackList { streams, .. },
            Some(filter),
        ) => {
            let wanted = existing.iter().filter(|topic| filter.allows(topic));
            wanted.map(|topic| (topic.clone(), *streams)).collect()
        }
        (Subscription::WhiteList { .. } | Subscription::BlackList { .. }, None) => BTreeMap::new(),
        (Subscription::Static(topics), _) => topics
            .iter()
            .map(|(topic, streams)| (TopicName::from(topic.as_str()), *streams))
            .collect(),
    })
}
