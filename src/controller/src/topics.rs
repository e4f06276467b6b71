//! Topics that appear, grow and vanish. Whoever wrote the node, the controller only sees the node.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::{TopicName, TopicPartition};

use crate::context::{Partition, Pending, Topic};
use crate::controller::{Active, Step};
use crate::{Action, Read, StoreOutcome, TopicNode, TopicRead};

impl Active {
    /// The names under `/brokers/topics` (`processTopicChange`).
    pub(crate) fn topics_listed(&mut self, step: &mut Step, names: BTreeSet<TopicName>) {
        let vanished: Vec<_> = self
            .context
            .topics
            .iter()
            .filter(|(name, topic)| {
                // While we remove it ourselves, the removal's outcome tells.
                !names.contains(*name) && !topic.deletion.is_some_and(|deletion| deletion.removing)
            })
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for name in vanished {
            self.forget_topic(step, &name);
        }
        let new = names
            .into_iter()
            .filter(|name| !self.context.topics.contains_key(name));
        step.read_topics.extend(new);
    }

    pub(crate) fn topics_read(&mut self, step: &mut Step, reads: Vec<TopicRead>) {
        let mut missing = Vec::new();
        let mut marked = false;
        for read in reads {
            if self.context.marked.contains(&read.topic) {
                match read.node {
                    Read::Found(_) => marked = true,
                    Read::Missing => missing.push(Arc::clone(&read.topic)),
                    Read::Garbled => {}
                }
            }
            self.topic_read(step, read);
        }
        self.remove_marks(step, missing);
        if marked {
            self.deletions_listed(step, self.context.marked.clone());
        }
    }

    /// One topic's node as it is now (`processTopicChange`, `processPartitionModifications`).
    pub(crate) fn topic_read(&mut self, step: &mut Step, read: TopicRead) {
        let node = match read.node {
            Read::Found(node) => node,
            Read::Missing => return self.forget_topic(step, &read.topic),
            Read::Garbled => return,
        };
        let known = self.context.topics.get(&read.topic);
        if known.is_some_and(|topic| topic.deletion.is_some_and(|deletion| deletion.removing)) {
            return;
        }
        let replaced = known
            .is_some_and(|topic| !topic.id.is_zero() && !node.id.is_zero() && topic.id != node.id);
        if replaced {
            self.forget_topic(step, &read.topic);
        }
        match self.context.topics.get_mut(&read.topic) {
            Some(topic) => grow(step, &read.topic, topic, &node),
            None => {
                let topic = Topic::new(&node);
                self.context.topics.insert(Arc::clone(&read.topic), topic);
            }
        }
        let Some(topic) = self.context.topics.get_mut(&read.topic) else {
            return;
        };
        for (number, partition) in &mut topic.partitions {
            if partition.pending == Pending::Checking {
                // The topic is there, only the state node is not.
                partition.pending = Pending::Nothing;
                partition.missing = partition.leadership.is_some();
            }
            step.dirty
                .insert(TopicPartition::new(Arc::clone(&read.topic), *number));
        }
        let landed = match topic.storing {
            // Its outcome tells.
            Some(_) => Vec::new(),
            None => topic.landed(&node),
        };
        topic.awaits_id = self.settings.topic_ids && topic.id.is_zero();
        if topic.awaits_id {
            self.store_topic(step, &read.topic, |node| node.id = read.spare_id);
        } else if node.id != topic.id || node.partitions.len() > topic.partitions.len() {
            // A tool of an old release dropped the id, or added partitions to a topic that is
            // being deleted: the node becomes again what it was.
            self.store_topic(step, &read.topic, |_| {});
        }
        self.assignments_stored(step, &read.topic, landed);
        step.rewrites.insert(read.topic);
    }

    /// Rewrites the topic's node if it does not say yet what it shall.
    pub(crate) fn store_rewrites(&mut self, step: &mut Step, name: &TopicName) {
        let topic = self.context.topics.get(name);
        let waiting = topic.is_some_and(|topic| {
            !topic.awaits_id && topic.partitions.values().any(|p| p.rewrite.is_some())
        });
        if waiting {
            self.store_topic(step, name, |_| {});
        }
    }

    fn store_topic(
        &mut self,
        step: &mut Step,
        name: &TopicName,
        change: impl FnOnce(&mut TopicNode),
    ) {
        let Some(topic) = self.context.topics.get_mut(name) else {
            return;
        };
        if topic.storing.is_some() {
            return;
        }
        let mut node = topic.node();
        change(&mut node);
        topic.storing = Some(node.clone());
        step.actions.push(Action::StoreTopic {
            fence: self.fence,
            topic: Arc::clone(name),
            node,
        });
    }

    /// What became of a topic node's write.
    pub(crate) fn topic_stored(
        &mut self,
        step: &mut Step,
        name: &TopicName,
        outcome: StoreOutcome,
    ) {
        let Some(topic) = self.context.topics.get_mut(name) else {
            return;
        };
        let Some(node) = topic.storing.take() else {
            return;
        };
        match outcome {
            StoreOutcome::Stored(version) => {
                topic.version = version;
                topic.id = node.id;
                topic.awaits_id = false;
                let landed = topic.landed(&node);
                let numbers = topic.partitions.keys();
                step.dirty
                    .extend(numbers.map(|number| TopicPartition::new(Arc::clone(name), *number)));
                self.assignments_stored(step, name, landed);
                step.rewrites.insert(Arc::clone(name));
            }
            StoreOutcome::Conflict | StoreOutcome::Unknown => {
                step.read_topics.insert(Arc::clone(name));
            }
            StoreOutcome::Refused => self.refuse_reassignments(step, name),
        }
    }

    /// Drops a topic from the context. If its node went without our doing, brokers hear that it is
    /// gone; their logs stay.
    pub(crate) fn forget_topic(&mut self, step: &mut Step, name: &TopicName) {
        let Some(topic) = self.context.topics.remove(name) else {
            return;
        };
        self.forget_reassignments(step, name);
        for number in topic.partitions.keys() {
            let tp = TopicPartition::new(Arc::clone(name), *number);
            for gone in self.context.offline_dirs.values_mut() {
                gone.remove(&tp);
            }
            if !topic.is_gone() {
                step.batch.forget(tp, topic.id);
            }
        }
        if self.context.marked.contains(name) {
            // The mark was for the topic that is gone, not for one that may take its name.
            self.remove_marks(step, vec![Arc::clone(name)]);
        }
    }
}

/// Takes over what somebody changed in the node of a known topic: its version, an id where there was
/// none, and new partitions, unless the topic is being deleted.
fn grow(step: &mut Step, name: &TopicName, topic: &mut Topic, node: &TopicNode) {
    topic.version = node.version;
    if topic.id.is_zero() {
        topic.id = node.id;
        if !node.id.is_zero() {
            topic.storing = None;
        }
    }
    if topic.deletion.is_some() {
        return;
    }
    for (number, assignment) in &node.partitions {
        if !topic.partitions.contains_key(number) {
            topic
                .partitions
                .insert(*number, Partition::new(assignment.clone()));
            step.dirty
                .insert(TopicPartition::new(Arc::clone(name), *number));
        }
    }
}
