//! The log directories: locks, identity, small private files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::error;

use crate::dir_lock::{DirLock, LockFailure};
use crate::error::{LogDirError, StorageError};
use crate::io::Disk;
use crate::meta_properties;

/// Who a log directory says it belongs to (`meta.properties`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `cluster.id`.
    pub cluster_id: Option<String>,
    /// `broker.id`.
    pub broker_id: Option<i32>,
}

/// The directories of `log.dirs`, locked for this process until dropped. A directory that cannot
/// be created or read is offline from the start; the others serve.
#[derive(Debug)]
pub struct LogDirs {
    disks: Vec<Arc<Disk>>,
    _locks: Vec<DirLock>,
}

impl LogDirs {
    /// Creates what is missing and locks every directory.
    ///
    /// # Errors
    /// Another broker holds a lock, a directory is listed twice, or none can be used.
    pub fn lock(paths: &[PathBuf]) -> Result<LogDirs, LogDirError> {
        LogDirs::lock_disks(paths.iter().map(|p| Disk::new(absolute(p))).collect())
    }

    pub(crate) fn lock_disks(disks: Vec<Disk>) -> Result<LogDirs, LogDirError> {
        let mut locks: Vec<DirLock> = Vec::new();
        let mut seen: Vec<PathBuf> = Vec::new();
        let mut unusable = Vec::new();
        for disk in &disks {
            let dir = disk.root();
            let prepared = std::fs::create_dir_all(dir).and_then(|()| dir.canonicalize());
            let taken = match prepared {
                Ok(canonical) if seen.contains(&canonical) => {
                    return Err(LogDirError::ListedTwice(dir.to_owned()));
                }
                Ok(canonical) => {
                    seen.push(canonical);
                    DirLock::take(dir).and_then(|lock| {
                        disk.open_root()?;
                        Ok(lock)
                    })
                }
                Err(e) => Err(LockFailure::Io(e)),
            };
            match taken {
                Ok(lock) => locks.push(lock),
                Err(LockFailure::HeldBy(holder)) => {
                    return Err(LogDirError::Locked {
                        dir: dir.to_owned(),
                        holder,
                    });
                }
                Err(LockFailure::Io(e)) => {
                    unusable.push((dir.to_owned(), e.to_string()));
                    let _: StorageError = disk.fail("use", dir, e);
                }
            }
        }
        if locks.is_empty() {
            return Err(LogDirError::NoneUsable(unusable));
        }
        Ok(LogDirs {
            disks: disks.into_iter().map(Arc::new).collect(),
            _locks: locks,
        })
    }

    /// The directories that have not failed.
    pub fn paths(&self) -> Vec<&Path> {
        self.live().map(|disk| disk.root()).collect()
    }

    /// How many directories there are, failed ones included.
    pub fn count(&self) -> usize {
        self.disks.len()
    }

    /// What `meta.properties` in the directories say.
    ///
    /// # Errors
    /// A file cannot be understood, or two disagree.
    pub fn identity(&self) -> Result<Identity, LogDirError> {
        let mut agreed = Identity::default();
        let mut said_by = String::new();
        for disk in self.live() {
            let Some((file, found)) = read_identity(disk)? else {
                continue;
            };
            same(&file, &found, &agreed, &said_by)?;
            agreed.cluster_id = agreed.cluster_id.or(found.cluster_id);
            agreed.broker_id = agreed.broker_id.or(found.broker_id);
            said_by = file.display().to_string();
        }
        Ok(agreed)
    }

    /// Checks the directories against what this broker is, and writes `meta.properties` into those
    /// that have none.
    ///
    /// # Errors
    /// A directory belongs to another broker or cluster, or cannot be written.
    pub fn establish_identity(&self, cluster_id: &str, broker_id: i32) -> Result<(), LogDirError> {
        let ours = Identity {
            cluster_id: Some(cluster_id.to_owned()),
            broker_id: Some(broker_id),
        };
        for disk in self.live() {
            if let Some((file, found)) = read_identity(disk)? {
                same(
                    &file,
                    &found,
                    &ours,
                    "this broker (broker.id, and /cluster/id in ZooKeeper)",
                )?;
                if found == ours {
                    continue;
                }
            }
            let file = disk.root().join(meta_properties::FILE_NAME);
            disk.replace(
                &file,
                meta_properties::render(cluster_id, broker_id).as_bytes(),
            )?;
        }
        Ok(())
    }

    /// The content of a small private file, from the first directory that has it.
    ///
    /// # Errors
    /// The file is there but cannot be read.
    pub fn read_file(&self, name: &str) -> Result<Option<Vec<u8>>, LogDirError> {
        for disk in self.live() {
            if let Some(content) = disk.read_small(&disk.root().join(name))? {
                return Ok(Some(content));
            }
        }
        Ok(None)
    }

    /// Replaces a small private file in every directory: written aside, synced, renamed. `name`
    /// must be a plain file name of our own; brokers ignore files they do not know.
    ///
    /// # Errors
    /// It could be written in no directory.
    pub fn write_file(&self, name: &str, content: &[u8]) -> Result<(), LogDirError> {
        let mut last = None;
        let mut written = false;
        for disk in self.live() {
            match disk.replace(&disk.root().join(name), content) {
                Ok(()) => written = true,
                Err(e) => {
                    error!(file = name, error = %e, "private file not written");
                    last = Some(e);
                }
            }
        }
        match last {
            Some(e) if !written => Err(e.into()),
            _ => Ok(()),
        }
    }

    /// Removes a small private file from every directory.
    ///
    /// # Errors
    /// A directory failed.
    pub fn remove_file(&self, name: &str) -> Result<(), LogDirError> {
        for disk in self.live() {
            disk.remove(&disk.root().join(name))?;
        }
        Ok(())
    }

    pub(crate) fn disks(&self) -> &[Arc<Disk>] {
        &self.disks
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = &Arc<Disk>> {
        self.disks.iter().filter(|disk| disk.failure().is_none())
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn read_identity(disk: &Disk) -> Result<Option<(PathBuf, Identity)>, LogDirError> {
    let file = disk.root().join(meta_properties::FILE_NAME);
    let Some(content) = disk.read_small(&file)? else {
        return Ok(None);
    };
    match meta_properties::parse(&String::from_utf8_lossy(&content)) {
        Ok(identity) => Ok(Some((file, identity))),
        Err(reason) => Err(LogDirError::BadMetaProperties { file, reason }),
    }
}

/// Whether what a file says can be true beside what is known; what either leaves out agrees.
fn same(
    file: &Path,
    found: &Identity,
    known: &Identity,
    known_from: &str,
) -> Result<(), LogDirError> {
    if let (Some(stored), Some(expected)) = (found.broker_id, known.broker_id) {
        if stored != expected {
            return Err(LogDirError::InconsistentBrokerId {
                file: file.to_owned(),
                stored,
                expected,
                expected_by: known_from.to_owned(),
            });
        }
    }
    if let (Some(stored), Some(expected)) = (&found.cluster_id, &known.cluster_id) {
        if stored != expected {
            return Err(LogDirError::InconsistentClusterId {
                file: file.to_owned(),
                stored: stored.clone(),
                expected: expected.clone(),
                expected_by: known_from.to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_once() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        let dirs = LogDirs::lock(std::slice::from_ref(&path)).unwrap();
        let error = LogDirs::lock(&[root.path().join("a/../a/b")]).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, LogDirError::Locked { .. }), "{text}");
        assert!(text.contains("log.dirs") && text.contains("a/b"), "{text}");
        drop(dirs);
        LogDirs::lock(&[path]).unwrap();
    }

    #[test]
    fn listed_twice_or_unusable() {
        let root = tempfile::tempdir().unwrap();
        let a = root.path().join("a");
        assert!(matches!(
            LogDirs::lock(&[a.clone(), a.clone()]),
            Err(LogDirError::ListedTwice(_))
        ));
        let plain = root.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        assert!(matches!(
            LogDirs::lock(std::slice::from_ref(&plain)),
            Err(LogDirError::NoneUsable(_))
        ));
        let dirs = LogDirs::lock(&[plain, a.clone()]).unwrap();
        assert_eq!(dirs.paths(), [a.as_path()]);
    }

    #[test]
    fn identity_is_checked_and_written() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        let dirs = LogDirs::lock(std::slice::from_ref(&a)).unwrap();
        assert_eq!(dirs.identity().unwrap(), Identity::default());
        dirs.establish_identity("cluster", 1).unwrap();
        dirs.establish_identity("cluster", 1).unwrap();
        assert!(matches!(
            dirs.establish_identity("cluster", 2),
            Err(LogDirError::InconsistentBrokerId { stored: 1, .. })
        ));
        assert!(matches!(
            dirs.establish_identity("other", 1),
            Err(LogDirError::InconsistentClusterId { .. })
        ));
        drop(dirs);
        // A directory added later gets the file too.
        let dirs = LogDirs::lock(&[a, b.clone()]).unwrap();
        assert_eq!(dirs.identity().unwrap().broker_id, Some(1));
        dirs.establish_identity("cluster", 1).unwrap();
        std::fs::write(b.join("meta.properties"), "version=0\nbroker.id=9\n").unwrap();
        assert!(matches!(
            dirs.identity(),
            Err(LogDirError::InconsistentBrokerId { .. })
        ));
    }

    #[test]
    fn private_files() {
        let root = tempfile::tempdir().unwrap();
        let dirs = LogDirs::lock(&[root.path().join("a"), root.path().join("b")]).unwrap();
        assert_eq!(dirs.read_file("note").unwrap(), None);
        dirs.write_file("note", b"one").unwrap();
        dirs.write_file("note", b"two").unwrap();
        assert_eq!(
            dirs.read_file("note").unwrap().as_deref(),
            Some(&b"two"[..])
        );
        assert!(root.path().join("b/note").exists());
        dirs.remove_file("note").unwrap();
        assert_eq!(dirs.read_file("note").unwrap(), None);
    }
}
