//! `kafka-leader-election`: preferred and unclean elections through the controller.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use ottla_client::{Admin, ClientError, ElectionType};
use ottla_metadata::TopicPartition;
use ottla_protocol::ErrorCode;
use serde::Deserialize;

use crate::cli::{self, Properties, usage};

/// Elect new leaders of partitions: the preferred replicas, or unclean ones where no replica in
/// sync is left.
#[derive(Debug, Parser)]
#[command(name = "kafka-leader-election", version)]
struct Args {
    /// The broker(s) to connect to: host:port,host:port. REQUIRED.
    #[arg(long, value_name = "host:port")]
    bootstrap_server: Option<String>,
    /// A properties file with settings of the admin client.
    #[arg(long = "admin.config", value_name = "config file")]
    admin_config: Option<PathBuf>,
    /// A file with the partitions: `{"partitions":[{"topic":"foo","partition":1}]}`. Excludes
    /// --topic and --all-topic-partitions.
    #[arg(long, value_name = "Path to JSON file")]
    path_to_json_file: Option<PathBuf>,
    /// The topic. Excludes --path-to-json-file and --all-topic-partitions.
    #[arg(long, value_name = "topic name")]
    topic: Option<String>,
    /// The partition. REQUIRED with --topic.
    #[arg(long, value_name = "partition id")]
    partition: Option<i32>,
    /// All partitions that need an election of this type. Excludes --topic and --path-to-json-file.
    #[arg(long)]
    all_topic_partitions: bool,
    /// "preferred": where somebody else leads than the preferred replica; "unclean": where nobody
    /// leads. REQUIRED.
    #[arg(long, value_name = "election type", ignore_case = true)]
    election_type: Option<Kind>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Preferred,
    Unclean,
}

/// The file of partitions.
#[derive(Debug, Deserialize)]
struct PartitionFile {
    partitions: Option<Vec<Entry>>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    topic: String,
    partition: i32,
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, run, cli::report_to_stderr)
}

async fn run(args: Args) -> Result<()> {
    let (servers, kind) = required(&args)?;
    let partitions = match (&args.path_to_json_file, &args.topic, args.partition) {
        (Some(path), _, _) => Some(read_partitions(path)?),
        (None, Some(topic), Some(partition)) => {
            Some([TopicPartition::new(topic.as_str(), partition)].into())
        }
        _ => None,
    };
    let mut properties = match &args.admin_config {
        Some(path) => cli::load_properties(path)?,
        None => Properties::new(),
    };
    for (key, value) in [
        ("default.api.timeout.ms", "30000"),
        ("request.timeout.ms", "15000"),
    ] {
        properties
            .entry(key.to_owned())
            .or_insert_with(|| value.to_owned());
    }
    let admin = Admin::new(cli::connect(servers, &properties).await?);
    let (election, name) = match kind {
        Kind::Preferred => (ElectionType::Preferred, "PREFERRED"),
        Kind::Unclean => (ElectionType::Unclean, "UNCLEAN"),
    };
    report(
        name,
        admin.elect_leaders(election, partitions.as_ref()).await?,
    )
}

/// The options that Kafka's tool insists on, and those that exclude each other.
fn required(args: &Args) -> Result<(&str, Kind)> {
    let missing: Vec<&str> = [
        (args.bootstrap_server.is_none(), "bootstrap-server"),
        (args.election_type.is_none(), "election-type"),
    ]
    .into_iter()
    .filter_map(|(missing, name)| missing.then_some(name))
    .collect();
    let (Some(servers), Some(kind)) = (&args.bootstrap_server, args.election_type) else {
        let missing = missing.join(", ");
        bail!(usage(format!("Missing required option(s): {missing}")));
    };
    let given = [
        args.topic.is_some(),
        args.all_topic_partitions,
        args.path_to_json_file.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        bail!(usage(
            "One and only one of the following options is required: topic, all-topic-partitions, \
             path-to-json-file"
        ));
    }
    match (&args.topic, args.partition) {
        (Some(_), None) => bail!(usage("Missing required option(s): partition")),
        (None, Some(_)) => bail!(usage("Option partition is only allowed if topic is used")),
        _ => Ok((servers, kind)),
    }
}

fn read_partitions(path: &Path) -> Result<BTreeSet<TopicPartition>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text)
}

/// The partitions of a file. Kafka's tools share its form.
pub(crate) fn parse(text: &str) -> Result<BTreeSet<TopicPartition>> {
    let file: PartitionFile =
        serde_json::from_str(text).context("Replica election data cannot be read")?;
    let Some(entries) = file.partitions else {
        bail!("Replica election data is missing \"partitions\" field");
    };
    let mut partitions = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for entry in entries {
        let partition = TopicPartition::new(entry.topic, entry.partition);
        if !partitions.insert(partition.clone()) {
            twice.insert(partition);
        }
    }
    if !twice.is_empty() {
        let twice = list(twice.iter());
        bail!("Replica election data contains duplicate partitions: [{twice}]");
    }
    Ok(partitions)
}

/// Prints what became of each partition; an error if some got no leader.
fn report(kind: &str, results: BTreeMap<TopicPartition, Result<(), ClientError>>) -> Result<()> {
    let (mut elected, mut unneeded, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (partition, result) in &results {
        match result {
            Ok(()) => elected.push(partition),
            Err(error) if error.code() == Some(ErrorCode::ElectionNotNeeded) => {
                unneeded.push(partition);
            }
            Err(error) => failed.push((partition, error)),
        }
    }
    if !elected.is_empty() {
        let elected = list(elected.into_iter());
        cli::print(&format!(
            "Successfully completed leader election ({kind}) for partitions {elected}\n"
        ));
    }
    if !unneeded.is_empty() {
        let unneeded = list(unneeded.into_iter());
        cli::print(&format!(
            "Valid replica already elected for partitions {unneeded}\n"
        ));
    }
    for (partition, error) in &failed {
        cli::print(&format!(
            "Error completing leader election ({kind}) for partition: {partition}: {error}\n"
        ));
    }
    if !failed.is_empty() {
        bail!("{} replica(s) could not be elected", failed.len());
    }
    Ok(())
}

fn list<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> String {
    let names: Vec<String> = partitions.map(ToString::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let check = |options: &str, want: Result<(), &str>| {
            let words = std::iter::once("kafka-leader-election").chain(options.split_whitespace());
            let args = Args::try_parse_from(words).unwrap();
            let got = required(&args).map(drop).map_err(|error| error.to_string());
            assert_eq!(got, want.map_err(str::to_owned), "{options}");
        };
        check(
            "",
            Err("Missing required option(s): bootstrap-server, election-type"),
        );
        check(
            "--election-type unclean",
            Err("Missing required option(s): bootstrap-server"),
        );
        let base = "--bootstrap-server h:1 --election-type PREFERRED";
        let one = "One and only one of the following options is required: topic, \
                   all-topic-partitions, path-to-json-file";
        for (rest, want) in [
            ("", Err(one)),
            ("--all-topic-partitions --path-to-json-file f", Err(one)),
            ("--topic t --all-topic-partitions", Err(one)),
            ("--topic t", Err("Missing required option(s): partition")),
            (
                "--all-topic-partitions --partition 1",
                Err("Option partition is only allowed if topic is used"),
            ),
            ("--topic t --partition 1", Ok(())),
            ("--all-topic-partitions", Ok(())),
            ("--path-to-json-file f", Ok(())),
        ] {
            check(&format!("{base} {rest}"), want);
        }
    }

    #[test]
    fn partition_files() {
        let entry = r#"{"topic": "t", "partition": 3}"#;
        let good = parse(&format!(r#"{{"version": 1, "partitions": [{entry}]}}"#)).unwrap();
        assert_eq!(good, [TopicPartition::new("t", 3)].into());
        for (text, want) in [
            ("[", "Replica election data cannot be read"),
            (
                "{}",
                "Replica election data is missing \"partitions\" field",
            ),
            (
                &format!(r#"{{"partitions": [{entry}, {entry}]}}"#),
                "Replica election data contains duplicate partitions: [t-3]",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), want);
        }
    }
}
