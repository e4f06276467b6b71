//! Layouts: authentication, access control and quotas.

use super::{
    Guarded, Layout, NEVER, array, array_of_strings, bytes, elements, int8, int16, int32, int64,
    layout, string,
};
use crate::messages::{
    self, alter_client_quotas_request, alter_client_quotas_response, create_acls_request,
    create_acls_response, delete_acls_request, delete_acls_response, describe_acls_response,
    describe_client_quotas_request, describe_client_quotas_response,
};

impl Guarded for messages::SaslHandshakeRequest {
    const LAYOUT: Layout = layout("SaslHandshakeRequest", NEVER, &[string("mechanism")]);
}

impl Guarded for messages::SaslHandshakeResponse {
    const LAYOUT: Layout = layout(
        "SaslHandshakeResponse",
        NEVER,
        &[int16("error_code"), array_of_strings("mechanisms")],
    );
}

impl Guarded for messages::SaslAuthenticateRequest {
    const LAYOUT: Layout = layout("SaslAuthenticateRequest", 2, &[bytes("auth_bytes")]);
}

impl Guarded for messages::SaslAuthenticateResponse {
    const LAYOUT: Layout = layout(
        "SaslAuthenticateResponse",
        2,
        &[
            int16("error_code"),
            string("error_message"),
            bytes("auth_bytes"),
            int64("session_lifetime_ms").since(1),
        ],
    );
}

impl Guarded for messages::DescribeAclsRequest {
    const LAYOUT: Layout = layout(
        "DescribeAclsRequest",
        2,
        &[
            int8("resource_type_filter"),
            string("resource_name_filter"),
            int8("pattern_type_filter").since(1),
            string("principal_filter"),
            string("host_filter"),
            int8("operation"),
            int8("permission_type"),
        ],
    );
}

impl Guarded for messages::DescribeAclsResponse {
    const LAYOUT: Layout = layout(
        "DescribeAclsResponse",
        2,
        &[
            int32("throttle_time_ms"),
            int16("error_code"),
            string("error_message"),
            array::<describe_acls_response::DescribeAclsResource>(
                "resources",
                &elements(&[
                    int8("resource_type"),
                    string("resource_name"),
                    int8("pattern_type").since(1),
                    array::<describe_acls_response::AclDescription>(
                        "acls",
                        &elements(&[
                            string("principal"),
                            string("host"),
                            int8("operation"),
                            int8("permission_type"),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::CreateAclsRequest {
    const LAYOUT: Layout = layout(
        "CreateAclsRequest",
        2,
        &[array::<create_acls_request::AclCreation>(
            "creations",
            &elements(&[
                int8("resource_type"),
                string("resource_name"),
                int8("resource_pattern_type").since(1),
                string("principal"),
                string("host"),
                int8("operation"),
                int8("permission_type"),
            ]),
        )],
    );
}

impl Guarded for messages::CreateAclsResponse {
    const LAYOUT: Layout = layout(
        "CreateAclsResponse",
        2,
        &[
            int32("throttle_time_ms"),
            array::<create_acls_response::AclCreationResult>(
                "results",
                &elements(&[int16("error_code"), string("error_message")]),
            ),
        ],
    );
}

impl Guarded for messages::DeleteAclsRequest {
    const LAYOUT: Layout = layout(
        "DeleteAclsRequest",
        2,
        &[array::<delete_acls_request::DeleteAclsFilter>(
            "filters",
            &elements(&[
                int8("resource_type_filter"),
                string("resource_name_filter"),
                int8("pattern_type_filter").since(1),
                string("principal_filter"),
                string("host_filter"),
                int8("operation"),
                int8("permission_type"),
            ]),
        )],
    );
}

impl Guarded for messages::DeleteAclsResponse {
    const LAYOUT: Layout = layout(
        "DeleteAclsResponse",
        2,
        &[
            int32("throttle_time_ms"),
            array::<delete_acls_response::DeleteAclsFilterResult>(
                "filter_results",
                &elements(&[
                    int16("error_code"),
                    string("error_message"),
                    array::<delete_acls_response::DeleteAclsMatchingAcl>(
                        "matching_acls",
                        &elements(&[
                            int16("error_code"),
                            string("error_message"),
                            int8("resource_type"),
                            string("resource_name"),
                            int8("pattern_type").since(1),
                            string("principal"),
                            string("host"),
                            int8("operation"),
                            int8("permission_type"),
                        ]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::DescribeClientQuotasRequest {
    const LAYOUT: Layout = layout(
        "DescribeClientQuotasRequest",
        1,
        &[
            array::<describe_client_quotas_request::ComponentData>(
                "components",
                &elements(&[string("entity_type"), int8("match_type"), string("match")]),
            ),
            int8("strict"),
        ],
    );
}

impl Guarded for messages::DescribeClientQuotasResponse {
    const LAYOUT: Layout = layout(
        "DescribeClientQuotasResponse",
        1,
        &[
            int32("throttle_time_ms"),
            int16("error_code"),
            string("error_message"),
            array::<describe_client_quotas_response::EntryData>(
                "entries",
                &elements(&[
                    array::<describe_client_quotas_response::EntityData>(
                        "entity",
                        &elements(&[string("entity_type"), string("entity_name")]),
                    ),
                    array::<describe_client_quotas_response::ValueData>(
                        "values",
                        &elements(&[string("key"), int64("value")]),
                    ),
                ]),
            ),
        ],
    );
}

impl Guarded for messages::AlterClientQuotasRequest {
    const LAYOUT: Layout = layout(
        "AlterClientQuotasRequest",
        1,
        &[
            array::<alter_client_quotas_request::EntryData>(
                "entries",
                &elements(&[
                    array::<alter_client_quotas_request::EntityData>(
                        "entity",
                        &elements(&[string("entity_type"), string("entity_name")]),
                    ),
                    array::<alter_client_quotas_request::OpData>(
                        "ops",
                        &elements(&[string("key"), int64("value"), int8("remove")]),
                    ),
                ]),
            ),
            int8("validate_only"),
        ],
    );
}

impl Guarded for messages::AlterClientQuotasResponse {
    const LAYOUT: Layout = layout(
        "AlterClientQuotasResponse",
        1,
        &[
            int32("throttle_time_ms"),
            array::<alter_client_quotas_response::EntryData>(
                "entries",
                &elements(&[
                    int16("error_code"),
                    string("error_message"),
                    array::<alter_client_quotas_response::EntityData>(
                        "entity",
                        &elements(&[string("entity_type"), string("entity_name")]),
                    ),
                ]),
            ),
        ],
    );
}
