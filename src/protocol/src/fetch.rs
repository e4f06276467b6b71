//! Fetch, versions 0 to 17.

mod request;
mod response;
#[cfg(test)]
mod tests;

pub use request::{FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, IsolationLevel};
pub use response::{
    AbortedTransaction, EpochEndOffset, FetchPartitionResponse, FetchResponse, FetchTopicResponse,
    SnapshotId,
};
