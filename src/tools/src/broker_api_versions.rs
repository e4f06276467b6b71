//! `kafka-broker-api-versions`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use ottla_client::{BrokerVersions, NodeView, Topics};
use ottla_protocol::{ApiKey, ApiVersionRange};
use serde_json::{Value, json};

use crate::cli::{self, Properties};

/// Print the request versions that brokers support.
#[derive(Debug, Parser)]
#[command(name = "kafka-broker-api-versions", version)]
struct Args {
    /// The broker(s) to connect to: host:port,host:port.
    #[arg(long, value_name = "server(s) to use for bootstrapping")]
    bootstrap_server: String,
    /// A properties file with settings of the admin client.
    #[arg(long, value_name = "command config property file")]
    command_config: Option<PathBuf>,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, run, cli::report_to_stderr)
}

async fn run(args: Args) -> Result<()> {
    let properties = match &args.command_config {
        Some(path) => cli::load_properties(path)?,
        None => Properties::new(),
    };
    let cluster = cli::connect(&args.bootstrap_server, &properties).await?;
    let view = cluster
        .retry(async || cluster.refresh(Topics::None).await)
        .await?;
    let mut values = Vec::new();
    for node in view.brokers.values() {
        match cluster.broker(node.id).await {
            Ok(connection) if args.json => values.push(to_json(node, connection.versions())),
            Ok(connection) => cli::print(&to_text(node, connection.versions())),
            Err(error) if args.json => {
                values.push(json!({"broker": node.id.0, "error": error.to_string()}));
            }
            Err(error) => cli::print(&format!("{} -> ERROR: {error}\n", title(node))),
        }
    }
    if args.json {
        cli::print_json(&Value::Array(values));
    }
    Ok(())
}

fn title(node: &NodeView) -> String {
    let rack = node.rack.as_deref().unwrap_or("null");
    format!("{} (id: {} rack: {rack})", node.address(), node.id)
}

/// All APIs that the broker knows, and those that Kafka's clients could ask of a broker in either
/// mode: what the broker speaks of them, by key.
fn ranges(versions: &BrokerVersions) -> Vec<(i16, Option<ApiVersionRange>)> {
    // Those of KRaft are for controllers only.
    let ours = ApiKey::ALL.iter().filter(|api| {
        api.in_zookeeper_mode() || matches!(api.key(), 55 | 64 | 71 | 72 | 74..=81 | 83..=87)
    });
    let mut keys: Vec<i16> = ours.map(|api| api.key()).collect();
    keys.extend(versions.ranges().keys());
    keys.sort_unstable();
    keys.dedup();
    let range = |key: i16| (key, versions.ranges().get(&key).copied());
    keys.into_iter().map(range).collect()
}

fn usable(versions: &BrokerVersions, key: i16) -> Option<i16> {
    let api = ApiKey::from_key(key)?;
    versions.common(api, api.versions())
}

fn to_text(node: &NodeView, versions: &BrokerVersions) -> String {
    let line = |(key, range): &(i16, Option<ApiVersionRange>)| {
        let name = ApiKey::from_key(*key).map_or("UNKNOWN", ApiKey::name);
        let Some(ApiVersionRange { min, max }) = *range else {
            return format!("\t{name}({key}): UNSUPPORTED");
        };
        let numbers = if min == max {
            min.to_string()
        } else {
            format!("{min} to {max}")
        };
        let usable = usable(versions, *key);
        let usable = usable.map_or("unusable: node too new".to_owned(), |v| {
            format!("usable: {v}")
        });
        format!("\t{name}({key}): {numbers} [{usable}]")
    };
    let lines: Vec<String> = ranges(versions).iter().map(line).collect();
    format!("{} -> (\n{}\n)\n", title(node), lines.join(",\n"))
}

fn to_json(node: &NodeView, versions: &BrokerVersions) -> Value {
    let api = |(key, range): &(i16, ApiVersionRange)| {
        json!({
            "key": key,
            "name": ApiKey::from_key(*key).map(ApiKey::name),
            "min": range.min,
            "max": range.max,
            "usable": usable(versions, *key),
        })
    };
    let supported: Vec<(i16, ApiVersionRange)> = ranges(versions)
        .into_iter()
        .filter_map(|(key, range)| Some((key, range?)))
        .collect();
    json!({
        "broker": node.id.0,
        "address": node.address(),
        "apis": supported.iter().map(api).collect::<Vec<_>>(),
    })
}
