//! The cluster as an immutable value. A reader takes one snapshot and works on it; a writer makes
//! a changed copy and swaps it in.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{BrokerId, LeaderEpoch, TopicId, TopicName};

/// How a listener talks to its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurityProtocol {
    /// No encryption, no authentication.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL over plain TCP.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Kafka's name of the protocol.
    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }

    /// Kafka's number of the protocol.
    pub fn id(self) -> i16 {
        match self {
            SecurityProtocol::Plaintext => 0,
            SecurityProtocol::Ssl => 1,
            SecurityProtocol::SaslPlaintext => 2,
            SecurityProtocol::SaslSsl => 3,
        }
    }

    /// The protocol with that number.
    pub fn from_id(id: i16) -> Option<SecurityProtocol> {
        SecurityProtocol::ALL.into_iter().find(|p| p.id() == id)
    }

    const ALL: [SecurityProtocol; 4] = [
        SecurityProtocol::Plaintext,
        SecurityProtocol::Ssl,
        SecurityProtocol::SaslPlaintext,
        SecurityProtocol::SaslSsl,
    ];
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SecurityProtocol {
    type Err = ();

    fn from_str(text: &str) -> Result<SecurityProtocol, ()> {
        SecurityProtocol::ALL
            .into_iter()
            .find(|p| p.name().eq_ignore_ascii_case(text))
            .ok_or(())
    }
}

/// One advertised address of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name, upper case, e.g. `PLAINTEXT` or `REPLICATION`.
    pub listener: String,
    /// What the listener speaks.
    pub security_protocol: SecurityProtocol,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// A live broker as it registered itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerInfo {
    /// `broker.id`.
    pub id: BrokerId,
    /// Broker epoch (KIP-380): the czxid of the registration. In the image of a broker that is not
    /// the controller -1, since UpdateMetadata does not carry it.
    pub epoch: i64,
    /// Advertised addresses, one per listener.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
}

impl BrokerInfo {
    /// The address on the named listener.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|e| e.listener == listener)
    }
}

/// One partition as the controller last published it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    /// Assigned replicas in order of preference.
    pub replicas: Vec<BrokerId>,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// The leader, if there is one.
    pub leader: Option<BrokerId>,
    /// Epoch of the leadership.
    pub leader_epoch: LeaderEpoch,
    /// Epoch of the controller that decided the leadership.
    pub controller_epoch: i32,
    /// Version of the state znode ("partition epoch").
    pub partition_epoch: i32,
    /// Replicas on failed disks or dead brokers.
    pub offline_replicas: Vec<BrokerId>,
}

/// A topic as the controller last published it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    /// The name.
    pub name: TopicName,
    /// The id; [`TopicId::ZERO`] where the topic has none.
    pub id: TopicId,
    /// Partitions by number. A gap means that the controller has not published that one yet.
    pub partitions: BTreeMap<i32, PartitionImage>,
}

/// The cluster at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterImage {
    /// `/cluster/id`.
    pub cluster_id: String,
    /// The controller as last announced, if any.
    pub controller: Option<BrokerId>,
    /// Live brokers.
    pub brokers: BTreeMap<BrokerId, Arc<BrokerInfo>>,
    /// Topics by name. Change only through [`ClusterImage::put_topic`] and
    /// [`ClusterImage::remove_topic`], which keep the names by id in step.
    pub topics: BTreeMap<TopicName, Arc<TopicImage>>,
    names: BTreeMap<TopicId, TopicName>,
}

impl ClusterImage {
    /// The topic of that name.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(name)
    }

    /// The name of the topic with that id. The zero id has none.
    pub fn topic_name(&self, id: TopicId) -> Option<&TopicName> {
        self.names.get(&id)
    }

    /// The partition, if the controller has published it.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&PartitionImage> {
        self.topics.get(topic)?.partitions.get(&partition)
    }

    /// Adds or replaces a topic.
    pub fn put_topic(&mut self, topic: TopicImage) {
        self.remove_topic(&Arc::clone(&topic.name));
        if !topic.id.is_zero() {
            self.names.insert(topic.id, Arc::clone(&topic.name));
        }
        self.topics.insert(Arc::clone(&topic.name), Arc::new(topic));
    }

    /// Removes a topic and answers what it was.
    pub fn remove_topic(&mut self, name: &str) -> Option<Arc<TopicImage>> {
        let old = self.topics.remove(name)?;
        self.names.remove(&old.id);
        Some(old)
    }
}

/// Dynamic configuration as stored under `/config`: overrides only, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigImage {
    /// `/config/topics/<topic>`.
    pub topics: BTreeMap<TopicName, Arc<BTreeMap<String, String>>>,
    /// `/config/brokers/<id>`.
    pub brokers: BTreeMap<BrokerId, Arc<BTreeMap<String, String>>>,
    /// `/config/brokers/<default>`.
    pub broker_defaults: Arc<BTreeMap<String, String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_id_follow_the_topics() {
        let mut image = ClusterImage::default();
        let topic = |id: u8| TopicImage {
            name: "t".into(),
            id: TopicId([id; 16]),
            partitions: BTreeMap::new(),
        };
        image.put_topic(topic(1));
        image.put_topic(topic(2));
        assert_eq!(image.topic_name(TopicId([1; 16])), None);
        assert_eq!(image.topic_name(TopicId([2; 16])).map(|n| &**n), Some("t"));
        image.remove_topic("t");
        assert_eq!(image.topic_name(TopicId([2; 16])), None);
        image.put_topic(topic(0));
        assert_eq!(image.topic_name(TopicId::ZERO), None);
    }
}
