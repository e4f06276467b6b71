//! Dynamic configuration: loaded at the start of every session, then followed through
//! `/config/changes` (`ZkConfigManager`, `ZkNodeChangeNotificationListener`). One task owns it, so
//! that what is read later also arrives later.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ottla_metadata::{ConfigImage, TopicName};
use ottla_zk::znode::{ConfigEntity as ZkEntity, ConfigKind, EntityConfig};
use ottla_zk::{Numbered, ReadOne, Sequence, SessionEvent, Watch, WatchEvent, Zk, ZkError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::convert::{chain, log_malformed};
use crate::driver::RETRY_PAUSE;
use crate::shared::Shared;
use crate::vital::vital;
use crate::{ConfigEntity, LocalReplicas};

/// Notices older than this are deleted by whichever broker sees them
/// (`changeExpirationMs`).
const NOTICE_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Requests to the task; a sender waits when it is full.
const COMMANDS: usize = 16;

/// The way to the task that follows configurations.
#[derive(Clone)]
pub(crate) struct ConfigFollower {
    commands: mpsc::Sender<Command>,
}

enum Command {
    Ensure(Vec<TopicName>, oneshot::Sender<()>),
    Forget(Vec<TopicName>, oneshot::Sender<()>),
}

impl ConfigFollower {
    /// Starts following.
    pub(crate) fn start(
        shared: Arc<Shared>,
        local: Arc<dyn LocalReplicas>,
        stop: watch::Receiver<bool>,
    ) -> (ConfigFollower, JoinHandle<()>) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let task = Task {
            shared,
            local,
            stop,
            last: None,
        };
        let task = tokio::spawn(vital("configurations", task.run(commands)));
        (ConfigFollower { commands: sender }, task)
    }

    /// Returns when the configurations of the topics have been read at least once: nobody is
    /// notified of what a topic is created with.
    pub(crate) async fn ensure(&self, topics: Vec<TopicName>) {
        self.ask(|done| Command::Ensure(topics, done)).await;
    }

    /// Drops the configurations of topics that are gone, so that topics that take their names are
    /// read anew.
    pub(crate) async fn forget(&self, topics: Vec<TopicName>) {
        self.ask(|done| Command::Forget(topics, done)).await;
    }

    async fn ask(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (done, answer) = oneshot::channel();
        // The task is gone only when this broker is closing.
        if self.commands.send(command(done)).await.is_ok() {
            let _ = answer.await;
        }
    }
}

/// Reads all configurations of topics and brokers.
pub(crate) async fn load(zk: &Zk) -> Result<ConfigImage, ZkError> {
    let mut entities = zk.config_entities(ConfigKind::Topics).await?;
    entities.extend(zk.config_entities(ConfigKind::Brokers).await?);
    let mut image = ConfigImage::default();
    for (entity, read) in zk.configs(entities).await? {
        put(&mut image, &entity, read);
    }
    Ok(image)
}

/// Puts what was read into the image; what cannot be understood leaves it as it is.
fn put(image: &mut ConfigImage, entity: &ZkEntity, read: ReadOne<EntityConfig>) {
    let config = match read {
        Ok(node) => node.map(|node| Arc::new(node.value.0)),
        Err(malformed) => return log_malformed(&malformed),
    };
    match (entity, config) {
        // A topic without a node has no overrides; having looked is worth remembering.
        (ZkEntity::Topic(name), config) => {
            image
                .topics
                .insert(name.as_str().into(), config.unwrap_or_default());
        }
        (ZkEntity::Broker(id), Some(config)) => {
            image.brokers.insert(*id, config);
        }
        (ZkEntity::Broker(id), None) => {
            image.brokers.remove(id);
        }
        (ZkEntity::BrokerDefault, config) => image.broker_defaults = config.unwrap_or_default(),
        (
            ZkEntity::Client(_) | ZkEntity::User(_) | ZkEntity::UserClient(..) | ZkEntity::Ip(_),
            _,
        ) => {}
    }
}

/// The entity in this crate's words; `None` for what this broker does not follow.
fn followed(entity: &ZkEntity) -> Option<ConfigEntity> {
    match entity {
        ZkEntity::Topic(name) => Some(ConfigEntity::Topic(name.as_str().into())),
        ZkEntity::Broker(id) => Some(ConfigEntity::Broker(*id)),
        ZkEntity::BrokerDefault => Some(ConfigEntity::BrokerDefault),
        ZkEntity::Client(_) | ZkEntity::User(_) | ZkEntity::UserClient(..) | ZkEntity::Ip(_) => {
            None
        }
    }
}

/// What differs between two images.
fn changes(old: &ConfigImage, new: &ConfigImage) -> Vec<ConfigEntity> {
    let mut changed = BTreeSet::new();
    let names = old.topics.keys().chain(new.topics.keys());
    changed.extend(
        names
            .filter(|name| old.topics.get(*name) != new.topics.get(*name))
            .map(|name| ConfigEntity::Topic(Arc::clone(name))),
    );
    let ids = old.brokers.keys().chain(new.brokers.keys());
    changed.extend(
        ids.filter(|id| old.brokers.get(id) != new.brokers.get(id))
            .map(|id| ConfigEntity::Broker(*id)),
    );
    if old.broker_defaults != new.broker_defaults {
        changed.insert(ConfigEntity::BrokerDefault);
    }
    changed.into_iter().collect()
}

struct Task {
    shared: Arc<Shared>,
    local: Arc<dyn LocalReplicas>,
    /// Becomes true when the broker stops.
    stop: watch::Receiver<bool>,
    /// The last notice that was processed in this session.
    last: Option<Sequence>,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut sessions = self.shared.zk.session();
        let mut watches = self.shared.zk.watch_events();
        let mut generation = 0;
        let mut reload_at = None;
        sessions.mark_changed();
        loop {
            let reload = async {
                match reload_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            // `changed`, `recv` and `next` lose nothing when dropped.
            let result = tokio::select! {
                biased;
                changed = sessions.changed() => {
                    let event = *sessions.borrow_and_update();
                    match event {
                        SessionEvent::Connected { generation: now, .. } if now != generation => {
                            generation = now;
                            self.reload().await
                        }
                        SessionEvent::Closed => return,
                        _ if changed.is_err() => return,
                        _ => Ok(()),
                    }
                }
                command = commands.recv() => match command {
                    None => return,
                    Some(Command::Ensure(topics, done)) => {
                        let result = self.ensure(topics).await;
                        let _ = done.send(());
                        result
                    }
                    Some(Command::Forget(topics, done)) => {
                        self.forget(&topics);
                        let _ = done.send(());
                        Ok(())
                    }
                },
                event = watches.next() => match event {
                    WatchEvent::ConfigChangesChanged => self.follow().await,
                    _ => Ok(()),
                },
                () = reload => {
                    reload_at = None;
                    self.reload().await
                }
            };
            match result {
                Err(ZkError::Closed) => return,
                // Everything is read again with the next session.
                Ok(()) | Err(ZkError::SessionExpired) => {}
                Err(error) => {
                    tracing::error!(
                        error = chain(&error),
                        "dynamic configuration cannot be read; trying again"
                    );
                    // A read that fails arms no watch.
                    reload_at = Some(Instant::now() + RETRY_PAUSE);
                }
            }
        }
    }

    /// Asks ZooKeeper, but not beyond the stop: while it is away it answers no sooner than the session
    /// ends, and the logs are to be closed before that.
    async fn ask<T>(
        &self,
        operation: impl Future<Output = Result<T, ZkError>>,
    ) -> Result<T, ZkError> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Err(ZkError::Closed),
            answer = operation => answer,
        }
    }

    /// Reads everything; notices that are there already are thereby taken into account.
    async fn reload(&mut self) -> Result<(), ZkError> {
        let notices = self.ask(self.shared.zk.config_changes(Watch::Arm)).await?;
        self.last = notices.iter().map(|notice| notice.sequence).max();
        let image = self.ask(load(&self.shared.zk)).await?;
        self.publish(image).await;
        self.purge(&notices).await
    }

    /// Processes new notices in order.
    async fn follow(&mut self) -> Result<(), ZkError> {
        let notices = self.ask(self.shared.zk.config_changes(Watch::Arm)).await?;
        let mut entities = Vec::new();
        let mut last = self.last;
        for notice in notices
            .iter()
            .filter(|notice| Some(notice.sequence) > self.last)
        {
            last = Some(notice.sequence);
            match &notice.value {
                Ok(change) if followed(&change.entity).is_some() => {
                    entities.retain(|entity| *entity != change.entity);
                    entities.push(change.entity.clone());
                }
                Ok(_) => {}
                Err(malformed) => log_malformed(malformed),
            }
        }
        let mut image = ConfigImage::clone(&self.shared.configs.load());
        for (entity, read) in self.ask(self.shared.zk.configs(entities)).await? {
            put(&mut image, &entity, read);
        }
        self.last = last;
        self.publish(image).await;
        self.purge(&notices).await
    }

    async fn ensure(&mut self, topics: Vec<TopicName>) -> Result<(), ZkError> {
        let known = self.shared.configs.load_full();
        let missing: Vec<ZkEntity> = topics
            .iter()
            .filter(|topic| !known.topics.contains_key(*topic))
            .map(|topic| ZkEntity::Topic(topic.to_string()))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut image = ConfigImage::clone(&known);
        for (entity, read) in self.ask(self.shared.zk.configs(missing)).await? {
            put(&mut image, &entity, read);
        }
        self.publish(image).await;
        Ok(())
    }

    fn forget(&self, topics: &[TopicName]) {
        let mut image = ConfigImage::clone(&self.shared.configs.load());
        for topic in topics {
            image.topics.remove(topic);
        }
        self.shared.publish_configs(Arc::new(image));
    }

    async fn publish(&self, image: ConfigImage) {
        let changed = changes(&self.shared.configs.load(), &image);
        if changed.is_empty() {
            return;
        }
        tracing::info!(?changed, "dynamic configuration changed");
        let image = Arc::new(image);
        self.shared.publish_configs(Arc::clone(&image));
        let local = Arc::clone(&self.local);
        let told = tokio::task::spawn_blocking(move || local.configs_changed(&image, &changed));
        if let Err(error) = told.await
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }

    /// Deletes notices that every broker has had the time to see.
    async fn purge<T>(&self, notices: &[Numbered<T>]) -> Result<(), ZkError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let limit = now.saturating_sub(NOTICE_LIFETIME).as_millis();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let old: Vec<Sequence> = notices
            .iter()
            .filter(|notice| notice.stat.ctime_ms < limit)
            .map(|notice| notice.sequence)
            .collect();
        if old.is_empty() {
            return Ok(());
        }
        self.ask(self.shared.zk.delete_config_changes(&old)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs() {
        let topic = |value: &str| Arc::new([("a".to_owned(), value.to_owned())].into());
        let old = ConfigImage {
            topics: [
                ("same".into(), topic("1")),
                ("changed".into(), topic("1")),
                ("gone".into(), topic("1")),
            ]
            .into(),
            ..ConfigImage::default()
        };
        let new = ConfigImage {
            topics: [
                ("same".into(), topic("1")),
                ("changed".into(), topic("2")),
                ("new".into(), topic("1")),
            ]
            .into(),
            broker_defaults: topic("1"),
            ..ConfigImage::default()
        };
        let names: Vec<String> = changes(&old, &new)
            .iter()
            .map(|entity| format!("{entity:?}"))
            .collect();
        assert_eq!(
            names,
            [
                r#"Topic("changed")"#,
                r#"Topic("gone")"#,
                r#"Topic("new")"#,
                "BrokerDefault"
            ]
        );
    }
}
