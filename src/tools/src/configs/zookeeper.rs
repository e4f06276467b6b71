//! `kafka-configs --zookeeper`, as of Kafka 2.0.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use ottla_metadata::BrokerId;
use ottla_zk::znode::{ConfigEntity, ConfigKind};
use ottla_zk::{Watch, Zk};
use serde_json::{Value, json};

use super::changes::{Invalid, check_deleted};
use super::{Changes, Kind, Task, Which};
use crate::cli;
use crate::zookeeper::{connect, read_config, write_config, write_topic_config};

/// What may be changed here while the brokers run: nothing checks more of it than that it is a
/// number, and brokers follow it.
const SAFE_WHILE_RUNNING: [&str; 3] = [
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
];

pub(super) async fn run(servers: &str, task: &Task) -> Result<()> {
    let zk = connect(servers).await?;
    let outcome = match &task.changes {
        Some(changes) => alter(&zk, task, changes).await,
        None => describe(&zk, task).await,
    };
    zk.close().await;
    outcome
}

async fn alter(zk: &Zk, task: &Task, changes: &Changes) -> Result<()> {
    let entity = entity(task)?;
    if task.kind == Kind::Brokers {
        check_not_running(zk, task, changes).await?;
    }
    let mut configs = read_config(zk, &entity).await?;
    check_deleted(&changes.delete, |name| configs.contains_key(name))?;
    configs.extend(changes.add.clone());
    for name in &changes.delete {
        configs.remove(name);
    }
    match &entity {
        ConfigEntity::Topic(topic) => {
            if zk.topic(topic, Watch::No).await?.is_none() {
                bail!("Topic \"{topic}\" does not exist.");
            }
            if let Some(stranger) = configs
                .keys()
                .find(|name| ottla_config::topic_key(name).is_none())
            {
                bail!("Unknown topic config name: {stranger}");
            }
            write_topic_config(zk, topic, &configs, true).await?;
        }
        _ => {
            for (name, value) in &changes.add {
                if let Some(Err(wrong)) = ottla_config::broker_key(name).map(|key| key.parse(value))
                {
                    bail!("{wrong}");
                }
            }
            write_config(zk, &entity, &configs, true).await?;
        }
    }
    cli::print(&format!(
        "Completed Updating config for entity: {}.\n",
        title(&entity)
    ));
    Ok(())
}

/// Brokers check the values that they are given at run time; nobody checks them here, so the
/// brokers concerned must be down.
async fn check_not_running(zk: &Zk, task: &Task, changes: &Changes) -> Result<()> {
    let unsafe_names: Vec<&str> = changes
        .add
        .keys()
        .map(String::as_str)
        .filter(|name| !SAFE_WHILE_RUNNING.contains(name))
        .collect();
    if unsafe_names.is_empty() {
        return Ok(());
    }
    let running = zk.broker_ids(Watch::No).await?;
    let concerned = match &task.which {
        Which::Named(id) => match id.parse() {
            Ok(id) if running.contains(&BrokerId(id)) => format!("when broker {id} is running"),
            Ok(_) | Err(_) => return Ok(()),
        },
        Which::Default | Which::All if running.is_empty() => return Ok(()),
        Which::Default | Which::All => "for default cluster if any broker is running".to_owned(),
    };
    bail!(Invalid(format!(
        "requirement failed: --bootstrap-server option must be specified to update broker configs Set({}). \
         {concerned}. Broker configuraton updates using ZooKeeper are supported for bootstrapping before brokers are \
         started to enable encrypted password configs to be stored in ZooKeeper.",
        unsafe_names.join(", ")
    )));
}

async fn describe(zk: &Zk, task: &Task) -> Result<()> {
    let entities = match task.which {
        Which::All => {
            let kind = match task.kind {
                Kind::Topics => ConfigKind::Topics,
                Kind::Brokers | Kind::BrokerLoggers => ConfigKind::Brokers,
            };
            zk.config_entities(kind).await?
        }
        Which::Named(_) | Which::Default => vec![entity(task)?],
    };
    let mut values = Vec::new();
    for entity in entities {
        let configs = read_config(zk, &entity).await?;
        if task.json {
            values.push(json!({"entity": entity.to_string(), "configs": configs}));
        } else {
            cli::print(&format!(
                "Configs for {} are {}\n",
                title(&entity),
                list(&configs)
            ));
        }
    }
    if task.json {
        cli::print_json(&Value::Array(values));
    }
    Ok(())
}

fn list(configs: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = configs.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(",")
}

fn entity(task: &Task) -> Result<ConfigEntity> {
    let name = match &task.which {
        Which::Named(name) => name.as_str(),
        Which::Default | Which::All => "<default>",
    };
    let kind = match task.kind {
        Kind::Topics => ConfigKind::Topics,
        Kind::Brokers | Kind::BrokerLoggers => ConfigKind::Brokers,
    };
    kind.entity(name)
        .with_context(|| format!("{name:?} cannot be the name of one of the {}", kind.name()))
}

/// The entity as Kafka's tool names it.
fn title(entity: &ConfigEntity) -> String {
    match entity {
        ConfigEntity::Topic(name) => format!("topic '{name}'"),
        ConfigEntity::Broker(id) => format!("brokers '{id}'"),
        ConfigEntity::BrokerDefault => "default brokers".to_owned(),
        other => other.to_string(),
    }
}
