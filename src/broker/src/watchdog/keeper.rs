//! The broker's side: there is always a watchdog, until the broker stops.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::warn;

use super::{NAME, Orders, STOPS};

/// Pause before the next watchdog; doubled while they keep dying young.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// How long a watchdog that was told to end is waited for.
const END_BOUND: Duration = Duration::from_secs(1);

/// The task that keeps a watchdog running. Dropped without [`Watchdog::stop`], it leaves the
/// watchdog to do its work when this process has ended.
pub(crate) struct Watchdog {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Watchdog {
    pub(crate) fn start(orders: Orders) -> Watchdog {
        let (stop, stopped) = oneshot::channel();
        Watchdog {
            stop,
            task: tokio::spawn(keep(orders, stopped)),
        }
    }

    /// Tells the watchdog that there is nothing to clean up.
    pub(crate) async fn stop(self) {
        // A task that has panicked has been reported.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn keep(orders: Orders, mut stop: oneshot::Receiver<()>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        match spawn(&orders) {
            Ok((child, pipe)) => {
                if watch(child, pipe, &mut stop).await == Ended::Stopped {
                    return;
                }
            }
            Err(error) => warn!(%error, "the crash watchdog cannot be started"),
        }
        if began.elapsed() > MAX_PAUSE {
            pause = FIRST_PAUSE;
        }
        if tokio::time::timeout(pause, &mut stop).await.is_ok() {
            return;
        }
        pause = MAX_PAUSE.min(pause * 2);
    }
}

#[derive(PartialEq, Eq)]
enum Ended {
    /// We stop.
    Stopped,
    /// The watchdog has died.
    Died,
}

/// Waits for the end of the watchdog, or of the broker.
async fn watch(mut child: Child, mut pipe: ChildStdin, stop: &mut oneshot::Receiver<()>) -> Ended {
    tokio::select! {
        told = stop => {
            // Else this task is dropped with the runtime, and the watchdog shall find out why.
            if told.is_ok() {
                // One that has died meanwhile needs no telling.
                let _ = pipe.write_all(&[STOPS]).await;
                drop(pipe);
                let _ = tokio::time::timeout(END_BOUND, child.wait()).await;
            }
            Ended::Stopped
        }
        status = child.wait() => {
            match status {
                Ok(status) => warn!(%status, "the crash watchdog has ended; starting another"),
                Err(error) => warn!(%error, "the crash watchdog is lost; starting another"),
            }
            Ended::Died
        }
    }
}

/// Starts this program again. All that Rust's libraries open is closed in the new process; it gets
/// the pipe and nothing else.
fn spawn(orders: &Orders) -> io::Result<(Child, ChildStdin)> {
    let mut command = Command::new(program()?);
    command
        .arg0(NAME)
        .args(orders.to_arguments())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn()?;
    // Taken out, since waiting for a child closes what is left in it.
    let pipe = child.stdin.take();
    let pipe = pipe.ok_or_else(|| io::Error::other("the child has no pipe"))?;
    Ok((child, pipe))
}

/// On Linux the very file that runs, even if another version has taken its name.
#[cfg(target_os = "linux")]
fn program() -> io::Result<std::path::PathBuf> {
    Ok("/proc/self/exe".into())
}

#[cfg(not(target_os = "linux"))]
fn program() -> io::Result<std::path::PathBuf> {
    std::env::current_exe()
}
