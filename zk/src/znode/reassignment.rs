//! `/admin/reassign_partitions`: where the command line wants replicas to be.

use ottla_metadata::{BrokerId, TopicPartition};
use serde_json::{Value, json};

use super::json::Fields;
use super::{Malformed, Znode, json};

/// A request of the command line to move replicas (`ReassignPartitionsZNode`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reassignment {
    /// The wanted replicas of each partition.
    pub partitions: Vec<(TopicPartition, Vec<BrokerId>)>,
}

impl Znode for Reassignment {
    /// Refuses unknown keys, as Kafka does here and nearly nowhere else.
    fn decode(data: &[u8]) -> Result<Reassignment, Malformed> {
        let fields = json::object(data)?;
        refuse_unknown(&fields, &["version", "partitions"])?;
        let partitions = fields
            .array("partitions")?
            .iter()
            .map(|value| {
                let fields = Fields::from_value("partitions", value)?;
                refuse_unknown(&fields, &["topic", "partition", "replicas"])?;
                let tp = TopicPartition::new(fields.string("topic")?, fields.int("partition")?);
                Ok((tp, fields.brokers("replicas")?))
            })
            .collect::<Result<_, Malformed>>()?;
        Ok(Reassignment { partitions })
    }

    fn encode(&self) -> Vec<u8> {
        let partitions: Vec<Value> = self
            .partitions
            .iter()
            .map(|(tp, replicas)| {
                json!({
                    "topic": &*tp.topic, "partition": tp.partition, "replicas": json::ids(replicas)
                })
            })
            .collect();
        json::text(&json!({ "version": 1, "partitions": partitions }))
    }
}

fn refuse_unknown(fields: &Fields, known: &[&str]) -> Result<(), Malformed> {
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Malformed(format!("unknown key {key:?}"))),
    }
}
