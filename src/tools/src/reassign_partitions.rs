//! `kafka-reassign-partitions`: partitions move to other brokers or other log directories.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use ottla_client::{Admin, ClientError};
use ottla_protocol::messages::list_partition_reassignments_response::OngoingPartitionReassignment;

use crate::cli::{self, Properties, usage};
use crate::table::comma_list;

mod execute;
mod generate;
mod moves;
mod plan;
mod throttles;
mod verify;

/// Move partitions between brokers and between the log directories of a broker.
#[derive(Debug, Parser)]
#[command(name = "kafka-reassign-partitions", version)]
struct Args {
    /// The broker(s) to connect to: host:port,host:port. REQUIRED.
    #[arg(long, value_name = "Server(s) to use for bootstrapping")]
    bootstrap_server: Option<String>,
    /// A properties file with settings of the admin client.
    #[arg(long, value_name = "Admin client property file")]
    command_config: Option<PathBuf>,
    /// Propose where the partitions of --topics-to-move-json-file could go on the brokers of
    /// --broker-list. Nothing is changed.
    #[arg(long)]
    generate: bool,
    /// Begin the reassignment of --reassignment-json-file.
    #[arg(long)]
    execute: bool,
    /// Tell how far the reassignment of --reassignment-json-file is; remove throttles once it is done.
    #[arg(long)]
    verify: bool,
    /// Cancel what is under way of the reassignment of --reassignment-json-file.
    #[arg(long)]
    cancel: bool,
    /// List what is being reassigned.
    #[arg(long)]
    list: bool,
    /// The reassignment: `{"version":1,"partitions":[{"topic":"foo","partition":1,"replicas":[1,2,3],
    /// "log_dirs":["dir1","any","any"]}]}`; "log_dirs" may be left out.
    #[arg(long, value_name = "manual assignment json file path")]
    reassignment_json_file: Option<PathBuf>,
    /// The topics to move with --generate: `{"version":1,"topics":[{"topic":"foo"},{"topic":"foo1"}]}`.
    #[arg(long, value_name = "topics to reassign json file path")]
    topics_to_move_json_file: Option<PathBuf>,
    /// The brokers to move them to: "0,1,2".
    #[arg(long, value_name = "brokerlist")]
    broker_list: Option<String>,
    /// Leave racks out of account.
    #[arg(long)]
    disable_rack_aware: bool,
    /// Let replicas that move take no more than this of the network, in bytes per second. Given again
    /// with --additional and the same reassignment, it changes the throttle.
    #[arg(long, value_name = "throttle", allow_negative_numbers = true)]
    throttle: Option<i64>,
    /// Let replicas that move between log directories take no more than this, in bytes per second.
    #[arg(
        long,
        value_name = "replicaAlterLogDirsThrottle",
        allow_negative_numbers = true
    )]
    replica_alter_log_dirs_throttle: Option<i64>,
    /// How long to wait, in ms, until moves between log directories can begin [default: 10000].
    #[arg(long, value_name = "timeout")]
    timeout: Option<u64>,
    /// Execute in addition to what is under way.
    #[arg(long)]
    additional: bool,
    /// Do not touch throttles.
    #[arg(long)]
    preserve_throttles: bool,
}

/// The one thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Generate,
    Execute,
    Verify,
    Cancel,
    List,
}

/// An expected refusal, told without "Error:".
#[derive(Debug)]
struct Terse(String);

impl fmt::Display for Terse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Terse {}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, run, |error| match error.downcast_ref::<Terse>() {
        Some(terse) => cli::print(&format!("{terse}\n")),
        None => cli::print(&format!("Error: {error:#}\n")),
    })
}

async fn run(args: Args) -> Result<()> {
    let (action, servers) = args.check()?;
    let properties = match &args.command_config {
        Some(path) => cli::load_properties(path)?,
        None => Properties::new(),
    };
    let connect =
        async || -> Result<Admin> { Ok(Admin::new(cli::connect(servers, &properties).await?)) };
    match action {
        Action::Generate => {
            let wish = plan::parse_topics(&read(args.topics_to_move_json_file.as_deref())?)?;
            let brokers = generate::parse_brokers(args.broker_list.as_deref().unwrap_or_default())?;
            generate::run(&connect().await?, &wish, &brokers, !args.disable_rack_aware).await
        }
        Action::Execute => {
            let plan = plan::parse(&read(args.reassignment_json_file.as_deref())?)?;
            execute::execute(&connect().await?, &plan, &args).await
        }
        Action::Verify => {
            let plan = plan::parse(&read(args.reassignment_json_file.as_deref())?)?;
            verify::run(&connect().await?, &plan, args.preserve_throttles).await
        }
        Action::Cancel => {
            let plan = plan::parse(&read(args.reassignment_json_file.as_deref())?)?;
            execute::cancel(&connect().await?, &plan, &args).await
        }
        Action::List => list(&connect().await?).await,
    }
}

impl Args {
    /// The action and the servers, if the options go together.
    fn check(&self) -> Result<(Action, &str)> {
        let actions: Vec<Action> = [
            (self.generate, Action::Generate),
            (self.execute, Action::Execute),
            (self.verify, Action::Verify),
            (self.cancel, Action::Cancel),
            (self.list, Action::List),
        ]
        .into_iter()
        .filter_map(|(given, action)| given.then_some(action))
        .collect();
        let [action] = actions[..] else {
            bail!(usage(
                "Command must include exactly one action: --generate, --execute, --verify, --cancel, --list"
            ));
        };
        let Some(servers) = &self.bootstrap_server else {
            bail!(usage("Please specify --bootstrap-server"));
        };
        let with_plan = &[Action::Execute, Action::Verify, Action::Cancel][..];
        let execute = &[Action::Execute][..];
        let generate = &[Action::Generate][..];
        let options = [
            (
                self.reassignment_json_file.is_some(),
                "reassignment-json-file",
                with_plan,
                with_plan,
            ),
            (
                self.topics_to_move_json_file.is_some(),
                "topics-to-move-json-file",
                generate,
                generate,
            ),
            (
                self.broker_list.is_some(),
                "broker-list",
                generate,
                generate,
            ),
            (self.disable_rack_aware, "disable-rack-aware", generate, &[]),
            (self.throttle.is_some(), "throttle", execute, &[]),
            (
                self.replica_alter_log_dirs_throttle.is_some(),
                "replica-alter-log-dirs-throttle",
                execute,
                &[],
            ),
            (
                self.timeout.is_some(),
                "timeout",
                &[Action::Execute, Action::Cancel],
                &[],
            ),
            (self.additional, "additional", execute, &[]),
            (
                self.preserve_throttles,
                "preserve-throttles",
                &[Action::Verify, Action::Cancel],
                &[],
            ),
        ];
        for (given, name, _, required_by) in options {
            if !given && required_by.contains(&action) {
                bail!(usage(format!("Missing required argument \"[{name}]\"")));
            }
        }
        for (given, name, allowed, _) in options {
            if given && !allowed.contains(&action) {
                bail!(usage(format!(
                    "Option \"[{name}]\" can't be used with action \"[{}]\"",
                    action.name()
                )));
            }
        }
        Ok((action, servers))
    }
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Generate => "generate",
            Action::Execute => "execute",
            Action::Verify => "verify",
            Action::Cancel => "cancel",
            Action::List => "list",
        }
    }
}

fn read(path: Option<&Path>) -> Result<String> {
    let path = path.unwrap_or_else(|| Path::new(""));
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

async fn list(admin: &Admin) -> Result<()> {
    let under_way = admin.list_reassignments().await?;
    if under_way.is_empty() {
        cli::print("No partition reassignments found.\n");
        return Ok(());
    }
    cli::print("Current partition reassignments:\n");
    for (partition, reassignment) in &under_way {
        cli::print(&format!("{partition}: {}\n", listed(reassignment)));
    }
    Ok(())
}

fn listed(reassignment: &OngoingPartitionReassignment) -> String {
    let part = |what: &str, ids: &[_]| match ids {
        [] => String::new(),
        ids => format!(" {what}: {}.", comma_list(ids)),
    };
    let ids = |ids: &[ottla_protocol::messages::BrokerId]| -> Vec<i32> {
        ids.iter().map(|id| id.0).collect()
    };
    format!(
        "replicas: {}.{}{}",
        comma_list(&ids(&reassignment.replicas)),
        part("adding", &ids(&reassignment.adding_replicas)),
        part("removing", &ids(&reassignment.removing_replicas))
    )
}

/// What the broker said, or what we say of an error.
fn words(error: &ClientError) -> String {
    match error {
        ClientError::Broker {
            message: Some(message),
            ..
        } => message.clone(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let check = |options: &str, want: Result<Action, &str>| {
            let words = std::iter::once("x").chain(options.split_whitespace());
            let args = Args::try_parse_from(words).unwrap();
            let got = args.check().map(|(action, _)| action);
            assert_eq!(
                got.map_err(|error| error.to_string()),
                want.map_err(str::to_owned),
                "{options}"
            );
        };
        let one = "Command must include exactly one action: --generate, --execute, --verify, --cancel, --list";
        check("", Err(one));
        check("--list --verify", Err(one));
        check("--list", Err("Please specify --bootstrap-server"));
        check("--list --bootstrap-server h:1", Ok(Action::List));
        check(
            "--bootstrap-server h:1 --execute",
            Err("Missing required argument \"[reassignment-json-file]\""),
        );
        check(
            "--bootstrap-server h:1 --generate --topics-to-move-json-file f",
            Err("Missing required argument \"[broker-list]\""),
        );
        check(
            "--bootstrap-server h:1 --verify --reassignment-json-file f --throttle 10",
            Err("Option \"[throttle]\" can't be used with action \"[verify]\""),
        );
        check(
            "--bootstrap-server h:1 --execute --reassignment-json-file f --throttle -1 --timeout 5",
            Ok(Action::Execute),
        );
    }

    #[test]
    fn reassignments_are_listed_as_kafka_does() {
        let ids = |ids: &[i32]| ids.iter().map(|id| (*id).into()).collect();
        let reassignment = OngoingPartitionReassignment::default()
            .with_replicas(ids(&[3, 1, 2]))
            .with_adding_replicas(ids(&[3]));
        assert_eq!(listed(&reassignment), "replicas: 3,1,2. adding: 3.");
        let reassignment = reassignment.with_removing_replicas(ids(&[1, 2]));
        assert_eq!(
            listed(&reassignment),
            "replicas: 3,1,2. adding: 3. removing: 1,2."
        );
    }
}
