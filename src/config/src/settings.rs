//! Settings as text, in layers: what the file and the command line say, what ZooKeeper says for
//! all brokers, what it says for this one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::error::{ConfigError, Origin};
use crate::key::{KeyDef, Unit};
use crate::properties::{self, Entry};
use crate::table::{broker_key, broker_keys};
use crate::toml_file;
use crate::value::{HIDDEN, InvalidValue, Value};
use crate::{Warning, listener_override};

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// Settings by key.
pub(crate) type Layer = BTreeMap<String, Setting>;

/// Reads a file and puts the overrides on top. The later of two settings of one key counts, as in
/// Java; that it happened is a warning.
pub(crate) fn read(
    path: &Path,
    overrides: &[(String, String)],
    warnings: &mut Vec<Warning>,
) -> Result<Layer, ConfigError> {
    let bytes = fs::read(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let is_toml = path
        .extension()
        .is_some_and(|extension| extension == "toml");
    let parse = if is_toml {
        toml_file::parse
    } else {
        properties::parse
    };
    let at = |line| Origin::File {
        path: path.to_owned(),
        line,
    };
    let entries = parse(&bytes).map_err(|bad| ConfigError::Syntax {
        origin: at(bad.line),
        problem: bad.problem,
    })?;
    let mut layer = Layer::new();
    for Entry { key, value, line } in entries {
        let origin = at(line);
        if let Some(earlier) = layer.insert(key.clone(), Setting { value, origin }) {
            warnings.push(Warning {
                origin: earlier.origin,
                key,
                message: format!("set again in line {line}, which counts"),
            });
        }
    }
    for (key, value) in overrides {
        let setting = Setting {
            value: value.clone(),
            origin: Origin::CommandLine,
        };
        layer.insert(key.trim().to_owned(), setting);
    }
    Ok(layer)
}

/// Where a value in force came from; in Kafka's order of precedence, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LayerKind {
    DynamicBroker,
    DynamicDefault,
    Static,
}

/// All layers of one broker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    pub(crate) dynamic_broker: Layer,
    pub(crate) dynamic_default: Layer,
    pub(crate) fixed: Layer,
}

impl Layers {
    /// A number that only ZooKeeper can hold: this broker's, else that of all brokers.
    pub(crate) fn dynamic_number(&self, name: &str) -> Option<u64> {
        let layers = [&self.dynamic_broker, &self.dynamic_default];
        let setting = layers.iter().find_map(|layer| layer.get(name));
        setting.and_then(|setting| setting.value.trim().parse().ok())
    }

    pub(crate) fn layer(&self, kind: LayerKind) -> &Layer {
        match kind {
            LayerKind::DynamicBroker => &self.dynamic_broker,
            LayerKind::DynamicDefault => &self.dynamic_default,
            LayerKind::Static => &self.fixed,
        }
    }

    /// The settings in force. A dynamic setting removes its synonyms below it, so that
    /// `log.retention.hours` given at run time beats `log.retention.ms` of the file
    /// (`DynamicBrokerConfig.overrideProps`).
    pub(crate) fn effective(&self) -> Layer {
        let mut settings = self.fixed.clone();
        for layer in [&self.dynamic_default, &self.dynamic_broker] {
            for (name, setting) in layer {
                for synonym in broker_key(name).map_or(&[][..], |key| key.synonyms) {
                    settings.remove(synonym.key);
                }
                settings.insert(name.clone(), setting.clone());
            }
        }
        settings
    }
}

/// Parsed settings: every key of the table has a value or Kafka's null.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    settings: Layer,
    values: BTreeMap<&'static str, Value>,
}

impl Values {
    /// Parses every known setting; unknown keys are left alone.
    pub(crate) fn parse(settings: Layer) -> Result<Values, ConfigError> {
        let mut values: BTreeMap<&'static str, Value> = broker_keys()
            .filter_map(|key| Some((key.name, key.default_value()?)))
            .collect();
        for (name, setting) in &settings {
            let known = broker_key(name);
            let Some(key) = known.or_else(|| listener_override(name).map(|(_, key)| key)) else {
                continue;
            };
            let value = key
                .parse(&setting.value)
                .map_err(|error| invalid(name, setting, &error))?;
            if known.is_some() {
                values.insert(key.name, value);
            }
        }
        Ok(Values { settings, values })
    }

    /// The text and origin of a key, where it was set.
    pub(crate) fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    /// Every setting, unknown keys included.
    pub(crate) fn settings(&self) -> &Layer {
        &self.settings
    }

    /// The value in force; `None` is null.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }

    pub(crate) fn whole(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Value::Whole(number)) => Some(*number),
            _ => None,
        }
    }

    /// The value of a topic key's first synonym that has one, in the topic key's unit.
    pub(crate) fn of_synonyms(&self, key: &KeyDef) -> Option<Value> {
        key.synonyms.iter().find_map(|synonym| {
            let value = self.get(synonym.key)?;
            Some(match (value, synonym.unit) {
                (Value::Whole(number), Unit::Minutes | Unit::Hours) => {
                    Value::Whole(number.saturating_mul(synonym.unit.factor()))
                }
                (value, _) => value.clone(),
            })
        })
    }

    /// Blames a key for a value that does not go with others.
    pub(crate) fn blame(&self, name: &str, problem: impl Into<String>) -> ConfigError {
        let default = || {
            let value = self.get(name).map_or_else(String::new, Value::to_string);
            (value, Origin::Default)
        };
        let (value, origin) = self
            .setting(name)
            .map_or_else(default, |s| (s.value.clone(), s.origin.clone()));
        let sensitive = broker_key(name).is_none_or(KeyDef::sensitive);
        ConfigError::Invalid {
            origin,
            key: name.to_owned(),
            value: if sensitive { HIDDEN.to_owned() } else { value },
            problem: problem.into(),
        }
    }
}

fn invalid(name: &str, setting: &Setting, error: &InvalidValue) -> ConfigError {
    ConfigError::Invalid {
        origin: setting.origin.clone(),
        key: name.to_owned(),
        value: error.value.clone(),
        problem: format!(
            "{}; right would be {}",
            lower_first(&error.reason),
            error.expected
        ),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}
