//! One file per API: its versions and its code.

pub(crate) mod api_versions;
