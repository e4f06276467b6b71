//! What can go wrong on the way to a broker and back, by what the caller does about it.

use std::io;
use std::time::Duration;

use ottla_metadata::TopicPartition;
use ottla_protocol::{ApiKey, DecodeError, EncodeError, ErrorCode};

/// A request was not answered, or answered with an error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// A bootstrap address is not `host:port`.
    #[error("{address:?} is not an address of the form host:port")]
    BadAddress {
        /// What was given.
        address: String,
    },
    /// No connection could be opened.
    #[error("cannot connect to {address}: {reason}")]
    Unreachable {
        /// `host:port`, or the list that was tried.
        address: String,
        /// The last failure.
        reason: String,
    },
    /// The connection ended before the answer came. The request may have been carried out.
    #[error("the connection to {address} was closed")]
    Disconnected {
        /// `host:port`.
        address: String,
    },
    /// The answer did not come in time. The request may have been carried out.
    #[error("{address} did not answer {api} within {} ms", timeout.as_millis())]
    TimedOut {
        /// `host:port`.
        address: String,
        /// The request.
        api: ApiKey,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// Something did not come about before a deadline: metadata, a leader, a delivery.
    #[error("{what} within {} ms", timeout.as_millis())]
    DeadlinePassed {
        /// What was waited for, in words that "within ... ms" continues.
        what: String,
        /// How long.
        timeout: Duration,
    },
    /// The broker and this client have no version of the API in common.
    #[error("the broker at {address} does not support {api}")]
    Unsupported {
        /// `host:port`.
        address: String,
        /// The API.
        api: ApiKey,
    },
    /// The answer is not what it should be.
    #[error("the answer of {address} to {api} cannot be read: {source}")]
    Undecodable {
        /// `host:port`.
        address: String,
        /// The API.
        api: ApiKey,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// The request cannot be written in the version that the broker speaks.
    #[error(transparent)]
    Unencodable(#[from] EncodeError),
    /// The broker refused.
    #[error("{}", describe(*code, message.as_deref()))]
    Broker {
        /// The code.
        code: ErrorCode,
        /// The broker's words, if it had any.
        message: Option<String>,
    },
    /// The broker answered with a code that this client does not know.
    #[error("the broker answered with the unknown error code {0}")]
    UnknownCode(i16),
    /// A record is larger than the producer may send.
    #[error(
        "The message is {size} bytes when serialized which is larger than {limit}, \
         which is the value of the max.request.size configuration."
    )]
    RecordTooLarge {
        /// Its size in a batch of its own.
        size: usize,
        /// `max.request.size`.
        limit: usize,
    },
    /// A fetched or built batch is not what it should be.
    #[error("{partition}: {reason}")]
    BadRecords {
        /// Where.
        partition: TopicPartition,
        /// What is wrong.
        reason: String,
    },
    /// The producer or the connection was closed by its owner.
    #[error("the client is closed")]
    Closed,
}

impl ClientError {
    /// The error for a code in a response, with the broker's own words where it sent some.
    pub fn from_code(code: i16, message: Option<&str>) -> ClientError {
        match ErrorCode::from_code(code) {
            Some(code) => ClientError::Broker {
                code,
                message: message.map(str::to_owned),
            },
            None => ClientError::UnknownCode(code),
        }
    }

    /// `Ok` for code 0, the error otherwise.
    pub fn check(code: i16, message: Option<&str>) -> Result<(), ClientError> {
        match code {
            0 => Ok(()),
            _ => Err(ClientError::from_code(code, message)),
        }
    }

    /// The code of the answer, if the broker refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Broker { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same request may succeed later, on this or on another broker. For requests that
    /// are not idempotent, [`ClientError::Disconnected`] and [`ClientError::TimedOut`] may mean
    /// that it already has.
    pub fn is_retriable(&self) -> bool {
        match self {
            ClientError::Unreachable { .. }
            | ClientError::Disconnected { .. }
            | ClientError::TimedOut { .. } => true,
            ClientError::Broker { code, .. } => code.is_retriable(),
            ClientError::BadAddress { .. }
            | ClientError::DeadlinePassed { .. }
            | ClientError::Unsupported { .. }
            | ClientError::Undecodable { .. }
            | ClientError::Unencodable(_)
            | ClientError::UnknownCode(_)
            | ClientError::RecordTooLarge { .. }
            | ClientError::BadRecords { .. }
            | ClientError::Closed => false,
        }
    }

    pub(crate) fn unreachable(address: &str, reason: &io::Error) -> ClientError {
        ClientError::Unreachable {
            address: address.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// The broker's words, or else our own for the codes that people meet.
fn describe(code: ErrorCode, message: Option<&str>) -> String {
    if let Some(message) = message.filter(|m| !m.is_empty()) {
        return message.to_owned();
    }
    let words = match code {
        ErrorCode::UnknownTopicOrPartition => "This server does not host this topic-partition.",
        ErrorCode::TopicAlreadyExists => "Topic already exists.",
        ErrorCode::InvalidTopicException => "The topic's name is not a valid one.",
        ErrorCode::LeaderNotAvailable => "The partition has no leader at the moment.",
        ErrorCode::NotLeaderOrFollower => "The broker does not lead the partition.",
        ErrorCode::NotController => "The broker is not the controller.",
        ErrorCode::RequestTimedOut => "The broker could not finish the request in time.",
        ErrorCode::OffsetOutOfRange => {
            "The requested offset is not within the range of offsets maintained by the server."
        }
        ErrorCode::NotEnoughReplicas | ErrorCode::NotEnoughReplicasAfterAppend => {
            "There are fewer in-sync replicas than min.insync.replicas asks for."
        }
        ErrorCode::MessageTooLarge => {
            "The request included a message larger than the max message size the server will accept."
        }
        ErrorCode::UnsupportedForMessageFormat => {
            "The topic's message format does not support what was asked."
        }
        ErrorCode::UnsupportedVersion => "The broker does not know this version of the request.",
        ErrorCode::TopicAuthorizationFailed => "Not authorized to access the topic.",
        ErrorCode::ClusterAuthorizationFailed => "Not authorized to do this to the cluster.",
        ErrorCode::PolicyViolation => {
            "The request goes against the cluster's or the topic's policy."
        }
        ErrorCode::GroupIdNotFound => "The group id does not exist.",
        ErrorCode::NonEmptyGroup => "The group is not empty.",
        ErrorCode::InvalidGroupId => "The group id is invalid.",
        ErrorCode::GroupSubscribedToTopic => {
            "The group has members that are subscribed to the topic."
        }
        ErrorCode::CoordinatorNotAvailable => "The group's coordinator is not available.",
        ErrorCode::CoordinatorLoadInProgress => {
            "The coordinator is still loading what it knows of the group."
        }
        ErrorCode::NotCoordinator => "The broker does not coordinate the group.",
        ErrorCode::GroupAuthorizationFailed => "Not authorized to access the group.",
        ErrorCode::UnknownMemberId => "The coordinator does not know this member of the group.",
        ErrorCode::FencedInstanceId => {
            "Another member with the same group.instance.id has taken this one's place."
        }
        ErrorCode::KafkaStorageError => "The broker's disk has failed.",
        _ => return format!("the broker answered {code}"),
    };
    format!("{words} ({code})")
}
