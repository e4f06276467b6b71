//! The files of the tool, and what it prints of assignments.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use ottla_metadata::{BrokerId, TopicPartition};
use serde::{Deserialize, Serialize};

/// The log directory of a replica that may be anywhere.
const ANY: &str = "any";

/// One replica, in the order in which Kafka's tool lists them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Replica {
    pub(super) broker: BrokerId,
    pub(super) partition: TopicPartition,
}

impl std::fmt::Display for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.partition, self.broker)
    }
}

/// A reassignment as in its file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Wanted replicas; a partition may be named twice, which only some actions mind.
    pub(super) partitions: Vec<(TopicPartition, Vec<BrokerId>)>,
    /// Wanted log directories of replicas that may not be anywhere.
    pub(super) log_dirs: BTreeMap<Replica, String>,
}

#[derive(Deserialize)]
struct PlanFile {
    version: Option<i64>,
    #[serde(default)]
    partitions: Vec<PlanEntry>,
}

#[derive(Deserialize)]
struct PlanEntry {
    topic: String,
    partition: i32,
    replicas: Vec<i32>,
    log_dirs: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct TopicsFile {
    version: Option<i64>,
    #[serde(default)]
    topics: Vec<TopicEntry>,
}

#[derive(Deserialize)]
struct TopicEntry {
    topic: String,
}

/// Kafka's order of keys.
#[derive(Serialize)]
struct Assignments<'a> {
    version: i32,
    partitions: Vec<PartitionAssignment<'a>>,
}

#[derive(Serialize)]
struct PartitionAssignment<'a> {
    topic: &'a str,
    partition: i32,
    replicas: Vec<i32>,
    log_dirs: Vec<&'static str>,
}

/// Parses a reassignment.
pub(super) fn parse(text: &str) -> Result<Plan> {
    let file: PlanFile =
        serde_json::from_str(text).context("the reassignment cannot be understood")?;
    check_version(file.version)?;
    let mut plan = Plan::default();
    for entry in file.partitions {
        let tp = TopicPartition::new(entry.topic.as_str(), entry.partition);
        let replicas: Vec<BrokerId> = entry.replicas.into_iter().map(BrokerId).collect();
        if let Some(dirs) = entry.log_dirs {
            if dirs.len() != replicas.len() {
                bail!(
                    "Size of replicas list [{}] is different from size of log dirs list [{}] for partition {tp}",
                    listed(&replicas),
                    dirs.join(", ")
                );
            }
            for (broker, dir) in replicas.iter().zip(dirs) {
                if dir != ANY {
                    let (broker, partition) = (*broker, tp.clone());
                    plan.log_dirs.insert(Replica { broker, partition }, dir);
                }
            }
        }
        plan.partitions.push((tp, replicas));
    }
    Ok(plan)
}

/// Parses the topics that --generate is for.
pub(super) fn parse_topics(text: &str) -> Result<Vec<String>> {
    let file: TopicsFile =
        serde_json::from_str(text).context("the list of topics cannot be understood")?;
    check_version(file.version)?;
    let topics: Vec<String> = file.topics.into_iter().map(|entry| entry.topic).collect();
    let twice = duplicates(&topics);
    if !twice.is_empty() {
        bail!(
            "List of topics to reassign contains duplicate entries: [{}]",
            listed(&twice)
        );
    }
    Ok(topics)
}

fn check_version(version: Option<i64>) -> Result<()> {
    match version {
        None | Some(1) => Ok(()),
        Some(version) => bail!("Not supported version field value {version}"),
    }
}

impl Plan {
    /// The wanted replicas, if the plan can be carried out.
    pub(super) fn checked(&self) -> Result<BTreeMap<TopicPartition, Vec<BrokerId>>> {
        if self.partitions.is_empty() {
            bail!("Partition reassignment list cannot be empty");
        }
        if self.partitions.iter().any(|(_, ids)| ids.is_empty()) {
            bail!("Partition replica list cannot be empty");
        }
        let names: Vec<_> = self.partitions.iter().map(|(tp, _)| tp.clone()).collect();
        let twice = duplicates(&names);
        if !twice.is_empty() {
            let twice: Vec<_> = twice.iter().map(ToString::to_string).collect();
            bail!(
                "Partition reassignment contains duplicate topic partitions: {}",
                twice.join(",")
            );
        }
        let mut faults = Vec::new();
        for (tp, replicas) in &self.partitions {
            let twice: Vec<_> = duplicates(replicas)
                .iter()
                .map(ToString::to_string)
                .collect();
            if !twice.is_empty() {
                faults.push(format!(
                    "{tp} contains multiple entries for {}",
                    twice.join(",")
                ));
            }
        }
        if !faults.is_empty() {
            bail!(
                "Partition replica lists may not contain duplicate entries: {}",
                faults.join(". ")
            );
        }
        Ok(self.partitions.iter().cloned().collect())
    }

    /// The partitions that it names.
    pub(super) fn names(&self) -> BTreeSet<TopicPartition> {
        self.partitions.iter().map(|(tp, _)| tp.clone()).collect()
    }
}

/// Assignments as the tool prints them and takes them back.
pub(super) fn format(assignments: &BTreeMap<TopicPartition, Vec<BrokerId>>) -> Result<String> {
    let partitions = assignments
        .iter()
        .map(|(tp, replicas)| PartitionAssignment {
            topic: &tp.topic,
            partition: tp.partition,
            replicas: replicas.iter().map(|id| id.0).collect(),
            log_dirs: vec![ANY; replicas.len()],
        });
    Ok(serde_json::to_string(&Assignments {
        version: 1,
        partitions: partitions.collect(),
    })?)
}

/// What is there more than once.
pub(super) fn duplicates<T: Ord + Clone>(items: &[T]) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    let again = items.iter().filter(|item| !seen.insert((*item).clone()));
    again.cloned().collect()
}

/// As Java prints a list or a set, without the brackets.
pub(super) fn listed<'a, T: ToString + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    let items: Vec<_> = items.into_iter().map(ToString::to_string).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans() {
        let plan = parse(
            r#"{"version":1,"partitions":[
                {"topic":"a-b","partition":1,"replicas":[3,4],"log_dirs":["any","/d"]},
                {"topic":"t","partition":0,"replicas":[2]}]}"#,
        )
        .unwrap();
        assert_eq!(plan.partitions.len(), 2);
        let (replica, dir) = plan.log_dirs.first_key_value().unwrap();
        assert_eq!(
            (replica.to_string().as_str(), dir.as_str()),
            ("a-b-1-4", "/d")
        );
        let text = format(&plan.checked().unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"version":1,"partitions":[{"topic":"a-b","partition":1,"replicas":[3,4],"log_dirs":["any","any"]},{"topic":"t","partition":0,"replicas":[2],"log_dirs":["any"]}]}"#
        );
        assert_eq!(
            parse(&text).unwrap().checked().unwrap(),
            plan.checked().unwrap()
        );
    }

    #[test]
    fn mistakes() {
        let check = |text: &str, want: &str| {
            let error = parse(text).and_then(|plan| plan.checked()).unwrap_err();
            assert_eq!(error.to_string(), want, "{text}");
        };
        check("{}", "Partition reassignment list cannot be empty");
        check("no", "the reassignment cannot be understood");
        check(r#"{"version":2}"#, "Not supported version field value 2");
        let one = |replicas: &str| {
            format!(r#"{{"partitions":[{{"topic":"t","partition":0,"replicas":{replicas}}}]}}"#)
        };
        check(&one("[]"), "Partition replica list cannot be empty");
        check(
            &one("[1,2,1]"),
            "Partition replica lists may not contain duplicate entries: t-0 contains multiple entries for 1",
        );
        let entry = r#"{"topic":"t","partition":0,"replicas":[1]}"#;
        check(
            &format!(r#"{{"partitions":[{entry},{entry}]}}"#),
            "Partition reassignment contains duplicate topic partitions: t-0",
        );
        check(
            r#"{"partitions":[{"topic":"t","partition":0,"replicas":[1,2],"log_dirs":["x"]}]}"#,
            "Size of replicas list [1, 2] is different from size of log dirs list [x] for partition t-0",
        );
    }

    #[test]
    fn topics() {
        let check = |text: &str, want: Result<&[&str], &str>| {
            let got = parse_topics(text).map_err(|error| error.to_string());
            let want = want.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(got, want.map_err(str::to_owned));
        };
        check(
            r#"{"version":1,"topics":[{"topic":"b"},{"topic":"a"}]}"#,
            Ok(&["b", "a"]),
        );
        check(
            r#"{"topics":[{"topic":"b"},{"topic":"b"}]}"#,
            Err("List of topics to reassign contains duplicate entries: [b]"),
        );
    }
}
