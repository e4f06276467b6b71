//! Files and directories that were renamed for deletion and wait for it.

use std::path::PathBuf;
use std::sync::Arc;

use ottla_metadata::Millis;
use parking_lot::Mutex;

use crate::io::Disk;

#[derive(Debug)]
enum What {
    File(PathBuf),
    Dir(PathBuf),
}

#[derive(Debug)]
struct Item {
    due: Millis,
    disk: Arc<Disk>,
    what: What,
}

/// What waits; bounded by the files there are.
#[derive(Debug, Default)]
pub(crate) struct Trash(Mutex<Vec<Item>>);

impl Trash {
    pub(crate) fn add_files(&self, due: Millis, disk: &Arc<Disk>, files: Vec<PathBuf>) {
        self.0.lock().extend(files.into_iter().map(|file| Item {
            due,
            disk: Arc::clone(disk),
            what: What::File(file),
        }));
    }

    pub(crate) fn add_dir(&self, due: Millis, disk: &Arc<Disk>, dir: PathBuf) {
        self.0.lock().push(Item {
            due,
            disk: Arc::clone(disk),
            what: What::Dir(dir),
        });
    }

    /// Unlinks what is due. A failure has taken its directory offline.
    pub(crate) fn empty(&self, now: Millis) {
        let due: Vec<Item> = {
            let mut items = self.0.lock();
            let (due, waiting) = items.drain(..).partition(|item| item.due <= now);
            *items = waiting;
            due
        };
        for item in due {
            if item.disk.failure().is_some() {
                continue;
            }
            let _ = match &item.what {
                What::File(file) => item.disk.remove(file),
                What::Dir(dir) => item.disk.remove_dir(dir),
            };
        }
    }

    /// When the next is due.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.0.lock().iter().map(|item| item.due).min()
    }
}
