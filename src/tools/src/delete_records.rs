//! `kafka-delete-records`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use ottla_client::Admin;
use ottla_metadata::TopicPartition;
use serde::Deserialize;

use crate::cli::{self, Properties};
use crate::table::comma_list;

/// Delete the records before given offsets.
#[derive(Debug, Parser)]
#[command(name = "kafka-delete-records", version)]
struct Args {
    /// The broker(s) to connect to: host:port,host:port.
    #[arg(long, value_name = "server(s) to use for bootstrapping")]
    bootstrap_server: String,
    /// A file with the offsets: `{"partitions":[{"topic":"t","partition":0,"offset":1}],
    /// "version":1}`; offset -1 is the high watermark.
    #[arg(long, value_name = "Offset json file path")]
    offset_json_file: PathBuf,
    /// A properties file with settings of the admin client.
    #[arg(long, value_name = "command config property file path")]
    command_config: Option<PathBuf>,
}

/// The offset file.
#[derive(Debug, Deserialize)]
struct OffsetFile {
    #[serde(default = "first_version")]
    version: i32,
    partitions: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    topic: String,
    partition: i32,
    offset: i64,
}

fn first_version() -> i32 {
    1
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, run, cli::report_to_stderr)
}

async fn run(args: Args) -> Result<()> {
    let text = std::fs::read_to_string(&args.offset_json_file)
        .with_context(|| format!("cannot read {}", args.offset_json_file.display()))?;
    let offsets = parse(&text)?;
    let properties = match &args.command_config {
        Some(path) => cli::load_properties(path)?,
        None => Properties::new(),
    };
    let admin = Admin::new(cli::connect(&args.bootstrap_server, &properties).await?);
    cli::print("Executing records delete operation\n");
    let results = admin.delete_records(&offsets).await;
    cli::print("Records delete operation completed:\n");
    let mut failed = false;
    for (partition, result) in results {
        match result {
            Ok(start) => cli::print(&format!("partition: {partition}\tlow_watermark: {start}\n")),
            Err(error) => {
                failed = true;
                cli::print(&format!("partition: {partition}\terror: {error}\n"));
            }
        }
    }
    if failed {
        bail!("the records of some partitions were not deleted");
    }
    Ok(())
}

fn parse(text: &str) -> Result<BTreeMap<TopicPartition, i64>> {
    let file: OffsetFile =
        serde_json::from_str(text).context("The input string is not a valid JSON")?;
    if file.version != 1 {
        bail!("Not supported version field value {}", file.version);
    }
    let mut offsets = BTreeMap::new();
    let mut twice = Vec::new();
    for entry in file.partitions {
        let partition = TopicPartition::new(entry.topic, entry.partition);
        if offsets.insert(partition.clone(), entry.offset).is_some() {
            twice.push(partition);
        }
    }
    if !twice.is_empty() {
        bail!(
            "Offset json file contains duplicate topic partitions: {}",
            comma_list(&twice)
        );
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_files() {
        let entry = r#"{"topic":"t","partition":0,"offset":3}"#;
        let good = parse(&format!(r#"{{"partitions":[{entry}]}}"#)).unwrap();
        assert_eq!(good.into_values().collect::<Vec<_>>(), [3]);
        for (text, expected) in [
            ("{".to_owned(), "The input string is not a valid JSON"),
            (
                r#"{"version":2,"partitions":[]}"#.to_owned(),
                "Not supported version field value 2",
            ),
            (
                format!(r#"{{"partitions":[{entry},{entry}]}}"#),
                "Offset json file contains duplicate topic partitions: t-0",
            ),
        ] {
            assert_eq!(parse(&text).unwrap_err().to_string(), expected);
        }
    }
}
