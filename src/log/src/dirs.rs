//! The log directories: locks, identity, small private files.

use std::path::{Path, PathBuf};

use crate::error::LogDirError;

/// Who a log directory says it belongs to (`meta.properties`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `cluster.id`.
    pub cluster_id: Option<String>,
    /// `broker.id`.
    pub broker_id: Option<i32>,
}

/// The directories of `log.dirs`, locked for this process until dropped.
#[derive(Debug)]
pub struct LogDirs {}

#[allow(clippy::todo, unused_variables)]
impl LogDirs {
    /// Creates what is missing and locks every directory.
    pub fn lock(paths: &[PathBuf]) -> Result<LogDirs, LogDirError> {
        todo!()
    }
    /// The directories that can be used.
    pub fn paths(&self) -> Vec<&Path> {
        todo!()
    }
    /// What `meta.properties` in the directories say; they must agree.
    pub fn identity(&self) -> Result<Identity, LogDirError> {
        todo!()
    }
    /// Checks the identity against what this broker is, and writes it into directories that have none.
    pub fn establish_identity(&self, cluster_id: &str, broker_id: i32) -> Result<(), LogDirError> {
        todo!()
    }
    /// The content of a small private file in the first directory that has it.
    pub fn read_file(&self, name: &str) -> Result<Option<Vec<u8>>, LogDirError> {
        todo!()
    }
    /// Replaces a small private file in every directory: written aside, synced, renamed.
    pub fn write_file(&self, name: &str, content: &[u8]) -> Result<(), LogDirError> {
        todo!()
    }
}
