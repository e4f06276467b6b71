//! Limits of the process.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Raises the soft limit of open files to the hard one, as a JVM does by itself: every connection
/// and every log segment in use needs one.
pub(crate) fn raise_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        warn!(%error, "the limit of open files stays as it is");
    }
}

/// How many connections leave enough descriptors for the logs: without one to open a segment with,
/// a log directory would count as failed. More connections wait to be accepted.
pub(crate) fn most_connections() -> usize {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(usize::MAX, |(soft, _)| share_of_connections(soft))
}

fn share_of_connections(open_files: u64) -> usize {
    usize::try_from(open_files - open_files / 4).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_a_quarter_of_the_descriptors() {
        assert_eq!(share_of_connections(1024), 768);
        assert_eq!(share_of_connections(u64::MAX) as u64, 0xC000_0000_0000_0000);
        assert!(most_connections() > 0);
    }
}
