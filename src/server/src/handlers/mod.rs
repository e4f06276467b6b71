//! One file per API: its versions and its code.

pub(crate) mod api_versions;
pub(crate) mod delete_records;
pub(crate) mod init_producer_id;
mod leaders;
pub(crate) mod list_offsets;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;
