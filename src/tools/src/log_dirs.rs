//! `kafka-log-dirs`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use ottla_client::{Admin, ClientError, Topics};
use ottla_metadata::BrokerId;
use ottla_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use serde_json::{Value, json};

use crate::cli::{self, Properties, usage};
use crate::table::comma_list;

/// Describe the log directories of brokers, as JSON.
#[derive(Debug, Parser)]
#[command(name = "kafka-log-dirs", version)]
struct Args {
    /// The broker(s) to connect to: host:port,host:port.
    #[arg(long, value_name = "server(s) to use for bootstrapping")]
    bootstrap_server: String,
    /// A properties file with settings of the admin client.
    #[arg(long, value_name = "Admin client property file")]
    command_config: Option<PathBuf>,
    /// Describe the log directories.
    #[arg(long)]
    describe: bool,
    /// The topics, separated by commas; all if left out.
    #[arg(long, value_name = "Topic list", default_value = "")]
    topic_list: String,
    /// The ids of the brokers, separated by commas; all if left out.
    #[arg(long, value_name = "Broker list", default_value = "")]
    broker_list: String,
    /// Print only the JSON, without the lines about progress.
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, run, cli::report_to_stderr)
}

async fn run(args: Args) -> Result<()> {
    if !args.describe {
        bail!(usage("Missing required argument \"[describe]\""));
    }
    let topics: BTreeSet<&str> = items(&args.topic_list).collect();
    let asked = items(&args.broker_list)
        .map(|id| id.parse().map(BrokerId))
        .collect::<Result<BTreeSet<_>, _>>()
        .with_context(|| format!("--broker-list {}: ids are expected", args.broker_list))?;
    let properties = match &args.command_config {
        Some(path) => cli::load_properties(path)?,
        None => Properties::new(),
    };
    let admin = Admin::new(cli::connect(&args.bootstrap_server, &properties).await?);
    let cluster = admin.cluster();
    let view = cluster
        .retry(async || cluster.refresh(Topics::None).await)
        .await?;
    let alive: Vec<BrokerId> = view.brokers.keys().copied().collect();
    let missing: Vec<BrokerId> = asked
        .iter()
        .filter(|id| !alive.contains(id))
        .copied()
        .collect();
    if !missing.is_empty() {
        bail!(
            "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
            comma_list(&missing),
            comma_list(&alive)
        );
    }
    let brokers: Vec<BrokerId> = alive
        .into_iter()
        .filter(|id| asked.is_empty() || asked.contains(id))
        .collect();
    if !args.json {
        cli::print("Querying brokers for log directories information\n");
    }
    let mut described = Vec::new();
    for id in &brokers {
        let dirs = admin.describe_log_dirs(*id, None).await?;
        let dirs: Vec<Value> = dirs.iter().map(|dir| log_dir(dir, &topics)).collect();
        described.push(json!({"broker": id.0, "logDirs": dirs}));
    }
    if !args.json {
        cli::print(&format!(
            "Received log directory information from brokers {}\n",
            comma_list(&brokers)
        ));
    }
    cli::print_json(&json!({"brokers": described, "version": 1}));
    Ok(())
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

fn log_dir(dir: &DescribeLogDirsResult, topics: &BTreeSet<&str>) -> Value {
    let wanted = dir
        .topics
        .iter()
        .filter(|topic| topics.is_empty() || topics.contains(topic.name.as_str()));
    let partitions: Vec<Value> = wanted
        .flat_map(|topic| {
            topic.partitions.iter().map(|p| {
                json!({
                    "partition": format!("{}-{}", topic.name.as_str(), p.partition_index),
                    "size": p.partition_size,
                    "offsetLag": p.offset_lag,
                    "isFuture": p.is_future_key,
                })
            })
        })
        .collect();
    let error = ClientError::check(dir.error_code, None).err();
    json!({
        "partitions": partitions,
        "error": error.map(|e| e.to_string()),
        "logDir": dir.log_dir.as_str(),
    })
}
