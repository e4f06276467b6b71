//! Keys that people still have in their files but Kafka 3.9 no longer knows.

use crate::error::{ConfigError, Origin, Warning};
use crate::key::{KeyDef, Support, ValueType};
use crate::settings::{Layer, Setting};
use crate::table::is_kraft_only;

/// What becomes of a key that is not in the table.
pub(crate) enum Fate {
    /// It was turned into another key.
    Mapped,
    /// Kafka dropped it, and nothing takes its place.
    Obsolete(&'static str),
    /// It belongs to clusters without ZooKeeper.
    Kraft,
    /// Nobody knows it.
    Unknown,
}

/// Tells what a key outside the table is.
pub(crate) fn fate(name: &str) -> Fate {
    match name {
        "port" | "host.name" | "advertised.host.name" | "advertised.port" => Fate::Mapped,
        "node.id" => Fate::Mapped,
        "quota.producer.default" | "quota.consumer.default" => {
            Fate::Obsolete("was removed in Kafka 3.0; default quotas are set with kafka-configs")
        }
        "zookeeper.sync.time.ms"
        | "max.id.map.snapshots"
        | "controller.message.queue.size"
        | "replica.fetch.queue.size"
        | "log.cleanup.interval.mins"
        | "log.default.flush.scheduler.interval.ms"
        | "log.default.flush.interval.ms"
        | "log.flush.interval" => {
            Fate::Obsolete("was removed from Kafka long ago and has no effect")
        }
        name if is_kraft_only(name) => Fate::Kraft,
        _ => Fate::Unknown,
    }
}

/// Maps the keys that named the broker's only listener before there was `listeners` (Kafka 2.0
/// was the last to do so), and refuses a file that wants to be a KRaft node.
pub(crate) fn map(layer: &mut Layer, warnings: &mut Vec<Warning>) -> Result<(), ConfigError> {
    if let Some(setting) = layer.get("process.roles") {
        return Err(ConfigError::Invalid {
            origin: setting.origin.clone(),
            key: "process.roles".to_owned(),
            value: setting.value.clone(),
            problem: "this broker runs with ZooKeeper, not in KRaft mode; remove process.roles \
                      and the controller.* keys and set zookeeper.connect"
                .to_owned(),
        });
    }
    map_node_id(layer, warnings);
    map_listeners(layer, warnings)?;
    map_advertised(layer, warnings)
}

fn warn(warnings: &mut Vec<Warning>, key: &str, setting: &Setting, message: String) {
    warnings.push(Warning {
        origin: setting.origin.clone(),
        key: key.to_owned(),
        message,
    });
}

fn map_node_id(layer: &mut Layer, warnings: &mut Vec<Warning>) {
    let Some(setting) = layer.get("node.id").cloned() else {
        return;
    };
    if layer.contains_key("broker.id") {
        let message = "ignored, since broker.id is set".to_owned();
        warn(warnings, "node.id", &setting, message);
    } else {
        warn(
            warnings,
            "node.id",
            &setting,
            "taken as broker.id".to_owned(),
        );
        layer.insert("broker.id".to_owned(), setting);
    }
}

fn map_listeners(layer: &mut Layer, warnings: &mut Vec<Warning>) -> Result<(), ConfigError> {
    let given = ["host.name", "port"].map(|key| layer.get(key).cloned().map(|s| (key, s)));
    let replaced = layer.contains_key("listeners");
    for (key, setting) in given.iter().flatten() {
        let fate = if replaced {
            "ignored, since listeners is set"
        } else {
            "old name"
        };
        let message = format!("{fate}; listeners=PLAINTEXT://host:port is how it is written now");
        warn(warnings, key, setting, message);
    }
    let Some((_, setting)) = given.iter().flatten().next().filter(|_| !replaced) else {
        return Ok(());
    };
    let origin = setting.origin.clone();
    let host = layer.get("host.name").map_or("", |s| s.value.trim());
    let port = port_of(layer, "port")?.unwrap_or(9092);
    let value = format!("PLAINTEXT://{}:{port}", bracketed(host));
    layer.insert("listeners".to_owned(), Setting { value, origin });
    Ok(())
}

/// Kafka 2.0 fills in a missing half from `host.name` and `port`. When `port` is missing too it
/// took 9092 even beside `listeners` with another port; here the listener's own port counts (0).
fn map_advertised(layer: &mut Layer, warnings: &mut Vec<Warning>) -> Result<(), ConfigError> {
    let keys = ["advertised.host.name", "advertised.port"];
    let given = keys.map(|key| layer.get(key).cloned().map(|s| (key, s)));
    let replaced = layer.contains_key("advertised.listeners");
    for (key, setting) in given.iter().flatten() {
        let fate = if replaced {
            "ignored, since advertised.listeners is set"
        } else {
            "old name"
        };
        let message =
            format!("{fate}; advertised.listeners=PLAINTEXT://host:port is how it is written now");
        warn(warnings, key, setting, message);
    }
    let Some((_, setting)) = given.iter().flatten().next().filter(|_| !replaced) else {
        return Ok(());
    };
    let origin = setting.origin.clone();
    let text = |key: &str| layer.get(key).map(|s| s.value.trim());
    let host = text("advertised.host.name")
        .or(text("host.name"))
        .unwrap_or("");
    let port = match port_of(layer, "advertised.port")? {
        Some(port) => port,
        None => port_of(layer, "port")?.unwrap_or(0),
    };
    let value = format!("PLAINTEXT://{}:{port}", bracketed(host));
    let key = "advertised.listeners".to_owned();
    layer.insert(key, Setting { value, origin });
    Ok(())
}

fn port_of(layer: &Layer, key: &str) -> Result<Option<u16>, ConfigError> {
    let Some(setting) = layer.get(key) else {
        return Ok(None);
    };
    let parsed = setting.value.trim().parse::<u16>();
    parsed.map(Some).map_err(|_| ConfigError::Invalid {
        origin: setting.origin.clone(),
        key: key.to_owned(),
        value: setting.value.clone(),
        problem: "a port is a whole number from 0 to 65535".to_owned(),
    })
}

/// An IPv6 address needs brackets before a port.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// One warning for every setting that will not do what its author expects.
pub(crate) fn warnings(layer: &Layer, warnings: &mut Vec<Warning>) {
    for (name, setting) in layer {
        if let Some(message) = complaint(name, setting) {
            warn(warnings, name, setting, message);
        }
    }
}

fn complaint(name: &str, setting: &Setting) -> Option<String> {
    if let Some(key) = crate::table::broker_key(name) {
        return key_complaint(key, setting);
    }
    if crate::listener_override(name).is_some() {
        return Some("accepted, but this broker has no settings per listener yet".to_owned());
    }
    match fate(name) {
        Fate::Mapped => None,
        Fate::Obsolete(message) => Some(message.to_owned()),
        Fate::Kraft => Some("belongs to KRaft mode and has no meaning with ZooKeeper".to_owned()),
        Fate::Unknown => {
            let from_file = matches!(setting.origin, Origin::File { .. } | Origin::CommandLine);
            let hint = closest(name).filter(|_| from_file);
            let hint = hint.map_or_else(String::new, |key| format!("; did you mean {key}?"));
            Some(format!("unknown key, ignored{hint}"))
        }
    }
}

fn key_complaint(key: &KeyDef, setting: &Setting) -> Option<String> {
    // What is switched off is off, whether or not it could be on.
    let off =
        key.value_type == ValueType::Boolean && setting.value.trim().eq_ignore_ascii_case("false");
    match key.support {
        Support::Works => None,
        Support::NotYet if off => None,
        Support::NotYet => Some("accepted, but this broker does not act on it yet".to_owned()),
        Support::NoUse => Some(format!("accepted, and of no use here: {}", key.doc)),
    }
}

/// The known key that differs by at most two letters, if there is one.
fn closest(name: &str) -> Option<&'static str> {
    crate::table::broker_keys()
        .map(|key| (distance(name, key.name), key.name))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, name)| name)
}

/// Edits between two texts (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, cell) in b.bytes().zip(row.iter_mut().skip(1)) {
            let substituted = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = substituted.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_keys_are_recognised() {
        assert_eq!(closest("log.dir"), Some("log.dir"));
        assert_eq!(closest("log.retentions.hours"), Some("log.retention.hours"));
        assert_eq!(closest("borker.id"), Some("broker.id"));
        assert_eq!(closest("something.else.entirely"), None);
        assert_eq!(distance("kitten", "mitten"), 1);
        assert_eq!(distance("ab", "ba"), 2);
    }
}
