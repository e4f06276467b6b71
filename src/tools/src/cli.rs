//! What all tools share: arguments, property files, the way to a cluster, errors and output.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use clap::error::ErrorKind;
use ottla_client::{ClientError, Cluster, ClusterOptions};
use tokio::time::{Instant, sleep};
use tracing_subscriber::EnvFilter;

/// Settings of a client, as in a Java properties file.
pub(crate) type Properties = BTreeMap<String, String>;

/// The arguments do not go together, or one is missing.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// A signal asked the program to end; it does so with this exit code.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) u8);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stopped {}

/// An error of usage, for `bail!` and `ok_or_else`.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}

/// Parses the arguments and runs the tool. Like Kafka's tools, it exits with 1 whatever goes
/// wrong; what is wrong with the arguments goes to standard error, what is wrong with the work is
/// told by `report`.
pub(crate) fn run<A: Parser>(
    args: &[String],
    program: impl AsyncFnOnce(A) -> Result<()>,
    report: impl FnOnce(&anyhow::Error),
) -> ExitCode {
    let parsed = match A::try_parse_from(args) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Standard output may be closed; there is nobody left to tell.
            drop(error.print());
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            };
        }
    };
    start_logging();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(program(parsed)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::FAILURE,
        Err(error) => {
            if let Some(Stopped(code)) = error.downcast_ref() {
                return ExitCode::from(*code);
            }
            match error.downcast_ref::<UsageError>() {
                Some(wrong) => eprintln!("{wrong}\nSee --help."),
                None => report(&error),
            }
            ExitCode::FAILURE
        }
    }
}

/// Tells an error on standard error, with its causes.
pub(crate) fn report_to_stderr(error: &anyhow::Error) {
    eprintln!("{error:#}");
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

fn start_logging() {
    // The ZooKeeper library warns of every server that it does not reach; the tools tell of the last.
    let filter = EnvFilter::try_from_env("OTTLA_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,zookeeper_client=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// Writes to standard output; a closed one is not an error for those who only print.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    // The reader has gone, and with it the reason to print.
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Prints a value as JSON on one line.
pub(crate) fn print_json(value: &serde_json::Value) {
    print(&format!("{value}\n"));
}

/// Reads a Java properties file.
pub(crate) fn load_properties(path: &Path) -> Result<Properties> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let entries = ottla_config::parse_properties(&bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(entries.into_iter().map(|e| (e.key, e.value)).collect())
}

/// Splits `key=value` arguments; a missing value is empty.
pub(crate) fn key_values(args: &[String]) -> Properties {
    args.iter()
        .map(|arg| {
            let (key, value) = arg.split_once('=').unwrap_or((arg, ""));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

/// The value of a property, parsed.
pub(crate) fn property<T: std::str::FromStr>(
    properties: &Properties,
    key: &str,
) -> Result<Option<T>> {
    let Some(text) = properties.get(key) else {
        return Ok(None);
    };
    match text.trim().parse() {
        Ok(value) => Ok(Some(value)),
        Err(_) => bail!("{key}={text}: a number is expected"),
    }
}

/// A property in milliseconds.
pub(crate) fn property_ms(properties: &Properties, key: &str) -> Result<Option<Duration>> {
    Ok(property(properties, key)?.map(Duration::from_millis))
}

/// The cluster behind these addresses, with at least one connection. A broker that is not there
/// yet is waited for, as Kafka's tools do, with a word about it.
pub(crate) async fn connect(bootstrap: &str, properties: &Properties) -> Result<Cluster> {
    let protocol = properties
        .get("security.protocol")
        .map_or("PLAINTEXT", |p| p.trim());
    if protocol != "PLAINTEXT" {
        bail!("security.protocol={protocol} is not supported yet; only PLAINTEXT is");
    }
    let mut options = ClusterOptions::new(bootstrap)?;
    if let Some(id) = properties.get("client.id") {
        options.connection.client_id.clone_from(id);
    }
    if let Some(timeout) = property_ms(properties, "request.timeout.ms")? {
        options.connection.request_timeout = timeout;
    }
    if let Some(timeout) = property_ms(properties, "default.api.timeout.ms")? {
        options.api_timeout = timeout;
    }
    if let Some(backoff) = property_ms(properties, "retry.backoff.ms")? {
        options.retry_backoff = backoff;
    }
    let patience = options.api_timeout;
    let cluster = Cluster::new(options);
    let deadline = Instant::now() + patience;
    let mut told = false;
    loop {
        let error = match cluster.any().await {
            Ok(_) => return Ok(cluster),
            Err(error) => error,
        };
        let passing = matches!(
            error,
            ClientError::Unreachable { .. } | ClientError::Disconnected { .. }
        );
        if !passing || Instant::now() >= deadline {
            return Err(error.into());
        }
        if !told {
            eprintln!(
                "{error}; is a broker running there? Trying again for {} s.",
                patience.as_secs()
            );
            told = true;
        }
        sleep(Duration::from_millis(250)).await;
    }
}
