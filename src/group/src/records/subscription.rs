//! What a consumer subscribes to: the prefix that all versions of `ConsumerProtocolSubscription`
//! share.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::TopicName;

use super::read::Reader;

/// The topics of a consumer's metadata, if it is the consumer protocol's.
pub(crate) fn subscribed_topics(metadata: &[u8]) -> Option<BTreeSet<TopicName>> {
    let mut reader = Reader::new(metadata);
    if reader.i16()? < 0 {
        return None;
    }
    let mut topics = BTreeSet::new();
    for _ in 0..reader.count()? {
        topics.insert(Arc::from(reader.str()?));
    }
    reader.bytes()?;
    Some(topics)
}
