//! `kafka-topics --zookeeper`, as of Kafka 2.0.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, bail};
use ottla_controller::{Candidate, Start, place};
use ottla_metadata::{BrokerId, TopicPartition, collides, is_internal, validate_topic_name};
use ottla_zk::znode::{ConfigEntity, TopicZnode};
use ottla_zk::{Conflict, Versioned, Watch, Zk};
use serde_json::{Value, json};

use super::{Action, Args};
use crate::cli::{self, usage};
use crate::table::comma_list;
use crate::topic_filter::TopicFilter;
use crate::zookeeper::{connect, read_config, write_topic_config};

pub(super) async fn run(servers: &str, action: Action, args: &Args) -> Result<()> {
    if action == Action::Create && args.replica_assignment.is_none() {
        for (given, option) in [
            (args.partitions.is_some(), "partitions"),
            (args.replication_factor.is_some(), "replication-factor"),
        ] {
            if !given {
                bail!(usage(format!("Missing required argument \"[{option}]\"")));
            }
        }
    }
    let zk = connect(servers).await?;
    let outcome = match action {
        Action::Create => create(&zk, args).await,
        Action::List => list(&zk, args).await,
        Action::Alter => alter(&zk, servers, args).await,
        Action::Describe => describe(&zk, args).await,
        Action::Delete => delete(&zk, servers, args).await,
    };
    zk.close().await;
    outcome
}

async fn create(zk: &Zk, args: &Args) -> Result<()> {
    let name = args.topic.clone().unwrap_or_default();
    let configs = args.configs()?;
    args.warn_of_collision(&name);
    validate_topic_name(&name).map_err(|e| anyhow!("{e}"))?;
    let existing = zk.topics(Watch::No).await?;
    if existing.iter().any(|topic| **topic == *name) {
        return already_exists(&name, args);
    }
    let collisions: Vec<_> = existing.iter().filter(|t| collides(t, &name)).collect();
    if !collisions.is_empty() {
        bail!(
            "Topic '{name}' collides with existing topics: {}",
            comma_list(&collisions)
        );
    }
    let partitions = match args.replica_assignment {
        Some(_) => args.assignment()?,
        None => {
            let count = args.partitions.unwrap_or_default();
            let factor = args.replication_factor.unwrap_or_default();
            if count < 1 {
                bail!("Number of partitions must be larger than 0.");
            }
            placed(zk, args, count, factor, 0, None).await?
        }
    };
    write_topic_config(zk, &name, &configs, false).await?;
    let node = TopicZnode {
        topic_id: None,
        partitions,
        adding_replicas: BTreeMap::new(),
        removing_replicas: BTreeMap::new(),
    };
    match zk.create_topic(&name, &node).await {
        Ok(()) => {
            cli::print(&format!("Created topic \"{name}\".\n"));
            Ok(())
        }
        Err(error) if error.conflict() == Some(Conflict::Exists) => already_exists(&name, args),
        Err(error) => Err(error.into()),
    }
}

fn already_exists(name: &str, args: &Args) -> Result<()> {
    if args.if_not_exists {
        return Ok(());
    }
    bail!("Topic '{name}' already exists.");
}

/// Replicas for `count` partitions numbered from `first`, on the live brokers. Those of partition
/// 0, if there are any, say where to begin.
async fn placed(
    zk: &Zk,
    args: &Args,
    count: i32,
    factor: i32,
    first: i32,
    of_partition_0: Option<&[BrokerId]>,
) -> Result<BTreeMap<i32, Vec<BrokerId>>> {
    let ids = zk.broker_ids(Watch::No).await?;
    let mut candidates = Vec::new();
    for (id, registration) in zk.brokers(ids, Watch::No).await? {
        if let Some(found) = registration? {
            candidates.push(Candidate {
                id,
                rack: found.value.rack.filter(|_| !args.disable_rack_aware),
            });
        }
    }
    let racks = candidates.iter().filter(|c| c.rack.is_some()).count();
    if racks > 0 && racks < candidates.len() {
        bail!(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica \
             assignment without rack information."
        );
    }
    let factor = usize::try_from(factor).unwrap_or(0);
    if factor == 0 {
        bail!("Replication factor must be larger than 0.");
    }
    if factor > candidates.len() {
        bail!(
            "Replication factor: {factor} larger than available brokers: {}.",
            candidates.len()
        );
    }
    let start = match of_partition_0.and_then(|ids| ids.first()) {
        Some(leader) => {
            let index = candidates.iter().position(|c| c.id == *leader).unwrap_or(0);
            Start {
                index,
                shift: index,
            }
        }
        None => Start {
            index: rand::random_range(0..candidates.len()),
            shift: rand::random_range(0..candidates.len()),
        },
    };
    Ok(place(&candidates, count, factor, first, start)?)
}

async fn list(zk: &Zk, args: &Args) -> Result<()> {
    let marked = marked(zk).await?;
    let names = matching(zk, args).await?;
    if args.json {
        cli::print_json(&json!(names));
        return Ok(());
    }
    let mut text = String::new();
    for name in &names {
        let mark = if marked.contains(name) {
            " - marked for deletion"
        } else {
            ""
        };
        text.push_str(&format!("{name}{mark}\n"));
    }
    cli::print(&text);
    Ok(())
}

async fn alter(zk: &Zk, servers: &str, args: &Args) -> Result<()> {
    let names = matching(zk, args).await?;
    require(&names, servers, args)?;
    let added = args.configs()?;
    for name in &args.delete_config {
        if ottla_config::topic_key(name.trim()).is_none() {
            bail!("Unknown topic config name: {name}");
        }
    }
    for name in &names {
        if !added.is_empty() || !args.delete_config.is_empty() {
            cli::print(
                "WARNING: Altering topic configuration from this script has been deprecated and may be removed in \
                 future releases.\n         Going forward, please use kafka-configs.sh for this functionality\n",
            );
            let mut configs = topic_config(zk, name).await?;
            configs.extend(added.clone());
            for gone in &args.delete_config {
                configs.remove(gone.trim());
            }
            write_topic_config(zk, name, &configs, true).await?;
            cli::print(&format!("Updated config for topic \"{name}\".\n"));
        }
        if let Some(count) = args.partitions {
            add_partitions(zk, args, name, count).await?;
        }
    }
    Ok(())
}

async fn add_partitions(zk: &Zk, args: &Args, name: &str, count: i32) -> Result<()> {
    if name == "__consumer_offsets" {
        bail!("The number of partitions for the offsets topic cannot be changed.");
    }
    cli::print(
        "WARNING: If partitions are increased for a topic that has a key, the partition logic or ordering of the \
         messages will be affected\n",
    );
    let Some(Versioned {
        value: mut node,
        stat,
    }) = zk.topic(name, Watch::No).await?
    else {
        bail!("The topic {name} does not exist");
    };
    let existing = i32::try_from(node.partitions.len()).unwrap_or(i32::MAX);
    if count <= existing {
        bail!(
            "The number of partitions for a topic can only be increased. Topic {name} currently has {existing} \
             partitions, {count} would not be an increase."
        );
    }
    let first: Vec<BrokerId> = node.partitions.get(&0).cloned().unwrap_or_default();
    let new = if args.replica_assignment.is_some() {
        let given: BTreeMap<_, _> = args.assignment()?.split_off(&existing);
        if given.len() != usize::try_from(count - existing).unwrap_or(0) {
            bail!("--replica-assignment must name the replicas of all {count} partitions");
        }
        given
    } else {
        let factor = i32::try_from(first.len()).unwrap_or(0);
        placed(zk, args, count - existing, factor, existing, Some(&first)).await?
    };
    node.partitions.extend(new);
    zk.update_topic(name, &node, Some(stat.version)).await?;
    cli::print("Adding partitions succeeded!\n");
    Ok(())
}

async fn delete(zk: &Zk, servers: &str, args: &Args) -> Result<()> {
    let names = matching(zk, args).await?;
    require(&names, servers, args)?;
    for name in &names {
        if is_internal(name) {
            bail!(
                "Topic {name} is a kafka internal topic and is not allowed to be marked for deletion."
            );
        }
        if zk.mark_topic_for_deletion(name).await? {
            cli::print(&format!(
                "Topic {name} is marked for deletion.\n\
                 Note: This will have no impact if delete.topic.enable is not set to true.\n"
            ));
        } else {
            cli::print(&format!("Topic {name} is already marked for deletion.\n"));
        }
    }
    Ok(())
}

async fn describe(zk: &Zk, args: &Args) -> Result<()> {
    let filters = args.filters();
    if filters.under_min_isr || filters.at_min_isr {
        bail!(usage(
            "--under-min-isr-partitions and --at-min-isr-partitions need --bootstrap-server"
        ));
    }
    let marked = marked(zk).await?;
    let live: BTreeSet<BrokerId> = zk.broker_ids(Watch::No).await?.into_iter().collect();
    let mut values = Vec::new();
    let mut text = String::new();
    for name in matching(zk, args).await? {
        let Some(node) = zk.topic(&name, Watch::No).await? else {
            text.push_str(&format!("Topic {name} doesn't exist!\n"));
            continue;
        };
        let replicas = node.value.partitions;
        let configs = topic_config(zk, &name).await?;
        let mark = marked.contains(&name);
        let overridden = !filters.with_overrides || !configs.is_empty();
        if !filters.partitions_only() && overridden {
            let factor = replicas.values().next().map_or(0, Vec::len);
            let configs: Vec<String> = configs.iter().map(|(k, v)| format!("{k}={v}")).collect();
            text.push_str(&format!(
                "Topic:{name}\tPartitionCount:{}\tReplicationFactor:{factor}\tConfigs:{}{}\n",
                replicas.len(),
                configs.join(","),
                if mark { "\tMarkedForDeletion:true" } else { "" }
            ));
        }
        let keys = replicas.keys().map(|p| TopicPartition::new(&*name, *p));
        let states = zk.partition_states(keys.collect(), Watch::No).await?;
        let mut partitions = Vec::new();
        for (partition, state) in states {
            let state = state?;
            let assigned = replicas
                .get(&partition.partition)
                .cloned()
                .unwrap_or_default();
            let isr = state.as_ref().map_or(Vec::new(), |s| s.value.isr.clone());
            let leader = state.as_ref().map(|s| s.value.leader.map_or(-1, |id| id.0));
            let led = leader.is_some_and(|id| live.contains(&BrokerId(id)));
            let wanted = !filters.partitions_only()
                || (filters.under_replicated && isr.len() < assigned.len())
                || (filters.unavailable && !led);
            if !wanted {
                continue;
            }
            let ids = |list: &[BrokerId]| list.iter().map(|id| id.0).collect::<Vec<_>>();
            partitions.push(json!({
                "partition": partition.partition,
                "leader": leader,
                "replicas": ids(&assigned),
                "isr": ids(&isr),
            }));
            if !filters.with_overrides {
                text.push_str(&format!(
                    "\tTopic: {name}\tPartition: {}\tLeader: {}\tReplicas: {}\tIsr: {}{}\n",
                    partition.partition,
                    leader.map_or("none".to_owned(), |id| id.to_string()),
                    comma_list(&assigned),
                    comma_list(&isr),
                    if mark && filters.partitions_only() {
                        "\tMarkedForDeletion: true"
                    } else {
                        ""
                    }
                ));
            }
        }
        if overridden && !(filters.partitions_only() && partitions.is_empty()) {
            values.push(json!({
                "topic": name,
                "partitionCount": replicas.len(),
                "configs": configs,
                "markedForDeletion": mark,
                "partitions": partitions,
            }));
        }
    }
    if args.json {
        cli::print_json(&Value::Array(values));
    } else {
        cli::print(&text);
    }
    Ok(())
}

async fn marked(zk: &Zk) -> Result<BTreeSet<String>> {
    let names = zk.topics_to_delete(Watch::No).await?;
    Ok(names.iter().map(ToString::to_string).collect())
}

async fn topic_config(zk: &Zk, name: &str) -> Result<BTreeMap<String, String>> {
    read_config(zk, &ConfigEntity::Topic(name.to_owned())).await
}

async fn matching(zk: &Zk, args: &Args) -> Result<Vec<String>> {
    let filter = TopicFilter::new(args.topic.as_deref().unwrap_or(".*"))?;
    let names = zk.topics(Watch::No).await?;
    Ok(names
        .iter()
        .filter(|name| filter.allows(name, args.exclude_internal))
        .map(ToString::to_string)
        .collect())
}

fn require(names: &[String], servers: &str, args: &Args) -> Result<()> {
    if names.is_empty() && !args.if_exists {
        bail!(
            "Topic {} does not exist on ZK path {servers}",
            args.topic.as_deref().unwrap_or_default()
        );
    }
    Ok(())
}
