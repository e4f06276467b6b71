//! Layouts: the cluster's description.

use super::{
    Guarded, Layout, array, array_of_fixed, array_of_strings, elements, int8, int16, int32, int64,
    layout, nullable_structure, string, uuid,
};
use crate::messages::{
    self, api_versions_response, describe_cluster_response, describe_topic_partitions_request,
    describe_topic_partitions_response, find_coordinator_response, metadata_request,
    metadata_response,
};

impl Guarded for messages::ApiVersionsRequest {
    const LAYOUT: Layout = layout(
        "ApiVersionsRequest",
        3,
        &[
            string("client_software_name").since(3),
            string("client_software_version").since(3),
        ],
    );
}

impl Guarded for messages::ApiVersionsResponse {
    const LAYOUT: Layout = layout(
        "ApiVersionsResponse",
        3,
        &[
            int16("error_code"),
            array::<api_versions_response::ApiVersion>(
                "api_keys",
                &elements(&[int16("api_key"), int16("min_version"), int16("max_version")]),
            ),
            int32("throttle_time_ms").since(1),
            array::<api_versions_response::SupportedFeatureKey>(
                "supported_features",
                &elements(&[
                    string("name").since(3),
                    int16("min_version").since(3),
                    int16("max_version").since(3),
                ]),
            )
            .tagged(0)
            .since(3),
            int64("finalized_features_epoch").tagged(1).since(3),
            array::<api_versions_response::FinalizedFeatureKey>(
                "finalized_features",
                &elements(&[
                    string("name").since(3),
                    int16("max_version_level").since(3),
                    int16("min_version_level").since(3),
                ]),
            )
            .tagged(2)
            .since(3),
            int8("zk_migration_ready").tagged(3).since(3),
        ],
    );
}

impl Guarded for messages::MetadataRequest {
    const LAYOUT: Layout = layout(
        "MetadataRequest",
        9,
        &[
            array::<metadata_request::MetadataRequestTopic>(
                "topics",
                &elements(&[uuid("topic_id").since(10), string("name")]),
            ),
            int8("allow_auto_topic_creation").since(4),
            int8("include_cluster_authorized_operations")
                .since(8)
                .until(10),
            int8("include_topic_authorized_operations").since(8),
        ],
    );
}

impl Guarded for messages::MetadataResponse {
    const LAYOUT: Layout = layout(
        "MetadataResponse",
        9,
        &[
            int32("throttle_time_ms").since(3),
            array::<metadata_response::MetadataResponseBroker>(
                "brokers",
                &elements(&[
                    int32("node_id"),
                    string("host"),
                    int32("port"),
                    string("rack").since(1),
                ]),
            ),
            string("cluster_id").since(2),
            int32("controller_id").since(1),
            array::<metadata_response::MetadataResponseTopic>(
                "topics",
                &elements(&[
                    int16("error_code"),
                    string("name"),
                    uuid("topic_id").since(10),
                    int8("is_internal").since(1),
                    array::<metadata_response::MetadataResponsePartition>(
                        "partitions",
                        &elements(&[
                            int16("error_code"),
                            int32("partition_index"),
                            int32("leader_id"),
                            int32("leader_epoch").since(7),
                            array_of_fixed::<4>("replica_nodes"),
                            array_of_fixed::<4>("isr_nodes"),
                            array_of_fixed::<4>("offline_replicas").since(5),
                        ]),
                    ),
                    int32("topic_authorized_operations").since(8),
                ]),
            ),
            int32("cluster_authorized_operations").since(8).until(10),
        ],
    );
}

impl Guarded for messages::DescribeClusterRequest {
    const LAYOUT: Layout = layout(
        "DescribeClusterRequest",
        0,
        &[
            int8("include_cluster_authorized_operations"),
            int8("endpoint_type").since(1),
        ],
    );
}

impl Guarded for messages::DescribeClusterResponse {
    const LAYOUT: Layout = layout(
        "DescribeClusterResponse",
        0,
        &[
            int32("throttle_time_ms"),
            int16("error_code"),
            string("error_message"),
            int8("endpoint_type").since(1),
            string("cluster_id"),
            int32("controller_id"),
            array::<describe_cluster_response::DescribeClusterBroker>(
                "brokers",
                &elements(&[
                    int32("broker_id"),
                    string("host"),
                    int32("port"),
                    string("rack"),
                ]),
            ),
            int32("cluster_authorized_operations"),
        ],
    );
}

impl Guarded for messages::DescribeTopicPartitionsRequest {
    const LAYOUT: Layout = layout(
        "DescribeTopicPartitionsRequest",
        0,
        &[
            array::<describe_topic_partitions_request::TopicRequest>(
                "topics",
                &elements(&[string("name")]),
            ),
            int32("response_partition_limit"),
            nullable_structure("cursor", &[string("topic_name"), int32("partition_index")]),
        ],
    );
}

impl Guarded for messages::DescribeTopicPartitionsResponse {
    const LAYOUT: Layout = layout("DescribeTopicPartitionsResponse", 0, &[
        int32("throttle_time_ms"),
        array::<describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic>("topics", &elements(&[
            int16("error_code"),
            string("name"),
            uuid("topic_id"),
            int8("is_internal"),
            array::<describe_topic_partitions_response::DescribeTopicPartitionsResponsePartition>("partitions", &elements(&[
                int16("error_code"),
                int32("partition_index"),
                int32("leader_id"),
                int32("leader_epoch"),
                array_of_fixed::<4>("replica_nodes"),
                array_of_fixed::<4>("isr_nodes"),
                array_of_fixed::<4>("eligible_leader_replicas"),
                array_of_fixed::<4>("last_known_elr"),
                array_of_fixed::<4>("offline_replicas"),
            ])),
            int32("topic_authorized_operations"),
        ])),
        nullable_structure("next_cursor", &[
            string("topic_name"),
            int32("partition_index"),
        ]),
    ]);
}

impl Guarded for messages::FindCoordinatorRequest {
    const LAYOUT: Layout = layout(
        "FindCoordinatorRequest",
        3,
        &[
            string("key").until(3),
            int8("key_type").since(1),
            array_of_strings("coordinator_keys").since(4),
        ],
    );
}

impl Guarded for messages::FindCoordinatorResponse {
    const LAYOUT: Layout = layout(
        "FindCoordinatorResponse",
        3,
        &[
            int32("throttle_time_ms").since(1),
            int16("error_code").until(3),
            string("error_message").since(1).until(3),
            int32("node_id").until(3),
            string("host").until(3),
            int32("port").until(3),
            array::<find_coordinator_response::Coordinator>(
                "coordinators",
                &elements(&[
                    string("key").since(4),
                    int32("node_id").since(4),
                    string("host").since(4),
                    int32("port").since(4),
                    int16("error_code").since(4),
                    string("error_message").since(4),
                ]),
            )
            .since(4),
        ],
    );
}
