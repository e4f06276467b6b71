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
    let (text, values) = render(topics, filters, live);
    if as_json {
        cli::print_json(&Value::Array(values));
    } else {
        cli::print(&text);
    }
}

/// The description as text and as values.
fn render(topics: &[TopicLine], filters: Filters, live: &BTreeSet<i32>) -> (String, Vec<Value>) {
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
        if !without_overrides && !empty {
            values.push(topic_json(topic, &partitions));
        }
        if !filters.partitions_only() && !without_overrides {
            text.push_str(&topic_text(topic));
        }
        if !filters.with_overrides {
            text.extend(partitions.iter().map(|p| p.text(&topic.name)));
        }
    }
    (text, values)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(
        partition: i32,
        leader: Option<i32>,
        replicas: &[i32],
        isr: &[i32],
    ) -> PartitionLine {
        PartitionLine {
            partition,
            leader,
            replicas: replicas.to_vec(),
            isr: isr.to_vec(),
            adding: None,
            removing: None,
        }
    }

    /// A topic with all kinds of partitions, on brokers 0 to 3, of which 3 is dead.
    fn topic(configs: &[(&str, &str)]) -> TopicLine {
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        TopicLine {
            name: "t".to_owned(),
            id: Some("KSofbHQ9Ski9N3yOoAgoOA".to_owned()),
            configs: configs.iter().map(owned).collect(),
            partitions: vec![
                partition(0, Some(0), &[0, 1], &[0, 1]),
                partition(1, Some(1), &[1, 2], &[1]),
                partition(2, None, &[3], &[3]),
                partition(3, Some(3), &[3, 0, 1], &[3, 0, 1]),
                PartitionLine {
                    adding: Some(vec![2]),
                    removing: Some(vec![1]),
                    ..partition(4, Some(0), &[0, 1, 2], &[0, 1])
                },
            ],
            min_isr: 2,
            marked_for_deletion: false,
        }
    }

    const NONE: Filters = Filters {
        with_overrides: false,
        under_replicated: false,
        unavailable: false,
        under_min_isr: false,
        at_min_isr: false,
    };

    #[test]
    fn a_topic_is_described_as_kafka_does() {
        let live = BTreeSet::from([0, 1, 2]);
        let topic = topic(&[("cleanup.policy", "compact"), ("retention.ms", "5")]);
        let (text, values) = render(&[topic], NONE, &live);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(
            lines[0],
            "Topic: t\tTopicId: KSofbHQ9Ski9N3yOoAgoOA\tPartitionCount: 5\tReplicationFactor: 2\t\
             Configs: cleanup.policy=compact,retention.ms=5"
        );
        assert_eq!(
            lines[3],
            "\tTopic: t\tPartition: 2\tLeader: none\tReplicas: 3\tIsr: 3\tElr: N/A\tLastKnownElr: N/A"
        );
        assert_eq!(
            lines[5],
            "\tTopic: t\tPartition: 4\tLeader: 0\tReplicas: 0,1,2\tIsr: 0,1\tAdding Replicas: 2\t\
             Removing Replicas: 1\tElr: N/A\tLastKnownElr: N/A"
        );
        assert_eq!(values[0]["partitions"][4]["addingReplicas"], json!([2]));
        assert_eq!(values[0]["configs"]["retention.ms"], json!("5"));
    }

    /// Which partitions a filter leaves.
    fn check(filters: Filters, expected: &[i32]) {
        let live = BTreeSet::from([0, 1, 2]);
        let (text, values) = render(&[topic(&[])], filters, &live);
        assert!(!text.contains("Topic: t\tTopicId"), "{text}");
        let found: Vec<i32> = values
            .iter()
            .flat_map(|t| t["partitions"].as_array().unwrap())
            .map(|p| p["partition"].as_i64().unwrap() as i32)
            .collect();
        assert_eq!(found, expected, "{filters:?}");
        assert_eq!(text.lines().count(), expected.len());
    }

    #[test]
    fn filters_choose_partitions() {
        check(
            Filters {
                under_replicated: true,
                ..NONE
            },
            &[1],
        );
        check(
            Filters {
                unavailable: true,
                ..NONE
            },
            &[2, 3],
        );
        check(
            Filters {
                under_min_isr: true,
                ..NONE
            },
            &[1, 2],
        );
        check(
            Filters {
                at_min_isr: true,
                ..NONE
            },
            &[0, 4],
        );
    }

    #[test]
    fn only_topics_with_overrides() {
        let live = BTreeSet::new();
        let filters = Filters {
            with_overrides: true,
            ..NONE
        };
        let topics = [topic(&[]), topic(&[("flush.ms", "1")])];
        let (text, values) = render(&topics, filters, &live);
        assert_eq!((text.lines().count(), values.len()), (1, 1));
    }
}
