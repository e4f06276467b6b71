//! The command line tools, in one program: `ottla TOOL OPTIONS`, or the program called by a tool's
//! name as Kafka's scripts are (`kafka-topics`, `kafka-topics.sh`).
//!
//! A tool prints what Kafka's tool of the same name prints (of 3.9, and of 2.0 where it talks to
//! ZooKeeper), so that scripts which parse it go on working. `--json` prints a value instead where
//! there is a table.

mod broker_api_versions;
mod cli;
mod configs;
mod console_consumer;
mod console_producer;
mod consumer_groups;
mod delete_records;
mod dump_log;
mod get_offsets;
mod leader_election;
mod log_dirs;
mod preferred_replica_election;
mod pseudo_cluster;
mod reassign_partitions;
mod table;
mod topic_filter;
mod topics;
mod zookeeper;

use std::path::Path;
use std::process::ExitCode;

/// A tool: its name, what it is for, and its program.
struct Tool {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> ExitCode,
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "topics",
        about: "create, list, describe, change and delete topics",
        run: topics::main,
    },
    Tool {
        name: "console-producer",
        about: "send the lines of standard input to a topic",
        run: console_producer::main,
    },
    Tool {
        name: "console-consumer",
        about: "print the records of a topic",
        run: console_consumer::main,
    },
    Tool {
        name: "consumer-groups",
        about: "list, describe and delete consumer groups, and change their offsets",
        run: consumer_groups::main,
    },
    Tool {
        name: "configs",
        about: "describe and change the configuration of topics and brokers",
        run: configs::main,
    },
    Tool {
        name: "get-offsets",
        about: "print the offsets of partitions",
        run: get_offsets::main,
    },
    Tool {
        name: "delete-records",
        about: "delete the records before given offsets",
        run: delete_records::main,
    },
    Tool {
        name: "log-dirs",
        about: "describe the log directories of brokers",
        run: log_dirs::main,
    },
    Tool {
        name: "reassign-partitions",
        about: "move partitions between brokers and log directories",
        run: reassign_partitions::main,
    },
    Tool {
        name: "leader-election",
        about: "elect preferred or unclean leaders",
        run: leader_election::main,
    },
    Tool {
        name: "preferred-replica-election",
        about: "elect preferred leaders, through ZooKeeper",
        run: preferred_replica_election::main,
    },
    Tool {
        name: "pseudo-cluster",
        about: "start, stop, kill and show several brokers on this machine",
        run: pseudo_cluster::main,
    },
    Tool {
        name: "dump-log",
        about: "print the content of log segments, indexes and snapshots",
        run: dump_log::main,
    },
    Tool {
        name: "broker-api-versions",
        about: "print the request versions that brokers support",
        run: broker_api_versions::main,
    },
];

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    if args.is_empty() {
        args.push("ottla".to_owned());
    }
    let called = args.first().map(String::as_str).unwrap_or_default();
    if let Some(tool) = find(called) {
        return (tool.run)(&args);
    }
    match args.get(1).map(String::as_str) {
        None | Some("help" | "--help" | "-h") => {
            usage();
            ExitCode::SUCCESS
        }
        Some("--version" | "-V") => {
            cli::print(concat!("ottla ", env!("CARGO_PKG_VERSION"), "\n"));
            ExitCode::SUCCESS
        }
        Some(name) => match find(name) {
            Some(tool) => {
                let with_name = |name: &str| format!("ottla {name}");
                let rest = args.get(2..).unwrap_or_default();
                let mut of_tool = vec![with_name(tool.name)];
                of_tool.extend_from_slice(rest);
                (tool.run)(&of_tool)
            }
            None => {
                eprintln!("ottla: there is no tool {name:?}; 'ottla help' lists them");
                ExitCode::FAILURE
            }
        },
    }
}

/// The tool of that name: `topics`, `kafka-topics`, `kafka-topics.sh`, with any path before it.
fn find(called: &str) -> Option<&'static Tool> {
    let name = Path::new(called).file_name()?.to_str()?;
    let name = name.strip_suffix(".sh").unwrap_or(name);
    let name = name.strip_prefix("kafka-").unwrap_or(name);
    TOOLS.iter().find(|tool| tool.name == name)
}

fn usage() {
    let mut text = String::from("Usage: ottla TOOL [OPTIONS]\n\nTools:\n");
    for tool in TOOLS {
        text.push_str(&format!("  {:<20} {}\n", tool.name, tool.about));
    }
    text.push_str("\n'ottla TOOL --help' lists the options of a tool.\n");
    cli::print(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_found_by_all_their_names() {
        for (called, expected) in [
            ("topics", Some("topics")),
            ("kafka-topics", Some("topics")),
            ("/a/b/kafka-topics.sh", Some("topics")),
            ("kafka-console-producer.sh", Some("console-producer")),
            ("ottla", None),
            ("kafka-", None),
            ("", None),
        ] {
            assert_eq!(find(called).map(|t| t.name), expected, "{called}");
        }
    }
}
