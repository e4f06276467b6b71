//! What the brokers say of the cluster, as tables.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use ottla_client::{Cluster, ClusterOptions, ClusterView, PartitionView, Topics};
use ottla_metadata::BrokerId;
use serde_json::json;

use super::config::{Broker, ClusterFile};
use super::process;
use crate::cli;
use crate::table::{comma_list, render};

/// A frozen broker does not answer.
const ANSWER_BOUND: Duration = Duration::from_secs(2);

/// What one broker says, or any of those in the list that answers.
async fn ask(addresses: &[String], topics: Topics<'_>) -> Option<ClusterView> {
    for address in addresses {
        let mut options = ClusterOptions::new(address).ok()?;
        options.connection.connect_timeout = ANSWER_BOUND;
        options.connection.request_timeout = ANSWER_BOUND;
        if let Ok(view) = Cluster::new(options).refresh(topics).await {
            return Some(ClusterView::clone(&view));
        }
    }
    None
}

/// Those of the brokers that do not answer, know of no controller, or are not known to another.
pub(super) async fn missing_members(file: &ClusterFile, brokers: &[&Broker]) -> Vec<String> {
    let mut missing = BTreeSet::new();
    for broker in brokers {
        let view = ask(&[file.address(broker)], Topics::None).await;
        let Some(view) = view.filter(|view| view.controller.is_some()) else {
            missing.insert(broker.id);
            continue;
        };
        let known = |other: &&&Broker| view.brokers.contains_key(&BrokerId(other.id));
        missing.extend(brokers.iter().filter(|b| !known(b)).map(|b| b.id));
    }
    missing.iter().map(ToString::to_string).collect()
}

/// Who is controller, if anybody answers and says so.
pub(super) async fn controller(file: &ClusterFile) -> Option<i32> {
    Some(view(file, Topics::None).await?.controller?.0)
}

/// The controller's view, since it is the first to know; else anybody's.
async fn view(file: &ClusterFile, topics: Topics<'_>) -> Option<ClusterView> {
    let running = file
        .brokers
        .iter()
        .filter(|broker| matches!(process::of_broker(broker), Ok(Some(_))));
    let addresses: Vec<String> = running.map(|broker| file.address(broker)).collect();
    let first = ask(&addresses, topics).await?;
    let controller = first.controller.and_then(|id| first.brokers.get(&id));
    match controller {
        Some(node) => match ask(&[node.address()], topics).await {
            Some(view) => Some(view),
            None => Some(first),
        },
        None => Some(first),
    }
}

pub(super) async fn show(file: &ClusterFile, all: bool, json: bool) -> Result<()> {
    let view = view(file, Topics::All).await;
    let mut processes = BTreeMap::new();
    for broker in &file.brokers {
        processes.insert(
            broker.id,
            process::of_broker(broker)?.map(|pid| pid.as_raw()),
        );
    }
    if json {
        cli::print_json(&as_json(file, &processes, view.as_ref()));
        return Ok(());
    }
    let served = match process::is_served(&file.zookeeper.connect) {
        true => "answers",
        false => "does not answer; 'up' starts it",
    };
    cli::print(&format!(
        "\nZooKeeper {} {served}\n\n{}",
        file.zookeeper.connect,
        brokers_table(file, &processes, view.as_ref())
    ));
    match view {
        Some(view) => cli::print(&topics_table(&view, all)),
        None => cli::print("\nNo broker answers. 'up' starts those that do not run.\n"),
    }
    Ok(())
}

/// What the partitions of a cluster make of one broker.
#[derive(Default)]
struct Share {
    leads: usize,
    replicas: usize,
    in_sync: usize,
}

fn share(view: &ClusterView, id: BrokerId) -> Share {
    let mut share = Share::default();
    for partition in view.topics.values().flat_map(|t| t.partitions.values()) {
        share.leads += usize::from(partition.leader == Some(id));
        share.replicas += usize::from(partition.replicas.contains(&id));
        share.in_sync += usize::from(is_in_sync(partition, id));
    }
    share
}

fn is_in_sync(partition: &PartitionView, id: BrokerId) -> bool {
    partition.replicas.contains(&id) && partition.isr.contains(&id)
}

/// `controller`, `member`, or what is wrong.
fn role(broker: &Broker, process: Option<i32>, view: Option<&ClusterView>) -> &'static str {
    let id = BrokerId(broker.id);
    let known = view.is_some_and(|view| view.brokers.contains_key(&id));
    match (process, view) {
        (None, _) if known => "dead, not noticed yet",
        (None, _) => "down",
        (Some(_), None) => "does not answer",
        (Some(_), Some(_)) if !known => "not in the cluster",
        (Some(_), Some(view)) if view.controller == Some(id) => "controller",
        (Some(_), Some(_)) => "member",
    }
}

fn brokers_table(
    file: &ClusterFile,
    processes: &BTreeMap<i32, Option<i32>>,
    view: Option<&ClusterView>,
) -> String {
    let head = [
        "BROKER", "ADDRESS", "PROCESS", "ROLE", "LEADS", "REPLICAS", "IN SYNC",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for broker in &file.brokers {
        let process = processes.get(&broker.id).copied().flatten();
        let share = view.map(|view| share(view, BrokerId(broker.id)));
        let number = |of: fn(&Share) -> usize| {
            let share = share.as_ref();
            share.map_or_else(|| "-".to_owned(), |share| of(share).to_string())
        };
        rows.push(vec![
            broker.id.to_string(),
            file.address(broker),
            process.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            role(broker, process, view).to_owned(),
            number(|share| share.leads),
            number(|share| share.replicas),
            number(|share| share.in_sync),
        ]);
    }
    render(&rows)
}

/// What is wrong with a partition, if anything.
fn fault(partition: &PartitionView) -> &'static str {
    if partition.leader.is_none() {
        "no leader"
    } else if partition.isr.len() < partition.replicas.len() {
        "under-replicated"
    } else {
        ""
    }
}

/// Partitions of topics; of internal ones only those with a fault unless all are wanted.
fn topics_table(view: &ClusterView, all: bool) -> String {
    let head = ["TOPIC", "PARTITION", "LEADER", "REPLICAS", "IN SYNC", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let (mut count, mut leaderless, mut under_replicated) = (0, 0, 0);
    for (name, topic) in &view.topics {
        for (number, partition) in &topic.partitions {
            let fault = fault(partition);
            count += 1;
            leaderless += usize::from(partition.leader.is_none());
            under_replicated += usize::from(partition.isr.len() < partition.replicas.len());
            if topic.internal && fault.is_empty() && !all {
                continue;
            }
            let leader = partition.leader.map(|id| id.to_string());
            rows.push(vec![
                name.to_string(),
                number.to_string(),
                leader.unwrap_or_else(|| "none".to_owned()),
                comma_list(&partition.replicas),
                comma_list(&partition.isr),
                fault.to_owned(),
            ]);
        }
    }
    let table = match rows.len() {
        1 => String::new(),
        _ => format!("\n{}", render(&rows)),
    };
    format!(
        "{table}\n{}, {}: {under_replicated} under-replicated, {leaderless} without a leader\n",
        counted(view.topics.len(), "topic"),
        counted(count, "partition")
    )
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn as_json(
    file: &ClusterFile,
    processes: &BTreeMap<i32, Option<i32>>,
    view: Option<&ClusterView>,
) -> serde_json::Value {
    let brokers = file.brokers.iter().map(|broker| {
        let process = processes.get(&broker.id).copied().flatten();
        json!({
            "id": broker.id,
            "address": file.address(broker),
            "process": process,
            "role": role(broker, process, view),
        })
    });
    let partitions = view.into_iter().flat_map(|view| &view.topics);
    let partitions = partitions.flat_map(|(name, topic)| {
        topic.partitions.iter().map(move |(number, partition)| {
            json!({
                "topic": &**name,
                "partition": number,
                "leader": partition.leader.map(|id| id.0),
                "replicas": partition.replicas.iter().map(|id| id.0).collect::<Vec<_>>(),
                "isr": partition.isr.iter().map(|id| id.0).collect::<Vec<_>>(),
                "fault": fault(partition),
            })
        })
    });
    json!({
        "controller": view.and_then(|view| view.controller).map(|id| id.0),
        "brokers": brokers.collect::<Vec<_>>(),
        "partitions": partitions.collect::<Vec<_>>(),
    })
}
