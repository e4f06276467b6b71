//! The program `broker`: `broker FILE [--override key=value]...`.
//!
//! It reads the configuration, starts the parts in order (`start.rs`), waits for SIGTERM or SIGINT,
//! and stops the parts in the opposite order (`running.rs`). It has no rules of its own. Beside it
//! runs a second process of the same program, the crash watchdog (`watchdog`).

mod limits;
mod options;
mod running;
mod session_record;
mod start;
mod watchdog;

use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::Parser;
use ottla_config::ServerConfig;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use crate::running::Running;

/// Ottla, a message broker that speaks the Apache Kafka protocol and is coordinated by ZooKeeper.
#[derive(Parser)]
#[command(name = "broker", version, arg_required_else_help = true)]
struct Arguments {
    /// The configuration: a Java .properties file, or TOML when the name ends in .toml.
    file: PathBuf,
    /// A property that overrides the file's; may be repeated.
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = key_value)]
    overrides: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected key=value".to_owned()),
    }
}

fn main() -> ExitCode {
    if let Some(ended) = watchdog::run_if_asked() {
        return ended;
    }
    let arguments = Arguments::parse();
    start_log();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!("{failure:#}");
            ExitCode::FAILURE
        }
    }
}

/// Lines on standard output, as Kafka's start script leaves them; `RUST_LOG` changes the levels.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        // The ZooKeeper library reports every reconnection attempt; `zk` says what matters.
        tracing_subscriber::EnvFilter::new("info,zookeeper_client=warn")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stdout()))
        .init();
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (config, warnings) = ServerConfig::load(&arguments.file, &arguments.overrides)?;
    for warning in warnings {
        warn!("{warning}");
    }
    limits::raise_open_files();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("broker")
        .build()
        .context("cannot start the runtime")?
        .block_on(serve(config))
}

async fn serve(config: ServerConfig) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let in_sight = AtomicBool::new(false);
    let mut starting = pin!(start::start(config, &in_sight));
    let interrupted = tokio::select! {
        biased;
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        started = &mut starting => return run_until_told(started?, terminate, interrupt).await,
    };
    if in_sight.load(Ordering::Relaxed) {
        // A second signal does not wait for it.
        info!(
            signal = interrupted,
            "stopping as soon as the start is complete"
        );
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            started = &mut starting => return started?.stop().await,
        }
    }
    anyhow::bail!("{interrupted} during the start")
}

async fn run_until_told(
    mut broker: Running,
    mut terminate: Signal,
    mut interrupt: Signal,
) -> anyhow::Result<()> {
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = broker.failed() => {
            error!("all log directories have failed; stopping, so that other brokers can take over");
            broker.stop().await?;
            anyhow::bail!("all log directories have failed");
        }
    };
    info!(signal = name, "stopping");
    tokio::select! {
        () = broker.leave() => {}
        // Somebody who asks twice is in a hurry.
        _ = terminate.recv() => warn!("stopping at once"),
        _ = interrupt.recv() => warn!("stopping at once"),
    }
    broker.stop().await
}
