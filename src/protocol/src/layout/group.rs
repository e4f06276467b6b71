//! Layouts: consumer groups.

use super::{
    Guarded, Layout, NEVER, array, array_of_fixed, array_of_strings, bytes, elements, int8, int16,
    int32, int64, layout, string,
};
use crate::messages::{
    self, delete_groups_response, describe_groups_response, join_group_request,
    join_group_response, leave_group_request, leave_group_response, list_groups_response,
    offset_commit_request, offset_commit_response, offset_delete_request, offset_delete_response,
    offset_fetch_request, offset_fetch_response, sync_group_request,
};

impl Guarded for messages::OffsetCommitRequest {
    const LAYOUT: Layout = layout(
        "OffsetCommitRequest",
        8,
        &[
            string("group_id"),
            int32("generation_id_or_member_epoch").since(1),
            string("member_id").since(1),
            string("group_instance_id").since(7),
            int64("retention_time_ms").since(2).until(4),
            array::<offset_commit_request::OffsetCommitRequestTopic>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<offset_commit_request::OffsetCommitRequestPartition>(
                        "partitions",
                        &elements(&[
                            int32("partition_index"),
                            int64("committed_offset"),
                            int32("committed_leader_epoch").since(6),
                            int64("commit_timestamp").since(1).until(1),
                            string("committed_metadata"),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::OffsetCommitResponse {
    const LAYOUT: Layout = layout(
        "OffsetCommitResponse",
        8,
        &[
            int32("throttle_time_ms").since(3),
            array::<offset_commit_response::OffsetCommitResponseTopic>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<offset_commit_response::OffsetCommitResponsePartition>(
                        "partitions",
                        &elements(&[int32("partition_index"), int16("error_code")]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::OffsetFetchRequest {
    const LAYOUT: Layout = layout(
        "OffsetFetchRequest",
        6,
        &[
            string("group_id").until(7),
            array::<offset_fetch_request::OffsetFetchRequestTopic>(
                "topics",
                &elements(&[
                    string("name").until(7),
                    array_of_fixed::<4>("partition_indexes").until(7),
                ]),
            )
            .until(7),
            array::<offset_fetch_request::OffsetFetchRequestGroup>(
                "groups",
                &elements(&[
                    string("group_id").since(8),
                    string("member_id").since(9),
                    int32("member_epoch").since(9),
                    array::<offset_fetch_request::OffsetFetchRequestTopics>(
                        "topics",
                        &elements(&[
                            string("name").since(8),
                            array_of_fixed::<4>("partition_indexes").since(8),
                        ]),
                    )
                    .since(8),
                ]),
            )
            .since(8),
            int8("require_stable").since(7),
        ],
    );
}

impl Guarded for messages::OffsetFetchResponse {
    const LAYOUT: Layout = layout(
        "OffsetFetchResponse",
        6,
        &[
            int32("throttle_time_ms").since(3),
            array::<offset_fetch_response::OffsetFetchResponseTopic>(
                "topics",
                &elements(&[
                    string("name").until(7),
                    array::<offset_fetch_response::OffsetFetchResponsePartition>(
                        "partitions",
                        &elements(&[
                            int32("partition_index").until(7),
                            int64("committed_offset").until(7),
                            int32("committed_leader_epoch").since(5).until(7),
                            string("metadata").until(7),
                            int16("error_code").until(7),
                        ]),
                    )
                    .until(7),
                ]),
            )
            .until(7),
            int16("error_code").since(2).until(7),
            array::<offset_fetch_response::OffsetFetchResponseGroup>(
                "groups",
                &elements(&[
                    string("group_id").since(8),
                    array::<offset_fetch_response::OffsetFetchResponseTopics>(
                        "topics",
                        &elements(&[
                            string("name").since(8),
                            array::<offset_fetch_response::OffsetFetchResponsePartitions>(
                                "partitions",
                                &elements(&[
                                    int32("partition_index").since(8),
                                    int64("committed_offset").since(8),
                                    int32("committed_leader_epoch").since(8),
                                    string("metadata").since(8),
                                    int16("error_code").since(8),
                                ]),
                            )
                            .since(8),
                        ]),
                    )
                    .since(8),
                    int16("error_code").since(8),
                ]),
            )
            .since(8),
        ],
    );
}

impl Guarded for messages::JoinGroupRequest {
    const LAYOUT: Layout = layout(
        "JoinGroupRequest",
        6,
        &[
            string("group_id"),
            int32("session_timeout_ms"),
            int32("rebalance_timeout_ms").since(1),
            string("member_id"),
            string("group_instance_id").since(5),
            string("protocol_type"),
            array::<join_group_request::JoinGroupRequestProtocol>(
                "protocols",
                &elements(&[string("name"), bytes("metadata")]),
            ),
            string("reason").since(8),
        ],
    );
}

impl Guarded for messages::JoinGroupResponse {
    const LAYOUT: Layout = layout(
        "JoinGroupResponse",
        6,
        &[
            int32("throttle_time_ms").since(2),
            int16("error_code"),
            int32("generation_id"),
            string("protocol_type").since(7),
            string("protocol_name"),
            string("leader"),
            int8("skip_assignment").since(9),
            string("member_id"),
            array::<join_group_response::JoinGroupResponseMember>(
                "members",
                &elements(&[
                    string("member_id"),
                    string("group_instance_id").since(5),
                    bytes("metadata"),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::HeartbeatRequest {
    const LAYOUT: Layout = layout(
        "HeartbeatRequest",
        4,
        &[
            string("group_id"),
            int32("generation_id"),
            string("member_id"),
            string("group_instance_id").since(3),
        ],
    );
}

impl Guarded for messages::HeartbeatResponse {
    const LAYOUT: Layout = layout(
        "HeartbeatResponse",
        4,
        &[int32("throttle_time_ms").since(1), int16("error_code")],
    );
}

impl Guarded for messages::LeaveGroupRequest {
    const LAYOUT: Layout = layout(
        "LeaveGroupRequest",
        4,
        &[
            string("group_id"),
            string("member_id").until(2),
            array::<leave_group_request::MemberIdentity>(
                "members",
                &elements(&[
                    string("member_id").since(3),
                    string("group_instance_id").since(3),
                    string("reason").since(5),
                ]),
            )
            .since(3),
        ],
    );
}

impl Guarded for messages::LeaveGroupResponse {
    const LAYOUT: Layout = layout(
        "LeaveGroupResponse",
        4,
        &[
            int32("throttle_time_ms").since(1),
            int16("error_code"),
            array::<leave_group_response::MemberResponse>(
                "members",
                &elements(&[
                    string("member_id").since(3),
                    string("group_instance_id").since(3),
                    int16("error_code").since(3),
                ]),
            )
            .since(3),
        ],
    );
}

impl Guarded for messages::SyncGroupRequest {
    const LAYOUT: Layout = layout(
        "SyncGroupRequest",
        4,
        &[
            string("group_id"),
            int32("generation_id"),
            string("member_id"),
            string("group_instance_id").since(3),
            string("protocol_type").since(5),
            string("protocol_name").since(5),
            array::<sync_group_request::SyncGroupRequestAssignment>(
                "assignments",
                &elements(&[string("member_id"), bytes("assignment")]),
            ),
        ],
    );
}

impl Guarded for messages::SyncGroupResponse {
    const LAYOUT: Layout = layout(
        "SyncGroupResponse",
        4,
        &[
            int32("throttle_time_ms").since(1),
            int16("error_code"),
            string("protocol_type").since(5),
            string("protocol_name").since(5),
            bytes("assignment"),
        ],
    );
}

impl Guarded for messages::DescribeGroupsRequest {
    const LAYOUT: Layout = layout(
        "DescribeGroupsRequest",
        5,
        &[
            array_of_strings("groups"),
            int8("include_authorized_operations").since(3),
        ],
    );
}

impl Guarded for messages::DescribeGroupsResponse {
    const LAYOUT: Layout = layout(
        "DescribeGroupsResponse",
        5,
        &[
            int32("throttle_time_ms").since(1),
            array::<describe_groups_response::DescribedGroup>(
                "groups",
                &elements(&[
                    int16("error_code"),
                    string("group_id"),
                    string("group_state"),
                    string("protocol_type"),
                    string("protocol_data"),
                    array::<describe_groups_response::DescribedGroupMember>(
                        "members",
                        &elements(&[
                            string("member_id"),
                            string("group_instance_id").since(4),
                            string("client_id"),
                            string("client_host"),
                            bytes("member_metadata"),
                            bytes("member_assignment"),
                        ]),
                    ),
                    int32("authorized_operations").since(3),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::ListGroupsRequest {
    const LAYOUT: Layout = layout(
        "ListGroupsRequest",
        3,
        &[
            array_of_strings("states_filter").since(4),
            array_of_strings("types_filter").since(5),
        ],
    );
}

impl Guarded for messages::ListGroupsResponse {
    const LAYOUT: Layout = layout(
        "ListGroupsResponse",
        3,
        &[
            int32("throttle_time_ms").since(1),
            int16("error_code"),
            array::<list_groups_response::ListedGroup>(
                "groups",
                &elements(&[
                    string("group_id"),
                    string("protocol_type"),
                    string("group_state").since(4),
                    string("group_type").since(5),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::DeleteGroupsRequest {
    const LAYOUT: Layout = layout(
        "DeleteGroupsRequest",
        2,
        &[array_of_strings("groups_names")],
    );
}

impl Guarded for messages::DeleteGroupsResponse {
    const LAYOUT: Layout = layout(
        "DeleteGroupsResponse",
        2,
        &[
            int32("throttle_time_ms"),
            array::<delete_groups_response::DeletableGroupResult>(
                "results",
                &elements(&[string("group_id"), int16("error_code")]),
            ),
        ],
    );
}

impl Guarded for messages::OffsetDeleteRequest {
    const LAYOUT: Layout = layout(
        "OffsetDeleteRequest",
        NEVER,
        &[
            string("group_id"),
            array::<offset_delete_request::OffsetDeleteRequestTopic>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<offset_delete_request::OffsetDeleteRequestPartition>(
                        "partitions",
                        &elements(&[int32("partition_index")]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::OffsetDeleteResponse {
    const LAYOUT: Layout = layout(
        "OffsetDeleteResponse",
        NEVER,
        &[
            int16("error_code"),
            int32("throttle_time_ms"),
            array::<offset_delete_response::OffsetDeleteResponseTopic>(
                "topics",
                &elements(&[
                    string("name"),
                    array::<offset_delete_response::OffsetDeleteResponsePartition>(
                        "partitions",
                        &elements(&[int32("partition_index"), int16("error_code")]),
                    ),
                ]),
            ),
        ],
    );
}
