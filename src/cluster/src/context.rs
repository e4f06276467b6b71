//! Reading what the brain has to know: everything at the start of a term, and then whatever a watch
//! says has changed. Every read arms its watch again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_config::MetadataVersion;
use ottla_controller::{Event, Fence, Loaded, Read, TermEvent, TopicRead};
use ottla_metadata::{
    BrokerId, BrokerInfo, TopicId, TopicName, TopicPartition, validate_topic_name,
};
use ottla_zk::znode::{Feature, FeatureStatus, FeatureVersion};
use ottla_zk::{FencedWrite, Watch, ZkError};

use crate::carry_out::Stop;
use crate::convert::{self, chain, log_malformed};
use crate::driver::Driver;

impl Driver {
    /// Reads everything that a new controller has to know, arming all watches.
    pub(crate) async fn load(&mut self, fence: Fence) -> Result<(), Stop> {
        let zk = &self.shared.zk;
        let clear_notifications = async {
            zk.clear_notifications(&convert::fence(fence)).await?;
            zk.isr_changes(Watch::Arm).await?;
            zk.log_dir_events(Watch::Arm).await?;
            Ok(())
        };
        // Marks before topics: a topic that is seen marked is then seen to exist.
        let ((), (), brokers, deletions) = tokio::try_join!(
            self.set_up_features(fence),
            clear_notifications,
            self.registered_brokers(),
            zk.topics_to_delete(Watch::Arm),
        )?;
        self.outboxes.follow(&brokers);
        let names = zk.topics(Watch::Arm).await?;
        let topics = self.topic_nodes(names).await?;
        let partitions = partitions(&topics);
        let states = zk.partition_states(partitions, Watch::No).await?;
        let written = states.iter().filter_map(|(tp, read)| {
            let node = read.as_ref().ok()?.as_ref()?;
            Some((tp.clone(), node.stat.mzxid))
        });
        let written = written.collect();
        let states = states
            .into_iter()
            .map(|(tp, read)| (tp, convert::state_read(read)))
            .filter(|(_, read)| !matches!(read, Read::Missing));
        let loaded = Loaded {
            brokers,
            topics,
            states: states.collect(),
            written,
            deletions: deletions.into_iter().collect(),
            unclean: self.unclean.clone(),
        };
        tracing::info!(
            epoch = fence.epoch,
            brokers = loaded.brokers.len(),
            topics = loaded.topics.len(),
            partitions = loaded.states.len(),
            "controller context loaded"
        );
        self.step(Event::InTerm(
            fence.epoch,
            TermEvent::Loaded(Box::new(loaded)),
        ));
        self.read_reassignments().await?;
        self.read_preferred_election().await?;
        // What came between the clearing of notices and the watches.
        self.read_isr_changes().await?;
        self.read_log_dir_events().await?;
        Ok(())
    }

    /// Says in `/feature` whether brokers may rely on finalized features
    /// (`maybeSetupFeatureVersioning`). There are none in a ZooKeeper cluster.
    async fn set_up_features(&self, fence: Fence) -> Result<(), ZkError> {
        let version = self.shared.settings.version;
        let enabled = version >= MetadataVersion::V2_7_IV0;
        let wanted = |known: Option<&Feature>| Feature {
            version: match version >= MetadataVersion::V3_3_IV0 {
                true => FeatureVersion::V2,
                false => FeatureVersion::V1,
            },
            status: match enabled {
                true => FeatureStatus::Enabled,
                false => FeatureStatus::Disabled,
            },
            features: known
                .filter(|known| enabled && known.status == FeatureStatus::Enabled)
                .map(|known| known.features.clone())
                .unwrap_or_default(),
        };
        let known = match self.shared.zk.feature(Watch::No).await {
            Ok(known) => known,
            Err(ZkError::Malformed(malformed)) => {
                log_malformed(&malformed);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let next = wanted(known.as_ref().map(|known| &known.value));
        let expected = known.as_ref().map(|known| known.stat.version);
        if known.is_some_and(|known| known.value == next) {
            return Ok(());
        }
        let write = FencedWrite::Feature {
            feature: next,
            expected,
        };
        let fence = convert::fence(fence);
        for outcome in self.shared.zk.write_fenced(&fence, vec![write]).await {
            if let Err(error) = outcome {
                tracing::warn!(error = chain(&error), "/feature was not written");
            }
        }
        Ok(())
    }

    /// All live brokers, watched. A registration that cannot be understood is left out.
    async fn registered_brokers(&self) -> Result<BTreeMap<BrokerId, Arc<BrokerInfo>>, ZkError> {
        let ids = self.shared.zk.broker_ids(Watch::Arm).await?;
        let mut brokers = BTreeMap::new();
        for (id, read) in self.shared.zk.brokers(ids, Watch::Arm).await? {
            match read {
                Ok(Some(node)) => {
                    brokers.insert(id, Arc::new(node.broker_info(id)));
                }
                Ok(None) => {}
                Err(malformed) => log_malformed(&malformed),
            }
        }
        self.shared.publish_placeable(brokers.values());
        Ok(brokers)
    }

    pub(crate) async fn read_brokers(&mut self) -> Result<(), ZkError> {
        let brokers = self.registered_brokers().await?;
        self.outboxes.follow(&brokers);
        self.step_in_term(TermEvent::Brokers(brokers));
        Ok(())
    }

    pub(crate) async fn list_topics(&mut self) -> Result<(), ZkError> {
        if self.brain.is_active() {
            let names = self.shared.zk.topics(Watch::Arm).await?;
            self.step_in_term(TermEvent::TopicsListed(names.into_iter().collect()));
        }
        Ok(())
    }

    /// Reads topic nodes and, first, their configurations: elections ask for them.
    pub(crate) async fn read_topics(&mut self, topics: Vec<TopicName>) -> Result<(), ZkError> {
        let reads = self.topic_nodes(topics).await?;
        self.step_in_term(TermEvent::TopicsRead(reads));
        Ok(())
    }

    /// Nodes with names that no topic may have are passed over: a replica of one could have a folder
    /// that the file system refuses, and that would cost the whole log directory.
    async fn topic_nodes(&self, mut topics: Vec<TopicName>) -> Result<Vec<TopicRead>, ZkError> {
        topics.retain(|topic| match validate_topic_name(topic) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "a node below /brokers/topics is no topic: left alone");
                false
            }
        });
        let nodes = self.shared.zk.topic_nodes(topics, Watch::Arm).await?;
        let found = nodes.iter().filter(|(_, read)| matches!(read, Ok(Some(_))));
        let found = found.map(|(topic, _)| Arc::clone(topic)).collect();
        self.configs.ensure(found).await;
        let image = self.shared.image.load();
        let reads = nodes.into_iter().map(|(topic, read)| TopicRead {
            node: convert::found(read, |node| {
                convert::topic_node(&node.value, node.stat.version)
            }),
            // A tool of an old release may have dropped the id before this controller's time: the
            // logs still bear it (KAFKA-14190).
            spare_id: image
                .topic(&topic)
                .map(|known| known.id)
                .filter(|id| !id.is_zero())
                .unwrap_or_else(TopicId::random),
            topic,
        });
        Ok(reads.collect())
    }

    pub(crate) async fn list_deletions(&mut self) -> Result<(), ZkError> {
        if self.brain.is_active() {
            let marked = self.shared.zk.topics_to_delete(Watch::Arm).await?;
            self.step_in_term(TermEvent::DeletionsListed(marked.into_iter().collect()));
        }
        Ok(())
    }

    pub(crate) async fn read_isr_changes(&mut self) -> Result<(), ZkError> {
        if !self.brain.is_active() {
            return Ok(());
        }
        let changes = self.shared.zk.isr_changes(Watch::Arm).await?;
        if changes.is_empty() {
            return Ok(());
        }
        let nodes = changes.iter().map(|change| change.sequence.0).collect();
        let mut partitions: BTreeSet<TopicPartition> = BTreeSet::new();
        for change in changes {
            match change.value {
                Ok(change) => partitions.extend(change.partitions),
                Err(malformed) => log_malformed(&malformed),
            }
        }
        self.step_in_term(TermEvent::IsrNotified { nodes, partitions });
        Ok(())
    }

    pub(crate) async fn read_log_dir_events(&mut self) -> Result<(), ZkError> {
        if !self.brain.is_active() {
            return Ok(());
        }
        let events = self.shared.zk.log_dir_events(Watch::Arm).await?;
        if events.is_empty() {
            return Ok(());
        }
        let nodes = events.iter().map(|event| event.sequence.0).collect();
        let brokers = events.into_iter().filter_map(|event| match event.value {
            Ok(event) => Some(event.broker),
            Err(malformed) => {
                log_malformed(&malformed);
                None
            }
        });
        let brokers = brokers.collect();
        self.step_in_term(TermEvent::LogDirNotified { nodes, brokers });
        Ok(())
    }

    pub(crate) async fn read_preferred_election(&mut self) -> Result<(), ZkError> {
        if !self.brain.is_active() {
            return Ok(());
        }
        let partitions = match self.shared.zk.preferred_election(Watch::Arm).await {
            Ok(None) => return Ok(()),
            Ok(Some(wanted)) => wanted.value.partitions.into_iter().collect(),
            Err(ZkError::Malformed(malformed)) => {
                // Taken as empty, and removed.
                log_malformed(&malformed);
                BTreeSet::new()
            }
            Err(error) => return Err(error),
        };
        self.step_in_term(TermEvent::ElectPreferred(partitions));
        Ok(())
    }
}

/// Every partition of the topics that were found.
fn partitions(topics: &[TopicRead]) -> Vec<TopicPartition> {
    let mut partitions = Vec::new();
    for read in topics {
        if let Read::Found(node) = &read.node {
            let numbers = node.partitions.keys();
            partitions.extend(
                numbers.map(|number| TopicPartition::new(Arc::clone(&read.topic), *number)),
            );
        }
    }
    partitions
}
