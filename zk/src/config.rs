//! Dynamic configuration: entities under `/config` and the notices of their changes.

use crate::error::{Conflict, WriteError, WriteResult, ZkError};
use crate::multi::{MultiFailure, Op};
use crate::node::{Failure, ReadOne, Versioned};
use crate::notification::{Numbered, Sequence};
use crate::path;
use crate::watch::{Watch, WatchEvent};
use crate::zk::Zk;
use crate::znode::{ConfigChange, ConfigEntity, ConfigKind, EntityConfig, Znode};

fn entity_path(entity: &ConfigEntity) -> String {
    format!("{}/{entity}", path::CONFIG)
}

impl Zk {
    /// The entities of a kind that have a node, sorted. Of users, only the users themselves.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn config_entities(&self, kind: ConfigKind) -> Result<Vec<ConfigEntity>, ZkError> {
        let at = format!("{}/{}", path::CONFIG, kind.name());
        let names = self.live()?.children(&at, None).await?;
        let mut entities: Vec<ConfigEntity> = names
            .unwrap_or_default()
            .iter()
            .filter_map(|name| kind.entity(name))
            .collect();
        entities.sort_unstable();
        Ok(entities)
    }

    /// The configuration of one entity. No node and an empty one mean the same.
    ///
    /// # Errors
    /// ZooKeeper failed, or the node is malformed.
    pub async fn config(
        &self,
        entity: &ConfigEntity,
    ) -> Result<Option<Versioned<EntityConfig>>, ZkError> {
        self.read(&entity_path(entity), None).await
    }

    /// The configurations of many entities, in the order given.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn configs(
        &self,
        entities: Vec<ConfigEntity>,
    ) -> Result<Vec<(ConfigEntity, ReadOne<EntityConfig>)>, ZkError> {
        self.read_together(entities, entity_path).await
    }

    /// Stores the whole new configuration of an entity, creating its node where there is none.
    /// Brokers hear of it through [`Zk::notify_config_change`]; a topic that does not exist yet
    /// needs no notice.
    ///
    /// The last writer wins, as in Kafka; so repeating it after `Unknown` is safe.
    ///
    /// # Errors
    /// The outcomes of a write.
    pub async fn write_config(
        &self,
        entity: &ConfigEntity,
        config: &EntityConfig,
    ) -> WriteResult<()> {
        let at = entity_path(entity);
        let data = config.encode();
        let session = self.live_for_write()?;
        session.put(&at, &data).await
    }

    /// As [`Zk::write_config`], provided that `/controller` still has the version that was read: as
    /// Kafka does it, so that nobody writes while the cluster has no controller.
    ///
    /// # Errors
    /// [`Conflict::ControllerMoved`], and the outcomes of a write.
    pub async fn write_config_under(
        &self,
        controller_version: i32,
        entity: &ConfigEntity,
        config: &EntityConfig,
    ) -> WriteResult<()> {
        let at = entity_path(entity);
        let data = config.encode();
        let session = self.live_for_write()?;
        let check = Op::Check {
            path: path::CONTROLLER.to_owned(),
            version: controller_version,
        };
        let set = Op::Set {
            path: at.clone(),
            data: data.clone(),
            expected: None,
        };
        let create = Op::Create {
            path: at.clone(),
            data,
        };
        loop {
            for (write, other) in [(&set, Conflict::Missing), (&create, Conflict::Exists)] {
                match session.multi([&check, write]).await {
                    Ok(_) => return Ok(()),
                    Err(MultiFailure { index, failure }) => match (index, failure) {
                        (Some(0), Failure::Conflict(_)) => {
                            return Err(WriteError::Conflict {
                                path: path::CONTROLLER.to_owned(),
                                conflict: Conflict::ControllerMoved,
                            });
                        }
                        // The other of the two then; round again if it came or went in between.
                        (_, Failure::Conflict(conflict)) if conflict == other => {}
                        (_, failure) => return Err(failure.of_write(&at)),
                    },
                }
            }
        }
    }

    /// Deletes an entity's node; an absent one is fine.
    ///
    /// # Errors
    /// The outcomes of a write.
    pub async fn delete_config(&self, entity: &ConfigEntity) -> WriteResult<()> {
        let session = self.live_for_write()?;
        match session.delete(&entity_path(entity), None).await {
            Err(error) if error.conflict() == Some(Conflict::Missing) => Ok(()),
            other => other,
        }
    }

    /// Tells all brokers to read an entity's configuration again. A notice too many is harmless,
    /// so `Unknown` is answered with another one.
    ///
    /// # Errors
    /// The outcomes of a write.
    pub async fn notify_config_change(&self, entity: &ConfigEntity) -> WriteResult<Sequence> {
        let change = ConfigChange {
            entity: entity.clone(),
        };
        self.notify(path::CONFIG_CHANGES, path::CONFIG_CHANGE_PREFIX, &change)
            .await
    }

    /// The notices that are there, oldest first.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn config_changes(
        &self,
        watch: Watch,
    ) -> Result<Vec<Numbered<ConfigChange>>, ZkError> {
        let event = (watch == Watch::Arm).then_some(WatchEvent::ConfigChangesChanged);
        self.notifications(path::CONFIG_CHANGES, path::CONFIG_CHANGE_PREFIX, event)
            .await
    }

    /// Removes notices, whoever has removed some of them already.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn delete_config_changes(&self, notices: &[Sequence]) -> Result<(), ZkError> {
        self.delete_notifications(path::CONFIG_CHANGES, path::CONFIG_CHANGE_PREFIX, notices)
            .await
    }
}
