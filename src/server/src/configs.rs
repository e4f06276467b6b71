//! The configuration in force: the file's, with what ZooKeeper holds on top.

use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_config::{ServerConfig, TopicConfig};
use ottla_log::LogConfig;
use ottla_metadata::{BrokerId, ConfigImage};
use ottla_replication::{TopicConfigs, log_config};

/// The broker's configuration and its topics'. Cheap to read from anywhere.
pub struct Configs {
    broker: BrokerId,
    file: ServerConfig,
    server: Arc<ArcSwap<ServerConfig>>,
    topics: ArcSwap<Topics>,
}

/// What topics' configs are made from. A topic without settings of its own shares `defaults`.
struct Topics {
    server: Arc<ServerConfig>,
    defaults: Arc<TopicConfig>,
    image: Arc<ConfigImage>,
}

impl Configs {
    /// The configuration of broker `broker` whose properties file says `file`.
    pub fn new(broker: BrokerId, file: ServerConfig, image: Arc<ConfigImage>) -> Arc<Configs> {
        let topics = Topics {
            server: Arc::new(file.clone()),
            defaults: Arc::new(file.topic_defaults.clone()),
            image: Arc::default(),
        };
        let configs = Configs {
            broker,
            server: Arc::new(ArcSwap::new(Arc::clone(&topics.server))),
            file,
            topics: ArcSwap::new(Arc::new(topics)),
        };
        configs.update(image);
        Arc::new(configs)
    }

    /// The cell that always holds the broker's configuration in force.
    pub fn server(&self) -> Arc<ArcSwap<ServerConfig>> {
        Arc::clone(&self.server)
    }

    /// What storage goes by for a topic.
    pub fn log_config(&self, topic: &str) -> Arc<LogConfig> {
        Arc::new(log_config(&self.topic(topic)))
    }

    /// Puts changed dynamic configuration in force. What cannot be used is reported and left out.
    pub(crate) fn update(&self, image: Arc<ConfigImage>) {
        let own = image
            .brokers
            .get(&self.broker)
            .map(Arc::clone)
            .unwrap_or_default();
        let (server, warnings) = self.file.with_dynamic(&image.broker_defaults, &own);
        for warning in warnings {
            tracing::warn!(%warning, "dynamic configuration");
        }
        let server = Arc::new(server);
        let defaults = Arc::new(server.topic_defaults.clone());
        self.server.store(Arc::clone(&server));
        self.topics.store(Arc::new(Topics {
            server,
            defaults,
            image,
        }));
    }
}

impl TopicConfigs for Configs {
    fn topic(&self, name: &str) -> Arc<TopicConfig> {
        let topics = self.topics.load();
        let Some(overrides) = topics.image.topics.get(name).filter(|own| !own.is_empty()) else {
            return Arc::clone(&topics.defaults);
        };
        let (config, problems) = TopicConfig::resolve_stored(&topics.server, overrides);
        for problem in problems {
            tracing::warn!(topic = name, %problem, "stored topic configuration");
        }
        Arc::new(config)
    }
}
