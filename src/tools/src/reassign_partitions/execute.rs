//! `--execute` and `--cancel`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use ottla_client::{Admin, ClientError, ClusterView, PartitionResults, Topics};
use ottla_metadata::{BrokerId, TopicName, TopicPartition};
use ottla_protocol::ErrorCode;

use super::plan::{self, Plan};
use super::throttles::{self, Moves};
use super::{Args, Terse, moves, words};
use crate::cli;

/// How long moves between log directories may take to begin.
const TIMEOUT_MS: u64 = 10_000;

pub(super) async fn execute(admin: &Admin, plan: &Plan, args: &Args) -> Result<()> {
    let proposed = plan.checked()?;
    let under_way = admin.list_reassignments().await?;
    if !args.additional && !under_way.is_empty() {
        bail!(Terse(
            "Cannot execute because there is an existing partition assignment.  Use --additional to \
             override this and create a new partition assignment in addition to the existing one. The \
             --additional flag can also be used to change the throttle by resubmitting the current \
             reassignment."
                .to_owned()
        ));
    }
    let topics: BTreeSet<&str> = proposed.keys().map(|tp| &*tp.topic).collect();
    let brokers: BTreeSet<BrokerId> = proposed.values().flatten().copied().collect();
    check_brokers(admin, &brokers).await?;
    let view = describe(admin, &topics).await?;
    let current = assignments(&view, proposed.keys())?;
    cli::print(&format!(
        "Current partition replica assignment\n\n{}\n\nSave this to use as the --reassignment-json-file \
         option during rollback\n",
        plan::format(&current)?
    ));
    let throttle = args.throttle.filter(|rate| *rate >= 0);
    let log_dir_throttle = args.replica_alter_log_dirs_throttle;
    let log_dir_throttle = log_dir_throttle.filter(|rate| *rate >= 0);
    if throttle.is_some() || log_dir_throttle.is_some() {
        cli::print(
            "Warning: You must run --verify periodically, until the reassignment completes, to ensure \
             the throttle is removed.\n",
        );
    }
    if let Some(rate) = throttle {
        let moves = Moves::new(&under_way, &proposed, &current)?;
        throttles::limit_moves(admin, &moves, rate).await?;
    }
    if let Some(rate) = log_dir_throttle {
        let brokers = plan.log_dirs.keys().map(|replica| replica.broker).collect();
        throttles::limit_log_dirs(admin, &brokers, rate).await?;
    }
    let wanted = proposed.into_iter();
    let wanted: BTreeMap<_, _> = wanted.map(|(tp, ids)| (tp, Some(ids))).collect();
    let failed = failures(admin.alter_reassignments(&wanted).await?);
    if !failed.is_empty() {
        bail!(Terse(format!(
            "Error reassigning partition(s):\n{}",
            failed.join("\n")
        )));
    }
    cli::print(&format!(
        "Successfully started partition reassignment{} for {}\n",
        plural(wanted.len()),
        names(wanted.keys())
    ));
    if !plan.log_dirs.is_empty() {
        moves::begin(admin, &plan.log_dirs, timeout(args)).await?;
    }
    Ok(())
}

pub(super) async fn cancel(admin: &Admin, plan: &Plan, args: &Args) -> Result<()> {
    let named = plan.names();
    let under_way = admin.list_reassignments().await?;
    let wanted: BTreeMap<_, _> = under_way
        .into_keys()
        .filter(|tp| named.contains(tp))
        .map(|tp| (tp, None))
        .collect();
    if wanted.is_empty() {
        cli::print("None of the specified partition reassignments are active.\n");
    } else {
        let failed = failures(admin.alter_reassignments(&wanted).await?);
        if !failed.is_empty() {
            bail!(Terse(format!(
                "Error cancelling partition reassignment{} for:\n{}",
                plural(failed.len()),
                failed.join("\n")
            )));
        }
        cli::print(&format!(
            "Successfully cancelled partition reassignment{} for: {}\n",
            plural(wanted.len()),
            names(wanted.keys())
        ));
    }
    let found = moves::find(admin, &plan.log_dirs).await?;
    let back: BTreeMap<_, _> = found
        .into_iter()
        .filter(|(_, at)| at.future.is_some())
        .filter_map(|(replica, at)| Some((replica, at.current?)))
        .collect();
    if back.is_empty() {
        // Kafka's tool does not end this line.
        cli::print("None of the specified partition moves are active.");
    } else {
        moves::begin(admin, &back, timeout(args)).await?;
    }
    if !args.preserve_throttles {
        throttles::clear(admin, plan).await?;
    }
    Ok(())
}

/// The topics as they are; all of them must exist.
pub(super) async fn describe(admin: &Admin, topics: &BTreeSet<&str>) -> Result<Arc<ClusterView>> {
    let names: Vec<TopicName> = topics.iter().map(|name| TopicName::from(*name)).collect();
    let cluster = admin.cluster();
    let view = cluster
        .retry(async || cluster.refresh(Topics::Named(&names)).await)
        .await?;
    for name in &names {
        let error = view.topics.get(name).map(|topic| topic.error);
        match error.and_then(ErrorCode::from_code) {
            Some(ErrorCode::None) => {}
            Some(ErrorCode::UnknownTopicOrPartition) | None => bail!("Topic {name} not found."),
            Some(_) => ClientError::check(error.unwrap_or_default(), None)?,
        }
    }
    Ok(view)
}

fn assignments<'a>(
    view: &ClusterView,
    partitions: impl Iterator<Item = &'a TopicPartition>,
) -> Result<BTreeMap<TopicPartition, Vec<BrokerId>>> {
    let mut found = BTreeMap::new();
    let mut missing = Vec::new();
    for tp in partitions {
        let topic = view.topics.get(&tp.topic);
        match topic.and_then(|topic| topic.partitions.get(&tp.partition)) {
            Some(partition) => _ = found.insert(tp.clone(), partition.replicas.clone()),
            None => missing.push(tp.to_string()),
        }
    }
    if !missing.is_empty() {
        bail!("Unable to find partition: {}", missing.join(", "));
    }
    Ok(found)
}

async fn check_brokers(admin: &Admin, brokers: &BTreeSet<BrokerId>) -> Result<()> {
    let cluster = admin.cluster();
    let view = cluster
        .retry(async || cluster.refresh(Topics::None).await)
        .await?;
    match brokers.iter().find(|id| !view.brokers.contains_key(id)) {
        Some(unknown) => bail!("Unknown broker id {unknown}"),
        None => Ok(()),
    }
}

fn failures(results: PartitionResults) -> Vec<String> {
    let failed = results
        .into_iter()
        .filter_map(|(tp, result)| Some((tp, result.err()?)));
    failed
        .map(|(tp, error)| format!("{tp}: {}", words(&error)))
        .collect()
}

fn names<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> String {
    let names: Vec<_> = partitions.map(ToString::to_string).collect();
    names.join(",")
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn timeout(args: &Args) -> Duration {
    Duration::from_millis(args.timeout.unwrap_or(TIMEOUT_MS))
}
