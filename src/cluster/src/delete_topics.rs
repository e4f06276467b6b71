//! Deleting topics: a mark for the controller, then patience.

use std::collections::BTreeSet;
use std::time::Duration;

use ottla_zk::Watch;
use tokio::time::{Instant, timeout_at};

use crate::shared::Shared;
use crate::wait::{Failed, patience, until, within};
use crate::{DeleteTopicError, WaitOptions};

/// How long a request that has time left waits for the name to be free again, once brokers have
/// forgotten the topic.
const NAME_PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn delete_topics(
    shared: &Shared,
    topics: Vec<String>,
    options: WaitOptions,
) -> Vec<Result<(), DeleteTopicError>> {
    let deadline = Instant::now() + options.timeout;
    let mut marked = Vec::with_capacity(topics.len());
    for topic in topics {
        let result = mark(shared, &topic, options).await;
        marked.push((topic, result));
    }
    if options.validate_only {
        return marked.into_iter().map(|(_, result)| result).collect();
    }
    let mut results = Vec::with_capacity(marked.len());
    let mut gone = BTreeSet::new();
    for (topic, result) in marked {
        results.push(match result {
            Ok(()) if wait_until_gone(shared, &topic, deadline).await => {
                gone.insert(topic);
                Ok(())
            }
            Ok(()) => Err(DeleteTopicError::NotGoneInTime),
            Err(error) => Err(error),
        });
    }
    wait_until_free(shared, gone, deadline.min(Instant::now() + NAME_PATIENCE)).await;
    results
}

async fn mark(shared: &Shared, topic: &str, options: WaitOptions) -> Result<(), DeleteTopicError> {
    if !shared.settings.delete_topics {
        return Err(DeleteTopicError::Disabled);
    }
    let deadline = patience(&shared.zk, options.timeout);
    let store = |failed: Failed| DeleteTopicError::Store(failed.into_store());
    // A name that is not legal is no topic's, and no path's either.
    let legal = ottla_metadata::validate_topic_name(topic).is_ok();
    let known = match legal {
        true => exists(shared, topic, deadline).await.map_err(store)?,
        false => false,
    };
    if !known {
        return Err(DeleteTopicError::Unknown(topic.to_owned()));
    }
    if options.validate_only {
        return Ok(());
    }
    loop {
        // Whether we or somebody before us has marked it makes no difference.
        match within(deadline, shared.zk.mark_topic_for_deletion(topic)).await {
            Ok(_) => return Ok(()),
            Err(Failed::Unknown) => {}
            Err(failed) => return Err(store(failed)),
        }
    }
}

async fn exists(shared: &Shared, topic: &str, deadline: Instant) -> Result<bool, Failed> {
    match within(deadline, shared.zk.topic(topic, Watch::No)).await {
        Ok(node) => Ok(node.is_some()),
        Err(failed) => Err(failed),
    }
}

async fn wait_until_gone(shared: &Shared, topic: &str, deadline: Instant) -> bool {
    let gone = || shared.image.load().topic(topic).is_none();
    until(shared.image_version.subscribe(), deadline, gone).await
}

/// Kafka answers when brokers have forgotten the topic, so that creating it again at once is
/// refused. If there is time we wait until the name is free.
async fn wait_until_free(shared: &Shared, gone: BTreeSet<String>, deadline: Instant) {
    if gone.is_empty() {
        return;
    }
    let mut removals = shared.removals.subscribe();
    loop {
        removals.borrow_and_update();
        let Ok(marked) = within(deadline, shared.zk.topics_to_delete(Watch::No)).await else {
            return;
        };
        let busy = marked.iter().any(|name| gone.contains(&**name));
        if !busy || !matches!(timeout_at(deadline, removals.changed()).await, Ok(Ok(()))) {
            return;
        }
    }
}
