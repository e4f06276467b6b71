//! Layouts: idempotent and transactional producers.

use super::{
    Guarded, Layout, array, array_of_fixed, array_of_strings, elements, int8, int16, int32, int64,
    layout, string,
};
use crate::messages::{
    self, add_partitions_to_txn_request, add_partitions_to_txn_response,
    describe_transactions_response, list_transactions_response, txn_offset_commit_request,
    txn_offset_commit_response, write_txn_markers_request, write_txn_markers_response,
};

impl Guarded for messages::InitProducerIdRequest {
    const LAYOUT: Layout = layout(
        "InitProducerIdRequest",
        2,
        &[
            string("transactional_id"),
            int32("transaction_timeout_ms"),
            int64("producer_id").since(3),
            int16("producer_epoch").since(3),
        ],
    );
}

impl Guarded for messages::InitProducerIdResponse {
    const LAYOUT: Layout = layout(
        "InitProducerIdResponse",
        2,
        &[
            int32("throttle_time_ms"),
            int16("error_code"),
            int64("producer_id"),
            int16("producer_epoch"),
        ],
    );
}

impl Guarded for messages::AddPartitionsToTxnRequest {
    const LAYOUT: Layout = layout(
        "AddPartitionsToTxnRequest",
        3,
        &[
            array::<add_partitions_to_txn_request::AddPartitionsToTxnTransaction>(
                "transactions",
                &elements(&[
                    string("transactional_id").since(4),
                    int64("producer_id").since(4),
                    int16("producer_epoch").since(4),
                    int8("verify_only").since(4),
                    array::<add_partitions_to_txn_request::AddPartitionsToTxnTopic>(
                        "topics",
                        &elements(&[string("name"), array_of_fixed::<4>("partitions")]),
                    )
                    .since(4),
                ]),
            )
            .since(4),
            string("v3_and_below_transactional_id").until(3),
            int64("v3_and_below_producer_id").until(3),
            int16("v3_and_below_producer_epoch").until(3),
            array::<add_partitions_to_txn_request::AddPartitionsToTxnTopic>(
                "v3_and_below_topics",
                &elements(&[string("name"), array_of_fixed::<4>("partitions")]),
            )
            .until(3),
        ],
    );
}

impl Guarded for messages::AddPartitionsToTxnResponse {
    const LAYOUT: Layout = layout(
        "AddPartitionsToTxnResponse",
        3,
        &[
            int32("throttle_time_ms"),
            int16("error_code").since(4),
            array::<add_partitions_to_txn_response::AddPartitionsToTxnResult>(
                "results_by_transaction",
                &elements(&[
                    string("transactional_id").since(4),
                    array::<add_partitions_to_txn_response::AddPartitionsToTxnTopicResult>(
                        "topic_results",
                        &elements(&[
                            string("name"),
                            array::<
                                add_partitions_to_txn_response::AddPartitionsToTxnPartitionResult,
                            >(
                                "results_by_partition",
                                &elements(&[
                                    int32("partition_index"),
                                    int16("partition_error_code"),
                                ]),
                            ),
                        ]),
                    )
                    .since(4),
                ]),
            )
            .since(4),
            array::<add_partitions_to_txn_response::AddPartitionsToTxnTopicResult>(
                "results_by_topic_v3_and_below",
                &elements(&[
                    string("name"),
                    array::<add_partitions_to_txn_response::AddPartitionsToTxnPartitionResult>(
                        "results_by_partition",
                        &elements(&[int32("partition_index"), int16("partition_error_code")]),
                    ),
                ]),
            )
            .until(3),
        ],
    );
}

impl Guarded for messages::AddOffsetsToTxnRequest {
    const LAYOUT: Layout = layout(
        "AddOffsetsToTxnRequest",
        3,
        &[
            string("transactional_id"),
            int64("producer_id"),
            int16("producer_epoch"),
            string("group_id"),
        ],
    );
}

impl Guarded for messages::AddOffsetsToTxnResponse {
    const LAYOUT: Layout = layout(
        "AddOffsetsToTxnResponse",
        3,
        &[int32("throttle_time_ms"), int16("error_code")],
    );
}

impl Guarded for messages::EndTxnRequest {
    const LAYOUT: Layout = layout(
        "EndTxnRequest",
        3,
        &[
            string("transactional_id"),
            int64("producer_id"),
            int16("producer_epoch"),
            int8("committed"),
        ],
    );
}

impl Guarded for messages::EndTxnResponse {
    const LAYOUT: Layout = layout(
        "EndTxnResponse",
        3,
        &[int32("throttle_time_ms"), int16("error_code")],
    );
}

impl Guarded for messages::WriteTxnMarkersRequest {
    const LAYOUT: Layout = layout(
        "WriteTxnMarkersRequest",
        1,
        &[array::<write_txn_markers_request::WritableTxnMarker>(
            "markers",
            &elements(&[
                int64("producer_id"),
                int16("producer_epoch"),
                int8("transaction_result"),
                array::<write_txn_markers_request::WritableTxnMarkerTopic>(
                    "topics",
                    &elements(&[string("name"), array_of_fixed::<4>("partition_indexes")]),
                ),
                int32("coordinator_epoch"),
            ]),
        )],
    );
}

impl Guarded for messages::WriteTxnMarkersResponse {
    const LAYOUT: Layout = layout(
        "WriteTxnMarkersResponse",
        1,
        &[
            array::<write_txn_markers_response::WritableTxnMarkerResult>(
                "markers",
                &elements(&[
                    int64("producer_id"),
                    array::<write_txn_markers_response::WritableTxnMarkerTopicResult>(
                        "topics",
                        &elements(&[
                            string("name"),
                            array::<write_txn_markers_response::WritableTxnMarkerPartitionResult>(
                                "partitions",
                                &elements(&[int32("partition_index"), int16("error_code")]),
                            ),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::TxnOffsetCommitRequest {
    const LAYOUT: Layout = layout(
        "TxnOffsetCommitRequest",
        3,
        &[
            string("transactional_id"),
            string("group_id"),
            int64("producer_id"),
            int16("producer_epoch"),
            int32("generation_id").since(3),
            string("member_id").since(3),
            string("group_instance_id").since(3),
            array::<txn_offset_commit_request::TxnOffsetCommitRequestTopic>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<txn_offset_commit_request::TxnOffsetCommitRequestPartition>(
                        "partitions",
                        &elements(&[
                            int32("partition_index"),
                            int64("committed_offset"),
                            int32("committed_leader_epoch").since(2),
                            string("committed_metadata"),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::TxnOffsetCommitResponse {
    const LAYOUT: Layout = layout(
        "TxnOffsetCommitResponse",
        3,
        &[
            int32("throttle_time_ms"),
            array::<txn_offset_commit_response::TxnOffsetCommitResponseTopic>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<txn_offset_commit_response::TxnOffsetCommitResponsePartition>(
                        "partitions",
                        &elements(&[int32("partition_index"), int16("error_code")]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::DescribeTransactionsRequest {
    const LAYOUT: Layout = layout(
        "DescribeTransactionsRequest",
        0,
        &[array_of_strings("transactional_ids")],
    );
}

impl Guarded for messages::DescribeTransactionsResponse {
    const LAYOUT: Layout = layout(
        "DescribeTransactionsResponse",
        0,
        &[
            int32("throttle_time_ms"),
            array::<describe_transactions_response::TransactionState>(
                "transaction_states",
                &elements(&[
                    int16("error_code"),
                    string("transactional_id"),
                    string("transaction_state"),
                    int32("transaction_timeout_ms"),
                    int64("transaction_start_time_ms"),
                    int64("producer_id"),
                    int16("producer_epoch"),
                    array::<describe_transactions_response::TopicData>(
                        "topics",
                        &elements(&[string("topic"), array_of_fixed::<4>("partitions")]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::ListTransactionsRequest {
    const LAYOUT: Layout = layout(
        "ListTransactionsRequest",
        0,
        &[
            array_of_strings("state_filters"),
            array_of_fixed::<8>("producer_id_filters"),
            int64("duration_filter").since(1),
        ],
    );
}

impl Guarded for messages::ListTransactionsResponse {
    const LAYOUT: Layout = layout(
        "ListTransactionsResponse",
        0,
        &[
            int32("throttle_time_ms"),
            int16("error_code"),
            array_of_strings("unknown_state_filters"),
            array::<list_transactions_response::TransactionState>(
                "transaction_states",
                &elements(&[
                    string("transactional_id"),
                    int64("producer_id"),
                    string("transaction_state"),
                ]),
            ),
        ],
    );
}
