//! Broker keys that change while the broker runs (Kafka's `DynamicBrokerConfig`).

use std::collections::BTreeMap;

use crate::error::{ChangeError, Origin, Warning};
use crate::key::{Check, Importance, KeyDef, Update, ValueType};
use crate::settings::{Layer, Layers, Setting};
use crate::{ServerConfig, broker_key, listener_override};

/// Which broker a change of broker keys is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One broker, by its id.
    OneBroker,
    /// Every broker that has no value of its own.
    AllBrokers,
}

/// Keys that exist only in ZooKeeper, never in a file.
const DYNAMIC_ONLY: &[KeyDef] = &[
    throttle(
        "leader.replication.throttled.rate",
        "Bytes per second that leaders send to throttled followers.",
    ),
    throttle(
        "follower.replication.throttled.rate",
        "Bytes per second that throttled followers fetch.",
    ),
    throttle(
        "replica.alter.log.dirs.io.max.bytes.per.second",
        "Bytes per second moved between directories.",
    ),
];

const fn throttle(name: &'static str, doc: &'static str) -> KeyDef {
    let unlimited = Some("9223372036854775807");
    KeyDef::new(Importance::Medium, name, ValueType::Long, unlimited, doc)
        .check(Check::AtLeast(0))
        .update(Update::ClusterWide)
}

/// Keys of certificates: only ever set for one listener.
const PER_LISTENER_ONLY: &[&str] = &[
    "ssl.keystore.type",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.key.password",
    "ssl.keystore.key",
    "ssl.keystore.certificate.chain",
    "ssl.truststore.type",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.certificates",
];

/// Keys that Kafka's brokers change while they run and this one cannot yet.
const NOT_WHILE_RUNNING: &[&str] = &[
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
];

/// Keys that Kafka's brokers obey at once and this one from its next start: a change is refused
/// rather than accepted and not obeyed, but what a cluster has stored already counts.
const READ_AT_START: &[&str] = &[
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
];

/// Whether Kafka lets a broker key change while brokers run and this broker does not.
pub(crate) fn waits_for_restart(name: &str) -> bool {
    NOT_WHILE_RUNNING.contains(&name) || READ_AT_START.contains(&name)
}

/// Thread counts move by steps of at most half or double.
const THREADS: &[&str] = &[
    "num.io.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
    "background.threads",
];

/// The definition behind a dynamic broker setting: its own, or the one it overrides for a listener.
pub(crate) fn definition(name: &str) -> Option<&'static KeyDef> {
    broker_key(name)
        .or_else(|| DYNAMIC_ONLY.iter().find(|key| key.name == name))
        .or_else(|| listener_override(name).map(|(_, key)| key))
}

impl ServerConfig {
    /// The configuration with what ZooKeeper holds for all brokers and for this one on top.
    /// Settings that cannot be used are left out and reported; if the rest does not go together,
    /// the configuration stays as it is.
    pub fn with_dynamic(
        &self,
        defaults: &BTreeMap<String, String>,
        broker: &BTreeMap<String, String>,
    ) -> (ServerConfig, Vec<Warning>) {
        let mut warnings = Vec::new();
        let mut usable = |stored, target, origin| usable(stored, target, &origin, &mut warnings);
        let layers = Layers {
            dynamic_default: usable(defaults, Target::AllBrokers, Origin::DynamicDefault),
            dynamic_broker: usable(broker, Target::OneBroker, Origin::DynamicBroker),
            fixed: self.layers.fixed.clone(),
        };
        match ServerConfig::from_layers(layers) {
            Ok(config) => (config, warnings),
            Err(error) => {
                warnings.push(Warning {
                    origin: Origin::DynamicBroker,
                    key: "broker configuration".to_owned(),
                    message: format!("not applied: {error}"),
                });
                (self.clone(), warnings)
            }
        }
    }

    /// Checks the whole set of dynamic settings that a broker, or all of them, shall have.
    ///
    /// # Errors
    /// The first rule that is broken; Kafka answers `INVALID_REQUEST` with its text.
    pub fn validate_dynamic(
        &self,
        settings: &BTreeMap<String, String>,
        target: Target,
    ) -> Result<(), ChangeError> {
        check_keys(settings, target)?;
        let layer = |origin: Origin| -> Layer {
            let setting = |(name, value): (&String, &String)| {
                let (value, origin) = (value.clone(), origin.clone());
                (name.clone(), Setting { value, origin })
            };
            settings.iter().map(setting).collect()
        };
        let mut layers = (*self.layers).clone();
        match target {
            Target::OneBroker => layers.dynamic_broker = layer(Origin::DynamicBroker),
            Target::AllBrokers => layers.dynamic_default = layer(Origin::DynamicDefault),
        }
        let next = ServerConfig::from_layers(layers)
            .map_err(|error| ChangeError::Conflict(error.to_string()))?;
        self.check_step(&next)
    }

    /// What becomes different at once, compared with the configuration in force.
    fn check_step(&self, next: &ServerConfig) -> Result<(), ChangeError> {
        for name in THREADS {
            let (old, new) = (self.values.whole(name), next.values.whole(name));
            let (Some(old), Some(new)) = (old, new) else {
                continue;
            };
            let problem = if new < old / 2 {
                format!("value should be at least half the current value {old}")
            } else if new > old.saturating_mul(2) {
                format!("value should not be greater than double the current value {old}")
            } else {
                continue;
            };
            return Err(ChangeError::Conflict(format!(
                "Dynamic thread count update validation failed for {name}={new}, {problem}"
            )));
        }
        let mut fixed = NOT_WHILE_RUNNING.iter().chain(READ_AT_START);
        let changed = fixed.find(|name| {
            let value = |config: &ServerConfig| {
                let setting = config.values.setting(name);
                setting.map(|setting| setting.value.trim().to_owned())
            };
            value(self) != value(next)
        });
        match changed {
            None => Ok(()),
            Some(name) => Err(ChangeError::Conflict(format!(
                "{name} cannot be changed while this broker runs; set it in the file and restart"
            ))),
        }
    }
}

fn check_keys(settings: &BTreeMap<String, String>, target: Target) -> Result<(), ChangeError> {
    let matching = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
        let names = settings.keys().filter(|name| wanted(name));
        names.cloned().collect()
    };
    let refuse = |names: Vec<String>, error: fn(Vec<String>) -> ChangeError| {
        if names.is_empty() {
            Ok(())
        } else {
            Err(error(names))
        }
    };
    refuse(matching(&read_only), ChangeError::ReadOnly)?;
    let needs_listener = |name: &str| PER_LISTENER_ONLY.contains(&name);
    refuse(matching(&needs_listener), ChangeError::NeedsListener)?;
    for (name, value) in settings {
        if let Some(key) = definition(name) {
            key.parse(value)?;
        }
    }
    match target {
        Target::OneBroker => Ok(()),
        Target::AllBrokers => refuse(matching(&per_broker), ChangeError::NeedsBroker),
    }
}

fn read_only(name: &str) -> bool {
    broker_key(name).is_some_and(|key| !key.dynamic())
}

fn per_broker(name: &str) -> bool {
    const CLUSTER_WIDE: &[&str] = &[
        "max.connections",
        "max.connection.creation.rate",
        "num.network.threads",
    ];
    match listener_override(name) {
        Some((_, key)) => !CLUSTER_WIDE.contains(&key.name),
        None => broker_key(name).is_some_and(|key| key.update == Update::PerBroker),
    }
}

/// The settings that can be used, of those somebody stored (`fromPersistentProps`).
fn usable(
    stored: &BTreeMap<String, String>,
    target: Target,
    origin: &Origin,
    warnings: &mut Vec<Warning>,
) -> Layer {
    let mut layer = Layer::new();
    for (name, value) in stored {
        let one = BTreeMap::from([(name.clone(), value.clone())]);
        let problem = match check_keys(&one, target) {
            Err(error) => Some(error.to_string()),
            Ok(()) if NOT_WHILE_RUNNING.contains(&name.as_str()) => {
                Some("cannot be changed while this broker runs".to_owned())
            }
            Ok(()) => None,
        };
        match problem {
            None => {
                let (value, origin) = (value.clone(), origin.clone());
                layer.insert(name.clone(), Setting { value, origin });
            }
            Some(problem) => warnings.push(Warning {
                origin: origin.clone(),
                key: name.clone(),
                message: format!("ignored: {problem}"),
            }),
        }
    }
    layer
}
