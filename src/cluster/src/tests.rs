//! The crate against a real ZooKeeper.

mod changes;
mod commands;
mod controllers;
mod fixture;
mod sessions;
mod topics;
