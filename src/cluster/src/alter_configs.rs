//! Changing dynamic configuration (`AdminZkClient.changeEntityConfig`).

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_zk::znode::{ConfigEntity as ZkEntity, EntityConfig};
use ottla_zk::{Conflict, Watch};
use tokio::time::Instant;

use crate::shared::Shared;
use crate::wait::{Failed, patience, until, within};
use crate::{AlterConfigError, ConfigEntity};

/// How long a change may take to come back to this broker, so that whoever asked finds it in the
/// next DescribeConfigs.
const ECHO_PATIENCE: Duration = Duration::from_secs(1);

pub(crate) async fn alter_configs(
    shared: &Shared,
    entity: ConfigEntity,
    configs: BTreeMap<String, String>,
) -> Result<(), AlterConfigError> {
    let deadline = patience(&shared.zk, Duration::ZERO);
    let store = |failed: Failed| AlterConfigError::Store(failed.into_store());
    if let ConfigEntity::Topic(name) = &entity {
        let known = match ottla_metadata::validate_topic_name(name) {
            Ok(()) => within(deadline, shared.zk.topic(name, Watch::No))
                .await
                .map_err(store)?,
            Err(_) => None,
        };
        if known.is_none() {
            return Err(AlterConfigError::UnknownTopic(name.to_string()));
        }
    }
    let controller = within(deadline, shared.zk.controller(Watch::No))
        .await
        .map_err(store)?;
    let holder = controller.holder.ok_or(AlterConfigError::NoController)?;
    if holder.value.kraft_epoch > 0 {
        return Err(AlterConfigError::NoController);
    }
    let controller_version = holder.stat.version;
    let target = match &entity {
        ConfigEntity::Topic(name) => ZkEntity::Topic(name.to_string()),
        ConfigEntity::Broker(id) => ZkEntity::Broker(*id),
        ConfigEntity::BrokerDefault => ZkEntity::BrokerDefault,
    };
    let content = EntityConfig(configs);
    // The last writer wins, so both steps can be repeated when their outcome is unknown.
    loop {
        match within(
            deadline,
            shared
                .zk
                .write_config_under(controller_version, &target, &content),
        )
        .await
        {
            Ok(()) => break,
            Err(Failed::Unknown) => {}
            Err(Failed::Conflict(Conflict::ControllerMoved)) => {
                return Err(AlterConfigError::NoController);
            }
            Err(failed) => return Err(store(failed)),
        }
    }
    loop {
        match within(deadline, shared.zk.notify_config_change(&target)).await {
            Ok(_) => break,
            Err(Failed::Unknown) => {}
            Err(failed) => return Err(store(failed)),
        }
    }
    let echoed = || seen(shared, &entity, &content.0);
    until(
        shared.configs_version.subscribe(),
        Instant::now() + ECHO_PATIENCE,
        echoed,
    )
    .await;
    Ok(())
}

fn seen(shared: &Shared, entity: &ConfigEntity, configs: &BTreeMap<String, String>) -> bool {
    let image = shared.configs.load();
    let now = match entity {
        ConfigEntity::Topic(name) => image.topics.get(name),
        ConfigEntity::Broker(id) => image.brokers.get(id),
        ConfigEntity::BrokerDefault => Some(&image.broker_defaults),
    };
    now.is_some_and(|now| **now == *configs)
}
