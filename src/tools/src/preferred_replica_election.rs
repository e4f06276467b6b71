//! `kafka-preferred-replica-election` of 2.0: asks the controller through ZooKeeper.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Parser;
use ottla_metadata::TopicPartition;
use ottla_zk::znode::PreferredElection;
use ottla_zk::{Conflict, Watch, WriteError};

use crate::{cli, leader_election, zookeeper};

/// Give leadership back to preferred replicas, through ZooKeeper.
#[derive(Debug, Parser)]
#[command(name = "kafka-preferred-replica-election", version)]
struct Args {
    /// A file with the partitions: `{"partitions":[{"topic":"foo","partition":1}]}`; all existing
    /// ones if left out.
    #[arg(long, value_name = "list of partitions")]
    path_to_json_file: Option<PathBuf>,
    /// The servers of ZooKeeper: host:port[,host:port][/chroot].
    #[arg(long, value_name = "urls")]
    zookeeper: String,
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, run, |error| {
        cli::print("Failed to start preferred replica election\n");
        cli::report_to_stderr(error);
    })
}

async fn run(args: Args) -> Result<()> {
    let wanted = match &args.path_to_json_file {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            Some(leader_election::parse(&text)?)
        }
    };
    let zk = zookeeper::connect(&args.zookeeper).await?;
    let topics = match &wanted {
        Some(wanted) => {
            let names = wanted.iter().map(|tp| Arc::clone(&tp.topic));
            names.collect::<BTreeSet<_>>().into_iter().collect()
        }
        None => zk.topics(Watch::No).await?,
    };
    let mut existing = BTreeSet::new();
    for (topic, node) in zk.topic_nodes(topics, Watch::No).await? {
        let node = node.map_err(|malformed| anyhow::anyhow!("{malformed}"))?;
        let numbers = node.iter().flat_map(|node| node.value.partitions.keys());
        existing.extend(numbers.map(|number| TopicPartition::new(Arc::clone(&topic), *number)));
    }
    let wanted = wanted.unwrap_or_else(|| existing.clone());
    let (valid, unknown): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|tp| existing.contains(tp));
    let names: Vec<String> = valid.iter().map(ToString::to_string).collect();
    let names = names.join(",");
    let election = PreferredElection { partitions: valid };
    match zk.create_preferred_election(&election).await {
        Ok(_) => {}
        Err(WriteError::Conflict {
            conflict: Conflict::Exists,
            ..
        }) => bail!("Preferred replica leader election is in progress already. Aborting operation"),
        Err(error) => return Err(error.into()),
    }
    cli::print(&format!(
        "Created preferred replica election path with {names}\n\
         Successfully started preferred replica election for partitions Set({names})\n"
    ));
    for tp in unknown {
        cli::print(&format!(
            "Skipping preferred replica leader election for partition {tp} since it doesn't exist.\n"
        ));
    }
    zk.close().await;
    Ok(())
}
