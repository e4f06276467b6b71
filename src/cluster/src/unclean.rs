//! Where unclean leader election is allowed.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_controller::UncleanElection;
use ottla_metadata::{BrokerId, ConfigImage};

/// The config key that decides.
const UNCLEAN: &str = "unclean.leader.election.enable";

/// Where unclean elections are allowed, with the precedence of broker configurations.
pub(crate) fn unclean_election(
    configs: &ConfigImage,
    own: BrokerId,
    file: bool,
) -> UncleanElection {
    let value =
        |map: &BTreeMap<String, String>| map.get(UNCLEAN)?.trim().to_ascii_lowercase().parse().ok();
    let own = configs.brokers.get(&own).and_then(|map| value(map));
    UncleanElection {
        default: own
            .or_else(|| value(&configs.broker_defaults))
            .unwrap_or(file),
        topics: configs
            .topics
            .iter()
            .filter_map(|(name, map)| Some((Arc::clone(name), value(map)?)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_of_unclean_election() {
        let map = |value: &str| Arc::new(BTreeMap::from([(UNCLEAN.to_owned(), value.to_owned())]));
        let mut configs = ConfigImage::default();
        assert!(unclean_election(&configs, BrokerId(1), true).default);
        configs.broker_defaults = map("false");
        assert!(!unclean_election(&configs, BrokerId(1), true).default);
        configs.brokers.insert(BrokerId(1), map("True"));
        configs.topics.insert("t".into(), map("false"));
        configs.topics.insert("u".into(), map("nonsense"));
        let unclean = unclean_election(&configs, BrokerId(1), false);
        assert!(unclean.default && !unclean.allows("t") && unclean.allows("u"));
    }
}
