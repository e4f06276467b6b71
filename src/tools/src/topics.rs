//! `kafka-topics`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use ottla_metadata::BrokerId;

use crate::cli::{self, usage};

mod assignment;
mod bootstrap;
mod describe;
mod zookeeper;

/// Create, list, describe, change and delete topics.
#[derive(Debug, Parser)]
#[command(name = "kafka-topics", version)]
struct Args {
    /// The broker(s) to connect to: host:port,host:port.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// Talk to ZooKeeper instead, as Kafka's tools did up to 2.x: host:port[,host:port][/chroot].
    #[arg(long, value_name = "hosts", conflicts_with_all = ["bootstrap_server", "command_config"])]
    zookeeper: Option<String>,
    /// A properties file with settings of the admin client.
    #[arg(long, value_name = "command config property file")]
    command_config: Option<PathBuf>,
    /// List all topics, or those that --topic matches.
    #[arg(long)]
    list: bool,
    /// Create a topic.
    #[arg(long)]
    create: bool,
    /// Delete topics.
    #[arg(long)]
    delete: bool,
    /// Change the number of partitions (and, with --zookeeper, the configuration).
    #[arg(long)]
    alter: bool,
    /// Describe topics.
    #[arg(long)]
    describe: bool,
    /// The topic. Except with --create, a regular expression, or several separated by commas.
    #[arg(long)]
    topic: Option<String>,
    /// The id of the topic to describe.
    #[arg(long, value_name = "topic-id")]
    topic_id: Option<String>,
    /// The number of partitions; the broker's default if it is left out of --create.
    #[arg(long, value_name = "# of partitions")]
    partitions: Option<i32>,
    /// The number of replicas of each partition; the broker's default if it is left out.
    #[arg(long, value_name = "replication factor")]
    replication_factor: Option<i32>,
    /// The brokers of each partition, instead of the two above: `0:1,1:2` puts partition 0 on
    /// brokers 0 and 1, partition 1 on 1 and 2.
    #[arg(long, value_name = "broker:broker,broker:broker")]
    replica_assignment: Option<String>,
    /// A configuration override for the topic; may be repeated.
    #[arg(long, value_name = "name=value")]
    config: Vec<String>,
    /// A configuration override to remove (with --zookeeper only); may be repeated.
    #[arg(long, value_name = "name")]
    delete_config: Vec<String>,
    /// With --alter, --delete, --describe: do nothing if there is no such topic.
    #[arg(long)]
    if_exists: bool,
    /// With --create: do nothing if there is such a topic.
    #[arg(long)]
    if_not_exists: bool,
    /// Leave the internal topics out of --list and --describe.
    #[arg(long)]
    exclude_internal: bool,
    /// Describe only topics with configuration overrides.
    #[arg(long)]
    topics_with_overrides: bool,
    /// Describe only partitions that miss in-sync replicas.
    #[arg(long)]
    under_replicated_partitions: bool,
    /// Describe only partitions without a live leader.
    #[arg(long)]
    unavailable_partitions: bool,
    /// Describe only partitions with fewer in-sync replicas than min.insync.replicas.
    #[arg(long)]
    under_min_isr_partitions: bool,
    /// Describe only partitions with just min.insync.replicas in-sync replicas.
    #[arg(long)]
    at_min_isr_partitions: bool,
    /// Accepted for the sake of scripts; there is nothing to limit.
    #[arg(long, value_name = "count")]
    partition_size_limit_per_response: Option<i32>,
    /// With --zookeeper and --create: place replicas without regard to racks.
    #[arg(long)]
    disable_rack_aware: bool,
    /// Accepted for the sake of scripts; nothing is ever asked.
    #[arg(long)]
    force: bool,
    /// Print --list and --describe as JSON.
    #[arg(long)]
    json: bool,
}

/// The one thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Create,
    List,
    Alter,
    Describe,
    Delete,
}

/// Which parts of a description are wanted.
#[derive(Clone, Copy, Debug)]
struct Filters {
    with_overrides: bool,
    under_replicated: bool,
    unavailable: bool,
    under_min_isr: bool,
    at_min_isr: bool,
}

impl Filters {
    /// Whether only some partitions are wanted, and no topic lines.
    fn partitions_only(self) -> bool {
        self.under_replicated || self.unavailable || self.under_min_isr || self.at_min_isr
    }
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, run, |error| {
        let told = format!("Error while executing topic command : {error:#}");
        cli::print(&format!("{told}\n"));
        // A script that keeps the output does not show it; somebody may be watching.
        if !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            eprintln!("{told}");
        }
    })
}

async fn run(args: Args) -> Result<()> {
    let action = args.check()?;
    if let Some(connect) = &args.zookeeper {
        return zookeeper::run(connect, action, &args).await;
    }
    let Some(bootstrap) = &args.bootstrap_server else {
        bail!(usage(
            "--bootstrap-server must be specified (or --zookeeper, as with Kafka 2)"
        ));
    };
    let properties = match &args.command_config {
        Some(path) => cli::load_properties(path)?,
        None => cli::Properties::new(),
    };
    let cluster = cli::connect(bootstrap, &properties).await?;
    bootstrap::run(cluster, action, &args).await
}

impl Args {
    /// The action, if the options go with it.
    fn check(&self) -> Result<Action> {
        let actions: Vec<Action> = [
            (self.create, Action::Create),
            (self.list, Action::List),
            (self.alter, Action::Alter),
            (self.describe, Action::Describe),
            (self.delete, Action::Delete),
        ]
        .into_iter()
        .filter_map(|(given, action)| given.then_some(action))
        .collect();
        let [action] = actions[..] else {
            bail!(usage(
                "Command must include exactly one action: --list, --describe, --create, --alter or --delete"
            ));
        };
        if self.topic.is_none() && !matches!(action, Action::List | Action::Describe) {
            bail!(usage("Missing required argument \"[topic]\""));
        }
        self.check_alter(action)?;
        let zookeeper = self.zookeeper.is_some();
        let create = &[Action::Create][..];
        let change = &[Action::Create, Action::Alter][..];
        let describe = &[Action::Describe][..];
        let on_existing = &[Action::Alter, Action::Delete, Action::Describe][..];
        for (given, option, allowed) in [
            (!self.config.is_empty(), "config", change),
            (
                !self.delete_config.is_empty(),
                "delete-config",
                &[Action::Alter],
            ),
            (self.partitions.is_some(), "partitions", change),
            (
                self.replication_factor.is_some(),
                "replication-factor",
                create,
            ),
            (
                self.replica_assignment.is_some(),
                "replica-assignment",
                change,
            ),
            (self.topic_id.is_some(), "topic-id", describe),
            (
                self.topics_with_overrides,
                "topics-with-overrides",
                describe,
            ),
            (
                self.under_replicated_partitions,
                "under-replicated-partitions",
                describe,
            ),
            (
                self.unavailable_partitions,
                "unavailable-partitions",
                describe,
            ),
            (
                self.under_min_isr_partitions,
                "under-min-isr-partitions",
                describe,
            ),
            (
                self.at_min_isr_partitions,
                "at-min-isr-partitions",
                describe,
            ),
            (self.if_exists, "if-exists", on_existing),
            (self.if_not_exists, "if-not-exists", create),
            (
                self.exclude_internal,
                "exclude-internal",
                &[Action::List, Action::Describe],
            ),
        ] {
            if given && !allowed.contains(&action) {
                bail!(exclusive(option, action.name()));
            }
        }
        let assigned = self.replica_assignment.is_some() && action == Action::Create;
        if assigned && self.partitions.is_some() {
            bail!(exclusive("replica-assignment", "partitions"));
        }
        if assigned && self.replication_factor.is_some() {
            bail!(exclusive("replica-assignment", "replication-factor"));
        }
        if self.topics_with_overrides && self.filters().partitions_only() {
            bail!(usage(
                "Option \"[topics-with-overrides]\" can't be used with options that choose partitions"
            ));
        }
        if !zookeeper && !self.delete_config.is_empty() {
            bail!(exclusive("delete-config", "bootstrap-server"));
        }
        Ok(action)
    }

    fn check_alter(&self, action: Action) -> Result<()> {
        if action != Action::Alter || self.zookeeper.is_some() {
            return Ok(());
        }
        if !self.config.is_empty() {
            bail!(usage(
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" \
                 (the kafka-configs CLI supports altering topic configs with a --bootstrap-server option)"
            ));
        }
        if self.partitions.is_none() {
            bail!(usage("Missing required argument \"[partitions]\""));
        }
        Ok(())
    }

    fn filters(&self) -> Filters {
        Filters {
            with_overrides: self.topics_with_overrides,
            under_replicated: self.under_replicated_partitions,
            unavailable: self.unavailable_partitions,
            under_min_isr: self.under_min_isr_partitions,
            at_min_isr: self.at_min_isr_partitions,
        }
    }

    /// The overrides given with --config.
    fn configs(&self) -> Result<BTreeMap<String, String>> {
        let mut configs = BTreeMap::new();
        for config in &self.config {
            let Some((name, value)) = config.split_once('=') else {
                bail!(
                    "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\"."
                );
            };
            let name = name.trim();
            if ottla_config::topic_key(name).is_none() {
                bail!("Unknown topic config name: {name}");
            }
            configs.insert(name.to_owned(), value.trim().to_owned());
        }
        Ok(configs)
    }

    /// The replicas given with --replica-assignment, by partition.
    fn assignment(&self) -> Result<BTreeMap<i32, Vec<BrokerId>>> {
        match self.replica_assignment.as_deref() {
            None | Some("") => Ok(BTreeMap::new()),
            Some(text) => assignment::parse(text),
        }
    }

    /// Warns of names that look alike in metrics.
    fn warn_of_collision(&self, topic: &str) {
        if topic.contains(['.', '_']) {
            cli::print(
                "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could \
                 collide. To avoid issues it is best to use either, but not both.\n",
            );
        }
    }
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::List => "list",
            Action::Alter => "alter",
            Action::Describe => "describe",
            Action::Delete => "delete",
        }
    }
}

fn exclusive(option: &str, other: &str) -> anyhow::Error {
    usage(format!(
        "Option \"[{option}]\" can't be used with option \"[{other}]\""
    ))
}
