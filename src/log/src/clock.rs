//! The wall clock, where no caller brings the time along.

use std::time::{SystemTime, UNIX_EPOCH};

use ottla_metadata::Millis;

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|d| Millis::try_from(d.as_millis()).ok())
        .unwrap_or(0)
}
