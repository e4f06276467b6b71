//! What is served.

use std::sync::Arc;

use ottla_network::{Answer, Request};
use ottla_protocol::{ApiKey, ApiVersionRange};

use crate::context::Context;
use crate::handlers;

/// One API: its number, the versions served, and the code that answers. Each handler file holds
/// one as `API`.
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    pub(crate) versions: ApiVersionRange,
    pub(crate) handle: fn(&Arc<Context>, Request) -> Answer,
}

/// Everything that is served, and so advertised, in the order of the keys.
pub(crate) static SERVED: &[&Api] = &[
    &handlers::produce::API,
    &handlers::fetch::API,
    &handlers::list_offsets::API,
    &handlers::metadata::API,
    &handlers::leader_and_isr::API,
    &handlers::stop_replica::API,
    &handlers::update_metadata::API,
    &handlers::controlled_shutdown::API,
    &handlers::offset_commit::API,
    &handlers::offset_fetch::API,
    &handlers::find_coordinator::API,
    &handlers::join_group::API,
    &handlers::heartbeat::API,
    &handlers::leave_group::API,
    &handlers::sync_group::API,
    &handlers::describe_groups::API,
    &handlers::list_groups::API,
    &handlers::api_versions::API,
    &handlers::create_topics::API,
    &handlers::delete_topics::API,
    &handlers::delete_records::API,
    &handlers::init_producer_id::API,
    &handlers::offset_for_leader_epoch::API,
    &handlers::describe_configs::API,
    &handlers::alter_configs::API,
    &handlers::alter_replica_log_dirs::API,
    &handlers::describe_log_dirs::API,
    &handlers::create_partitions::API,
    &handlers::delete_groups::API,
    &handlers::elect_leaders::API,
    &handlers::incremental_alter_configs::API,
    &handlers::alter_partition_reassignments::API,
    &handlers::list_partition_reassignments::API,
    &handlers::offset_delete::API,
    &handlers::alter_partition::API,
    &handlers::describe_cluster::API,
    &handlers::allocate_producer_ids::API,
];

/// The API with this number, if it is served.
pub(crate) fn find(key: ApiKey) -> Option<&'static Api> {
    SERVED.iter().find(|api| api.key == key).copied()
}

/// Versions from `min` to `max`.
pub(crate) const fn versions(min: i16, max: i16) -> ApiVersionRange {
    ApiVersionRange { min, max }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apis_are_listed_once_and_in_versions_that_exist() {
        assert!(SERVED.windows(2).all(|pair| pair[0].key < pair[1].key));
        for api in SERVED {
            let known = api.key.versions();
            assert!(
                known.min <= api.versions.min && api.versions.max <= known.max,
                "{}",
                api.key
            );
        }
    }
}
