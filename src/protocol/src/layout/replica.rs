//! Layouts: what controller and brokers send each other.

use super::{
    Guarded, Layout, array, array_of_fixed, elements, int8, int16, int32, int64, layout, string,
    uuid,
};
use crate::messages::{
    self, alter_partition_request, alter_partition_response, controlled_shutdown_response,
    leader_and_isr_request, leader_and_isr_response, stop_replica_request, stop_replica_response,
    update_metadata_request,
};

impl Guarded for messages::LeaderAndIsrRequest {
    const LAYOUT: Layout = layout(
        "LeaderAndIsrRequest",
        4,
        &[
            int32("controller_id"),
            int8("is_k_raft_controller").since(7),
            int32("controller_epoch"),
            int64("broker_epoch").since(2),
            int8("type").since(5),
            array::<leader_and_isr_request::LeaderAndIsrPartitionState>(
                "ungrouped_partition_states",
                &elements(&[
                    string("topic_name").until(1),
                    int32("partition_index"),
                    int32("controller_epoch"),
                    int32("leader"),
                    int32("leader_epoch"),
                    array_of_fixed::<4>("isr"),
                    int32("partition_epoch"),
                    array_of_fixed::<4>("replicas"),
                    array_of_fixed::<4>("adding_replicas").since(3),
                    array_of_fixed::<4>("removing_replicas").since(3),
                    int8("is_new").since(1),
                    int8("leader_recovery_state").since(6),
                ]),
            )
            .until(1),
            array::<leader_and_isr_request::LeaderAndIsrTopicState>(
                "topic_states",
                &elements(&[
                    string("topic_name").since(2),
                    uuid("topic_id").since(5),
                    array::<leader_and_isr_request::LeaderAndIsrPartitionState>(
                        "partition_states",
                        &elements(&[
                            string("topic_name").until(1),
                            int32("partition_index"),
                            int32("controller_epoch"),
                            int32("leader"),
                            int32("leader_epoch"),
                            array_of_fixed::<4>("isr"),
                            int32("partition_epoch"),
                            array_of_fixed::<4>("replicas"),
                            array_of_fixed::<4>("adding_replicas").since(3),
                            array_of_fixed::<4>("removing_replicas").since(3),
                            int8("is_new").since(1),
                            int8("leader_recovery_state").since(6),
                        ]),
                    )
                    .since(2),
                ]),
            )
            .since(2),
            array::<leader_and_isr_request::LeaderAndIsrLiveLeader>(
                "live_leaders",
                &elements(&[int32("broker_id"), string("host_name"), int32("port")]),
            ),
        ],
    );
}

impl Guarded for messages::LeaderAndIsrResponse {
    const LAYOUT: Layout = layout(
        "LeaderAndIsrResponse",
        4,
        &[
            int16("error_code"),
            array::<leader_and_isr_response::LeaderAndIsrPartitionError>(
                "partition_errors",
                &elements(&[
                    string("topic_name").until(4),
                    int32("partition_index"),
                    int16("error_code"),
                ]),
            )
            .until(4),
            array::<leader_and_isr_response::LeaderAndIsrTopicError>(
                "topics",
                &elements(&[
                    uuid("topic_id").since(5),
                    array::<leader_and_isr_response::LeaderAndIsrPartitionError>(
                        "partition_errors",
                        &elements(&[
                            string("topic_name").until(4),
                            int32("partition_index"),
                            int16("error_code"),
                        ]),
                    )
                    .since(5),
                ]),
            )
            .since(5),
        ],
    );
}

impl Guarded for messages::StopReplicaRequest {
    const LAYOUT: Layout = layout(
        "StopReplicaRequest",
        2,
        &[
            int32("controller_id"),
            int8("is_k_raft_controller").since(4),
            int32("controller_epoch"),
            int64("broker_epoch").since(1),
            int8("delete_partitions").until(2),
            array::<stop_replica_request::StopReplicaPartitionV0>(
                "ungrouped_partitions",
                &elements(&[
                    string("topic_name").until(0),
                    int32("partition_index").until(0),
                ]),
            )
            .until(0),
            array::<stop_replica_request::StopReplicaTopicV1>(
                "topics",
                &elements(&[
                    string("name").since(1).until(2),
                    array_of_fixed::<4>("partition_indexes").since(1).until(2),
                ]),
            )
            .since(1)
            .until(2),
            array::<stop_replica_request::StopReplicaTopicState>(
                "topic_states",
                &elements(&[
                    string("topic_name").since(3),
                    array::<stop_replica_request::StopReplicaPartitionState>(
                        "partition_states",
                        &elements(&[
                            int32("partition_index").since(3),
                            int32("leader_epoch").since(3),
                            int8("delete_partition").since(3),
                        ]),
                    )
                    .since(3),
                ]),
            )
            .since(3),
        ],
    );
}

impl Guarded for messages::StopReplicaResponse {
    const LAYOUT: Layout = layout(
        "StopReplicaResponse",
        2,
        &[
            int16("error_code"),
            array::<stop_replica_response::StopReplicaPartitionError>(
                "partition_errors",
                &elements(&[
                    string("topic_name"),
                    int32("partition_index"),
                    int16("error_code"),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::UpdateMetadataRequest {
    const LAYOUT: Layout = layout(
        "UpdateMetadataRequest",
        6,
        &[
            int32("controller_id"),
            int8("is_k_raft_controller").since(8),
            int8("type").tagged(0).since(8),
            int32("controller_epoch"),
            int64("broker_epoch").since(5),
            array::<update_metadata_request::UpdateMetadataPartitionState>(
                "ungrouped_partition_states",
                &elements(&[
                    string("topic_name").until(4),
                    int32("partition_index"),
                    int32("controller_epoch"),
                    int32("leader"),
                    int32("leader_epoch"),
                    array_of_fixed::<4>("isr"),
                    int32("zk_version"),
                    array_of_fixed::<4>("replicas"),
                    array_of_fixed::<4>("offline_replicas").since(4),
                ]),
            )
            .until(4),
            array::<update_metadata_request::UpdateMetadataTopicState>(
                "topic_states",
                &elements(&[
                    string("topic_name").since(5),
                    uuid("topic_id").since(7),
                    array::<update_metadata_request::UpdateMetadataPartitionState>(
                        "partition_states",
                        &elements(&[
                            string("topic_name").until(4),
                            int32("partition_index"),
                            int32("controller_epoch"),
                            int32("leader"),
                            int32("leader_epoch"),
                            array_of_fixed::<4>("isr"),
                            int32("zk_version"),
                            array_of_fixed::<4>("replicas"),
                            array_of_fixed::<4>("offline_replicas").since(4),
                        ]),
                    )
                    .since(5),
                ]),
            )
            .since(5),
            array::<update_metadata_request::UpdateMetadataBroker>(
                "live_brokers",
                &elements(&[
                    int32("id"),
                    string("v0_host").until(0),
                    int32("v0_port").until(0),
                    array::<update_metadata_request::UpdateMetadataEndpoint>(
                        "endpoints",
                        &elements(&[
                            int32("port").since(1),
                            string("host").since(1),
                            string("listener").since(3),
                            int16("security_protocol").since(1),
                        ]),
                    )
                    .since(1),
                    string("rack").since(2),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::UpdateMetadataResponse {
    const LAYOUT: Layout = layout("UpdateMetadataResponse", 6, &[int16("error_code")]);
}

impl Guarded for messages::ControlledShutdownRequest {
    const LAYOUT: Layout = layout(
        "ControlledShutdownRequest",
        3,
        &[int32("broker_id"), int64("broker_epoch").since(2)],
    );
}

impl Guarded for messages::ControlledShutdownResponse {
    const LAYOUT: Layout = layout(
        "ControlledShutdownResponse",
        3,
        &[
            int16("error_code"),
            array::<controlled_shutdown_response::RemainingPartition>(
                "remaining_partitions",
                &elements(&[string("topic_name"), int32("partition_index")]),
            ),
        ],
    );
}

impl Guarded for messages::AlterPartitionRequest {
    const LAYOUT: Layout = layout(
        "AlterPartitionRequest",
        0,
        &[
            int32("broker_id"),
            int64("broker_epoch"),
            array::<alter_partition_request::TopicData>(
                "topics",
                &elements(&[
                    string("topic_name").until(1),
                    uuid("topic_id").since(2),
                    array::<alter_partition_request::PartitionData>(
                        "partitions",
                        &elements(&[
                            int32("partition_index"),
                            int32("leader_epoch"),
                            array_of_fixed::<4>("new_isr").until(2),
                            array::<alter_partition_request::BrokerState>(
                                "new_isr_with_epochs",
                                &elements(&[
                                    int32("broker_id").since(3),
                                    int64("broker_epoch").since(3),
                                ]),
                            )
                            .since(3),
                            int8("leader_recovery_state").since(1),
                            int32("partition_epoch"),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::AlterPartitionResponse {
    const LAYOUT: Layout = layout(
        "AlterPartitionResponse",
        0,
        &[
            int32("throttle_time_ms"),
            int16("error_code"),
            array::<alter_partition_response::TopicData>(
                "topics",
                &elements(&[
                    string("topic_name").until(1),
                    uuid("topic_id").since(2),
                    array::<alter_partition_response::PartitionData>(
                        "partitions",
                        &elements(&[
                            int32("partition_index"),
                            int16("error_code"),
                            int32("leader_id"),
                            int32("leader_epoch"),
                            array_of_fixed::<4>("isr"),
                            int8("leader_recovery_state").since(1),
                            int32("partition_epoch"),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::AllocateProducerIdsRequest {
    const LAYOUT: Layout = layout(
        "AllocateProducerIdsRequest",
        0,
        &[int32("broker_id"), int64("broker_epoch")],
    );
}

impl Guarded for messages::AllocateProducerIdsResponse {
    const LAYOUT: Layout = layout(
        "AllocateProducerIdsResponse",
        0,
        &[
            int32("throttle_time_ms"),
            int16("error_code"),
            int64("producer_id_start"),
            int32("producer_id_len"),
        ],
    );
}
