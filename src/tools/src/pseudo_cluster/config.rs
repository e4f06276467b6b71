//! `cluster.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterFile {
    /// What clients connect to; without it, the properties files decide.
    pub(super) host: Option<String>,
    pub(super) zookeeper: ZooKeeper,
    /// Properties of all brokers.
    #[serde(default)]
    pub(super) properties: BTreeMap<String, toml::Value>,
    #[serde(rename = "broker", default)]
    pub(super) brokers: Vec<Broker>,
}

/// `[zookeeper]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ZooKeeper {
    /// `zookeeper.connect`.
    pub(super) connect: String,
    /// Its file, if one is to be started.
    pub(super) properties: Option<PathBuf>,
}

/// `[[broker]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Broker {
    pub(super) id: i32,
    pub(super) port: u16,
    /// `log.dirs`: one folder.
    pub(super) data: PathBuf,
    pub(super) properties: PathBuf,
}

impl ClusterFile {
    pub(super) fn load(path: &Path) -> Result<ClusterFile> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let mut file = ClusterFile::parse(&text).with_context(|| path.display().to_string())?;
        let folder = std::path::absolute(path)?;
        let folder = folder.parent().unwrap_or(Path::new("/"));
        for broker in &mut file.brokers {
            broker.data = folder.join(&broker.data);
            broker.properties = folder.join(&broker.properties);
        }
        if let Some(properties) = &mut file.zookeeper.properties {
            *properties = folder.join(&*properties);
        }
        Ok(file)
    }

    fn parse(text: &str) -> Result<ClusterFile> {
        let file: ClusterFile = toml::from_str(text)?;
        if file.brokers.is_empty() {
            bail!("there is no [[broker]]");
        }
        let (mut ids, mut ports, mut folders) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for broker in &file.brokers {
            let id = broker.id;
            if !ids.insert(id) {
                bail!("two brokers have id {id}; each needs one of its own");
            }
            if !ports.insert(broker.port) {
                bail!("broker {id}: port {} is another broker's too", broker.port);
            }
            if !folders.insert(&broker.data) {
                let data = broker.data.display();
                bail!("broker {id}: {data} is another broker's too; data folders are never shared");
            }
        }
        Ok(file)
    }

    pub(super) fn broker(&self, id: i32) -> Result<&Broker> {
        let ids: Vec<String> = self.brokers.iter().map(|b| b.id.to_string()).collect();
        let found = self.brokers.iter().find(|broker| broker.id == id);
        found.with_context(|| format!("there is no broker {id}; there are {}", ids.join(", ")))
    }

    /// Where clients find a broker on this machine.
    pub(super) fn address(&self, broker: &Broker) -> String {
        let host = self.host.as_deref().unwrap_or("localhost");
        format!("{host}:{}", broker.port)
    }

    /// `--override` arguments of a broker.
    pub(super) fn overrides(&self, broker: &Broker) -> Vec<String> {
        let mut overrides = vec![
            format!("broker.id={}", broker.id),
            format!("listeners=PLAINTEXT://:{}", broker.port),
            format!("log.dirs={}", broker.data.display()),
            format!("zookeeper.connect={}", self.zookeeper.connect),
        ];
        if self.host.is_some() {
            let address = self.address(broker);
            overrides.push(format!("advertised.listeners=PLAINTEXT://{address}"));
        }
        for (key, value) in &self.properties {
            let text = value.as_str().map(ToOwned::to_owned);
            let text = text.unwrap_or_else(|| value.to_string());
            overrides.push(format!("{key}={text}"));
        }
        overrides
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"
        host = "localhost"
        [zookeeper]
        connect = "localhost:2181/kafka"
        [properties]
        "num.partitions" = 3
        "log.cleanup.policy" = "delete"
        [[broker]]
        id = 0
        port = 9092
        data = "/tmp/a"
        properties = "a.properties"
        [[broker]]
        id = 1
        port = 9093
        data = "/tmp/b"
        properties = "b.properties"
    "#;

    #[test]
    fn what_a_broker_is_told() {
        let file = ClusterFile::parse(TWO).unwrap();
        assert_eq!(
            file.overrides(file.broker(1).unwrap()),
            [
                "broker.id=1",
                "listeners=PLAINTEXT://:9093",
                "log.dirs=/tmp/b",
                "zookeeper.connect=localhost:2181/kafka",
                "advertised.listeners=PLAINTEXT://localhost:9093",
                "log.cleanup.policy=delete",
                "num.partitions=3",
            ]
        );
        let error = file.broker(7).unwrap_err().to_string();
        assert_eq!(error, "there is no broker 7; there are 0, 1");
    }

    #[test]
    fn mistakes_are_named() {
        let check = |from: &str, to: &str, said: &str| {
            let error = ClusterFile::parse(&TWO.replace(from, to)).unwrap_err();
            assert!(format!("{error:#}").contains(said), "{error:#}");
        };
        check("id = 1", "id = 0", "two brokers have id 0");
        check("9093", "9092", "port 9092 is another broker's");
        check("/tmp/b", "/tmp/a", "/tmp/a is another broker's");
        check("port = 9093", "prot = 9093", "prot");
        check("[[broker]]", "[[brokers]]", "brokers");
    }

    #[test]
    fn ours_is_right() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/cluster.toml");
        let file = ClusterFile::load(&path).unwrap();
        assert_eq!(file.brokers.len(), 3);
        assert!(file.brokers.iter().all(|broker| broker.properties.exists()));
    }
}
