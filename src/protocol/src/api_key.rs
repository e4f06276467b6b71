//! The requests of the protocol by number (Kafka's `ApiKeys`).

/// Versions of one API, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiVersionRange {
    /// The oldest version.
    pub min: i16,
    /// The newest version.
    pub max: i16,
}

impl ApiVersionRange {
    /// Whether `version` lies in the range.
    pub fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

macro_rules! api_keys {
    (@flexible none) => { None };
    (@flexible $version:literal) => { Some($version) };
    (@zookeeper zookeeper) => { true };
    (@zookeeper kraft) => { false };
    ($($api:ident = $key:literal, $min:literal..$max:literal, $flexible:tt, $mode:ident;)*) => {
        /// A request type. All that Kafka 3.9 names, whether or not a broker in ZooKeeper mode
        /// answers it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $(#[doc = concat!("`", stringify!($api), "`")] $api = $key,)*
        }

        impl ApiKey {
            /// Every API, in the order of the keys.
            pub const ALL: &'static [ApiKey] = &[$(ApiKey::$api,)*];

            /// The API with this key; `None` for keys that Kafka 3.9 does not know.
            pub fn from_key(key: i16) -> Option<ApiKey> {
                match key {
                    $($key => Some(ApiKey::$api),)*
                    _ => None,
                }
            }

            /// Kafka's name of the API, such as `ListOffsets`.
            pub fn name(self) -> &'static str {
                match self {
                    $(ApiKey::$api => stringify!($api),)*
                }
            }

            /// The versions that Kafka 3.9 knows.
            pub fn versions(self) -> ApiVersionRange {
                match self {
                    $(ApiKey::$api => ApiVersionRange { min: $min, max: $max },)*
                }
            }

            /// The first version with compact lengths and tagged fields (KIP-482).
            pub fn flexible_from(self) -> Option<i16> {
                match self {
                    $(ApiKey::$api => api_keys!(@flexible $flexible),)*
                }
            }

            /// Whether a Kafka 3.9 broker in ZooKeeper mode answers this API.
            pub fn in_zookeeper_mode(self) -> bool {
                match self {
                    $(ApiKey::$api => api_keys!(@zookeeper $mode),)*
                }
            }
        }
    };
}

impl ApiKey {
    /// The number on the wire.
    pub fn key(self) -> i16 {
        self as i16
    }

    /// Whether `version` has compact lengths and tagged fields (KIP-482).
    pub fn is_flexible(self, version: i16) -> bool {
        self.flexible_from().is_some_and(|from| version >= from)
    }

    /// The version of the request header that goes before version `version` of the request: 2 has
    /// tagged fields, 1 has a client id, 0 (only `ControlledShutdown` version 0) has neither.
    pub fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) {
            2
        } else if self == ApiKey::ControlledShutdown && version == 0 {
            0
        } else {
            1
        }
    }

    /// The version of the response header that goes before version `version` of the response: 1
    /// has tagged fields. `ApiVersions` always has 0, so that a client that does not yet know the
    /// broker can read it (KIP-511).
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self != ApiKey::ApiVersions && self.is_flexible(version))
    }
}

impl std::fmt::Display for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

// Name = key, oldest..newest version, first flexible version, where Kafka 3.9 answers it.
api_keys! {
    Produce = 0, 0..11, 9, zookeeper;
    Fetch = 1, 0..17, 12, zookeeper;
    ListOffsets = 2, 0..9, 6, zookeeper;
    Metadata = 3, 0..12, 9, zookeeper;
    LeaderAndIsr = 4, 0..7, 4, zookeeper;
    StopReplica = 5, 0..4, 2, zookeeper;
    UpdateMetadata = 6, 0..8, 6, zookeeper;
    ControlledShutdown = 7, 0..3, 3, zookeeper;
    OffsetCommit = 8, 0..9, 8, zookeeper;
    OffsetFetch = 9, 0..9, 6, zookeeper;
    FindCoordinator = 10, 0..6, 3, zookeeper;
    JoinGroup = 11, 0..9, 6, zookeeper;
    Heartbeat = 12, 0..4, 4, zookeeper;
    LeaveGroup = 13, 0..5, 4, zookeeper;
    SyncGroup = 14, 0..5, 4, zookeeper;
    DescribeGroups = 15, 0..5, 5, zookeeper;
    ListGroups = 16, 0..5, 3, zookeeper;
    SaslHandshake = 17, 0..1, none, zookeeper;
    ApiVersions = 18, 0..4, 3, zookeeper;
    CreateTopics = 19, 0..7, 5, zookeeper;
    DeleteTopics = 20, 0..6, 4, zookeeper;
    DeleteRecords = 21, 0..2, 2, zookeeper;
    InitProducerId = 22, 0..5, 2, zookeeper;
    OffsetForLeaderEpoch = 23, 0..4, 4, zookeeper;
    AddPartitionsToTxn = 24, 0..5, 3, zookeeper;
    AddOffsetsToTxn = 25, 0..4, 3, zookeeper;
    EndTxn = 26, 0..4, 3, zookeeper;
    WriteTxnMarkers = 27, 0..1, 1, zookeeper;
    TxnOffsetCommit = 28, 0..4, 3, zookeeper;
    DescribeAcls = 29, 0..3, 2, zookeeper;
    CreateAcls = 30, 0..3, 2, zookeeper;
    DeleteAcls = 31, 0..3, 2, zookeeper;
    DescribeConfigs = 32, 0..4, 4, zookeeper;
    AlterConfigs = 33, 0..2, 2, zookeeper;
    AlterReplicaLogDirs = 34, 0..2, 2, zookeeper;
    DescribeLogDirs = 35, 0..4, 2, zookeeper;
    SaslAuthenticate = 36, 0..2, 2, zookeeper;
    CreatePartitions = 37, 0..3, 2, zookeeper;
    CreateDelegationToken = 38, 0..3, 2, zookeeper;
    RenewDelegationToken = 39, 0..2, 2, zookeeper;
    ExpireDelegationToken = 40, 0..2, 2, zookeeper;
    DescribeDelegationToken = 41, 0..3, 2, zookeeper;
    DeleteGroups = 42, 0..2, 2, zookeeper;
    ElectLeaders = 43, 0..2, 2, zookeeper;
    IncrementalAlterConfigs = 44, 0..1, 1, zookeeper;
    AlterPartitionReassignments = 45, 0..0, 0, zookeeper;
    ListPartitionReassignments = 46, 0..0, 0, zookeeper;
    OffsetDelete = 47, 0..0, none, zookeeper;
    DescribeClientQuotas = 48, 0..1, 1, zookeeper;
    AlterClientQuotas = 49, 0..1, 1, zookeeper;
    DescribeUserScramCredentials = 50, 0..0, 0, zookeeper;
    AlterUserScramCredentials = 51, 0..0, 0, zookeeper;
    Vote = 52, 0..1, 0, kraft;
    BeginQuorumEpoch = 53, 0..1, 1, kraft;
    EndQuorumEpoch = 54, 0..1, 1, kraft;
    DescribeQuorum = 55, 0..2, 0, kraft;
    AlterPartition = 56, 0..3, 0, zookeeper;
    UpdateFeatures = 57, 0..1, 0, zookeeper;
    Envelope = 58, 0..0, 0, zookeeper;
    FetchSnapshot = 59, 0..1, 0, kraft;
    DescribeCluster = 60, 0..1, 0, zookeeper;
    DescribeProducers = 61, 0..0, 0, zookeeper;
    BrokerRegistration = 62, 0..4, 0, kraft;
    BrokerHeartbeat = 63, 0..1, 0, kraft;
    UnregisterBroker = 64, 0..0, 0, kraft;
    DescribeTransactions = 65, 0..0, 0, zookeeper;
    ListTransactions = 66, 0..1, 0, zookeeper;
    AllocateProducerIds = 67, 0..0, 0, zookeeper;
    ConsumerGroupHeartbeat = 68, 0..0, 0, zookeeper;
    ConsumerGroupDescribe = 69, 0..0, 0, zookeeper;
    ControllerRegistration = 70, 0..0, 0, kraft;
    GetTelemetrySubscriptions = 71, 0..0, 0, kraft;
    PushTelemetry = 72, 0..0, 0, kraft;
    AssignReplicasToDirs = 73, 0..0, 0, kraft;
    ListClientMetricsResources = 74, 0..0, 0, kraft;
    DescribeTopicPartitions = 75, 0..0, 0, kraft;
    ShareGroupHeartbeat = 76, 0..0, 0, kraft;
    ShareGroupDescribe = 77, 0..0, 0, kraft;
    ShareFetch = 78, 0..0, 0, kraft;
    ShareAcknowledge = 79, 0..0, 0, kraft;
    AddRaftVoter = 80, 0..0, 0, kraft;
    RemoveRaftVoter = 81, 0..0, 0, kraft;
    UpdateRaftVoter = 82, 0..0, 0, kraft;
    InitializeShareGroupState = 83, 0..0, 0, kraft;
    ReadShareGroupState = 84, 0..0, 0, kraft;
    WriteShareGroupState = 85, 0..0, 0, kraft;
    DeleteShareGroupState = 86, 0..0, 0, kraft;
    ReadShareGroupStateSummary = 87, 0..0, 0, kraft;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_versions_follow_the_flexible_version() {
        fn check(api: ApiKey, version: i16, request: i16, response: i16) {
            assert_eq!(
                api.request_header_version(version),
                request,
                "{api} {version}"
            );
            assert_eq!(
                api.response_header_version(version),
                response,
                "{api} {version}"
            );
        }
        check(ApiKey::Produce, 8, 1, 0);
        check(ApiKey::Produce, 9, 2, 1);
        check(ApiKey::ApiVersions, 2, 1, 0);
        check(ApiKey::ApiVersions, 3, 2, 0);
        check(ApiKey::ControlledShutdown, 0, 0, 0);
        check(ApiKey::ControlledShutdown, 1, 1, 0);
        check(ApiKey::ControlledShutdown, 3, 2, 1);
        check(ApiKey::SaslHandshake, 1, 1, 0);
    }

    #[test]
    fn keys_are_dense() {
        for (key, &api) in ApiKey::ALL.iter().enumerate() {
            assert_eq!(usize::try_from(api.key()).unwrap(), key);
            assert_eq!(ApiKey::from_key(api.key()), Some(api));
        }
        assert_eq!(ApiKey::from_key(-1), None);
    }
}
