//! `--verify`: how far a reassignment is.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use ottla_client::{Admin, Topics};
use ottla_metadata::{BrokerId, TopicName};
use ottla_protocol::ErrorCode;

use super::moves::{self, Whereabouts};
use super::plan::{Plan, Replica};
use super::throttles;
use crate::cli;
use crate::table::comma_list;

pub(super) async fn run(admin: &Admin, plan: &Plan, preserve_throttles: bool) -> Result<()> {
    let under_way = admin.list_reassignments().await?;
    let settled = plan
        .partitions
        .iter()
        .filter(|(tp, _)| !under_way.contains_key(tp));
    let topics: BTreeSet<TopicName> = settled.map(|(tp, _)| tp.topic.clone()).collect();
    let topics: Vec<TopicName> = topics.into_iter().collect();
    let cluster = admin.cluster();
    let view = cluster
        .retry(async || cluster.refresh(Topics::Named(&topics)).await)
        .await?;
    let mut lines = BTreeMap::new();
    for (tp, target) in &plan.partitions {
        let known = view
            .topics
            .get(&tp.topic)
            .filter(|topic| topic.error != ErrorCode::UnknownTopicOrPartition.code());
        let current = known.and_then(|topic| topic.partitions.get(&tp.partition));
        let current = current.map_or(&[][..], |partition| &partition.replicas);
        let line = match under_way.contains_key(tp) {
            true => format!("Reassignment of partition {tp} is still in progress."),
            false => settled_line(&tp.to_string(), current, target),
        };
        lines.insert(tp, line);
    }
    cli::print("Status of partition reassignment:\n");
    for line in lines.values() {
        cli::print(&format!("{line}\n"));
    }
    let found = moves::find(admin, &plan.log_dirs).await?;
    let mut moving = false;
    let mut lines = Vec::new();
    for (replica, target) in &plan.log_dirs {
        let at = found.get(replica).cloned().unwrap_or_default();
        moving |= at.current.is_some() && at.future.is_some();
        lines.push(move_line(replica, target, &at));
    }
    cli::print(&format!("{}\n", lines.join("\n")));
    if under_way.is_empty() && !moving && !preserve_throttles {
        throttles::clear(admin, plan).await?;
    }
    Ok(())
}

fn settled_line(partition: &str, current: &[BrokerId], target: &[BrokerId]) -> String {
    if current == target {
        return format!("Reassignment of partition {partition} is completed.");
    }
    format!(
        "There is no active reassignment of partition {partition}, but replica set is {} rather than {}.",
        comma_list(current),
        comma_list(target)
    )
}

fn move_line(replica: &Replica, target: &str, at: &Whereabouts) -> String {
    let partition = &replica.partition;
    let broker = replica.broker;
    match (&at.current, &at.future) {
        (None, _) => format!(
            "Partition {partition} is not found in any live log dir on broker {broker}. There is likely an \
             offline log directory on the broker."
        ),
        (Some(current), None) if current == target => {
            format!("Reassignment of replica {replica} completed successfully.")
        }
        (Some(current), None) => format!(
            "Partition {partition} on broker {broker} is not being moved from log dir {current} to {target}."
        ),
        (Some(_), Some(future)) if future == target => {
            format!("Reassignment of replica {replica} is still in progress.")
        }
        (Some(_), Some(future)) => format!(
            "Partition {partition} on broker {broker} is being moved to log dir {future} instead of {target}."
        ),
    }
}

#[cfg(test)]
mod tests {
    use ottla_metadata::TopicPartition;

    use super::*;

    #[test]
    fn partitions() {
        let ids = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect::<Vec<_>>();
        assert_eq!(
            settled_line("t-0", &ids(&[1, 2]), &ids(&[1, 2])),
            "Reassignment of partition t-0 is completed."
        );
        assert_eq!(
            settled_line("t-0", &ids(&[2, 1]), &ids(&[1, 2])),
            "There is no active reassignment of partition t-0, but replica set is 2,1 rather than 1,2."
        );
    }

    #[test]
    fn replicas() {
        let replica = Replica {
            broker: BrokerId(3),
            partition: TopicPartition::new("t", 0),
        };
        let check = |current: Option<&str>, future: Option<&str>, want: &str| {
            let at = Whereabouts {
                current: current.map(str::to_owned),
                future: future.map(str::to_owned),
            };
            assert_eq!(move_line(&replica, "/b", &at), want);
        };
        check(
            None,
            None,
            "Partition t-0 is not found in any live log dir on broker 3. There is likely an offline log \
             directory on the broker.",
        );
        check(
            Some("/b"),
            None,
            "Reassignment of replica t-0-3 completed successfully.",
        );
        check(
            Some("/a"),
            None,
            "Partition t-0 on broker 3 is not being moved from log dir /a to /b.",
        );
        check(
            Some("/a"),
            Some("/b"),
            "Reassignment of replica t-0-3 is still in progress.",
        );
        check(
            Some("/a"),
            Some("/c"),
            "Partition t-0 on broker 3 is being moved to log dir /c instead of /b.",
        );
    }
}
