//! Both clocks of the brain.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ottla_group::Now;
use ottla_metadata::Millis;

/// Reads the time; the monotonic reading counts from the start of the coordinator.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock {
            started: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            mono: millis(self.started.elapsed()),
            wall: wall.map_or(0, millis),
        }
    }

    /// When the monotonic reading will be `mono`; `None` if that is not in the calendar.
    pub(crate) fn instant(&self, mono: Millis) -> Option<Instant> {
        let since = Duration::from_millis(mono.max(0).unsigned_abs());
        self.started.checked_add(since)
    }
}

pub(crate) fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
