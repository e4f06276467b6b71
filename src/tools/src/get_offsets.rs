//! `kafka-get-offsets` (`GetOffsetShell`).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::Parser;
use ottla_client::{Isolation, OffsetSpec, Topics};
use ottla_metadata::TopicPartition;
use serde_json::json;

use crate::cli::{self, Properties};
use crate::topic_filter::TopicFilter;

/// Print the offsets of partitions, as topic:partition:offset.
#[derive(Debug, Parser)]
#[command(name = "kafka-get-offsets", version)]
struct Args {
    /// The broker(s) to connect to: host:port,host:port.
    #[arg(
        long,
        value_name = "HOST:PORT,...",
        required_unless_present = "broker_list"
    )]
    bootstrap_server: Option<String>,
    /// The old name of --bootstrap-server.
    #[arg(long, value_name = "HOST:PORT,...")]
    broker_list: Option<String>,
    /// The topics, as regular expressions separated by commas; all if left out.
    #[arg(long)]
    topic: Option<String>,
    /// The partitions, separated by commas; all if left out.
    #[arg(long, value_name = "partition ids")]
    partitions: Option<String>,
    /// Topics with partitions, separated by commas: `t:1`, `t:0-3` (3 excluded), `t:5-`, `t:-3`,
    /// `t`, `:0`. The topic is a regular expression.
    #[arg(long, value_name = "topic1:1,topic2:0-3,topic3")]
    topic_partitions: Option<String>,
    /// Which offset: -1 or latest, -2 or earliest, -3 or max-timestamp, -4 or earliest-local, -5 or
    /// latest-tiered, or that of the first record with this timestamp (in ms) or a later one.
    #[arg(
        long,
        value_name = "time",
        default_value = "latest",
        allow_hyphen_values = true
    )]
    time: String,
    /// A properties file with settings of the admin client.
    #[arg(long, value_name = "config file")]
    command_config: Option<PathBuf>,
    /// Leave internal topics out.
    #[arg(long)]
    exclude_internal_topics: bool,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, run, |error| eprintln!("Error occurred: {error:#}"))
}

async fn run(args: Args) -> Result<()> {
    if args.topic_partitions.is_some() && (args.topic.is_some() || args.partitions.is_some()) {
        bail!("--topic-partitions cannot be used with --topic or --partitions");
    }
    let spec = parse_time(&args.time)?;
    let rules = rules(&args)?;
    let mut properties = match &args.command_config {
        Some(path) => cli::load_properties(path)?,
        None => Properties::new(),
    };
    properties.insert("client.id".to_owned(), "GetOffsetShell".to_owned());
    let servers = args.bootstrap_server.as_ref().or(args.broker_list.as_ref());
    let cluster = cli::connect(servers.map_or("", |s| s), &properties).await?;
    let view = cluster
        .retry(async || cluster.refresh(Topics::All).await)
        .await?;
    let mut wanted = BTreeMap::new();
    for (name, topic) in &view.topics {
        for number in topic.partitions.keys() {
            let allows = |rule: &Rule| rule.allows(name, *number, args.exclude_internal_topics);
            if rules.iter().any(allows) {
                wanted.insert(TopicPartition::new(name.clone(), *number), spec);
            }
        }
    }
    if wanted.is_empty() {
        bail!("Could not match any topic-partitions with the specified filters");
    }
    let found = cluster
        .list_offsets(&wanted, Isolation::ReadUncommitted)
        .await;
    let mut offsets: Vec<(TopicPartition, i64)> = Vec::new();
    for (partition, answer) in found {
        match answer {
            Ok(found) if found.offset >= 0 => offsets.push((partition, found.offset)),
            Ok(_) => {}
            Err(error) => eprintln!(
                "Skip getting offsets for topic-partition {partition} due to error: {error}"
            ),
        }
    }
    // Kafka sorts them as text: t-10 before t-2.
    offsets.sort_by_key(|(partition, _)| partition.to_string());
    if args.json {
        let entry = |(p, offset): &(TopicPartition, i64)| json!({"topic": &*p.topic, "partition": p.partition, "offset": offset});
        cli::print_json(&offsets.iter().map(entry).collect());
    } else {
        let line =
            |(p, offset): &(TopicPartition, i64)| format!("{}:{}:{offset}\n", p.topic, p.partition);
        cli::print(&offsets.iter().map(line).collect::<String>());
    }
    Ok(())
}

fn parse_time(time: &str) -> Result<OffsetSpec> {
    Ok(match time {
        "latest" | "-1" => OffsetSpec::Latest,
        "earliest" | "-2" => OffsetSpec::Earliest,
        "max-timestamp" | "-3" => OffsetSpec::MaxTimestamp,
        "earliest-local" | "-4" => OffsetSpec::EarliestLocal,
        "latest-tiered" | "-5" => OffsetSpec::LatestTiered,
        number => OffsetSpec::Timestamp(number.parse().map_err(|_| {
            anyhow!(
                "Malformed time argument {time}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 \
                 or earliest-local / -5 or latest-tiered, or a specified long format timestamp"
            )
        })?),
    })
}

/// Which partitions of which topics are wanted.
#[derive(Debug)]
struct Rule {
    topics: TopicFilter,
    partitions: PartitionRule,
}

#[derive(Debug)]
enum PartitionRule {
    Range(RangeInclusive<i32>),
    Listed(Vec<i32>),
}

impl Rule {
    /// Reads `topic:partitions`, see --topic-partitions.
    fn parse(text: &str) -> Result<Rule> {
        let malformed = || anyhow!("Invalid rule specification: {text}");
        let (topic, partitions) = text.split_once(':').unwrap_or((text, ""));
        let number = |text: &str| text.parse::<i32>().map_err(|_| malformed());
        let range = match partitions.split_once('-') {
            None if partitions.is_empty() => 0..=i32::MAX,
            None => number(partitions)?..=number(partitions)?,
            Some((low, high)) => {
                let low = if low.is_empty() { 0 } else { number(low)? };
                let end = if high.is_empty() {
                    i32::MAX
                } else {
                    number(high)?
                };
                low..=end.saturating_sub(1)
            }
        };
        Ok(Rule {
            topics: TopicFilter::new(if topic.is_empty() { ".*" } else { topic })?,
            partitions: PartitionRule::Range(range),
        })
    }

    fn allows(&self, topic: &str, partition: i32, exclude_internal: bool) -> bool {
        self.topics.allows(topic, exclude_internal)
            && match &self.partitions {
                PartitionRule::Range(range) => range.contains(&partition),
                PartitionRule::Listed(list) => list.is_empty() || list.contains(&partition),
            }
    }
}

fn rules(args: &Args) -> Result<Vec<Rule>> {
    if let Some(list) = &args.topic_partitions {
        return list.split(',').map(Rule::parse).collect();
    }
    let partitions = args.partitions.as_deref().unwrap_or_default();
    let listed = partitions
        .split(',')
        .filter(|id| !id.is_empty())
        .map(str::parse)
        .collect::<Result<Vec<i32>, _>>()
        .map_err(|_| {
            anyhow!(
                "--partitions expects a comma separated list of numeric partition ids, but received: {partitions}"
            )
        })?;
    Ok(vec![Rule {
        topics: TopicFilter::new(args.topic.as_deref().unwrap_or(".*"))?,
        partitions: PartitionRule::Listed(listed),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_choose_partitions() {
        let check = |rule: &str, topic: &str, expected: &[i32]| {
            let rule = Rule::parse(rule).unwrap();
            let found: Vec<i32> = (0..6).filter(|p| rule.allows(topic, *p, false)).collect();
            assert_eq!(found, expected, "{rule:?}");
        };
        check("t", "t", &[0, 1, 2, 3, 4, 5]);
        check("t", "u", &[]);
        check("t:1", "t", &[1]);
        check("t:1-3", "t", &[1, 2]);
        check("t:4-", "t", &[4, 5]);
        check("t:-2", "t", &[0, 1]);
        check(":0", "anything", &[0]);
        check("t.*:0", "tt", &[0]);
        assert!(Rule::parse("t:a").is_err());
        assert!(Rule::parse("t:1-2-3").is_err());
    }

    #[test]
    fn times() {
        assert_eq!(parse_time("-3").unwrap(), OffsetSpec::MaxTimestamp);
        assert_eq!(parse_time("12").unwrap(), OffsetSpec::Timestamp(12));
        assert!(parse_time("x").is_err());
    }
}
