//! Which versions a broker and this client have in common.

use std::collections::BTreeMap;

use ottla_protocol::messages::ApiVersionsResponse;
use ottla_protocol::{ApiKey, ApiVersionRange};

/// The versions a broker announces, by API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerVersions {
    ranges: BTreeMap<i16, ApiVersionRange>,
    announced: bool,
}

impl BrokerVersions {
    /// What the response to `ApiVersions` says. Unknown keys are kept for those who print them.
    pub(crate) fn announced(response: &ApiVersionsResponse) -> BrokerVersions {
        let range = |min, max| ApiVersionRange { min, max };
        BrokerVersions {
            ranges: response
                .api_keys
                .iter()
                .map(|api| (api.api_key, range(api.min_version, api.max_version)))
                .collect(),
            announced: true,
        }
    }

    /// What a broker from before `ApiVersions` (0.8 and 0.9) is known to speak: version 0 of the
    /// requests that existed in 0.8.2.
    pub(crate) fn oldest() -> BrokerVersions {
        let apis = [
            ApiKey::Produce,
            ApiKey::Fetch,
            ApiKey::ListOffsets,
            ApiKey::Metadata,
            ApiKey::OffsetCommit,
            ApiKey::OffsetFetch,
            ApiKey::FindCoordinator,
        ];
        BrokerVersions {
            ranges: apis
                .into_iter()
                .map(|api| (api.key(), ApiVersionRange { min: 0, max: 0 }))
                .collect(),
            announced: false,
        }
    }

    /// Of a broker that was not asked.
    pub(crate) fn unknown() -> BrokerVersions {
        BrokerVersions {
            ranges: BTreeMap::new(),
            announced: false,
        }
    }

    /// Whether the broker announced these itself; else it is older than 0.10.
    pub fn is_announced(&self) -> bool {
        self.announced
    }

    /// All ranges by key, keys that this client does not know included.
    pub fn ranges(&self) -> &BTreeMap<i16, ApiVersionRange> {
        &self.ranges
    }

    /// The newest version that both sides have, none above `ours.max`.
    pub fn common(&self, api: ApiKey, ours: ApiVersionRange) -> Option<i16> {
        let theirs = self.ranges.get(&api.key())?;
        let newest = theirs.max.min(ours.max);
        (newest >= theirs.min && newest >= ours.min).then_some(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::api_versions_response::ApiVersion;

    #[test]
    fn the_newest_common_version_is_taken() {
        let check = |(min, max), (our_min, our_max), expected| {
            let response = ApiVersionsResponse::default().with_api_keys(vec![
                ApiVersion::default()
                    .with_api_key(ApiKey::Fetch.key())
                    .with_min_version(min)
                    .with_max_version(max),
            ]);
            let versions = BrokerVersions::announced(&response);
            let ours = ApiVersionRange {
                min: our_min,
                max: our_max,
            };
            assert_eq!(versions.common(ApiKey::Fetch, ours), expected);
            assert_eq!(versions.common(ApiKey::Produce, ours), None);
        };
        check((0, 17), (0, 12), Some(12));
        check((4, 17), (0, 12), Some(12));
        check((0, 3), (0, 12), Some(3));
        check((13, 17), (0, 12), None);
        check((0, 3), (4, 12), None);
        let any = ApiVersionRange { min: 0, max: 99 };
        assert_eq!(BrokerVersions::oldest().common(ApiKey::Fetch, any), Some(0));
        assert_eq!(
            BrokerVersions::oldest().common(ApiKey::CreateTopics, any),
            None
        );
    }
}
