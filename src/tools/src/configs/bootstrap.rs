//! `kafka-configs` through a broker.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use ottla_client::{Admin, AlterOp, Cluster, ConfigResource, ConfigSource, ResourceType, Topics};
use ottla_metadata::validate_topic_name;
use ottla_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use serde_json::{Value, json};

use super::changes::check_deleted;
use super::{Changes, Kind, Task, Which};
use crate::cli;

pub(super) async fn run(cluster: Cluster, task: &Task) -> Result<()> {
    let admin = Admin::new(cluster);
    match &task.changes {
        Some(changes) => alter(&admin, task, changes).await,
        None => describe(&admin, task).await,
    }
}

async fn alter(admin: &Admin, task: &Task, changes: &Changes) -> Result<()> {
    let name = match &task.which {
        Which::Named(name) => name.as_str(),
        Which::Default | Which::All => "",
    };
    let resource = resource(task.kind, name)?;
    if !changes.delete.is_empty() {
        let set = configs(admin, task.kind, &resource, false).await?;
        check_deleted(&changes.delete, |name| {
            set.iter().any(|c| c.name.as_str() == name)
        })?;
    }
    let mut operations: BTreeMap<String, AlterOp> = BTreeMap::new();
    for name in &changes.delete {
        operations.insert(name.clone(), AlterOp::Delete);
    }
    for (name, value) in &changes.add {
        operations.insert(name.clone(), AlterOp::Set(value.clone()));
    }
    admin.alter_configs(&resource, &operations).await?;
    if name.is_empty() {
        cli::print(&format!(
            "Completed updating default config for {} in the cluster.\n",
            task.kind.name()
        ));
    } else {
        cli::print(&format!(
            "Completed updating config for {} {name}.\n",
            task.kind.singular()
        ));
    }
    Ok(())
}

async fn describe(admin: &Admin, task: &Task) -> Result<()> {
    let mut values = Vec::new();
    for name in names(admin, task).await? {
        let resource = resource(task.kind, &name)?;
        if !task.json {
            cli::print(&title(task, &name));
        }
        let mut found = configs(admin, task.kind, &resource, task.all).await?;
        found.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        if task.json {
            let configs: Vec<Value> = found.iter().map(to_json).collect();
            values.push(json!({"type": task.kind.name(), "name": name, "configs": configs}));
        } else {
            cli::print(&found.iter().map(to_text).collect::<String>());
        }
    }
    if task.json {
        cli::print_json(&Value::Array(values));
    }
    Ok(())
}

/// The entities to describe; the empty name stands for the brokers' default.
async fn names(admin: &Admin, task: &Task) -> Result<Vec<String>> {
    match (&task.which, task.kind) {
        (Which::Named(name), _) => return Ok(vec![name.clone()]),
        (Which::Default, Kind::Topics) => {
            bail!("there is no default for topics; the brokers' own configuration is it")
        }
        (Which::Default, _) => return Ok(vec![String::new()]),
        (Which::All, _) => {}
    }
    let cluster = admin.cluster();
    let view = cluster
        .retry(async || cluster.refresh(Topics::All).await)
        .await?;
    Ok(match task.kind {
        Kind::Topics => view.topics.keys().map(ToString::to_string).collect(),
        Kind::Brokers | Kind::BrokerLoggers => {
            let ids = view.brokers.keys().map(ToString::to_string);
            ids.chain([String::new()]).collect()
        }
    })
}

fn resource(kind: Kind, name: &str) -> Result<ConfigResource> {
    if kind == Kind::Topics {
        validate_topic_name(name)?;
    }
    Ok(ConfigResource {
        kind: match kind {
            Kind::Topics => ResourceType::Topic,
            Kind::Brokers => ResourceType::Broker,
            Kind::BrokerLoggers => ResourceType::BrokerLogger,
        },
        name: name.to_owned(),
    })
}

/// What the entity has: everything, or what was set for just this entity at run time.
async fn configs(
    admin: &Admin,
    kind: Kind,
    resource: &ConfigResource,
    all: bool,
) -> Result<Vec<DescribeConfigsResourceResult>> {
    let own = match kind {
        Kind::Topics => Some(ConfigSource::DynamicTopic),
        Kind::Brokers if resource.name.is_empty() => Some(ConfigSource::DynamicDefaultBroker),
        Kind::Brokers => Some(ConfigSource::DynamicBroker),
        Kind::BrokerLoggers => None,
    };
    let mut found = admin.describe_configs(resource, true).await?;
    if let Some(own) = own.filter(|_| !all) {
        found.retain(|config| ConfigSource::from_code(config.config_source) == own);
    }
    Ok(found)
}

fn title(task: &Task, name: &str) -> String {
    if name.is_empty() {
        return format!(
            "Default configs for {} in the cluster are:\n",
            task.kind.name()
        );
    }
    let which = if task.all { "All" } else { "Dynamic" };
    format!("{which} configs for {} {name} are:\n", task.kind.singular())
}

fn to_text(config: &DescribeConfigsResourceResult) -> String {
    let text = |value: Option<&str>| value.unwrap_or("null").to_owned();
    let synonyms: Vec<String> = config
        .synonyms
        .iter()
        .map(|synonym| {
            format!(
                "{}:{}={}",
                ConfigSource::from_code(synonym.source).name(),
                synonym.name.as_str(),
                text(synonym.value.as_deref())
            )
        })
        .collect();
    format!(
        "  {}={} sensitive={} synonyms={{{}}}\n",
        config.name.as_str(),
        text(config.value.as_deref()),
        config.is_sensitive,
        synonyms.join(", ")
    )
}

fn to_json(config: &DescribeConfigsResourceResult) -> Value {
    let source = |code| ConfigSource::from_code(code).name();
    let synonyms: Vec<Value> = config
        .synonyms
        .iter()
        .map(|s| {
            json!({
                "source": source(s.source),
                "name": s.name.as_str(),
                "value": s.value.as_deref(),
            })
        })
        .collect();
    json!({
        "name": config.name.as_str(),
        "value": config.value.as_deref(),
        "source": source(config.config_source),
        "sensitive": config.is_sensitive,
        "readOnly": config.read_only,
        "synonyms": synonyms,
    })
}
