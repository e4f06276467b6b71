//! Every touch of the disk, in one place: a failure takes the log directory offline, and crash
//! tests step in here.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::error;

use crate::error::StorageError;
#[cfg(test)]
use crate::faults::{Faults, Verdict};

/// How often, and how long apart, an operation is tried again that the system had no descriptor for.
const SHORTAGE_ATTEMPTS: u32 = 10;
const SHORTAGE_PAUSE: Duration = Duration::from_millis(10);

/// A log directory (one of `log.dirs`) as the thing that can fail.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    failure: OnceLock<String>,
    /// Open as long as the directory is ours: [`Disk::sync_file_system`] hears only of errors since
    /// its descriptor was opened.
    opened: OnceLock<File>,
    /// The system was short of descriptors or memory.
    short: AtomicBool,
    #[cfg(test)]
    faults: Option<std::sync::Arc<Faults>>,
}

/// Something that can tell a file's path when an error needs it; hot paths keep no path.
pub(crate) trait Named {
    fn to_path(&self) -> PathBuf;
}

impl Named for Path {
    fn to_path(&self) -> PathBuf {
        self.to_owned()
    }
}

impl Named for PathBuf {
    fn to_path(&self) -> PathBuf {
        self.clone()
    }
}

/// A file's or directory's name in a directory.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) is_dir: bool,
}

impl Disk {
    pub(crate) fn new(root: PathBuf) -> Disk {
        Disk {
            root,
            failure: OnceLock::new(),
            opened: OnceLock::new(),
            short: AtomicBool::new(false),
            #[cfg(test)]
            faults: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn with_faults(root: PathBuf, faults: std::sync::Arc<Faults>) -> Disk {
        Disk {
            faults: Some(faults),
            ..Disk::new(root)
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Begins to use the directory, which is there and locked.
    pub(crate) fn open_root(&self) -> io::Result<()> {
        let dir = File::open(&self.root)?;
        // Opened before is just as good.
        let _ = self.opened.set(dir);
        Ok(())
    }

    /// Why the directory is offline.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Refuses when the directory has failed.
    pub(crate) fn check(&self) -> Result<(), StorageError> {
        match self.failure.get() {
            None => Ok(()),
            Some(_) => Err(StorageError::Offline(self.root.clone())),
        }
    }

    /// Takes the directory offline because of a failed operation.
    pub(crate) fn fail(
        &self,
        operation: &'static str,
        path: &(impl Named + ?Sized),
        source: io::Error,
    ) -> StorageError {
        let path = &path.to_path();
        let reason = format!("cannot {operation} {}: {source}", path.display());
        if self.failure.set(reason.clone()).is_ok() {
            error!(dir = %self.root.display(), reason, "log directory goes offline");
        }
        StorageError::io(operation, path, source)
    }

    /// Creates a file for reading and writing; one that is there is emptied. As to shortages, see
    /// [`Disk::open`].
    pub(crate) fn create(&self, path: &Path) -> Result<File, StorageError> {
        self.gate("create", path)?;
        let create = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(path)
        };
        self.patiently(create)
            .map_err(|e| self.fail_or_exhausted("create", path, e))
    }

    /// Opens a file that is there for reading and writing.
    ///
    /// # Errors
    /// A shortage of descriptors is [`StorageError::Exhausted`], after which the directory goes on;
    /// who cannot live with that asks [`Disk::insist`].
    pub(crate) fn open(&self, path: &Path) -> Result<File, StorageError> {
        match self.open_if_exists(path)? {
            Some(file) => Ok(file),
            None => Err(self.fail("open", path, io::ErrorKind::NotFound.into())),
        }
    }

    /// Like [`Disk::open`], but a missing file is an answer and no failure.
    pub(crate) fn open_if_exists(&self, path: &Path) -> Result<Option<File>, StorageError> {
        match self.patiently(|| open_file(path)) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.fail_or_exhausted("open", path, e)),
        }
    }

    fn fail_or_exhausted(
        &self,
        operation: &'static str,
        path: &Path,
        source: io::Error,
    ) -> StorageError {
        if !is_shortage(&source) {
            return self.fail(operation, path, source);
        }
        StorageError::Exhausted {
            operation,
            path: path.to_owned(),
            source: std::sync::Arc::new(source),
        }
    }

    /// Tries again for a moment while the system is short of descriptors or memory: whoever closes
    /// one helps.
    fn patiently<T>(&self, mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        #[cfg(test)]
        if let Some(error) = self.faults.as_ref().and_then(|faults| faults.shortage()) {
            self.short.store(true, Ordering::Release);
            return Err(error);
        }
        for _ in 0..SHORTAGE_ATTEMPTS {
            match act() {
                Err(e) if is_shortage(&e) => {
                    self.short.store(true, Ordering::Release);
                    std::thread::sleep(SHORTAGE_PAUSE);
                }
                result => return result,
            }
        }
        act()
    }

    /// Whether descriptors were short since the last call.
    pub(crate) fn take_shortage(&self) -> bool {
        self.short.swap(false, Ordering::AcqRel)
    }

    /// For what cannot be left half done: a shortage is a failure of the directory like any other.
    pub(crate) fn insist<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        result.map_err(|error| match error {
            StorageError::Exhausted {
                operation,
                path,
                source,
            } => {
                let copy = match source.raw_os_error() {
                    Some(code) => io::Error::from_raw_os_error(code),
                    None => source.kind().into(),
                };
                self.fail(operation, &path, copy)
            }
            error => error,
        })
    }

    /// Reads until `buffer` is full or the file ends; answers how much there was.
    pub(crate) fn read_at(
        &self,
        file: &File,
        path: &(impl Named + ?Sized),
        buffer: &mut [u8],
        position: u64,
    ) -> Result<usize, StorageError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, position + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.fail("read", path, e)),
            }
        }
        Ok(filled)
    }

    /// The whole content of a small file, `None` when there is no such file.
    pub(crate) fn read_small(&self, path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
        match self.patiently(|| std::fs::read(path)) {
            Ok(content) => Ok(Some(content)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.fail("read", path, e)),
        }
    }

    pub(crate) fn write_at(
        &self,
        file: &File,
        path: &(impl Named + ?Sized),
        bytes: &[u8],
        position: u64,
    ) -> Result<(), StorageError> {
        self.write_slices_at(file, path, &mut [IoSlice::new(bytes)], position)
    }

    /// Writes all slices one after the other, normally with one `pwritev`.
    pub(crate) fn write_slices_at(
        &self,
        file: &File,
        path: &(impl Named + ?Sized),
        mut slices: &mut [IoSlice<'_>],
        mut position: u64,
    ) -> Result<(), StorageError> {
        #[cfg(test)]
        match self.verdict() {
            Verdict::Go => {}
            Verdict::Fail(e) => return Err(self.fail("write", path, e)),
            Verdict::Tear(e, keep) => {
                let all: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
                let kept = all.len() * keep / 100;
                file.write_all_at(&all[..kept], position).unwrap();
                return Err(self.fail("write", path, e));
            }
        }
        // POSIX allows IOV_MAX (1024) slices a call.
        while !slices.is_empty() {
            let batch = slices.get(..slices.len().min(1024)).unwrap_or_default();
            let offset = i64::try_from(position)
                .map_err(|_| self.fail("write", path, io::ErrorKind::FileTooLarge.into()))?;
            match nix::sys::uio::pwritev(file.as_fd(), batch, offset) {
                Ok(0) if slices.iter().all(|s| s.is_empty()) => break,
                Ok(0) => return Err(self.fail("write", path, io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    position += n as u64;
                    IoSlice::advance_slices(&mut slices, n);
                }
                Err(nix::errno::Errno::EINTR) => {}
                Err(e) => return Err(self.fail("write", path, e.into())),
            }
        }
        Ok(())
    }

    pub(crate) fn set_len(
        &self,
        file: &File,
        path: &(impl Named + ?Sized),
        len: u64,
    ) -> Result<(), StorageError> {
        self.gated("truncate", path, || file.set_len(len))
    }

    /// Reserves room on disk; the file reads as zeros up to `len`.
    pub(crate) fn allocate(
        &self,
        file: &File,
        path: &(impl Named + ?Sized),
        len: u64,
    ) -> Result<(), StorageError> {
        self.gated("preallocate", path, || allocate(file, len))
    }

    /// Makes a file's content durable. After a failure nothing is known about what reached the
    /// disk, so the directory is offline and the sync is never repeated.
    pub(crate) fn sync(
        &self,
        file: &File,
        path: &(impl Named + ?Sized),
    ) -> Result<(), StorageError> {
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            faults.before_sync();
        }
        self.gated("sync", path, || file.sync_data())?;
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            faults.synced(file, &path.to_path());
        }
        Ok(())
    }

    /// Makes names in a directory durable. As to shortages, see [`Disk::open`].
    pub(crate) fn sync_dir(&self, path: &Path) -> Result<(), StorageError> {
        self.gate("sync", path)?;
        let dir = self
            .patiently(|| File::open(path))
            .map_err(|e| self.fail_or_exhausted("open", path, e))?;
        dir.sync_all().map_err(|e| self.fail("sync", path, e))
    }

    /// Makes everything on the directory's file system durable, where the system can do that at
    /// once; `false` where it cannot.
    #[cfg(target_os = "linux")]
    pub(crate) fn sync_file_system(&self) -> Result<bool, StorageError> {
        self.gated("sync", self.root.as_path(), || {
            let Some(dir) = self.opened.get() else {
                return Ok(false);
            };
            nix::unistd::syncfs(std::os::fd::AsRawFd::as_raw_fd(dir))?;
            Ok(true)
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn sync_file_system(&self) -> Result<bool, StorageError> {
        Ok(false)
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.gated("rename", from, || std::fs::rename(from, to))
    }

    /// Like [`Disk::rename`]; answers false when there is no such file.
    pub(crate) fn rename_if_exists(&self, from: &Path, to: &Path) -> Result<bool, StorageError> {
        self.gated("rename", from, || found(std::fs::rename(from, to)))
    }

    /// Unlinks a file; one that is gone already is no failure.
    pub(crate) fn remove(&self, path: &Path) -> Result<bool, StorageError> {
        self.gated("remove", path, || found(std::fs::remove_file(path)))
    }

    pub(crate) fn create_dir(&self, path: &Path) -> Result<(), StorageError> {
        self.gated("create", path, || std::fs::create_dir_all(path))
    }

    pub(crate) fn remove_dir(&self, path: &Path) -> Result<bool, StorageError> {
        self.gated("remove", path, || found(std::fs::remove_dir_all(path)))
    }

    /// Names in a directory; those that are not UTF-8 are nobody's here and left out.
    pub(crate) fn list(&self, path: &Path) -> Result<Vec<Listed>, StorageError> {
        let list = || -> io::Result<Vec<Listed>> {
            let mut all = Vec::new();
            for entry in std::fs::read_dir(path)? {
                let entry = entry?;
                let mut kind = entry.file_type()?;
                if kind.is_symlink() {
                    match std::fs::metadata(entry.path()) {
                        Ok(target) => kind = target.file_type(),
                        Err(_) => continue,
                    }
                }
                if let Ok(name) = entry.file_name().into_string() {
                    all.push(Listed {
                        name,
                        is_dir: kind.is_dir(),
                    });
                }
            }
            Ok(all)
        };
        self.patiently(list).map_err(|e| self.fail("list", path, e))
    }

    /// Size and time of last modification (ms).
    pub(crate) fn stat(&self, path: &Path) -> Result<Option<(u64, i64)>, StorageError> {
        use std::os::unix::fs::MetadataExt as _;
        match std::fs::metadata(path) {
            Ok(m) => Ok(Some((
                m.len(),
                m.mtime()
                    .saturating_mul(1000)
                    .saturating_add(m.mtime_nsec() / 1_000_000),
            ))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.fail("stat", path, e)),
        }
    }

    /// Replaces a small file in one step: written aside as `<name>.tmp`, synced, renamed, and the
    /// directory synced. A crash leaves the old content or the new.
    pub(crate) fn replace(&self, path: &Path, content: &[u8]) -> Result<(), StorageError> {
        self.replace_with(path, content, true)
    }

    /// Like [`Disk::replace`] without any sync: a crash of the process leaves the old content or
    /// the new, a power cut perhaps neither.
    pub(crate) fn replace_unsynced(&self, path: &Path, content: &[u8]) -> Result<(), StorageError> {
        self.replace_with(path, content, false)
    }

    fn replace_with(&self, path: &Path, content: &[u8], sync: bool) -> Result<(), StorageError> {
        let mut tmp = path.as_os_str().to_owned();
        tmp.push(".tmp");
        let tmp = PathBuf::from(tmp);
        let file = self.create(&tmp)?;
        self.write_at(&file, &tmp, content, 0)?;
        if sync {
            self.sync(&file, &tmp)?;
        }
        self.rename(&tmp, path)?;
        match path.parent() {
            Some(parent) if sync => self.sync_dir(parent),
            _ => Ok(()),
        }
    }

    fn gated<T>(
        &self,
        operation: &'static str,
        path: &(impl Named + ?Sized),
        act: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, StorageError> {
        self.gate(operation, path)?;
        act().map_err(|e| self.fail(operation, path, e))
    }

    /// Where crash tests stop an operation.
    #[cfg_attr(
        not(test),
        expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "for tests")
    )]
    fn gate(
        &self,
        operation: &'static str,
        path: &(impl Named + ?Sized),
    ) -> Result<(), StorageError> {
        #[cfg(test)]
        match self.verdict() {
            Verdict::Go => {}
            Verdict::Fail(e) | Verdict::Tear(e, _) => return Err(self.fail(operation, path, e)),
        }
        #[cfg(not(test))]
        let _ = (operation, path);
        Ok(())
    }

    #[cfg(test)]
    fn verdict(&self) -> Verdict {
        self.faults.as_ref().map_or(Verdict::Go, |f| f.next())
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Whether the system lacks something that comes back, and the disk is not to blame.
fn is_shortage(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let shortages = [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM];
    error
        .raw_os_error()
        .is_some_and(|code| shortages.contains(&Errno::from_raw(code)))
}

fn found(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(target_os = "linux")]
fn allocate(file: &File, len: u64) -> io::Result<()> {
    let len = i64::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    match nix::fcntl::posix_fallocate(std::os::fd::AsRawFd::as_raw_fd(file), 0, len) {
        Ok(()) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(file: &File, len: u64) -> io::Result<()> {
    file.set_len(len)
}

/// Size of the volume and what is left of it for us, in bytes.
pub(crate) fn volume(path: &Path) -> Option<(u64, u64)> {
    let stat = nix::sys::statvfs::statvfs(path).ok()?;
    #[allow(clippy::unnecessary_cast, reason = "the widths differ between systems")]
    let (fragment, blocks, available) = (
        stat.fragment_size() as u64,
        stat.blocks() as u64,
        stat.blocks_available() as u64,
    );
    Some((
        blocks.saturating_mul(fragment),
        available.saturating_mul(fragment),
    ))
}
