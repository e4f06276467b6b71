//! `kafka-consumer-groups`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use ottla_client::Admin;

use crate::cli::{self, Properties, usage};

mod delete;
mod describe;
mod list;
mod plan;
mod reset;
mod scope;
mod time;

/// List, describe and delete consumer groups, and change their offsets.
#[derive(Debug, Parser)]
#[command(name = "kafka-consumer-groups", version)]
struct Args {
    /// The broker(s) to connect to: host:port,host:port.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// A properties file with settings of the admin client.
    #[arg(long, value_name = "command config property file")]
    command_config: Option<PathBuf>,
    /// How long to wait for what may pass, in ms.
    #[arg(long, value_name = "timeout (ms)", default_value_t = 5000)]
    timeout: u64,
    /// List the groups.
    #[arg(long)]
    list: bool,
    /// Describe groups: their offsets, or their members or state.
    #[arg(long)]
    describe: bool,
    /// Delete groups.
    #[arg(long)]
    delete: bool,
    /// Set the offsets of groups without members. Shows what it would do unless --execute is given.
    #[arg(long)]
    reset_offsets: bool,
    /// Delete the offsets of a group for the topics given.
    #[arg(long)]
    delete_offsets: bool,
    /// The group, may be repeated.
    #[arg(long, value_name = "consumer group")]
    group: Vec<String>,
    /// All groups.
    #[arg(long)]
    all_groups: bool,
    /// With --list: show states, only those named (separated by commas) if any are. With
    /// --describe: show the groups' state.
    #[arg(long, value_name = "state", num_args = 0..=1, default_missing_value = "")]
    state: Option<String>,
    /// With --list: show types, only those named if any are.
    #[arg(long = "type", value_name = "type", num_args = 0..=1, default_missing_value = "")]
    kind: Option<String>,
    /// With --describe: show offsets and lag, as without it.
    #[arg(long)]
    offsets: bool,
    /// With --describe: show members.
    #[arg(long)]
    members: bool,
    /// With --describe --members: show which partitions each has.
    #[arg(long)]
    verbose: bool,
    /// The topic whose offsets are meant, may be repeated; `t:0,2` means partitions 0 and 2.
    #[arg(long)]
    topic: Vec<String>,
    /// All topics of which the group has offsets.
    #[arg(long)]
    all_topics: bool,
    /// Only show what --reset-offsets would do; so without it.
    #[arg(long)]
    dry_run: bool,
    /// Do what --reset-offsets shows.
    #[arg(long)]
    execute: bool,
    /// Print the new offsets as CSV, for --from-file.
    #[arg(long)]
    export: bool,
    #[command(flatten)]
    target: Target,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// Where --reset-offsets goes to.
#[derive(Debug, Default, clap::Args)]
#[group(multiple = false)]
struct Target {
    /// To this offset, or the nearest there is.
    #[arg(long, value_name = "offset", allow_hyphen_values = true)]
    to_offset: Option<i64>,
    /// To the offsets of a CSV file as --export writes it.
    #[arg(long, value_name = "path to CSV file")]
    from_file: Option<PathBuf>,
    /// To the first record of this time or later: YYYY-MM-DDTHH:mm:SS.sss, UTC unless a zone
    /// follows.
    #[arg(long, value_name = "datetime")]
    to_datetime: Option<String>,
    /// To the first record that is at most this old: PnDTnHnMnS.
    #[arg(long, value_name = "duration", allow_hyphen_values = true)]
    by_duration: Option<String>,
    /// To the first record that is still there.
    #[arg(long)]
    to_earliest: bool,
    /// To the end.
    #[arg(long)]
    to_latest: bool,
    /// To where the group is; to the end where it has no offset.
    #[arg(long)]
    to_current: bool,
    /// By so many offsets, backwards if negative.
    #[arg(long, value_name = "number-of-offsets", allow_hyphen_values = true)]
    shift_by: Option<i64>,
}

/// A command has told what went wrong, and has nothing to add.
fn failed() -> anyhow::Error {
    cli::Stopped(1).into()
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, run, |error| {
        cli::print(&format!(
            "\nError: Executing consumer group command failed due to {error:#}\n"
        ));
    })
}

async fn run(args: Args) -> Result<()> {
    args.check()?;
    let mut properties = match &args.command_config {
        Some(path) => cli::load_properties(path)?,
        None => Properties::new(),
    };
    let patience = args.timeout.to_string();
    properties.insert("default.api.timeout.ms".to_owned(), patience.clone());
    properties.insert("request.timeout.ms".to_owned(), patience);
    let servers = args.bootstrap_server.as_deref().unwrap_or_default();
    let admin = Admin::new(cli::connect(servers, &properties).await?);
    if args.list {
        list::list(&admin, &args).await
    } else if args.describe {
        describe::describe(&admin, &args).await
    } else if args.delete {
        delete::delete_groups(&admin, &args).await
    } else if args.reset_offsets {
        reset::reset(&admin, &args).await
    } else {
        delete::delete_offsets(&admin, &args).await
    }
}

impl Args {
    /// Whether the options go together.
    fn check(&self) -> Result<()> {
        if self.bootstrap_server.is_none() {
            return Err(usage("Missing required argument \"[bootstrap-server]\""));
        }
        let actions = [
            self.list,
            self.describe,
            self.delete,
            self.reset_offsets,
            self.delete_offsets,
        ];
        if actions.iter().filter(|chosen| **chosen).count() != 1 {
            return Err(usage(
                "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, \
                 --delete-offsets",
            ));
        }
        let no_group = self.group.is_empty() && !self.all_groups;
        if (self.describe || self.delete || self.reset_offsets) && no_group {
            return Err(usage(
                "One of the options --group and --all-groups is required.",
            ));
        }
        if !self.group.is_empty() && (self.all_groups || self.list) {
            return Err(usage(
                "Option --group cannot be used with --all-groups or --list.",
            ));
        }
        if !self.topic.is_empty() && (self.list || self.describe || self.delete) {
            return Err(usage(
                "Option --topic can only be used with --reset-offsets and --delete-offsets.",
            ));
        }
        if self.delete_offsets && (self.group.len() != 1 || self.topic.is_empty()) {
            return Err(usage(
                "Option --delete-offsets takes one --group and at least one --topic.",
            ));
        }
        self.check_describe()?;
        self.check_reset()
    }

    fn check_describe(&self) -> Result<()> {
        let describing = self.members || self.offsets || self.verbose;
        if describing && !self.describe {
            return Err(usage(
                "Options --members, --offsets and --verbose can only be used with --describe.",
            ));
        }
        if self.state.is_some() && !self.describe && !self.list {
            return Err(usage(
                "Option --state can only be used with --describe and --list.",
            ));
        }
        if self.kind.is_some() && !self.list {
            return Err(usage("Option --type can only be used with --list."));
        }
        let views = [self.members, self.offsets, self.state.is_some()];
        if self.describe && views.iter().filter(|chosen| **chosen).count() > 1 {
            return Err(usage(
                "Option --describe takes at most one of these options: --members, --offsets, --state",
            ));
        }
        if self.describe && self.state.as_ref().is_some_and(|s| !s.is_empty()) {
            return Err(usage("Option --describe does not take a value for --state"));
        }
        Ok(())
    }

    fn check_reset(&self) -> Result<()> {
        if !self.reset_offsets {
            return Ok(());
        }
        if self.dry_run && self.execute {
            return Err(usage(
                "Option --reset-offsets only accepts one of --execute and --dry-run",
            ));
        }
        let target = &self.target;
        let chosen = target.to_offset.is_some()
            || target.from_file.is_some()
            || target.to_datetime.is_some()
            || target.by_duration.is_some()
            || target.to_earliest
            || target.to_latest
            || target.to_current
            || target.shift_by.is_some();
        if !chosen {
            return Err(usage(
                "Option --reset-offsets requires one of --to-offset, --shift-by, --to-datetime, --by-duration, \
                 --to-earliest, --to-latest, --to-current, --from-file.",
            ));
        }
        if !self.all_topics && self.topic.is_empty() && target.from_file.is_none() {
            return Err(usage(
                "One of the reset scopes should be defined: --all-topics, --topic.",
            ));
        }
        if !self.dry_run && !self.execute {
            eprintln!(
                "Nothing is changed without --execute. Say --dry-run if that is what you want."
            );
        }
        Ok(())
    }

    /// The groups that are meant, in order.
    async fn groups(&self, admin: &Admin) -> Result<Vec<String>> {
        let mut groups = if self.all_groups {
            let all = list::consumer_groups(admin, &[], &[]).await?;
            all.into_iter().map(|g| g.group).collect()
        } else {
            self.group.clone()
        };
        groups.sort();
        groups.dedup();
        Ok(groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &str, expected: Option<&str>) {
        let all = format!("tool --bootstrap-server a:1 {arguments}");
        let found = Args::try_parse_from(all.split(' '))
            .map_err(|e| e.to_string())
            .and_then(|args| args.check().map_err(|e| e.to_string()));
        match (found, expected) {
            (Ok(()), None) => {}
            (Err(error), Some(expected)) => assert!(error.contains(expected), "{error}"),
            (found, expected) => panic!("{arguments}: {found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn options_that_go_together() {
        check("--list", None);
        check("--list --state", None);
        check("--list --state stable,empty --type classic", None);
        check("--describe --group g", None);
        check("--describe --all-groups --members --verbose", None);
        check("--delete --group a --group b", None);
        check("--delete-offsets --group g --topic t:0,1", None);
        check(
            "--reset-offsets --group g --topic t --shift-by -5 --dry-run",
            None,
        );
        check("--reset-offsets --group g --from-file f --execute", None);
        check(
            "--reset-offsets --all-groups --all-topics --to-current --export",
            None,
        );
    }

    #[test]
    fn options_that_do_not() {
        check("--group g", Some("exactly one action"));
        check("--list --describe --group g", Some("exactly one action"));
        check("--list --group g", Some("--group cannot be used"));
        check("--describe", Some("--all-groups is required"));
        check(
            "--describe --group g --state stable",
            Some("a value for --state"),
        );
        check(
            "--describe --group g --members --state",
            Some("at most one"),
        );
        check("--delete --group g --topic t", Some("--topic can only"));
        check("--delete-offsets --group g", Some("at least one --topic"));
        check(
            "--reset-offsets --group g --topic t",
            Some("requires one of"),
        );
        check(
            "--reset-offsets --group g --to-latest",
            Some("reset scopes"),
        );
        check(
            "--reset-offsets --group g --topic t --to-latest --dry-run --execute",
            Some("only accepts one of"),
        );
        check(
            "--reset-offsets --group g --topic t --to-latest --to-earliest",
            Some("cannot be used with"),
        );
        check("--list --verbose", Some("only be used with --describe"));
    }
}
