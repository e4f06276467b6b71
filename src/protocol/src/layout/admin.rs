//! Layouts: topics, configurations and log directories.

use super::{
    Guarded, Layout, array, array_of_fixed, array_of_strings, elements, int8, int16, int32, int64,
    layout, string, uuid,
};
use crate::messages::{
    self, alter_configs_request, alter_configs_response, alter_partition_reassignments_request,
    alter_partition_reassignments_response, alter_replica_log_dirs_request,
    alter_replica_log_dirs_response, create_partitions_request, create_partitions_response,
    create_topics_request, create_topics_response, delete_topics_request, delete_topics_response,
    describe_configs_request, describe_configs_response, describe_log_dirs_request,
    describe_log_dirs_response, describe_producers_request, describe_producers_response,
    elect_leaders_request, elect_leaders_response, incremental_alter_configs_request,
    incremental_alter_configs_response, list_partition_reassignments_request,
    list_partition_reassignments_response, update_features_request, update_features_response,
};

impl Guarded for messages::CreateTopicsRequest {
    const LAYOUT: Layout = layout(
        "CreateTopicsRequest",
        5,
        &[
            array::<create_topics_request::CreatableTopic>(
                "topics",
                &elements(&[
                    string("name"),
                    int32("num_partitions"),
                    int16("replication_factor"),
                    array::<create_topics_request::CreatableReplicaAssignment>(
                        "assignments",
                        &elements(&[int32("partition_index"), array_of_fixed::<4>("broker_ids")]),
                    ),
                    array::<create_topics_request::CreatableTopicConfig>(
                        "configs",
                        &elements(&[string("name"), string("value")]),
                    ),
                ]),
            ),
            int32("timeout_ms"),
            int8("validate_only").since(1),
        ],
    );
}

impl Guarded for messages::CreateTopicsResponse {
    const LAYOUT: Layout = layout(
        "CreateTopicsResponse",
        5,
        &[
            int32("throttle_time_ms").since(2),
            array::<create_topics_response::CreatableTopicResult>(
                "topics",
                &elements(&[
                    string("name"),
                    uuid("topic_id").since(7),
                    int16("error_code"),
                    string("error_message").since(1),
                    int16("topic_config_error_code").tagged(0).since(5),
                    int32("num_partitions").since(5),
                    int16("replication_factor").since(5),
                    array::<create_topics_response::CreatableTopicConfigs>(
                        "configs",
                        &elements(&[
                            string("name").since(5),
                            string("value").since(5),
                            int8("read_only").since(5),
                            int8("config_source").since(5),
                            int8("is_sensitive").since(5),
                        ]),
                    )
                    .since(5),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::DeleteTopicsRequest {
    const LAYOUT: Layout = layout(
        "DeleteTopicsRequest",
        4,
        &[
            array::<delete_topics_request::DeleteTopicState>(
                "topics",
                &elements(&[string("name").since(6), uuid("topic_id").since(6)]),
            )
            .since(6),
            array_of_strings("topic_names").until(5),
            int32("timeout_ms"),
        ],
    );
}

impl Guarded for messages::DeleteTopicsResponse {
    const LAYOUT: Layout = layout(
        "DeleteTopicsResponse",
        4,
        &[
            int32("throttle_time_ms").since(1),
            array::<delete_topics_response::DeletableTopicResult>(
                "responses",
                &elements(&[
                    string("name"),
                    uuid("topic_id").since(6),
                    int16("error_code"),
                    string("error_message").since(5),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::CreatePartitionsRequest {
    const LAYOUT: Layout = layout(
        "CreatePartitionsRequest",
        2,
        &[
            array::<create_partitions_request::CreatePartitionsTopic>(
                "topics",
                &elements(&[
                    string("name"),
                    int32("count"),
                    array::<create_partitions_request::CreatePartitionsAssignment>(
                        "assignments",
                        &elements(&[array_of_fixed::<4>("broker_ids")]),
                    ),
                ]),
            ),
            int32("timeout_ms"),
            int8("validate_only"),
        ],
    );
}

impl Guarded for messages::CreatePartitionsResponse {
    const LAYOUT: Layout = layout(
        "CreatePartitionsResponse",
        2,
        &[
            int32("throttle_time_ms"),
            array::<create_partitions_response::CreatePartitionsTopicResult>(
                "results",
                &elements(&[string("name"), int16("error_code"), string("error_message")]),
            ),
        ],
    );
}

impl Guarded for messages::DescribeConfigsRequest {
    const LAYOUT: Layout = layout(
        "DescribeConfigsRequest",
        4,
        &[
            array::<describe_configs_request::DescribeConfigsResource>(
                "resources",
                &elements(&[
                    int8("resource_type"),
                    string("resource_name"),
                    array_of_strings("configuration_keys"),
                ]),
            ),
            int8("include_synonyms").since(1),
            int8("include_documentation").since(3),
        ],
    );
}

impl Guarded for messages::DescribeConfigsResponse {
    const LAYOUT: Layout = layout(
        "DescribeConfigsResponse",
        4,
        &[
            int32("throttle_time_ms"),
            array::<describe_configs_response::DescribeConfigsResult>(
                "results",
                &elements(&[
                    int16("error_code"),
                    string("error_message"),
                    int8("resource_type"),
                    string("resource_name"),
                    array::<describe_configs_response::DescribeConfigsResourceResult>(
                        "configs",
                        &elements(&[
                            string("name"),
                            string("value"),
                            int8("read_only"),
                            int8("is_default").until(0),
                            int8("config_source").since(1),
                            int8("is_sensitive"),
                            array::<describe_configs_response::DescribeConfigsSynonym>(
                                "synonyms",
                                &elements(&[
                                    string("name").since(1),
                                    string("value").since(1),
                                    int8("source").since(1),
                                ]),
                            )
                            .since(1),
                            int8("config_type").since(3),
                            string("documentation").since(3),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::AlterConfigsRequest {
    const LAYOUT: Layout = layout(
        "AlterConfigsRequest",
        2,
        &[
            array::<alter_configs_request::AlterConfigsResource>(
                "resources",
                &elements(&[
                    int8("resource_type"),
                    string("resource_name"),
                    array::<alter_configs_request::AlterableConfig>(
                        "configs",
                        &elements(&[string("name"), string("value")]),
                    ),
                ]),
            ),
            int8("validate_only"),
        ],
    );
}

impl Guarded for messages::AlterConfigsResponse {
    const LAYOUT: Layout = layout(
        "AlterConfigsResponse",
        2,
        &[
            int32("throttle_time_ms"),
            array::<alter_configs_response::AlterConfigsResourceResponse>(
                "responses",
                &elements(&[
                    int16("error_code"),
                    string("error_message"),
                    int8("resource_type"),
                    string("resource_name"),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::IncrementalAlterConfigsRequest {
    const LAYOUT: Layout = layout(
        "IncrementalAlterConfigsRequest",
        1,
        &[
            array::<incremental_alter_configs_request::AlterConfigsResource>(
                "resources",
                &elements(&[
                    int8("resource_type"),
                    string("resource_name"),
                    array::<incremental_alter_configs_request::AlterableConfig>(
                        "configs",
                        &elements(&[string("name"), int8("config_operation"), string("value")]),
                    ),
                ]),
            ),
            int8("validate_only"),
        ],
    );
}

impl Guarded for messages::IncrementalAlterConfigsResponse {
    const LAYOUT: Layout = layout(
        "IncrementalAlterConfigsResponse",
        1,
        &[
            int32("throttle_time_ms"),
            array::<incremental_alter_configs_response::AlterConfigsResourceResponse>(
                "responses",
                &elements(&[
                    int16("error_code"),
                    string("error_message"),
                    int8("resource_type"),
                    string("resource_name"),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::DescribeLogDirsRequest {
    const LAYOUT: Layout = layout(
        "DescribeLogDirsRequest",
        2,
        &[array::<describe_log_dirs_request::DescribableLogDirTopic>(
            "topics",
            &elements(&[string("topic"), array_of_fixed::<4>("partitions")]),
        )],
    );
}

impl Guarded for messages::DescribeLogDirsResponse {
    const LAYOUT: Layout = layout(
        "DescribeLogDirsResponse",
        2,
        &[
            int32("throttle_time_ms"),
            int16("error_code").since(3),
            array::<describe_log_dirs_response::DescribeLogDirsResult>(
                "results",
                &elements(&[
                    int16("error_code"),
                    string("log_dir"),
                    array::<describe_log_dirs_response::DescribeLogDirsTopic>(
                        "topics",
                        &elements(&[
                            string("name"),
                            array::<describe_log_dirs_response::DescribeLogDirsPartition>(
                                "partitions",
                                &elements(&[
                                    int32("partition_index"),
                                    int64("partition_size"),
                                    int64("offset_lag"),
                                    int8("is_future_key"),
                                ]),
                            ),
                        ]),
                    ),
                    int64("total_bytes").since(4),
                    int64("usable_bytes").since(4),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::AlterReplicaLogDirsRequest {
    const LAYOUT: Layout = layout(
        "AlterReplicaLogDirsRequest",
        2,
        &[array::<alter_replica_log_dirs_request::AlterReplicaLogDir>(
            "dirs",
            &elements(&[
                string("path"),
                array::<alter_replica_log_dirs_request::AlterReplicaLogDirTopic>(
                    "topics",
                    &elements(&[string("name"), array_of_fixed::<4>("partitions")]),
                ),
            ]),
        )],
    );
}

impl Guarded for messages::AlterReplicaLogDirsResponse {
    const LAYOUT: Layout = layout(
        "AlterReplicaLogDirsResponse",
        2,
        &[
            int32("throttle_time_ms"),
            array::<alter_replica_log_dirs_response::AlterReplicaLogDirTopicResult>(
                "results",
                &elements(&[
                    string("topic_name"),
                    array::<alter_replica_log_dirs_response::AlterReplicaLogDirPartitionResult>(
                        "partitions",
                        &elements(&[int32("partition_index"), int16("error_code")]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::ElectLeadersRequest {
    const LAYOUT: Layout = layout(
        "ElectLeadersRequest",
        2,
        &[
            int8("election_type").since(1),
            array::<elect_leaders_request::TopicPartitions>(
                "topic_partitions",
                &elements(&[string("topic"), array_of_fixed::<4>("partitions")]),
            ),
            int32("timeout_ms"),
        ],
    );
}

impl Guarded for messages::ElectLeadersResponse {
    const LAYOUT: Layout = layout(
        "ElectLeadersResponse",
        2,
        &[
            int32("throttle_time_ms"),
            int16("error_code").since(1),
            array::<elect_leaders_response::ReplicaElectionResult>(
                "replica_election_results",
                &elements(&[
                    string("topic"),
                    array::<elect_leaders_response::PartitionResult>(
                        "partition_result",
                        &elements(&[
                            int32("partition_id"),
                            int16("error_code"),
                            string("error_message"),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::AlterPartitionReassignmentsRequest {
    const LAYOUT: Layout = layout(
        "AlterPartitionReassignmentsRequest",
        0,
        &[
            int32("timeout_ms"),
            array::<alter_partition_reassignments_request::ReassignableTopic>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<alter_partition_reassignments_request::ReassignablePartition>(
                        "partitions",
                        &elements(&[int32("partition_index"), array_of_fixed::<4>("replicas")]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::AlterPartitionReassignmentsResponse {
    const LAYOUT: Layout = layout(
        "AlterPartitionReassignmentsResponse",
        0,
        &[
            int32("throttle_time_ms"),
            int16("error_code"),
            string("error_message"),
            array::<alter_partition_reassignments_response::ReassignableTopicResponse>(
                "responses",
                &elements(&[
                    string("name"),
                    array::<alter_partition_reassignments_response::ReassignablePartitionResponse>(
                        "partitions",
                        &elements(&[
                            int32("partition_index"),
                            int16("error_code"),
                            string("error_message"),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::ListPartitionReassignmentsRequest {
    const LAYOUT: Layout = layout(
        "ListPartitionReassignmentsRequest",
        0,
        &[
            int32("timeout_ms"),
            array::<list_partition_reassignments_request::ListPartitionReassignmentsTopics>(
                "topics",
                &elements(&[string("name"), array_of_fixed::<4>("partition_indexes")]),
            ),
        ],
    );
}

impl Guarded for messages::ListPartitionReassignmentsResponse {
    const LAYOUT: Layout = layout(
        "ListPartitionReassignmentsResponse",
        0,
        &[
            int32("throttle_time_ms"),
            int16("error_code"),
            string("error_message"),
            array::<list_partition_reassignments_response::OngoingTopicReassignment>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<list_partition_reassignments_response::OngoingPartitionReassignment>(
                        "partitions",
                        &elements(&[
                            int32("partition_index"),
                            array_of_fixed::<4>("replicas"),
                            array_of_fixed::<4>("adding_replicas"),
                            array_of_fixed::<4>("removing_replicas"),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::DescribeProducersRequest {
    const LAYOUT: Layout = layout(
        "DescribeProducersRequest",
        0,
        &[array::<describe_producers_request::TopicRequest>(
            "topics",
            &elements(&[string("name"), array_of_fixed::<4>("partition_indexes")]),
        )],
    );
}

impl Guarded for messages::DescribeProducersResponse {
    const LAYOUT: Layout = layout(
        "DescribeProducersResponse",
        0,
        &[
            int32("throttle_time_ms"),
            array::<describe_producers_response::TopicResponse>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<describe_producers_response::PartitionResponse>(
                        "partitions",
                        &elements(&[
                            int32("partition_index"),
                            int16("error_code"),
                            string("error_message"),
                            array::<describe_producers_response::ProducerState>(
                                "active_producers",
                                &elements(&[
                                    int64("producer_id"),
                                    int32("producer_epoch"),
                                    int32("last_sequence"),
                                    int64("last_timestamp"),
                                    int32("coordinator_epoch"),
                                    int64("current_txn_start_offset"),
                                ]),
                            ),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::UpdateFeaturesRequest {
    const LAYOUT: Layout = layout(
        "UpdateFeaturesRequest",
        0,
        &[
            int32("timeout_ms"),
            array::<update_features_request::FeatureUpdateKey>(
                "feature_updates",
                &elements(&[
                    string("feature"),
                    int16("max_version_level"),
                    int8("allow_downgrade").until(0),
                    int8("upgrade_type").since(1),
                ]),
            ),
            int8("validate_only").since(1),
        ],
    );
}

impl Guarded for messages::UpdateFeaturesResponse {
    const LAYOUT: Layout = layout(
        "UpdateFeaturesResponse",
        0,
        &[
            int32("throttle_time_ms"),
            int16("error_code"),
            string("error_message"),
            array::<update_features_response::UpdatableFeatureResult>(
                "results",
                &elements(&[
                    string("feature"),
                    int16("error_code"),
                    string("error_message"),
                ]),
            ),
        ],
    );
}
