//! The texts that go with error codes. Where people and scripts know Kafka's text, it says the
//! same; elsewhere the error's own words do.

use ottla_cluster::{
    CreatePartitionsError, CreateTopicError, ElectLeaderError, ElectionKind, ElectionRefused,
    ReassignmentError,
};
use ottla_metadata::{InvalidTopicName, MAX_TOPIC_NAME_LENGTH, TopicPartition};

/// Why a topic was not created; Kafka gives no text for some codes.
pub(crate) fn create_topic(name: &str, error: &CreateTopicError) -> Option<String> {
    Some(match error {
        CreateTopicError::NotController | CreateTopicError::NoLeaderInTime => return None,
        CreateTopicError::Exists(_) => format!("Topic '{name}' already exists."),
        CreateTopicError::MarkedForDeletion(_) => format!("Topic '{name}' is marked for deletion."),
        CreateTopicError::Collides(other) => {
            format!("Topic '{name}' collides with existing topics: {other}")
        }
        CreateTopicError::Duplicate(_) => "Found multiple entries for this topic.".to_owned(),
        CreateTopicError::InvalidPartitions(_) => {
            "Number of partitions must be larger than 0.".to_owned()
        }
        CreateTopicError::InvalidReplicationFactor { asked, .. } if *asked <= 0 => {
            "Replication factor must be larger than 0.".to_owned()
        }
        CreateTopicError::InvalidReplicationFactor { asked, available } => {
            format!("Replication factor: {asked} larger than available brokers: {available}.")
        }
        CreateTopicError::InvalidName(error) => invalid_topic_name(error),
        CreateTopicError::Reserved(_)
        | CreateTopicError::CountsAndAssignment
        | CreateTopicError::RacksMissing(_)
        | CreateTopicError::InvalidAssignment(_)
        | CreateTopicError::Store(_) => error.to_string(),
    })
}

/// Why partitions were not added.
pub(crate) fn create_partitions(name: &str, error: &CreatePartitionsError) -> Option<String> {
    Some(match error {
        CreatePartitionsError::NotController | CreatePartitionsError::NoLeaderInTime => {
            return None;
        }
        CreatePartitionsError::UnknownTopic(_) => unknown_topic(name),
        CreatePartitionsError::NotAnIncrease { current, asked } if asked == current => {
            format!("Topic already has {current} partitions.")
        }
        CreatePartitionsError::NotAnIncrease { current, asked } => format!(
            "Topic currently has {current} partitions, which is higher than the requested {asked}."
        ),
        CreatePartitionsError::MarkedForDeletion(_)
        | CreatePartitionsError::Duplicate(_)
        | CreatePartitionsError::ReassignmentInProgress
        | CreatePartitionsError::InvalidReplicationFactor { .. }
        | CreatePartitionsError::RacksMissing(_)
        | CreatePartitionsError::InvalidAssignment(_)
        | CreatePartitionsError::Store(_) => error.to_string(),
    })
}

/// Why a partition got no other leader.
pub(crate) fn elect_leader(
    kind: ElectionKind,
    partition: &TopicPartition,
    error: &ElectLeaderError,
) -> Option<String> {
    let ElectLeaderError::Refused(refused) = error else {
        return None;
    };
    Some(match refused {
        ElectionRefused::NotController => return None,
        ElectionRefused::UnknownPartition => "The partition does not exist.".to_owned(),
        ElectionRefused::TopicDeleted => "The topic is being deleted".to_owned(),
        ElectionRefused::NotNeeded => "Leader election not needed for topic partition.".to_owned(),
        ElectionRefused::PreferredUnavailable | ElectionRefused::NobodyEligible => {
            let strategy = match kind {
                ElectionKind::Preferred => "preferred",
                ElectionKind::Unclean => "unclean",
            };
            format!("No {strategy} leader of partition {partition} could be elected: {refused}.")
        }
    })
}

/// Why a partition is not moved.
pub(crate) fn reassignment(error: &ReassignmentError) -> String {
    match error {
        ReassignmentError::Empty => "The list of replicas is empty.".to_owned(),
        ReassignmentError::Duplicate(id) => format!("Replica {id} is named more than once."),
        ReassignmentError::InvalidBroker(id) => format!("{id} is not a valid broker id."),
        ReassignmentError::DeadBroker(id) => {
            format!("Broker {id} is not alive, so the partition cannot be moved to it.")
        }
        ReassignmentError::Unclean => {
            "None of the replicas that would remain is in sync.".to_owned()
        }
        ReassignmentError::NotInProgress => "No partition reassignment is in progress.".to_owned(),
        ReassignmentError::UnknownPartition => "The partition does not exist.".to_owned(),
        ReassignmentError::NotStored => error.to_string(),
    }
}

/// A name that no topic can have.
pub(crate) fn invalid_topic_name(error: &InvalidTopicName) -> String {
    let fault = match error {
        InvalidTopicName::Empty => "it is empty".to_owned(),
        InvalidTopicName::Dots => "'.' and '..' are not allowed".to_owned(),
        InvalidTopicName::TooLong(length) => {
            format!("it has {length} characters, at most {MAX_TOPIC_NAME_LENGTH} are allowed")
        }
        InvalidTopicName::BadCharacter(name) => {
            format!("'{name}' has a character other than ASCII letters, digits, '.', '_' and '-'")
        }
    };
    format!("Topic name is invalid: {fault}")
}

/// A topic that was named and does not exist.
pub(crate) fn unknown_topic(name: &str) -> String {
    format!("The topic '{name}' does not exist.")
}
