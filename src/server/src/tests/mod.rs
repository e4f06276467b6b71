//! Handlers through the service, over a cluster in memory.

mod commands;
mod configs;
mod controller;
mod elections;
mod fetch;
mod groups;
mod hostile;
mod log_dirs;
mod metadata;
mod offsets;
mod produce;
mod producer_ids;
mod reassignments;
mod replication;
mod topics;

use bytes::Bytes;
use ottla_protocol::messages::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use ottla_records::{BatchBuilder, BatchOptions, Magic};

use crate::words::topic_name;

/// Records in one format with the values given, at timestamps from 1000 on.
fn records(magic: Magic, values: &[&str]) -> Bytes {
    records_with(
        BatchOptions {
            magic,
            ..BatchOptions::default()
        },
        values,
    )
}

fn records_with(options: BatchOptions, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new(options).unwrap();
    for (timestamp, value) in (1000..).zip(values) {
        builder
            .append(timestamp, None, Some(value.as_bytes()), &[])
            .unwrap();
    }
    builder.build().unwrap().into()
}

/// A produce request with acks=all of each set of records to partition 0 of its topic.
fn produce_request(topics: &[(&str, Bytes)]) -> ProduceRequest {
    let topics = topics.iter().map(|(name, records)| {
        let partition = PartitionProduceData::default().with_records(Some(records.clone()));
        TopicProduceData::default()
            .with_name(topic_name(name))
            .with_partition_data(vec![partition])
    });
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1000)
        .with_topic_data(topics.collect())
}
