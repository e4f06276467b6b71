//! The file in which the broker keeps the ids of its ZooKeeper sessions.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use ottla_cluster::SessionRecord;

/// A file in a log directory whose lock this process holds for as long as it runs.
pub(crate) struct SessionFile {
    pub(crate) path: PathBuf,
}

impl SessionRecord for SessionFile {
    fn load(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn store(&self, text: &str) -> io::Result<()> {
        let aside = self.path.with_extension("tmp");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, &self.path)?;
        match self.path.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_last_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let record = SessionFile {
            path: dir.path().join("sessions"),
        };
        assert_eq!(record.load().unwrap(), None);
        record.store("one").unwrap();
        record.store("two").unwrap();
        assert_eq!(record.load().unwrap().as_deref(), Some("two"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
