//! The `.lock` of a log directory: the POSIX lock that Java's `FileLock` takes, so that Apache
//! Kafka and Ottla exclude each other.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use parking_lot::Mutex;

/// Device and inode of the directories this process has locked. POSIX locks do not exclude within
/// a process, and closing any descriptor of the file would drop the lock.
static LOCKED: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

/// The lock, held until dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    identity: (u64, u64),
    file: Option<File>,
}

/// Why there is no lock.
pub(crate) enum LockFailure {
    /// Somebody has it, named as well as the system can.
    HeldBy(String),
    Io(io::Error),
}

impl From<io::Error> for LockFailure {
    fn from(e: io::Error) -> LockFailure {
        LockFailure::Io(e)
    }
}

impl DirLock {
    pub(crate) fn take(dir: &Path) -> Result<DirLock, LockFailure> {
        let metadata = std::fs::metadata(dir)?;
        let identity = (metadata.dev(), metadata.ino());
        if !LOCKED.lock().insert(identity) {
            return Err(LockFailure::HeldBy("this very process".to_owned()));
        }
        // From here on, dropping the value gives the identity back.
        let mut lock = DirLock {
            identity,
            file: None,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(".lock"))?;
        match fcntl(file.as_raw_fd(), FcntlArg::F_SETLK(&whole_file())) {
            Ok(_) => {
                lock.file = Some(file);
                Ok(lock)
            }
            Err(Errno::EAGAIN | Errno::EACCES) => Err(LockFailure::HeldBy(holder(&file))),
            Err(e) => Err(LockFailure::Io(e.into())),
        }
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // The descriptor first: whoever sees the identity gone may lock at once.
        self.file = None;
        LOCKED.lock().remove(&self.identity);
    }
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

fn holder(file: &File) -> String {
    let mut asked = whole_file();
    let known = fcntl(file.as_raw_fd(), FcntlArg::F_GETLK(&mut asked)).is_ok();
    if !known || asked.l_type == libc::F_UNLCK as libc::c_short || asked.l_pid <= 0 {
        return "another process".to_owned();
    }
    let pid = asked.l_pid;
    match std::fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(command) if !command.is_empty() => {
            let words: Vec<_> = command
                .split(|b| *b == 0)
                .filter(|w| !w.is_empty())
                .map(String::from_utf8_lossy)
                .collect();
            let mut line = words.join(" ");
            if line.chars().count() > 200 {
                line = line.chars().take(200).collect::<String>() + "…";
            }
            format!("process {pid} ({line})")
        }
        _ => format!("process {pid}"),
    }
}
