//! Layouts: produce, fetch and their offsets.

use super::{
    Guarded, Layout, array, array_of_fixed, bytes, elements, int8, int16, int32, int64, layout,
    string, structure, uuid,
};
use crate::messages::{
    self, delete_records_request, delete_records_response, fetch_request, fetch_response,
    list_offsets_request, list_offsets_response, offset_for_leader_epoch_request,
    offset_for_leader_epoch_response, produce_request, produce_response,
};

impl Guarded for messages::ProduceRequest {
    const LAYOUT: Layout = layout(
        "ProduceRequest",
        9,
        &[
            string("transactional_id").since(3),
            int16("acks"),
            int32("timeout_ms"),
            array::<produce_request::TopicProduceData>(
                "topic_data",
                &elements(&[
                    string("name"),
                    array::<produce_request::PartitionProduceData>(
                        "partition_data",
                        &elements(&[int32("index"), bytes("records")]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::ProduceResponse {
    const LAYOUT: Layout = layout(
        "ProduceResponse",
        9,
        &[
            array::<produce_response::TopicProduceResponse>(
                "responses",
                &elements(&[
                    string("name"),
                    array::<produce_response::PartitionProduceResponse>(
                        "partition_responses",
                        &elements(&[
                            int32("index"),
                            int16("error_code"),
                            int64("base_offset"),
                            int64("log_append_time_ms").since(2),
                            int64("log_start_offset").since(5),
                            array::<produce_response::BatchIndexAndErrorMessage>(
                                "record_errors",
                                &elements(&[
                                    int32("batch_index").since(8),
                                    string("batch_index_error_message").since(8),
                                ]),
                            )
                            .since(8),
                            string("error_message").since(8),
                            structure(
                                "current_leader",
                                &[
                                    int32("leader_id").since(10),
                                    int32("leader_epoch").since(10),
                                ],
                            )
                            .tagged(0)
                            .since(10),
                        ]),
                    ),
                ]),
            ),
            int32("throttle_time_ms").since(1),
            array::<produce_response::NodeEndpoint>(
                "node_endpoints",
                &elements(&[
                    int32("node_id").since(10),
                    string("host").since(10),
                    int32("port").since(10),
                    string("rack").since(10),
                ]),
            )
            .tagged(0)
            .since(10),
        ],
    );
}

impl Guarded for messages::FetchRequest {
    const LAYOUT: Layout = layout(
        "FetchRequest",
        12,
        &[
            string("cluster_id").tagged(0).since(12),
            int32("replica_id").until(14),
            structure(
                "replica_state",
                &[
                    int32("replica_id").since(15),
                    int64("replica_epoch").since(15),
                ],
            )
            .tagged(1)
            .since(15),
            int32("max_wait_ms"),
            int32("min_bytes"),
            int32("max_bytes").since(3),
            int8("isolation_level").since(4),
            int32("session_id").since(7),
            int32("session_epoch").since(7),
            array::<fetch_request::FetchTopic>(
                "topics",
                &elements(&[
                    string("topic").until(12),
                    uuid("topic_id").since(13),
                    array::<fetch_request::FetchPartition>(
                        "partitions",
                        &elements(&[
                            int32("partition"),
                            int32("current_leader_epoch").since(9),
                            int64("fetch_offset"),
                            int32("last_fetched_epoch").since(12),
                            int64("log_start_offset").since(5),
                            int32("partition_max_bytes"),
                            uuid("replica_directory_id").tagged(0).since(17),
                        ]),
                    ),
                ]),
            ),
            array::<fetch_request::ForgottenTopic>(
                "forgotten_topics_data",
                &elements(&[
                    string("topic").since(7).until(12),
                    uuid("topic_id").since(13),
                    array_of_fixed::<4>("partitions").since(7),
                ]),
            )
            .since(7),
            string("rack_id").since(11),
        ],
    );
}

impl Guarded for messages::FetchResponse {
    const LAYOUT: Layout = layout(
        "FetchResponse",
        12,
        &[
            int32("throttle_time_ms").since(1),
            int16("error_code").since(7),
            int32("session_id").since(7),
            array::<fetch_response::FetchableTopicResponse>(
                "responses",
                &elements(&[
                    string("topic").until(12),
                    uuid("topic_id").since(13),
                    array::<fetch_response::PartitionData>(
                        "partitions",
                        &elements(&[
                            int32("partition_index"),
                            int16("error_code"),
                            int64("high_watermark"),
                            int64("last_stable_offset").since(4),
                            int64("log_start_offset").since(5),
                            structure(
                                "diverging_epoch",
                                &[int32("epoch").since(12), int64("end_offset").since(12)],
                            )
                            .tagged(0)
                            .since(12),
                            structure(
                                "current_leader",
                                &[
                                    int32("leader_id").since(12),
                                    int32("leader_epoch").since(12),
                                ],
                            )
                            .tagged(1)
                            .since(12),
                            structure("snapshot_id", &[int64("end_offset"), int32("epoch")])
                                .tagged(2)
                                .since(12),
                            array::<fetch_response::AbortedTransaction>(
                                "aborted_transactions",
                                &elements(&[
                                    int64("producer_id").since(4),
                                    int64("first_offset").since(4),
                                ]),
                            )
                            .since(4),
                            int32("preferred_read_replica").since(11),
                            bytes("records"),
                        ]),
                    ),
                ]),
            ),
            array::<fetch_response::NodeEndpoint>(
                "node_endpoints",
                &elements(&[
                    int32("node_id").since(16),
                    string("host").since(16),
                    int32("port").since(16),
                    string("rack").since(16),
                ]),
            )
            .tagged(0)
            .since(16),
        ],
    );
}

impl Guarded for messages::ListOffsetsRequest {
    const LAYOUT: Layout = layout(
        "ListOffsetsRequest",
        6,
        &[
            int32("replica_id"),
            int8("isolation_level").since(2),
            array::<list_offsets_request::ListOffsetsTopic>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<list_offsets_request::ListOffsetsPartition>(
                        "partitions",
                        &elements(&[
                            int32("partition_index"),
                            int32("current_leader_epoch").since(4),
                            int64("timestamp"),
                            int32("max_num_offsets").until(0),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::ListOffsetsResponse {
    const LAYOUT: Layout = layout(
        "ListOffsetsResponse",
        6,
        &[
            int32("throttle_time_ms").since(2),
            array::<list_offsets_response::ListOffsetsTopicResponse>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<list_offsets_response::ListOffsetsPartitionResponse>(
                        "partitions",
                        &elements(&[
                            int32("partition_index"),
                            int16("error_code"),
                            array_of_fixed::<8>("old_style_offsets").until(0),
                            int64("timestamp").since(1),
                            int64("offset").since(1),
                            int32("leader_epoch").since(4),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::OffsetForLeaderEpochRequest {
    const LAYOUT: Layout = layout(
        "OffsetForLeaderEpochRequest",
        4,
        &[
            int32("replica_id").since(3),
            array::<offset_for_leader_epoch_request::OffsetForLeaderTopic>(
                "topics",
                &elements(&[
                    string("topic"),
                    array::<offset_for_leader_epoch_request::OffsetForLeaderPartition>(
                        "partitions",
                        &elements(&[
                            int32("partition"),
                            int32("current_leader_epoch").since(2),
                            int32("leader_epoch"),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::OffsetForLeaderEpochResponse {
    const LAYOUT: Layout = layout(
        "OffsetForLeaderEpochResponse",
        4,
        &[
            int32("throttle_time_ms").since(2),
            array::<offset_for_leader_epoch_response::OffsetForLeaderTopicResult>(
                "topics",
                &elements(&[
                    string("topic"),
                    array::<offset_for_leader_epoch_response::EpochEndOffset>(
                        "partitions",
                        &elements(&[
                            int16("error_code"),
                            int32("partition"),
                            int32("leader_epoch").since(1),
                            int64("end_offset"),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::DeleteRecordsRequest {
    const LAYOUT: Layout = layout(
        "DeleteRecordsRequest",
        2,
        &[
            array::<delete_records_request::DeleteRecordsTopic>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<delete_records_request::DeleteRecordsPartition>(
                        "partitions",
                        &elements(&[int32("partition_index"), int64("offset")]),
                    ),
                ]),
            ),
            int32("timeout_ms"),
        ],
    );
}

impl Guarded for messages::DeleteRecordsResponse {
    const LAYOUT: Layout = layout(
        "DeleteRecordsResponse",
        2,
        &[
            int32("throttle_time_ms"),
            array::<delete_records_response::DeleteRecordsTopicResult>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<delete_records_response::DeleteRecordsPartitionResult>(
                        "partitions",
                        &elements(&[
                            int32("partition_index"),
                            int64("low_watermark"),
                            int16("error_code"),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}
