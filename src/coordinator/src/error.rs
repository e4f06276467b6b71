//! Why a group cannot be served here.

/// Why this broker does not answer for a group. One variant per protocol error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The group's partition is being loaded (`COORDINATOR_LOAD_IN_PROGRESS`).
    #[error("the group's partition is being loaded")]
    Loading,
    /// The group's partition is led elsewhere (`NOT_COORDINATOR`).
    #[error("this broker does not coordinate the group")]
    NotCoordinator,
}
