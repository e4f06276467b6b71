//! The brain against a model of ZooKeeper and of brokers.

mod alterations;
mod elections;
mod random;
mod tables;
mod world;
