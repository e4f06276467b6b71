//! The crate against a real ZooKeeper.

mod changes;
mod commands;
mod controllers;
mod elections;
mod fixture;
mod isr;
mod outboxes;
mod reassignments;
mod sessions;
mod topics;
mod wire;
