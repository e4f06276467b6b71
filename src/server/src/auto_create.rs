//! Topics that come into being because somebody asks for them.

use ottla_cluster::CreateTopicError;
use ottla_metadata::validate_topic_name;
use ottla_protocol::ErrorCode;

use crate::context::Context;
use crate::{error_code, internal_topics};

/// Creates a topic. `LEADER_NOT_AVAILABLE` tells that it exists, or soon will: Kafka always
/// answers so, and many clients then wait a second before they ask again.
pub(crate) async fn create(context: &Context, name: &str) -> ErrorCode {
    if validate_topic_name(name).is_err() {
        return ErrorCode::InvalidTopicException;
    }
    // Somebody else's request is creating it.
    let Some(_busy) = begin(context, name) else {
        return ErrorCode::LeaderNotAvailable;
    };
    let topic = internal_topics::automatic(&context.config.load(), name);
    match context.cluster.auto_create(topic).await {
        Ok(created) => {
            let partitions = created.partitions;
            tracing::info!(
                topic = name,
                partitions,
                "created a topic that a client asked for"
            );
            ErrorCode::LeaderNotAvailable
        }
        Err(error) => creation_code(name, &error),
    }
}

fn creation_code(name: &str, error: &CreateTopicError) -> ErrorCode {
    match error_code::create_topic(error) {
        // It is there, or will be.
        ErrorCode::TopicAlreadyExists | ErrorCode::RequestTimedOut => ErrorCode::LeaderNotAvailable,
        code => {
            tracing::warn!(topic = name, %error, "cannot create the topic that a client asked for");
            code
        }
    }
}

/// Marks a name as being created until dropped; `None` when it is already.
fn begin<'a>(context: &'a Context, name: &'a str) -> Option<Creating<'a>> {
    let begun = context.creating.lock().insert(name.to_owned());
    begun.then_some(Creating { context, name })
}

struct Creating<'a> {
    context: &'a Context,
    name: &'a str,
}

impl Drop for Creating<'_> {
    fn drop(&mut self) {
        self.context.creating.lock().remove(self.name);
    }
}
