//! Produce, versions 0 to 11: the request as a view on its frame, and the response's encoder.

mod request;
mod response;
#[cfg(test)]
mod tests;

pub use request::{
    ProducePartition, ProducePartitions, ProduceRequestView, ProduceTopic, ProduceTopics,
};
pub(crate) use response::put_node_endpoints;
pub use response::{
    LeaderIdAndEpoch, NodeEndpoint, ProducePartitionResponse, ProduceResponse,
    ProduceTopicResponse, RecordError,
};
