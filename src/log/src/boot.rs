//! Whether the machine went down since a log directory was last used: a process that was killed
//! leaves everything it wrote, a machine only what was synced.

use crate::error::StorageError;
use crate::io::Disk;

/// A plain file of our own in the log directory; other brokers ignore it.
pub(crate) const FILE_NAME: &str = "ottla-boot-id";

/// Notes in the directory under which boot of the machine it is used, and answers whether that is
/// another one than the last time. Where nobody can tell, it is no.
pub(crate) fn rebooted(disk: &Disk) -> Result<bool, StorageError> {
    let Some(current) = current() else {
        return Ok(false);
    };
    let path = disk.root().join(FILE_NAME);
    let noted = disk.read_small(&path)?;
    if noted.as_deref() == Some(current.as_slice()) {
        return Ok(false);
    }
    disk.replace(&path, &current)?;
    Ok(noted.is_some())
}

#[cfg(target_os = "linux")]
fn current() -> Option<Vec<u8>> {
    std::fs::read("/proc/sys/kernel/random/boot_id").ok()
}

#[cfg(not(target_os = "linux"))]
fn current() -> Option<Vec<u8>> {
    None
}
