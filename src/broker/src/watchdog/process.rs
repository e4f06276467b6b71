//! The watchdog's side: waits for the pipe to end, and then cleans up.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use ottla_log::WatchdogLock;
use ottla_metadata::BrokerId;
use ottla_zk::{Zk, ZkConfig};

use super::{Orders, STOPS};
use crate::session_record::SessionFile;

/// How long ZooKeeper may take while the lock is held; a successor waits longer than that.
const REMOVE_BOUND: Duration = Duration::from_secs(2);
/// How long the last attempt may go on when the session timeout is over.
const GRACE: Duration = Duration::from_secs(20);
/// After a failure that is not the connection's.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs as watchdog if the arguments say so; answers when it has done its work.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let orders = Orders::from_arguments(std::env::args_os().skip(1))?;
    detach();
    let crashed = !stopped_cleanly(io::stdin().lock());
    Some(match crashed && clean_up(&orders).is_err() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Signals that are meant for the broker reach its whole group, or everything that its service
/// manager has started. This process ends with the pipe.
fn detach() {
    close_inherited();
    // Fails for the leader of a group, which no child is that has not been made one.
    let _ = nix::unistd::setsid();
    let _ = SigSet::all().thread_block();
    #[cfg(target_os = "linux")]
    if let Ok(name) = std::ffi::CString::new(super::NAME) {
        let _ = nix::sys::prctl::set_name(&name);
    }
}

/// Closes what the broker itself was given by whoever started it, such as a shell's lock.
fn close_inherited() {
    let Ok(open) = std::fs::read_dir("/dev/fd") else {
        return;
    };
    let open: Vec<i32> = open
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // The listing's own is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}

/// Waits for the pipe to end; whether the broker has said that it stops.
fn stopped_cleanly(mut pipe: impl io::Read) -> bool {
    let mut said = [0; 1];
    loop {
        match pipe.read(&mut said) {
            Ok(0) => return false,
            Ok(_) if said == [STOPS] => return true,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return false,
            Ok(_) | Err(_) => {}
        }
    }
}

/// Removes what the broker has left in ZooKeeper, unless its successor is there to do it.
fn clean_up(orders: &Orders) -> io::Result<()> {
    let until = Instant::now() + orders.session_timeout;
    // Whatever hangs: nobody is left who would end this process.
    let last_word = orders.session_timeout + GRACE;
    std::thread::spawn(move || {
        std::thread::sleep(last_word);
        std::process::exit(1);
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            // The lock comes second: while ZooKeeper is away, nobody shall wait for it.
            let zk = match Zk::connect(config(orders, left)).await {
                Ok(zk) => zk,
                Err(error) => return Err(io::Error::other(error)),
            };
            let Some(lock) = WatchdogLock::take(&orders.dir, orders.process)? else {
                zk.close().await;
                return Ok(());
            };
            let removal = zk.remove_remains(BrokerId(orders.broker));
            let removed = tokio::time::timeout(REMOVE_BOUND, removal).await;
            if matches!(removed, Ok(Ok(_))) {
                drop(lock);
                zk.close().await;
                return Ok(());
            }
            // What is on its way is to arrive before a successor comes, or never.
            zk.close().await;
            drop(lock);
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    })
}

fn config(orders: &Orders, patience: Duration) -> ZkConfig {
    let path = orders.dir.join(crate::start::SESSION_FILE);
    ZkConfig {
        session_timeout: orders.session_timeout,
        connection_timeout: patience,
        session_record: Some(Arc::new(SessionFile { path })),
        ..ZkConfig::new(orders.connect.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_ends_without_a_word_means_a_crash() {
        let check = |said: &[u8], clean: bool| assert_eq!(stopped_cleanly(said), clean);
        check(b"", false);
        check(b"s", true);
        check(b"x", false);
    }
}
