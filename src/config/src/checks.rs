//! Checks that need more than one value (`KafkaConfig.validateValues`).

use std::collections::BTreeMap;

use crate::MetadataVersion;
use crate::error::ConfigError;
use crate::settings::Values;
use crate::value::split_list;

/// Refuses values that do not go together. The listeners have their own checks.
pub(crate) fn check(values: &Values) -> Result<(), ConfigError> {
    broker_id(values)?;
    times(values)?;
    replica_fetch(values)?;
    formats(values)?;
    network(values)
}

fn broker_id(values: &Values) -> Result<(), ConfigError> {
    let id = values.whole("broker.id").unwrap_or(-1);
    let largest = values.whole("reserved.broker.max.id").unwrap_or(0);
    let problem = if values.flag("broker.id.generation.enable") {
        (!(-1..=largest).contains(&id)).then(|| {
            format!("right would be a number from 0 to reserved.broker.max.id ({largest}), or -1 to have one generated")
        })
    } else {
        (id < 0).then(|| {
            "a number from 0 on is needed, since broker.id.generation.enable is false".to_owned()
        })
    };
    problem.map_or(Ok(()), |problem| Err(values.blame("broker.id", problem)))
}

fn times(values: &Values) -> Result<(), ConfigError> {
    let refuse_below = |name: &str, least: i64, right: &str| match values.whole(name) {
        Some(value) if value < least => Err(values.blame(name, right)),
        _ => Ok(()),
    };
    let positive = "right would be at least 1";
    refuse_below("log.roll.ms", 1, positive)?;
    refuse_below("log.roll.jitter.ms", 0, "right would be at least 0")?;
    refuse_below("zookeeper.session.timeout.ms", 1, positive)?;
    refuse_below("zookeeper.connection.timeout.ms", 1, positive)?;
    refuse_below("num.replica.fetchers", 1, positive)?;
    refuse_below("replica.high.watermark.checkpoint.interval.ms", 1, positive)?;
    for name in [
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.hours",
    ] {
        if let Some(time) = values.whole(name) {
            if time == 0 {
                let problem = "right would be at least 1, or -1 to keep records without limit";
                return Err(values.blame(name, problem));
            }
            break;
        }
    }
    if values
        .whole("default.replication.factor")
        .is_none_or(|n| !(1..=32_767).contains(&n))
    {
        return Err(values.blame("default.replication.factor", positive));
    }
    let threads = values.whole("log.cleaner.threads").unwrap_or(1).max(1);
    let buffer = values.whole("log.cleaner.dedupe.buffer.size").unwrap_or(0);
    if buffer / threads <= 1024 * 1024 {
        let problem = "right would be more than 1048576 per cleaner thread";
        return Err(values.blame("log.cleaner.dedupe.buffer.size", problem));
    }
    Ok(())
}

fn replica_fetch(values: &Values) -> Result<(), ConfigError> {
    let name = "replica.fetch.wait.max.ms";
    let wait = values.whole(name).unwrap_or(0);
    for limit in ["replica.socket.timeout.ms", "replica.lag.time.max.ms"] {
        let most = values.whole(limit).unwrap_or(i64::MAX);
        if wait > most {
            let blamed = if values.setting(limit).is_some() {
                limit
            } else {
                name
            };
            let problem = format!("{name} ({wait}) must not exceed {limit} ({most})");
            return Err(values.blame(blamed, problem));
        }
    }
    Ok(())
}

/// A record format needs an inter-broker protocol that knows it.
fn formats(values: &Values) -> Result<(), ConfigError> {
    let version = |name: &str| -> MetadataVersion {
        let parsed = values.text(name).and_then(|text| text.parse().ok());
        parsed.unwrap_or(MetadataVersion::LATEST)
    };
    let protocol = version("inter.broker.protocol.version");
    // An unset format is 3.0 however old the protocol is: Kafka refuses that combination too.
    let format = version("log.message.format.version");
    if !protocol.ignores_message_format() && protocol.record_format() < format.record_format() {
        let problem = format!(
            "records of {} need inter.broker.protocol.version {} or above, which is {}",
            format.short_name(),
            match format.record_format() {
                2 => "0.11.0",
                _ => "0.10.0",
            },
            protocol.short_name(),
        );
        return Err(values.blame("log.message.format.version", problem));
    }
    Ok(())
}

fn network(values: &Values) -> Result<(), ConfigError> {
    let queued = values.whole("queued.max.request.bytes").unwrap_or(-1);
    let largest = values.whole("socket.request.max.bytes").unwrap_or(0);
    if queued > 0 && queued < largest {
        let problem =
            format!("right would be at least socket.request.max.bytes ({largest}), or -1");
        return Err(values.blame("queued.max.request.bytes", problem));
    }
    let overrides = per_ip_overrides(values)?;
    if values.whole("max.connections.per.ip") == Some(0) && overrides.is_empty() {
        let problem = "0 is allowed only together with max.connections.per.ip.overrides";
        return Err(values.blame("max.connections.per.ip", problem));
    }
    let delay = values
        .whole("connection.failed.authentication.delay.ms")
        .unwrap_or(0);
    let idle = values.whole("connections.max.idle.ms").unwrap_or(-1);
    if idle >= 0 && delay >= idle {
        let name = "connections.max.idle.ms";
        let problem = format!("must be above connection.failed.authentication.delay.ms ({delay})");
        return Err(values.blame(name, problem));
    }
    Ok(())
}

/// `max.connections.per.ip.overrides`: `host:number` pairs; the last colon separates.
pub(crate) fn per_ip_overrides(values: &Values) -> Result<BTreeMap<String, usize>, ConfigError> {
    let name = "max.connections.per.ip.overrides";
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_' | ':');
    split_list(values.text(name).unwrap_or(""))
        .iter()
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let parsed = pair.rsplit_once(':').and_then(|(host, limit)| {
                let host = host.trim().trim_start_matches('[').trim_end_matches(']');
                let limit = limit.trim().parse().ok()?;
                (!host.is_empty() && host.chars().all(legal)).then(|| (host.to_owned(), limit))
            });
            parsed.ok_or_else(|| {
                let problem = format!("{pair:?} is not host:number, e.g. 127.0.0.1:200");
                values.blame(name, problem)
            })
        })
        .collect()
}
