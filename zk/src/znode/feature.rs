//! `/feature`: finalized features (KIP-584, `FeatureZNode`). Its data version is the epoch that
//! ApiVersions reports.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::json::Fields;
use super::{Malformed, Znode, json};

/// Whether the cluster's brokers may rely on finalized features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureStatus {
    /// A broker below IBP 2.7 is controller.
    Disabled,
    /// The controller has IBP 2.7 or higher.
    Enabled,
}

/// Which form is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureVersion {
    /// IBP below 3.3: levels carry a minimum.
    V1,
    /// IBP 3.3 and higher.
    V2,
}

/// The finalized levels of one feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureLevels {
    /// Only in version 1; 1 where it is not written.
    pub min: i16,
    /// The finalized level.
    pub max: i16,
}

/// The payload of `/feature`. In a ZooKeeper cluster `features` stays empty: Apache Kafka brokers
/// exit on a feature they do not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// The form.
    pub version: FeatureVersion,
    /// Enabled or not.
    pub status: FeatureStatus,
    /// Finalized levels by feature.
    pub features: BTreeMap<String, FeatureLevels>,
}

impl Znode for Feature {
    fn decode(data: &[u8]) -> Result<Feature, Malformed> {
        let fields = json::object(data)?;
        let version = match fields.int("version")? {
            1 => FeatureVersion::V1,
            2 => FeatureVersion::V2,
            version => {
                return Err(Malformed(format!(
                    "version {version} of the features is not known"
                )));
            }
        };
        let status = match fields.int("status")? {
            0 => FeatureStatus::Disabled,
            1 => FeatureStatus::Enabled,
            status => return Err(Malformed(format!("status {status} is not known"))),
        };
        let features = fields
            .object("features")?
            .iter()
            .map(|(name, levels)| Ok((name.clone(), decode_levels(version, name, levels)?)))
            .collect::<Result<_, Malformed>>()?;
        Ok(Feature {
            version,
            status,
            features,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let features: Map<String, Value> = self
            .features
            .iter()
            .map(|(name, levels)| {
                let value = match self.version {
                    FeatureVersion::V1 => json!({
                        "min_version_level": levels.min, "max_version_level": levels.max
                    }),
                    FeatureVersion::V2 => json!({ "max_version_level": levels.max }),
                };
                (name.clone(), value)
            })
            .collect();
        let version = match self.version {
            FeatureVersion::V1 => 1,
            FeatureVersion::V2 => 2,
        };
        let status = match self.status {
            FeatureStatus::Disabled => 0,
            FeatureStatus::Enabled => 1,
        };
        json::text(&json!({ "features": features, "version": version, "status": status }))
    }
}

fn decode_levels(
    version: FeatureVersion,
    name: &str,
    value: &Value,
) -> Result<FeatureLevels, Malformed> {
    let fields = Fields::from_value(name, value)?;
    let level = |key: &str| {
        let level = fields.int(key)?;
        i16::try_from(level).map_err(|_| Malformed(format!("{key:?} {level} is out of range")))
    };
    let min = match version {
        FeatureVersion::V1 => level("min_version_level")?,
        FeatureVersion::V2 => 1,
    };
    Ok(FeatureLevels {
        min,
        max: level("max_version_level")?,
    })
}
