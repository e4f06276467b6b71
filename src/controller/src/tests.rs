//! The brain against a model of ZooKeeper and of brokers.

mod alterations;
mod elections;
mod random;
mod reassignment;
mod tables;
mod world;
