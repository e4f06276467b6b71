//! Partitions in a flat list, as we and the oldest versions have them, and grouped by topic.

use std::sync::Arc;

use ottla_metadata::{TopicId, TopicName, TopicPartition};
use ottla_protocol::{StrBytes, messages};

/// Runs of neighbours that `topic` gives the same name; ours are sorted, so that each topic is one.
pub(super) fn by_topic<T>(
    items: &[T],
    topic: impl Fn(&T) -> &TopicPartition,
) -> impl Iterator<Item = &[T]> {
    items.chunk_by(move |a, b| topic(a).topic == topic(b).topic)
}

/// Names of a request that is being read. One string is kept per run of the same name, however
/// often the request repeats it, and none of them keeps the frame alive.
#[derive(Default)]
pub(super) struct Names {
    last: Option<TopicName>,
}

impl Names {
    pub(super) fn read(&mut self, name: &messages::TopicName) -> TopicName {
        match &self.last {
            Some(last) if **last == *name.0 => Arc::clone(last),
            _ => {
                let name: TopicName = Arc::from(&*name.0);
                self.last = Some(Arc::clone(&name));
                name
            }
        }
    }
}

/// The names of a request that is being written: shared where they repeat.
#[derive(Default)]
pub(super) struct Texts {
    last: Option<(TopicName, StrBytes)>,
}

impl Texts {
    pub(super) fn write(&mut self, name: &TopicName) -> messages::TopicName {
        match &self.last {
            Some((last, text)) if last == name => messages::TopicName(text.clone()),
            _ => {
                let text = super::text(name);
                self.last = Some((Arc::clone(name), text.clone()));
                messages::TopicName(text)
            }
        }
    }
}

/// A topic's id on the wire.
pub(super) fn to_uuid(id: TopicId) -> uuid::Uuid {
    uuid::Uuid::from_bytes(id.0)
}

/// A topic's id from the wire.
pub(super) fn from_uuid(id: &uuid::Uuid) -> TopicId {
    TopicId(*id.as_bytes())
}
