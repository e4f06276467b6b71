//! What differs between systems.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{memory_bytes, read_cached, send, send_file};

#[cfg(any(test, not(target_os = "linux")))]
mod portable;
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::{memory_bytes, read_cached, send, send_file};
