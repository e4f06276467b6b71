//! `kafka-configs`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;

use crate::cli::{self, Properties, usage};

mod bootstrap;
mod changes;
mod zookeeper;

/// Describe and change the configuration of topics and brokers.
#[derive(Debug, Parser)]
#[command(name = "kafka-configs", version)]
struct Args {
    /// The broker(s) to connect to: host:port,host:port.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// Talk to ZooKeeper instead: topics at any time, brokers while they are not running.
    #[arg(long, value_name = "hosts", conflicts_with = "bootstrap_server")]
    zookeeper: Option<String>,
    /// A properties file with settings of the admin client.
    #[arg(long, value_name = "command config property file")]
    command_config: Option<PathBuf>,
    /// Change the configuration.
    #[arg(long)]
    alter: bool,
    /// List the configuration: what was set at run time, or with --all everything.
    #[arg(long, conflicts_with_all = ["alter", "add_config", "delete_config", "add_config_file"])]
    describe: bool,
    /// List everything, defaults included.
    #[arg(long)]
    all: bool,
    /// What it belongs to: topics, brokers or broker-loggers.
    #[arg(long, value_name = "type")]
    entity_type: Vec<String>,
    /// The topic's name or the broker's id.
    #[arg(long, value_name = "name")]
    entity_name: Option<String>,
    /// All brokers (instead of --entity-name).
    #[arg(long)]
    entity_default: bool,
    /// The same as --entity-type topics --entity-name.
    #[arg(long, value_name = "topic")]
    topic: Option<String>,
    /// The same as --entity-type brokers --entity-name.
    #[arg(long, value_name = "broker id")]
    broker: Option<String>,
    /// The same as --entity-type broker-loggers --entity-name.
    #[arg(long, value_name = "broker id")]
    broker_logger: Option<String>,
    /// The same as --entity-type brokers --entity-default.
    #[arg(long)]
    broker_defaults: bool,
    /// What to set: `k1=v1,k2=[v1,v2],k3=v3`.
    #[arg(long, value_name = "k1=v1,k2=v2")]
    add_config: Option<String>,
    /// A properties file with what to set.
    #[arg(long, value_name = "file", conflicts_with = "add_config")]
    add_config_file: Option<PathBuf>,
    /// What to remove: `k1,k2`.
    #[arg(long, value_name = "k1,k2")]
    delete_config: Vec<String>,
    /// Accepted for the sake of scripts; nothing is ever asked.
    #[arg(long)]
    force: bool,
    /// Print --describe as JSON.
    #[arg(long)]
    json: bool,
}

/// What kind of thing has the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Topics,
    Brokers,
    BrokerLoggers,
}

/// Which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    Named(String),
    Default,
    All,
}

/// What is to be done to what.
#[derive(Debug)]
struct Task {
    kind: Kind,
    which: Which,
    /// None to describe.
    changes: Option<Changes>,
    all: bool,
    json: bool,
}

#[derive(Debug, Default)]
struct Changes {
    add: BTreeMap<String, String>,
    delete: Vec<String>,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Topics => "topics",
            Kind::Brokers => "brokers",
            Kind::BrokerLoggers => "broker-loggers",
        }
    }

    /// Of one of them.
    fn singular(self) -> &'static str {
        match self {
            Kind::Topics => "topic",
            Kind::Brokers => "broker",
            Kind::BrokerLoggers => "broker-logger",
        }
    }

    fn parse(name: &str, zookeeper: bool) -> Result<Kind> {
        let known = [Kind::Topics, Kind::Brokers, Kind::BrokerLoggers];
        let kind = known.into_iter().find(|kind| kind.name() == name);
        match kind {
            Some(Kind::BrokerLoggers) if zookeeper => {}
            Some(kind) => return Ok(kind),
            None => {}
        }
        if matches!(name, "users" | "clients" | "ips" | "client-metrics") {
            bail!(
                "--entity-type {name} is not supported yet: quotas and credentials come with a later version"
            );
        }
        bail!(
            "Invalid entity type {name}, the entity type must be one of topics, brokers, broker-loggers"
        );
    }
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    let told = args.get(1..).unwrap_or_default().join(" ");
    cli::run(args, run, |error| match error.downcast_ref() {
        Some(changes::Invalid(_)) => eprintln!("{error:#}"),
        None => eprintln!("Error while executing config command with args '{told}'\n{error:#}"),
    })
}

async fn run(args: Args) -> Result<()> {
    let task = args.task()?;
    if let Some(servers) = &args.zookeeper {
        return zookeeper::run(servers, &task).await;
    }
    let Some(servers) = &args.bootstrap_server else {
        bail!(usage(
            "One of the required --bootstrap-server or --zookeeper arguments must be specified"
        ));
    };
    let properties = match &args.command_config {
        Some(path) => cli::load_properties(path)?,
        None => Properties::new(),
    };
    let cluster = cli::connect(servers, &properties).await?;
    bootstrap::run(cluster, &task).await
}

impl Args {
    fn task(&self) -> Result<Task> {
        if self.alter == self.describe {
            bail!(usage(
                "Command must include exactly one action: --describe, --alter"
            ));
        }
        let (kind, which) = self.entity()?;
        if self.all && self.zookeeper.is_some() {
            bail!(usage("--bootstrap-server must be specified for --all"));
        }
        if let (Kind::Brokers | Kind::BrokerLoggers, Which::Named(id)) = (kind, &which)
            && id.parse::<i32>().is_err()
        {
            bail!(changes::Invalid(format!(
                "The entity name for {} must be a valid integer broker id, but it is: {id}",
                kind.name()
            )));
        }
        if self.describe {
            if kind == Kind::BrokerLoggers && which == Which::All {
                bail!(usage(
                    "an entity name must be specified with --describe of broker-loggers"
                ));
            }
            return Ok(Task {
                kind,
                which,
                changes: None,
                all: self.all,
                json: self.json,
            });
        }
        match (kind, &which) {
            (Kind::Brokers, Which::All) => bail!(usage(
                "an entity-name or default entity must be specified with --alter of users, clients, brokers or ips"
            )),
            (Kind::Topics | Kind::BrokerLoggers, Which::All | Which::Default) => {
                bail!(usage(format!(
                    "an entity name must be specified with --alter of {}",
                    kind.name()
                )))
            }
            (_, Which::Named(_)) | (Kind::Brokers, Which::Default) => {}
        }
        Ok(Task {
            kind,
            which,
            changes: Some(self.changes()?),
            all: false,
            json: false,
        })
    }

    fn entity(&self) -> Result<(Kind, Which)> {
        let shortcuts: Vec<(Kind, Which)> = [
            (Kind::Topics, &self.topic),
            (Kind::Brokers, &self.broker),
            (Kind::BrokerLoggers, &self.broker_logger),
        ]
        .into_iter()
        .filter_map(|(kind, name)| Some((kind, Which::Named(name.clone()?))))
        .chain(
            self.broker_defaults
                .then_some((Kind::Brokers, Which::Default)),
        )
        .collect();
        let long =
            !self.entity_type.is_empty() || self.entity_name.is_some() || self.entity_default;
        match shortcuts.as_slice() {
            [] => {}
            [_] if long => bail!(usage(
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags"
            )),
            [one] => return Ok(one.clone()),
            _ => bail!(usage(
                "Only 'users' and 'clients' entity types may be specified together"
            )),
        }
        let kind = match self.entity_type.as_slice() {
            [] => bail!(usage("At least one entity type must be specified")),
            [name] => Kind::parse(name, self.zookeeper.is_some())?,
            _ => bail!(usage(
                "Only 'users' and 'clients' entity types may be specified together"
            )),
        };
        let which = match (&self.entity_name, self.entity_default) {
            (Some(_), true) => bail!(usage(
                "--entity-name and --entity-default cannot be specified together"
            )),
            (Some(name), false) => Which::Named(name.clone()),
            (None, true) => Which::Default,
            (None, false) => Which::All,
        };
        Ok((kind, which))
    }

    fn changes(&self) -> Result<Changes> {
        let add = match (&self.add_config, &self.add_config_file) {
            (Some(text), _) => changes::parse(text)?,
            (None, Some(path)) => cli::load_properties(path)?,
            (None, None) => BTreeMap::new(),
        };
        changes::check_names(add.keys())?;
        let delete: Vec<String> = self
            .delete_config
            .iter()
            .flat_map(|list| list.split(','))
            .map(|name| name.trim().to_owned())
            .collect();
        if self.add_config.is_none() && self.add_config_file.is_none() && delete.is_empty() {
            bail!(usage(
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter"
            ));
        }
        Ok(Changes { add, delete })
    }
}
