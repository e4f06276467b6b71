//! What a fetch asks for: its kind with respect to sessions, and its partitions.

use std::collections::HashMap;
use std::sync::Arc;

use ottla_metadata::{ClusterImage, TopicId};
use ottla_protocol::ErrorCode;
use ottla_protocol::fetch::FetchRequest;
use ottla_replication::{FetchPartition, Lookout};

use crate::context::Context;
use crate::fetch_sessions::{
    FINAL_EPOCH, INITIAL_EPOCH, NO_SESSION, PartitionKey, Resumed, Session, TopicKey, Wanted,
};

/// What the request is with respect to sessions.
pub(super) enum Kind {
    /// Answered outside of sessions.
    Sessionless,
    /// Answered in full, and begins a session.
    Full,
    /// Goes on with a session, which must have this epoch when the answer is made.
    Incremental(Arc<Session>, i32),
}

impl Kind {
    /// What tells of partitions that are not looked at.
    pub(super) fn lookout(&self) -> Option<&Arc<Lookout>> {
        match self {
            Kind::Incremental(session, _) => session.lookout(),
            Kind::Sessionless | Kind::Full => None,
        }
    }

    /// The same while there are such partitions.
    pub(super) fn watched(&self) -> Option<&Arc<Lookout>> {
        match self {
            Kind::Incremental(session, _) => session.watched(),
            Kind::Sessionless | Kind::Full => None,
        }
    }
}

/// A partition and what is wanted of it.
pub(super) type Asked = (PartitionKey, Wanted);

/// What the request names. Of a partition named twice the last counts, in the first one's place.
fn asked(image: &ClusterImage, request: &FetchRequest, by_id: bool) -> Vec<Asked> {
    let mut all: Vec<Asked> = Vec::new();
    for topic in &request.topics {
        let topic_key = topic_key(image, &topic.name, topic.id, by_id);
        all.extend(topic.partitions.iter().map(|partition| {
            let wanted = Wanted {
                fetch_offset: partition.fetch_offset,
                log_start_offset: partition.log_start_offset,
                max_bytes: partition.max_bytes,
                current_leader_epoch: partition.current_leader_epoch,
                last_fetched_epoch: partition.last_fetched_epoch,
                known_high_watermark: -1,
            };
            ((topic_key.clone(), partition.index), wanted)
        }));
    }
    if all.len() > 1 {
        without_duplicates(all)
    } else {
        all
    }
}

fn without_duplicates(all: Vec<Asked>) -> Vec<Asked> {
    let mut places: HashMap<PartitionKey, usize> = HashMap::with_capacity(all.len());
    let mut unique: Vec<Asked> = Vec::with_capacity(all.len());
    for (key, wanted) in all {
        match places.get(&key).and_then(|place| unique.get_mut(*place)) {
            Some((_, first)) => *first = wanted,
            None => {
                places.insert(key.clone(), unique.len());
                unique.push((key, wanted));
            }
        }
    }
    unique
}

/// Names are shared with the image where it knows them.
fn topic_key(image: &ClusterImage, name: &str, id: TopicId, by_id: bool) -> TopicKey {
    if by_id {
        return TopicKey::Id(id);
    }
    let shared = image.topic(name).map(|topic| Arc::clone(&topic.name));
    TopicKey::Name(shared.unwrap_or_else(|| name.into()))
}

/// What the request is (KIP-227), and everything it fetches.
///
/// # Errors
/// The error of the whole response.
pub(super) fn begin(
    context: &Context,
    image: &ClusterImage,
    request: &FetchRequest,
    by_id: bool,
) -> Result<(Kind, Vec<Asked>), ErrorCode> {
    let asked = asked(image, request, by_id);
    let session = (request.session_id, request.session_epoch);
    if matches!(session.1, INITIAL_EPOCH | FINAL_EPOCH) {
        if session.0 != NO_SESSION {
            context.fetch_sessions.close(session.0);
        }
        let kind = if session.1 == INITIAL_EPOCH {
            Kind::Full
        } else {
            Kind::Sessionless
        };
        return Ok((kind, asked));
    }
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics {
        let topic_key = topic_key(image, &topic.name, topic.id, by_id);
        forgotten.extend(
            topic
                .partitions
                .iter()
                .map(|partition| (topic_key.clone(), *partition)),
        );
    }
    let now = context.now_ms();
    match context
        .fetch_sessions
        .resume(session, by_id, &asked, &forgotten, now)?
    {
        Resumed::Session(session, epoch) => {
            if let Some(lookout) = session.lookout() {
                context.replicas.heard(lookout);
            }
            let all = session.partitions();
            Ok((Kind::Incremental(session, epoch), all))
        }
        Resumed::Emptied => Ok((Kind::Sessionless, asked)),
    }
}

/// The partition to read; `None` if nobody knows the topic's id.
pub(super) fn fetch_partition(
    image: &ClusterImage,
    (topic, partition): &PartitionKey,
    wanted: Wanted,
) -> Option<FetchPartition> {
    let (topic, topic_id) = match topic {
        TopicKey::Name(name) => (Arc::clone(name), TopicId::ZERO),
        TopicKey::Id(id) => (Arc::clone(image.topic_name(*id)?), *id),
    };
    let epoch = |epoch: i32| Some(epoch).filter(|epoch| *epoch >= 0);
    Some(FetchPartition {
        topic,
        topic_id,
        partition: *partition,
        fetch_offset: wanted.fetch_offset,
        log_start_offset: wanted.log_start_offset,
        max_bytes: size(wanted.max_bytes),
        current_leader_epoch: epoch(wanted.current_leader_epoch),
        last_fetched_epoch: epoch(wanted.last_fetched_epoch),
        known_high_watermark: wanted.known_high_watermark,
    })
}

pub(super) fn size(bytes: i32) -> usize {
    usize::try_from(bytes).unwrap_or(0)
}

pub(super) fn limit(context: &Context) -> usize {
    usize::try_from(context.config.load().fetch.max_bytes).unwrap_or(usize::MAX)
}
