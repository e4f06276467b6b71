//! What `kafka-topics --describe` prints through a broker.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Filters;
use crate::cli;
use crate::table::comma_list;

/// A topic and its partitions.
#[derive(Debug)]
pub(super) struct TopicLine {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) configs: Vec<(String, String)>,
    pub(super) partitions: Vec<PartitionLine>,
    pub(super) min_isr: usize,
    pub(super) marked_for_deletion: bool,
}

/// A partition.
#[derive(Debug)]
pub(super) struct PartitionLine {
    pub(super) partition: i32,
    pub(super) leader: Option<i32>,
    pub(super) replicas: Vec<i32>,
    pub(super) isr: Vec<i32>,
    /// Set while it is being reassigned.
    pub(super) adding: Option<Vec<i32>>,
    pub(super) removing: Option<Vec<i32>>,
}

impl PartitionLine {
    /// The replicas that the partition is to have apart from those that a reassignment brings.
    fn replication_factor(&self) -> usize {
        let moving = |ids: &Option<Vec<i32>>| ids.clone().unwrap_or_default();
        let adding = moving(&self.adding);
        let changing = adding
            .iter()
            .chain(&moving(&self.removing))
            .copied()
            .collect::<BTreeSet<_>>();
        if self.replicas.iter().any(|id| changing.contains(id)) {
            self.replicas.len().saturating_sub(adding.len())
        } else {
            self.replicas.len()
        }
    }

    fn is_wanted(&self, filters: Filters, min_isr: usize, live: &BTreeSet<i32>) -> bool {
        let isr = self.isr.len();
        let led = self.leader.is_some_and(|id| live.contains(&id));
        !filters.partitions_only()
            || (filters.under_replicated && isr < self.replication_factor())
            || (filters.unavailable && !led)
            || (filters.under_min_isr && (self.leader.is_none() || isr < min_isr))
            || (filters.at_min_isr && isr == min_isr)
    }

    fn text(&self, topic: &str) -> String {
        let leader = self.leader.map_or("none".to_owned(), |id| id.to_string());
        let mut line = format!(
            "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
            self.partition,
            comma_list(&self.replicas),
            comma_list(&self.isr)
        );
        if let (Some(adding), Some(removing)) = (&self.adding, &self.removing) {
            line.push_str(&format!(
                "\tAdding Replicas: {}\tRemoving Replicas: {}",
                comma_list(adding),
                comma_list(removing)
            ));
        }
        line.push_str("\tElr: N/A\tLastKnownElr: N/A\n");
        line
    }
}

pub(super) fn print(topics: &[TopicLine], filters: Filters, live: &BTreeSet<i32>, as_json: bool) {
    let mut text = String::new();
    let mut values = Vec::new();
    for topic in topics {
        let partitions: Vec<&PartitionLine> = topic
            .partitions
            .iter()
            .filter(|p| p.is_wanted(filters, topic.min_isr, live))
            .collect();
        let without_overrides = filters.with_overrides && topic.configs.is_empty();
        let empty = filters.partitions_only() && partitions.is_empty();
        if as_json && !without_overrides && !empty {
            values.push(topic_json(topic, &partitions));
        }
        if !filters.partitions_only() && !without_overrides {
            text.push_str(&topic_text(topic));
        }
        if !filters.with_overrides {
            text.extend(partitions.iter().map(|p| p.text(&topic.name)));
        }
    }
    if as_json {
        cli::print_json(&Value::Array(values));
    } else {
        cli::print(&text);
    }
}

fn topic_text(topic: &TopicLine) -> String {
    let id = topic
        .id
        .as_ref()
        .map_or(String::new(), |id| format!("\tTopicId: {id}"));
    let configs: Vec<String> = topic
        .configs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let factor = topic
        .partitions
        .first()
        .map_or(0, PartitionLine::replication_factor);
    format!(
        "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {factor}\tConfigs: {}{}\n",
        topic.name,
        topic.partitions.len(),
        configs.join(","),
        if topic.marked_for_deletion {
            "\tMarkedForDeletion: true"
        } else {
            ""
        }
    )
}

fn topic_json(topic: &TopicLine, partitions: &[&PartitionLine]) -> Value {
    let configs: serde_json::Map<String, Value> = topic
        .configs
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let partitions: Vec<Value> = partitions
        .iter()
        .map(|p| {
            json!({
                "partition": p.partition,
                "leader": p.leader,
                "replicas": p.replicas,
                "isr": p.isr,
                "addingReplicas": p.adding,
                "removingReplicas": p.removing,
            })
        })
        .collect();
    json!({
        "topic": topic.name,
        "topicId": topic.id,
        "partitionCount": topic.partitions.len(),
        "replicationFactor": topic.partitions.first().map_or(0, PartitionLine::replication_factor),
        "configs": configs,
        "markedForDeletion": topic.marked_for_deletion,
        "partitions": partitions,
    })
}
