//! Our words in the protocol's types.

use std::time::Duration;

use ottla_metadata::{BrokerId, TopicId};
use ottla_protocol::{ErrorCode, StrBytes, messages};
use uuid::Uuid;

/// Text of a response.
pub(crate) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// A topic's name in a response.
pub(crate) fn topic_name(name: &str) -> messages::TopicName {
    messages::TopicName(text(name))
}

/// A broker's id in a response; -1 for none.
pub(crate) fn broker_id(id: Option<BrokerId>) -> messages::BrokerId {
    messages::BrokerId(id.map_or(-1, |id| id.0))
}

/// Brokers' ids in a response.
pub(crate) fn broker_ids(ids: &[BrokerId]) -> Vec<messages::BrokerId> {
    ids.iter().map(|id| messages::BrokerId(id.0)).collect()
}

/// A topic's id in a response.
pub(crate) fn uuid(id: TopicId) -> Uuid {
    Uuid::from_bytes(id.0)
}

/// A topic's id in a request.
pub(crate) fn topic_id(uuid: &Uuid) -> TopicId {
    TopicId(*uuid.as_bytes())
}

/// A request's timeout; nothing below zero.
pub(crate) fn timeout(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// What became of one item of a request: a code, and the text that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError {
            code,
            message: Some(message.into()),
        }
    }

    /// An `INVALID_REQUEST`.
    pub(crate) fn invalid_request(message: impl Into<String>) -> ApiError {
        ApiError::new(ErrorCode::InvalidRequest, message)
    }

    /// The code and text that a response carries for a result.
    pub(crate) fn parts(result: Result<(), ApiError>) -> (i16, Option<StrBytes>) {
        match result {
            Ok(()) => (ErrorCode::None.code(), None),
            Err(error) => (error.code.code(), error.message.map(text)),
        }
    }
}
