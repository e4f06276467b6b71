//! `kafka-topics` through a broker.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, bail};
use ottla_client::{
    Admin, ClientError, Cluster, ClusterView, ConfigResource, ConfigSource, NewTopic, ResourceType,
    Topics,
};
use ottla_metadata::{TopicId, TopicName, TopicPartition};
use ottla_protocol::ErrorCode;

use super::describe::{self, PartitionLine, TopicLine};
use super::{Action, Args};
use crate::cli;
use crate::topic_filter::TopicFilter;

pub(super) async fn run(cluster: Cluster, action: Action, args: &Args) -> Result<()> {
    let admin = Admin::new(cluster);
    match action {
        Action::Create => create(&admin, args).await,
        Action::List => list(&admin, args).await,
        Action::Alter => alter(&admin, args).await,
        Action::Describe => describe_topics(&admin, args).await,
        Action::Delete => delete(&admin, args).await,
    }
}

async fn create(admin: &Admin, args: &Args) -> Result<()> {
    let name = args.topic.clone().unwrap_or_default();
    let assignment = args.assignment()?;
    let configs = args.configs()?;
    args.warn_of_collision(&name);
    let replication_factor = match args.replication_factor {
        None => None,
        Some(factor) => match i16::try_from(factor) {
            Ok(factor) if factor >= 1 => Some(factor),
            Ok(_) | Err(_) => bail!(
                "The replication factor must be between 1 and {} inclusive",
                i16::MAX
            ),
        },
    };
    if args.partitions.is_some_and(|count| count < 1) {
        bail!("The partitions must be greater than 0");
    }
    let topic = NewTopic {
        name,
        partitions: args.partitions,
        replication_factor,
        assignment,
        configs,
    };
    match admin.create_topic(&topic, false).await {
        Ok(()) => {
            cli::print(&format!("Created topic {}.\n", topic.name));
            Ok(())
        }
        Err(error) if args.if_not_exists && error.code() == Some(ErrorCode::TopicAlreadyExists) => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

async fn list(admin: &Admin, args: &Args) -> Result<()> {
    let view = all_topics(admin).await?;
    let names = matching(&view, args)?;
    if args.json {
        cli::print_json(&serde_json::json!(names));
    } else {
        cli::print(&format!("{}\n", names.join("\n")));
    }
    Ok(())
}

async fn alter(admin: &Admin, args: &Args) -> Result<()> {
    let view = all_topics(admin).await?;
    let names = matching(&view, args)?;
    require(&names, args)?;
    let assignment = args.assignment()?;
    for name in &names {
        let Some(topic) = view.topics.get(&**name) else {
            continue;
        };
        let new: Vec<_> = assignment
            .values()
            .skip(topic.partitions.len())
            .cloned()
            .collect();
        admin
            .create_partitions(name, args.partitions.unwrap_or_default(), &new)
            .await?;
    }
    Ok(())
}

async fn delete(admin: &Admin, args: &Args) -> Result<()> {
    let view = all_topics(admin).await?;
    let names = matching(&view, args)?;
    require(&names, args)?;
    let mut first_error = None;
    for name in &names {
        if let Err(error) = admin.delete_topic(name).await {
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(()), |error| Err(error.into()))
}

async fn describe_topics(admin: &Admin, args: &Args) -> Result<()> {
    let view = all_topics(admin).await?;
    let by_id = match &args.topic_id {
        Some(text) => {
            let id: TopicId = text.parse()?;
            (!id.is_zero()).then_some(id)
        }
        None => None,
    };
    let names = match by_id {
        Some(id) => {
            let found = view.topics.iter().find(|(_, topic)| topic.id == id);
            let names: Vec<String> = found
                .map(|(name, _)| name.to_string())
                .into_iter()
                .collect();
            if names.is_empty() && !args.if_exists {
                bail!("TopicId '{id}' does not exist as expected");
            }
            names
        }
        None => {
            let names = matching(&view, args)?;
            require(&names, args)?;
            names
        }
    };
    // Brokers older than 2.4 know of no reassignments that could be listed.
    let reassignments = admin.list_reassignments().await.unwrap_or_default();
    let live: BTreeSet<i32> = view.brokers.keys().map(|id| id.0).collect();
    let mut lines = Vec::new();
    for name in names {
        let Some(topic) = view.topics.get(&*name) else {
            continue;
        };
        let configs = match admin.describe_configs(&resource(&name), false).await {
            // Brokers older than 0.11 do not tell.
            Err(ClientError::Unsupported { .. }) => Vec::new(),
            configs => configs?,
        };
        let min_isr = configs
            .iter()
            .find(|c| c.name.as_str() == "min.insync.replicas")
            .and_then(|c| c.value.as_ref()?.parse().ok())
            .unwrap_or(1);
        let overrides = configs
            .iter()
            .filter(|c| {
                !c.is_default && ConfigSource::from_code(c.config_source) != ConfigSource::Default
            })
            .map(|c| {
                let value = c.value.as_ref().map_or("null", |v| v.as_str());
                (c.name.to_string(), value.to_owned())
            });
        let partitions = topic.partitions.iter().map(|(number, p)| {
            let key = TopicPartition::new(&*name, *number);
            let moving = reassignments.get(&key);
            PartitionLine {
                partition: *number,
                leader: p.leader.map(|id| id.0),
                replicas: p.replicas.iter().map(|id| id.0).collect(),
                isr: p.isr.iter().map(|id| id.0).collect(),
                adding: moving.map(|m| m.adding_replicas.iter().map(|id| id.0).collect()),
                removing: moving.map(|m| m.removing_replicas.iter().map(|id| id.0).collect()),
            }
        });
        lines.push(TopicLine {
            id: (!topic.id.is_zero()).then(|| topic.id.to_string()),
            configs: overrides.collect(),
            partitions: partitions.collect(),
            min_isr,
            marked_for_deletion: false,
            name,
        });
    }
    describe::print(&lines, args.filters(), &live, args.json);
    Ok(())
}

fn resource(topic: &str) -> ConfigResource {
    ConfigResource {
        kind: ResourceType::Topic,
        name: topic.to_owned(),
    }
}

async fn all_topics(admin: &Admin) -> Result<ClusterView> {
    let view = admin
        .cluster()
        .retry(async || admin.cluster().refresh(Topics::All).await)
        .await?;
    Ok(ClusterView::clone(&view))
}

/// The names that --topic and --exclude-internal leave, sorted.
fn matching(view: &ClusterView, args: &Args) -> Result<Vec<String>> {
    let filter = TopicFilter::new(args.topic.as_deref().unwrap_or(".*"))?;
    let names: BTreeMap<&TopicName, _> = view.topics.iter().collect();
    Ok(names
        .into_keys()
        .filter(|name| filter.allows(name, args.exclude_internal))
        .map(ToString::to_string)
        .collect())
}

fn require(names: &[String], args: &Args) -> Result<()> {
    match &args.topic {
        Some(topic) if names.is_empty() && !args.if_exists && !topic.is_empty() => {
            Err(anyhow!("Topic '{topic}' does not exist as expected"))
        }
        _ => Ok(()),
    }
}
