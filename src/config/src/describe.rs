//! Answers for DescribeConfigs (Kafka's `ConfigHelper`).

use std::collections::BTreeMap;

use crate::dynamic;
use crate::key::{KeyDef, ValueType};
use crate::settings::LayerKind;
use crate::{
    ServerConfig, broker_key, broker_keys, listener_override, topic, topic_key, topic_keys,
};

/// Where a described value comes from; the codes of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// The topic's own setting.
    Topic = 1,
    /// ZooKeeper, for this broker.
    DynamicBroker = 2,
    /// ZooKeeper, for all brokers.
    DynamicDefaultBroker = 3,
    /// The broker's file or command line.
    StaticBroker = 4,
    /// Nobody set it.
    Default = 5,
}

impl ConfigSource {
    /// The protocol's code.
    pub fn code(self) -> i8 {
        self as i8
    }
}

/// One of the places where a value could come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The key there.
    pub name: String,
    /// Its text there; `None` when it must not be shown.
    pub value: Option<String>,
    /// The place.
    pub source: ConfigSource,
}

/// One key as DescribeConfigs answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// Its value in force; `None` is null, or a secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether only a restart changes it.
    pub read_only: bool,
    /// Whether the value is hidden. Keys that nobody knows are hidden, as in Kafka.
    pub sensitive: bool,
    /// Its type; `None` for unknown keys (code 0).
    pub value_type: Option<ValueType>,
    /// What it does.
    pub doc: Option<&'static str>,
    /// Every place that has a value, the one in force first.
    pub synonyms: Vec<ConfigSynonym>,
}

impl ServerConfig {
    /// Every key of this broker, by name.
    pub fn describe_broker(&self) -> Vec<ConfigEntry> {
        let known = broker_keys()
            .filter(|key| !key.internal)
            .map(|key| key.name);
        let set = self.values.settings().keys().map(String::as_str);
        let names: std::collections::BTreeSet<&str> = known.chain(set).collect();
        let entry = |name| {
            let value = match self.values.get(name) {
                Some(value) => Some(value.to_string()),
                None => self
                    .values
                    .setting(name)
                    .map(|setting| setting.value.clone()),
            };
            broker_entry(name, value, self.synonyms(name))
        };
        names.into_iter().map(entry).collect()
    }

    /// What ZooKeeper holds for all brokers.
    pub fn describe_broker_defaults(&self) -> Vec<ConfigEntry> {
        let settings = self.layers.dynamic_default.iter();
        let entry = |(name, setting): (&String, &crate::settings::Setting)| {
            let mut synonyms = self.synonyms(name);
            synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
            broker_entry(name, Some(setting.value.clone()), synonyms)
        };
        settings.map(entry).collect()
    }

    /// Every key of a topic with these settings, by name. Settings that do not fit their key are
    /// shown as they are.
    pub fn describe_topic(&self, overrides: &BTreeMap<String, String>) -> Vec<ConfigEntry> {
        let fitting = overrides
            .iter()
            .filter(|(name, value)| topic_key(name).is_some_and(|key| key.parse(value).is_ok()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let values = topic::values(&self.values, &fitting).unwrap_or_default();
        let known = topic_keys().iter().map(|key| {
            let misfit = overrides
                .get(key.name)
                .filter(|_| !fitting.contains_key(key.name));
            let value = misfit
                .cloned()
                .or_else(|| values.get(key.name).map(ToString::to_string));
            self.topic_entry(key, value, overrides.contains_key(key.name))
        });
        let unknown = overrides.keys().filter(|name| topic_key(name).is_none());
        known
            .chain(unknown.map(|name| unknown_topic_entry(name)))
            .collect()
    }

    fn topic_entry(&self, key: &KeyDef, value: Option<String>, overridden: bool) -> ConfigEntry {
        let own = overridden.then(|| ConfigSynonym {
            name: key.name.to_owned(),
            value: value.clone(),
            source: ConfigSource::Topic,
        });
        // Kafka looks up the family of the first broker key only.
        let broker = key
            .synonyms
            .first()
            .map(|synonym| self.synonyms(synonym.key));
        let synonyms: Vec<_> = own
            .into_iter()
            .chain(broker.into_iter().flatten())
            .collect();
        ConfigEntry {
            name: key.name.to_owned(),
            value,
            source: synonyms.first().map_or(ConfigSource::Default, |s| s.source),
            read_only: false,
            sensitive: key.sensitive(),
            value_type: Some(key.value_type),
            doc: Some(key.doc),
            synonyms,
        }
    }

    /// Every place that has a value for a broker key, in Kafka's order: layer by layer, and in
    /// each layer the family of keys that mean the same. What comes before the key itself is
    /// dropped, so that for example a listener's own value does not show up for the base key.
    fn synonyms(&self, name: &str) -> Vec<ConfigSynonym> {
        let family: Vec<&str> = match broker_key(name) {
            Some(key) if key.synonyms.is_empty() => vec![name],
            Some(key) => key.synonyms.iter().map(|synonym| synonym.key).collect(),
            None => std::iter::once(name)
                .chain(listener_override(name).map(|(_, key)| key.name))
                .collect(),
        };
        let sensitive = dynamic::definition(name).is_none_or(KeyDef::sensitive);
        let shown = |value: &str| (!sensitive).then(|| value.to_owned());
        let layers = [
            (LayerKind::DynamicBroker, ConfigSource::DynamicBroker),
            (
                LayerKind::DynamicDefault,
                ConfigSource::DynamicDefaultBroker,
            ),
            (LayerKind::Static, ConfigSource::StaticBroker),
        ];
        let set = layers.into_iter().flat_map(|(kind, source)| {
            let layer = self.layers.layer(kind);
            family.iter().filter_map(move |name| {
                let setting = layer.get(*name)?;
                Some(((*name).to_owned(), setting.value.as_str(), source))
            })
        });
        let defaults = family.iter().filter_map(|name| {
            let default = broker_key(name)?.default?;
            Some(((*name).to_owned(), default, ConfigSource::Default))
        });
        set.chain(defaults)
            .skip_while(|(found, _, _)| found != name)
            .map(|(name, value, source)| ConfigSynonym {
                name,
                value: shown(value),
                source,
            })
            .collect()
    }
}

fn broker_entry(name: &str, value: Option<String>, synonyms: Vec<ConfigSynonym>) -> ConfigEntry {
    let key = dynamic::definition(name);
    let sensitive = key.is_none_or(KeyDef::sensitive);
    ConfigEntry {
        name: name.to_owned(),
        value: value.filter(|_| !sensitive),
        source: synonyms.first().map_or(ConfigSource::Default, |s| s.source),
        read_only: broker_key(name).is_none_or(|key| !key.dynamic()),
        sensitive,
        value_type: key.map(|key| key.value_type),
        doc: broker_key(name).map(|key| key.doc),
        synonyms,
    }
}

fn unknown_topic_entry(name: &str) -> ConfigEntry {
    ConfigEntry {
        name: name.to_owned(),
        value: None,
        source: ConfigSource::Topic,
        read_only: false,
        sensitive: true,
        value_type: None,
        doc: None,
        synonyms: Vec::new(),
    }
}
