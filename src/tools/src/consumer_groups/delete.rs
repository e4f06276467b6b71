//! `--delete` and `--delete-offsets`.

use std::collections::BTreeMap;

use anyhow::Result;
use ottla_client::{Admin, ClientError};
use ottla_metadata::TopicPartition;
use ottla_protocol::ErrorCode;
use serde_json::json;

use super::scope::TopicArg;
use super::{Args, failed, reset};
use crate::cli;

pub(super) async fn delete_groups(admin: &Admin, args: &Args) -> Result<()> {
    let mut deleted = Vec::new();
    let mut kept: Vec<(String, ClientError)> = Vec::new();
    for group in args.groups(admin).await? {
        match admin.delete_group(&group).await {
            Ok(()) => deleted.push(group),
            Err(error) => kept.push((group, error)),
        }
    }
    if args.json {
        let error = |(group, error): &(String, ClientError)| json!({"group": group, "error": error.to_string()});
        let errors: Vec<_> = kept.iter().map(error).collect();
        cli::print_json(&json!({"deleted": deleted, "failed": errors}));
    } else if kept.is_empty() {
        cli::print(&format!(
            "Deletion of requested consumer groups ('{}') was successful.\n",
            deleted.join(", ")
        ));
    } else {
        cli::print("\nError: Deletion of some consumer groups failed:\n");
        for (group, error) in &kept {
            cli::print(&format!(
                "* Group '{group}' could not be deleted due to: {error}\n"
            ));
        }
        if !deleted.is_empty() {
            cli::print(&format!(
                "\nThese consumer groups were deleted successfully: '{}'\n",
                deleted.join("', '")
            ));
        }
    }
    if kept.is_empty() {
        Ok(())
    } else {
        Err(failed())
    }
}

pub(super) async fn delete_offsets(admin: &Admin, args: &Args) -> Result<()> {
    let group = args.group.first().map(String::as_str).unwrap_or_default();
    let topics: Vec<TopicArg> = args
        .topic
        .iter()
        .map(|t| TopicArg::parse(t))
        .collect::<Result<_>>()?;
    let mut results: BTreeMap<TopicPartition, Result<(), ClientError>> = BTreeMap::new();
    let mut partitions = Vec::new();
    for (arg, found) in expanded(admin, &topics).await? {
        match found {
            Some(partition) => partitions.push(partition),
            None => {
                let code = ErrorCode::UnknownTopicOrPartition.code();
                let error = ClientError::from_code(code, None);
                results.insert(TopicPartition::new(arg, -1), Err(error));
            }
        }
    }
    partitions.sort();
    partitions.dedup();
    let outcome = admin.delete_group_offsets(group, &partitions).await;
    let whole = match outcome {
        Ok(found) => {
            let first = found.values().find_map(|r| r.clone().err());
            results.extend(found);
            first
        }
        Err(error) => {
            let refused = partitions.into_iter().map(|p| (p, Err(error.clone())));
            results.extend(refused);
            Some(error)
        }
    };
    if args.json {
        let row = |(p, result): (&TopicPartition, &Result<(), ClientError>)| {
            json!({
                "topic": &*p.topic,
                "partition": (p.partition >= 0).then_some(p.partition),
                "error": result.as_ref().err().map(ToString::to_string),
            })
        };
        cli::print_json(&results.iter().map(row).collect());
    } else {
        let topics = args.topic.join(", ");
        cli::print(&summary(whole.as_ref(), group, &topics));
        cli::print(&table(&results));
    }
    if results.values().all(Result::is_ok) {
        Ok(())
    } else {
        Err(failed())
    }
}

/// The partitions of these arguments, each with its topic; none for a topic that does not exist.
async fn expanded(
    admin: &Admin,
    topics: &[TopicArg],
) -> Result<Vec<(String, Option<TopicPartition>)>> {
    let mut found = Vec::new();
    for arg in topics {
        for partition in reset::expand(admin, std::slice::from_ref(arg)).await? {
            match (partition, arg) {
                (Ok(partition), _) => found.push((partition.topic.to_string(), Some(partition))),
                (Err(_), TopicArg::Whole(name)) => found.push((name.to_string(), None)),
                (Err(error), TopicArg::Some(_)) => return Err(error),
            }
        }
    }
    Ok(found)
}

fn summary(error: Option<&ClientError>, group: &str, topics: &str) -> String {
    let Some(error) = error else {
        return format!("Request succeed for deleting offsets with topic {topics} group {group}\n");
    };
    let words = match error.code() {
        Some(ErrorCode::InvalidGroupId) => format!("'{group}' is not valid."),
        Some(ErrorCode::GroupIdNotFound) => format!("'{group}' does not exist."),
        Some(ErrorCode::GroupAuthorizationFailed) => {
            format!("Access to '{group}' is not authorized.")
        }
        Some(ErrorCode::NonEmptyGroup) => format!(
            "Deleting offsets of a consumer group '{group}' is forbidden if the group is not empty."
        ),
        Some(
            ErrorCode::GroupSubscribedToTopic
            | ErrorCode::TopicAuthorizationFailed
            | ErrorCode::UnknownTopicOrPartition,
        ) => "Encounter some partition level error, see the follow-up details:".to_owned(),
        _ => format!("Encounter some unknown error: {error}"),
    };
    format!("\nError: {words}\n")
}

fn table(results: &BTreeMap<TopicPartition, Result<(), ClientError>>) -> String {
    let line = |topic: &str, partition: &str, status: &str| {
        format!("\n{topic:<30} {partition:<15} {status:<15}")
    };
    let mut text = line("TOPIC", "PARTITION", "STATUS");
    for (p, result) in results {
        let partition = match p.partition {
            0.. => p.partition.to_string(),
            _ => "Not Provided".to_owned(),
        };
        let status = match result {
            Ok(()) => "Successful".to_owned(),
            Err(error) => format!("Error: {error}"),
        };
        text.push_str(&line(&p.topic, &partition, &status));
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes() {
        let refused = |code: ErrorCode| ClientError::from_code(code.code(), None);
        assert_eq!(
            summary(None, "g", "t, u"),
            "Request succeed for deleting offsets with topic t, u group g\n"
        );
        assert_eq!(
            summary(Some(&refused(ErrorCode::GroupIdNotFound)), "g", "t"),
            "\nError: 'g' does not exist.\n"
        );
        let results = BTreeMap::from([
            (TopicPartition::new("t", 0), Ok(())),
            (
                TopicPartition::new("u", -1),
                Err(refused(ErrorCode::UnknownTopicOrPartition)),
            ),
        ]);
        let table = table(&results);
        let lines: Vec<&str> = table.lines().collect();
        assert!(
            lines[2].starts_with("t")
                && lines[2].contains(" 0 ")
                && lines[2].contains("Successful")
        );
        assert!(lines[3].starts_with("u") && lines[3].contains("Not Provided    Error: "));
    }
}
