//! The way to ZooKeeper, for the forms of the tools that talk to it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use ottla_zk::znode::{ConfigEntity, EntityConfig};
use ottla_zk::{WriteError, Zk, ZkConfig};

/// How often a write whose answer was lost is repeated. Only writes that may be repeated are.
const ATTEMPTS: u32 = 3;

/// Connects to `host:port[,host:port][/chroot]`.
pub(crate) async fn connect(servers: &str) -> Result<Zk> {
    let mut config = ZkConfig::new(servers);
    config.connection_timeout = Duration::from_secs(30);
    config.session_timeout = Duration::from_secs(30);
    Ok(Zk::connect(config).await?)
}

/// The overrides of an entity; none if it has no node.
pub(crate) async fn read_config(
    zk: &Zk,
    entity: &ConfigEntity,
) -> Result<BTreeMap<String, String>> {
    let found = zk.config(entity).await?;
    Ok(found.map_or_else(BTreeMap::new, |node| node.value.0))
}

/// Stores the overrides of a topic; tells the brokers if it exists already.
pub(crate) async fn write_topic_config(
    zk: &Zk,
    topic: &str,
    configs: &BTreeMap<String, String>,
    notify: bool,
) -> Result<()> {
    for (name, value) in configs {
        if let Some(Err(wrong)) = ottla_config::topic_key(name).map(|key| key.parse(value)) {
            bail!("{wrong}");
        }
    }
    write_config(zk, &ConfigEntity::Topic(topic.to_owned()), configs, notify).await
}

/// Stores the overrides of an entity; tells the brokers if asked to.
pub(crate) async fn write_config(
    zk: &Zk,
    entity: &ConfigEntity,
    configs: &BTreeMap<String, String>,
    notify: bool,
) -> Result<()> {
    let config = EntityConfig(configs.clone());
    // Both writes may be repeated: the last one wins, and a second notice is only read again.
    let mut attempt = 1;
    while let Err(error) = zk.write_config(entity, &config).await {
        give_up_unless_unknown(error, &mut attempt)?;
    }
    if notify {
        while let Err(error) = zk.notify_config_change(entity).await {
            give_up_unless_unknown(error, &mut attempt)?;
        }
    }
    Ok(())
}

fn give_up_unless_unknown(error: WriteError, attempt: &mut u32) -> Result<()> {
    *attempt += 1;
    if *attempt > ATTEMPTS || !matches!(error, WriteError::Unknown { .. }) {
        return Err(error.into());
    }
    Ok(())
}
